# SPDX-License-Identifier: Apache-2.0
"""The column of users that says who objects to personal lists: read, told, and never imported."""

import tempfile
from pathlib import Path

import pytest
from table_intake import Checked, Expected, Refused, Sample, TableSettings, check_table, propose_settings
from table_intake.read.rows import Table

SHOP = TableSettings(domain="custom")


def checked(content: str, shop: TableSettings = SHOP) -> tuple[Checked, list[str]]:
    written: list[bytes | memoryview] = []
    with tempfile.TemporaryDirectory() as scratch:
        table = Table("users.csv", [content.encode()], 1 << 20)
        copied = check_table(table, Expected("users.csv", "users", "FULL", shop), written.append, Path(scratch))
    return copied, b"".join(written).decode().splitlines()


def said(copied: Checked) -> dict[str, bool]:
    return {} if copied.choices is None else dict(copied.choices.iter_rows())


@pytest.mark.parametrize(
    ("heading", "objects"),
    [
        ("PERSONALIZATION", "no"),
        ("personalize", "FALSE"),
        ("Personalisation", "0"),
        ("personalization consent", " N "),
        ("맞춤추천 동의", "아니오"),
        ("PERSONALIZATION_OPT_OUT", "yes"),
        ("Objects to personalization", "1"),
        ("개인화거부", "예"),
    ],
)
def test_the_column_is_followed_and_left_out_of_the_import(heading: str, objects: str) -> None:
    other = {
        "no": "Yes",
        "FALSE": "true",
        "0": "1",
        " N ": "y",
        "아니오": "동의",
        "yes": "off",
        "1": "0",
        "예": "아니요",
    }
    rows = f"u1,41,{objects}\nu2,42,{other[objects]}\nu3,43,\n"
    copied, lines = checked(f"USER_ID,AGE,{heading}\n{rows}")
    assert said(copied) == {"u1": False, "u2": True}
    assert lines == ["USER_ID,AGE", "u1,41", "u2,42", "u3,43"]
    assert [column.name for column in copied.schema.columns] == ["USER_ID", "AGE"]
    assert any("says who objects to personal lists" in note for note in copied.findings.notes)


def test_settings_may_name_the_column_and_ignore_another() -> None:
    shop = TableSettings.model_validate(
        {"domain": "custom", "users": {"columns": {"gdpr_42": "PERSONALIZATION_OPT_OUT"}, "ignore": ["personalize"]}}
    )
    copied, lines = checked("USER_ID,AGE,gdpr_42,personalize\nu1,41,t,yes\n", shop)
    assert (said(copied), lines) == ({"u1": False}, ["USER_ID,AGE", "u1,41"])


def test_a_cell_that_says_neither_is_refused_with_its_row() -> None:
    copied, lines = checked("USER_ID,AGE,PERSONALIZATION\nu1,41,perhaps\nu2,42,no\n,43,no\n")
    assert (said(copied), lines) == ({"u2": False}, ["USER_ID,AGE", "u2,42"])
    rows = copied.rejects.file().decode()
    assert "PERSONALIZATION must be yes or no, or empty, not 'perhaps'" in rows


def test_two_such_columns_are_refused() -> None:
    with pytest.raises(Refused, match="both say who objects"):
        checked("USER_ID,AGE,PERSONALIZATION,PERSONALIZATION_OPT_OUT\nu1,41,no,yes\n")


@pytest.mark.parametrize("heading", ["맞춤추천 동의", "Personalise"])
def test_a_usual_name_needs_no_settings(heading: str) -> None:
    sample = Sample("users.csv", ["USER_ID", "AGE", heading], [["u1", "41", "no"]])
    proposal = propose_settings(sample, SHOP, "users")
    assert proposal is not None
    assert proposal.section == {}


def test_a_number_of_objects_is_no_choice() -> None:
    copied, lines = checked("USER_ID,objects\nu1,41\nu2,7\n")
    assert (copied.choices, lines) == (None, ["USER_ID,OBJECTS", "u1,41", "u2,7"])


@pytest.mark.parametrize("heading", ["personalize", "개인화거부"])
def test_a_file_of_choices_alone_is_told_what_it_lacks(heading: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(f"USER_ID,{heading}\nu1,no\n")
    assert str(refused.value).endswith(
        "users need at least one column beside USER_ID, and Personalize never gets "
        f"{heading}, which says who objects to personal lists: add a column, such as the age or the city"
    )
