# SPDX-License-Identifier: Apache-2.0
"""Hashes in place of ids: the same in every program, and nothing else where a table has them."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_intake import Checked, DataKind, Expected, Refused, TableSettings, check_table, hash_id, open_file

VECTORS = json.loads((Path(__file__).parent / "hashes.json").read_text())
KEY = "a key of thirty-two characters .."
SALES = {"columns": {"email": "USER_ID", "sku": "ITEM_ID", "when": "TIMESTAMP"}}
ROWS = "Ann@Example.com ,s1,1700000000\nbob@example.com,s2,1700000001\nann@example.com,s3,1700000002\n"
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def hashed(value: str) -> str:
    return hash_id(KEY, "demo", value)


def checked(content: str, kind: DataKind = "interactions", **settings: Any) -> tuple[str, Checked]:  # noqa: ANN401 - settings
    """The copy of a file, and what its check result."""
    chosen = TableSettings.model_validate(
        {"hash": ["email"], "domain": "custom", "rejects": {"limit": 1}, "interactions": SALES} | settings
    )
    expected = Expected("file.csv", kind, "FULL", chosen, hashed=hashed)
    copy: list[bytes] = []
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / "file.csv").write_text(content)
        with open_file(file) as table:
            result = check_table(table, expected, lambda data: copy.append(bytes(data)), Path(folder))
    return b"".join(copy).decode(), result


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"][:20] or "empty")
def test_hashes_are_those_that_every_client_makes(vector: dict[str, str]) -> None:
    assert hash_id(vector["key"], vector["shop"], vector["id"]) == vector["hash"]


@given(TEXT)
def test_spaces_and_the_case_of_an_address_do_not_count_and_hashing_twice_is_harmless(text: str) -> None:
    once = hashed(text)
    assert hashed(once) == once == hashed(f" \t{text}\u00a0\r\n")
    if "@" in text and text.isascii():
        assert hashed(text.upper()) == once
    assert hash_id("another", "demo", text) != once or not once or once == text.strip()
    assert len(once) in {0, 42}


def test_half_a_character_is_replaced_and_without_a_key_there_is_no_hash() -> None:
    assert hashed("a\ud800b") == hashed("a\ufffdb")
    with pytest.raises(ValueError, match="key"):
        hash_id("", "demo", "a")


def test_the_copy_has_hashes_and_no_value() -> None:
    copy, result = checked("email,sku,when\n" + ROWS)
    users = [line.partition(",")[0] for line in copy.splitlines()[1:]]
    assert users == [hashed("ann@example.com"), hashed("bob@example.com"), hashed("ann@example.com")]
    assert result.layout.hashed_names == ("USER_ID",)
    assert "hashed, as the settings say: email" in result.findings.notes
    assert result.findings.users is not None
    assert result.findings.users.ids == 2


def test_refused_rows_and_reasons_show_no_value() -> None:
    bad = 'cal@example.com,s1,never\ndan@example.com,s1\n"eve@example.com,s1\n'
    _, result = checked("email,sku,when\n" + ROWS + bad)
    shown = result.rejects.file().decode() + repr(result.findings)
    assert result.rejects.rows >= 2
    assert hashed("cal@example.com") in shown
    assert "@" not in shown


def test_a_joined_file_s_second_column_of_that_name_is_hashed_and_its_skipped_rows_are_told_before() -> None:
    header, rows = "email,sku,when,customers.email\n", ROWS.replace("\n", ",x@example.com\n")
    rows += "us@ourshop.com,s9,1700000003,us@ourshop.com\n"
    copy, result = checked(header + rows, interactions={**SALES, "skip": {"email": ["*@ourshop.com"]}})
    assert "@" not in copy
    assert result.findings.skipped == 1
    assert set(result.layout.hashed_names) == {"USER_ID", "CUSTOMERS_EMAIL"}


def test_ids_that_a_program_took_for_numbers_have_the_hash_of_the_id() -> None:
    copy, _ = checked("email,sku,when\n17850.0,s1,1700000000\n", interactions={**SALES, "ids": "whole"})
    assert hashed("17850") in copy


def test_words_for_a_missing_value_are_counted_as_ever() -> None:
    _, result = checked("email,sku,when\n" + ROWS + "NULL,s1,1700000000\n ,s1,1700000000\n")
    assert any("USER_ID is NULL in 1 row" in note for note in result.findings.notes)
    assert [reason.rule for reason in result.findings.reasons] == ["USER_ID is empty"]


def test_a_copy_of_live_events_keeps_its_hashes() -> None:
    user = hashed("ann@example.com")
    copy, _ = checked(f"USER_ID,ITEM_ID,TIMESTAMP,STREAMED_TO\n{user},s1,1700000000,retail-demo/1\n")
    assert user in copy


@pytest.mark.parametrize(
    ("settings", "header", "reason"),
    [
        ({"hash": ["emial"]}, "email,sku,when", "the ids of users come from email: name it in hash"),
        ({"hash": ["email", "sku"]}, "email,sku,when", "sku, which is read as ITEM_ID: only ids of users"),
        ({"hash": ["email", "amount"], "returns": {"column": "amount"}}, "email,sku,when,amount", "for another end"),
    ],
)
def test_what_would_mix_ids_or_hash_what_is_none_is_refused(
    settings: dict[str, object], header: str, reason: str
) -> None:
    width = header.count(",") - 2
    with pytest.raises(Refused, match=reason):
        checked(f"{header}\n" + ROWS.replace("\n", ",1" * width + "\n"), **settings)  # type: ignore[arg-type]


def test_other_kinds_need_no_user_and_a_missing_column_is_told() -> None:
    copy, result = checked("ITEM_ID,seller\ns1,Ann@example.com\n", "items", hash=["seller", "email"])
    assert copy == f"ITEM_ID,SELLER\ns1,{hashed('ann@example.com')}\n"
    _, users = checked("USER_ID,AGE\nx,3\n", "users", hash=["USER_ID", "phone"])
    assert "the settings hash phone, but the file has no such column" in users.findings.notes
    assert "hashed, as the settings say: USER_ID" in users.findings.notes
    assert not any("seller" in note for note in result.findings.notes)


def test_settings_that_hash_need_a_key() -> None:
    chosen = TableSettings.model_validate({"hash": ["USER_ID"], "domain": "custom"})
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / "users.csv").write_text("USER_ID,AGE\nx,3\n")
        with open_file(file) as table, pytest.raises(ValueError, match="hash"):
            check_table(table, Expected("users.csv", "users", "FULL", chosen), print, Path(folder))
