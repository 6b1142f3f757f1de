# SPDX-License-Identifier: Apache-2.0
"""Schemas of drops are such that Personalize takes them and gives them back."""

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from personalization.personalize import schemas
from personalization.shop.settings.settings import ShopSettings
from personalize_local.data.schemas import parse_schema
from table_intake import Checked, DataKind, Expected, Refused, check_table
from table_intake.read.rows import Table

from local.demo.sample_data import DemoData

SHOP, CUSTOM = ShopSettings(), ShopSettings(domain="custom")


def checked(data: bytes, kind: DataKind, shop: ShopSettings) -> Checked:
    with tempfile.TemporaryDirectory() as scratch:
        return check_table(
            Table("drop.csv", [data]), Expected("drop.csv", kind, "FULL", shop), lambda _: None, Path(scratch)
        )


texts = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=8)
cells = st.one_of(texts, st.integers().map(str), st.floats().map(str), st.just(""))
names = st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9 ]{0,8}", fullmatch=True), min_size=1, max_size=6)


@given(names=names, data=st.data(), domain=st.sampled_from([SHOP, CUSTOM]))
@settings(deadline=None)
def test_any_schema_that_we_derive_is_one_that_personalize_takes(
    names: list[str], data: st.DataObject, domain: ShopSettings
) -> None:
    shop = domain.model_copy(update={"defaults": {"PRICE": "1", "CATEGORY_L1": "c"}})
    rows = data.draw(st.lists(st.lists(cells, min_size=len(names), max_size=len(names)), min_size=1, max_size=5))
    text = io.StringIO()
    csv.writer(text).writerows([["ITEM_ID", *names], *[[f"i{n}", *row] for n, row in enumerate(rows)]])
    try:
        copied = checked(text.getvalue().encode(), "items", shop)
    except Refused:
        return
    parsed = parse_schema(copied.schema.text(), shop.personalize_domain)
    assert parsed.names == copied.schema.names()
    assert json.loads(copied.schema.text())["name"] == "Items"
    assert schemas.read("x", "items", copied.schema.text()) == copied.schema


@pytest.mark.parametrize("kind", ["interactions", "users", "items"])
def test_real_data_gives_schemas_that_personalize_takes(kind: DataKind, demo_data: DemoData) -> None:
    # The half of a line at the end is left out; the history alone has 60 MB.
    data = getattr(demo_data, kind).read_bytes()[:3_000_000].rpartition(b"\n")[0]
    copied = checked(data, kind, SHOP)
    assert parse_schema(copied.schema.text(), "ECOMMERCE").names == copied.schema.names()
    assert copied.findings.rejected == 0
