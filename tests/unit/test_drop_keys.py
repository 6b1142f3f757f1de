# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.errors import Rejected
from personalization.shop.keys import Drop, is_shop, recognise

names = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=20)
shops = st.from_regex(r"[a-z0-9][a-z0-9-]{0,29}", fullmatch=True)


@pytest.mark.parametrize(
    ("key", "drop"),
    [
        ("interactions/a.csv", Drop("", "interactions", "demo")),
        ("items/가을 판매.CSV.GZ", Drop("", "items", "demo", compressed=True)),
        ("users/2026/11/u.csv", Drop("", "users", "demo")),
        ("interactions/incremental/a.csv", Drop("", "interactions", "demo", "INCREMENTAL")),
        ("interactions/incremental/old/a.csv", Drop("", "interactions", "demo")),
        ("interactions/incremental.csv", Drop("", "interactions", "demo")),
        ("settings.json", Drop("", "settings", "demo")),
        ("settings.yml", Drop("", "settings", "demo")),
        ("items/", Drop("", "nothing")),
        ("items/_SUCCESS", Drop("", "nothing")),
        ("items/.DS_Store", Drop("", "nothing")),
    ],
)
def test_what_a_key_means(key: str, drop: Drop) -> None:
    found = recognise(f"drops/demo/{key}")
    assert (found.kind, found.shop, found.mode, found.compressed) == (drop.kind, drop.shop, drop.mode, drop.compressed)


@pytest.mark.parametrize("key", ["", "/", "drops", "drops/", "imports/demo/x.csv", "reports/demo/a.json"])
def test_what_lies_elsewhere_is_nothing(key: str) -> None:
    assert recognise(key).kind == "nothing"


@pytest.mark.parametrize("key", ["drops/a.csv", "drops//items/a.csv", "drops/demo/a.csv", "drops/demo/settings.toml"])
def test_a_key_out_of_place_is_refused_with_the_layout(key: str) -> None:
    with pytest.raises(Rejected, match=r"keys are drops/|the shop's name must be"):
        recognise(key)


@pytest.mark.parametrize("shop", ["-a", "A", "a" * 31, "a_b", "a b", "가", "", "a\n"])
def test_a_shop_that_personalize_would_refuse_is_refused(shop: str) -> None:
    assert not is_shop(shop)
    with pytest.raises(Rejected, match="1 to 30 characters out of a-z, 0-9 and -"):
        recognise(f"drops/{shop}/items/a.csv")


@given(key=st.text(max_size=60))
def test_any_key_is_understood_or_refused(key: str) -> None:
    try:
        drop = recognise(f"drops/{key}")
    except Rejected:
        return
    assert (drop.kind == "nothing") == (drop.shop == "")


@given(
    shop=shops,
    kind=st.sampled_from(["interactions", "users", "items"]),
    folders=st.lists(names, max_size=3),
    file=names,
)
def test_a_well_formed_key_keeps_its_shop_and_kind(shop: str, kind: str, folders: list[str], file: str) -> None:
    drop = recognise("/".join(["drops", shop, kind, *folders, f"x{file}.csv"]))
    assert (drop.shop, drop.kind, drop.data_kind) == (shop, kind, kind)
    assert (drop.mode == "INCREMENTAL") == (folders[-1:] == ["incremental"])
