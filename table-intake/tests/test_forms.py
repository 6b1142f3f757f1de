# SPDX-License-Identifier: Apache-2.0
"""Numbers and times in a shop's own form come out as they went in, or are refused with a reason."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_settings import parse
from table_intake import DataKind, Expected, FileSettings, Refused, check_table
from table_intake.check.findings import Findings
from table_intake.check.forms import check_zone, convert, plain_numbers
from table_intake.columns.schema import Column
from table_intake.propose import values
from table_intake.read.rows import Table

NOW = 1_800_000_000
FIRST = date(1990, 1, 1)
TIMESTAMP = Column("TIMESTAMP", "long")
FORMS = (
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%y %I:%M:%S %p",
    "%Y%m%d%H%M%S",
    "%e %b %Y, %H:%M:%S",
    "%Y년 %m월 %d일 %p %I:%M:%S",
)
ZONES = ("UTC", "Asia/Seoul", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe")
marks = st.sampled_from([(".", None), (",", None), (".", ","), (",", "."), (",", " "), (".", "'"), (".", "_")])


def read(kind: DataKind, text: str, *lines: str) -> tuple[list[str], Findings]:
    """Return the rows that are imported."""
    written: list[bytes] = []
    expected = Expected("drop.csv", kind, "FULL", parse("settings.yaml", text), now=NOW)
    with TemporaryDirectory() as scratch:
        table = Table("drop.csv", [("\n".join(lines) + "\n").encode()])
        copied = check_table(table, expected, lambda data: written.append(bytes(data)), Path(scratch))
    return b"".join(written).decode().splitlines(), copied.findings


def times(text: str, *cells: str) -> tuple[list[str], list[str]]:
    """Return the times that are imported, and the reasons for the others."""
    lines = [f"u{number},i,{cell}" for number, cell in enumerate(cells)]
    rows, findings = read("interactions", f"interactions: {{{text}}}", "USER_ID,ITEM_ID,TIMESTAMP", *lines)
    reasons = [example.told for reason in findings.reasons for example in reason.examples]
    return [row.split(",")[2] for row in rows[1:]], reasons


def prices(text: str, *cells: str) -> tuple[list[str], list[str]]:
    lines = [f'i{number},c,"{cell}"' for number, cell in enumerate(cells)]
    rows, findings = read("items", f"items: {{{text}}}", "ITEM_ID,CATEGORY_L1,PRICE", *lines)
    reasons = [example.told for reason in findings.reasons for example in reason.examples]
    return [row.split(",")[1] for row in rows[1:]], reasons


@given(st.decimals(-(10**12), 10**12, places=2), marks, st.sampled_from([None, "€", "EUR", "원"]), st.booleans())
def test_a_number_in_any_marks_is_the_number(
    number: object, marks: tuple[str, str | None], sign: str | None, before: bool
) -> None:
    decimal, group = marks
    plain = f"{number:,}".replace(",", "\0").replace(".", decimal).replace("\0", group or "")
    cell = plain if sign is None else f"{sign} {plain}" if before else f"{plain}{sign}"
    form = FileSettings.model_validate({"decimal": decimal, "thousands": group, "currency": sign})
    (read_back,) = plain_numbers(pl.Series([cell]), form).to_list()
    assert float(read_back) == float(str(number))


@given(st.text("0123456789.,'-+ eE€", max_size=12), marks)
def test_what_looks_like_a_number_is_one_or_nothing(cell: str, marks: tuple[str, str | None]) -> None:
    decimal, group = marks
    form = FileSettings.model_validate({"decimal": decimal, "thousands": group, "currency": "€"})
    (plain,) = plain_numbers(pl.Series([cell]), form).to_list()
    if plain is not None:
        float(plain)
        assert not set(plain) & {",", "'", " ", "€"}
        assert sum(cell.isdigit() for cell in plain) == sum(character.isdigit() for character in cell)


@given(st.integers(1, 13_450), st.times(), st.sampled_from(FORMS), st.sampled_from(ZONES))
@settings(deadline=None)
def test_a_date_in_any_form_and_zone_is_the_moment(day: int, clock: time, form: str, zone: str) -> None:
    date_ = FIRST + timedelta(days=day)
    there = datetime.combine(date_, clock.replace(microsecond=0, fold=0), ZoneInfo(zone))
    python = form.replace("%e", "%d")
    converted = convert(TIMESTAMP, pl.Series([there.strftime(python)]), FileSettings(dates=form, timezone=zone))
    if there.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != there.replace(tzinfo=None):
        assert converted.broken is not None, "the clocks skip it"
        return
    assert converted.broken is None
    assert converted.values.to_list() == [str(int(there.timestamp()))]


def test_a_minus_may_stand_behind_a_number_whose_form_the_settings_name() -> None:
    assert prices("decimal: '.'", "5.50-", "-5.50") == (["-5.50", "-5.50"], [])
    assert prices("", "5.50-")[0] == []


@given(st.integers(631_152_000, NOW))
def test_a_day_as_spreadsheets_count_it_is_the_second(second: int) -> None:
    assert times("dates: serial", f"{second / 86_400 + 25_569:.15g}") == ([str(second)], [])


@given(st.datetimes(datetime(1990, 1, 2), datetime(2026, 1, 1)), st.sampled_from(["%H:%M:%S", "%H%M%S", "%I:%M:%S %p"]))  # noqa: DTZ001
def test_a_day_and_a_time_of_day_are_the_moment(moment: datetime, clock: str) -> None:
    there = moment.replace(microsecond=0)
    row = f"u,i,{there:%d.%m.%Y},{there.strftime(clock)}"
    text = f"interactions: {{dates: '%d.%m.%Y {clock}', time_of_day: erzet, ignore: [erzet]}}"
    rows, findings = read("interactions", text, "USER_ID,ITEM_ID,TIMESTAMP,ERZET", row)
    assert findings.rejected == 0
    assert rows[1].split(",")[2] == str(int(there.replace(tzinfo=UTC).timestamp()))


def test_ids_that_became_numbers_are_whole_again_if_the_settings_say_so() -> None:
    lines = ["USER_ID,ITEM_ID,TIMESTAMP", "17850.0,007,1700000000", "17850,1.50,1700000001"]
    rows, findings = read("interactions", "interactions: {ids: whole}", *lines)
    assert [row.split(",")[:2] for row in rows[1:]] == [["17850", "007"], ["17850", "1.50"]]
    assert "1 id of USER_ID was read as a whole number, as the setting ids says" in str(findings.notes)
    rows, findings = read("interactions", "", *lines)
    assert rows[1].startswith("17850.0,")
    assert "unless the setting ids (whole) takes it away" in str(findings.notes)


@given(st.integers(631_152_000, NOW), st.sampled_from([("s", 1), ("ms", 1000), ("us", 10**6)]), st.integers(0, 999))
def test_a_number_in_any_unit_is_the_second(second: int, unit: tuple[str, int], rest: int) -> None:
    name, factor = unit
    cell = str(second * factor + rest % factor)
    assert times(f"unit: {name}", cell) == ([str(second)], [])


@pytest.mark.parametrize(
    ("text", "cell", "second"),
    [
        ("dates: '%m/%d/%Y %H:%M'", "12/1/2010 8:26", "1291191960"),
        ("dates: '%Y. %m. %d. %p %I:%M', timezone: Asia/Seoul", "2024. 3. 1. 오후 3:05", "1709273100"),
        ("dates: '%Y-%m-%d %H:%M:%S.%f %z', timezone: Asia/Seoul", "2024-03-01 10:00:00.123456 -0500", "1709305200"),
        ("dates: '%-d/%-m/%Y'", " 1/3/2024 ", "1709251200"),
        ("timezone: Europe/Berlin", "2024-07-01 12:00", "1719828000"),
        ("timezone: Europe/Berlin", "2024-07-01T12:00Z", "1719835200"),
        ("timezone: Europe/Berlin", "2024-10-27 02:30", "1729989000"),  # the first of two
        ("timezone: Europe/Berlin", "1719828000", "1719828000"),
        ("dates: iso", "2024-07-01", "1719792000"),
        ("dates: serial, timezone: Asia/Seoul", "45637.36", "1733873904"),
        ("dates: serial", "45637,36", "1733906304"),
        ("dates: serial", "2024-12-11T00:00:00", "1733875200"),
        ("unit: ms", "1719792000999.5", "1719792000"),
        ("unit: us, timezone: Asia/Seoul", "2024-07-01 09:00", "1719792000"),
    ],
)
def test_times_of_shops(text: str, cell: str, second: str) -> None:
    assert times(text, f'"{cell}"') == ([second], [])


@pytest.mark.parametrize(
    ("text", "cell", "reason"),
    [
        ("", "03/04/2026", "'03/04/2026' may be 3 April 2026 (%d/%m/%Y) or 4 March 2026 (%m/%d/%Y): the settings must"),
        (
            "",
            "01/01/2026",
            "'01/01/2026' may be of the form %d/%m/%Y or %m/%d/%Y: the settings must name the form of dates",
        ),
        ("", "25.04.2026 10:00", "'25.04.2026 10:00' may be 25 April 2026 (%d.%m.%Y): the settings must name the form"),
        ("dates: '%d/%m/%Y'", "04/25/2026", "must be a date in the form that the settings name (%d/%m/%Y), not '04/25"),
        ("dates: '%d/%m/%Y'", "1719792000", "must be a date in the form that the settings name (%d/%m/%Y)"),
        ("dates: iso", "1719792000", "must be a date in the form that the settings name (iso)"),
        ("timezone: Europe/Berlin", "2024-03-31 02:30", "is a time that the clocks of Europe/Berlin skip: '2024-03-31"),
        ("dates: '%d/%m/%Y', timezone: America/Sao_Paulo", "04/11/2018", "is a time that the clocks of America/Sao_"),
        ("unit: ms", "1719792000", "is not a time in the unit that the settings name (ms): '1719792000'"),
        ("unit: ms", "1719792000000000", "is not a time in the unit that the settings name (ms)"),
        ("unit: us", "1719792000000", "is not a time in the unit that the settings name (us)"),
        ("unit: s", "1719792000000", "is not a time in the unit that the settings name (s)"),
        ("unit: ms", "soon", "must be Unix time in seconds or an ISO 8601 date, not 'soon'"),
        ("unit: ms", "", "is empty"),
        ("dates: '%d/%m/%Y'", "01/01/1960", "is not between 1990 and tomorrow: '01/01/1960'"),
        ("dates: '%d/%m/%Y'", "01/01/1980", "is not between 1990 and tomorrow: '01/01/1980'"),
    ],
)
def test_times_that_are_refused(text: str, cell: str, reason: str) -> None:
    imported, reasons = times(text, cell)
    assert imported == []
    assert reasons[0].startswith(f"TIMESTAMP {reason}")


def test_a_zone_that_only_the_check_knows_nothing_of_is_refused_there() -> None:
    with pytest.raises(Refused, match="the time zone Mars/Base of the settings is unknown"):
        check_zone("drop.csv", "Mars/Base")
    check_zone("drop.csv", "Asia/Seoul")


def test_numbers_of_shops() -> None:
    cells = ["1.234.567,89", "12,5", "0", "-3,00", "3,00-", "€ 4", "5 €", "-€6", "1,5e2", " 7 "]
    assert prices("decimal: ',', thousands: '.', currency: €", *cells) == (
        ["1234567.89", "12.5", "0", "-3.00", "-3.00", "4", "5", "-6", "1.5e2", "7"],
        [],
    )
    assert prices("thousands: ' ', decimal: ','", "1\u202f234,5", "1\u00a0000") == (["1234.5", "1000"], [])
    assert prices("thousands: ',', currency: ₹", "₹12,34,567.50") == (["1234567.50"], [])


@pytest.mark.parametrize("cell", ["1.5", "1,5", "12.34,5", "1.234,5.6", "12,50 $", "--3", "e5", ","])
def test_numbers_that_contradict_the_settings_are_refused(cell: str) -> None:
    text = "decimal: ',', thousands: '.', currency: €" if cell != "1,5" else "currency: €"
    assert prices(text, cell) == (
        [],
        [f"PRICE must be a number with the marks that the settings name, not {cell!r}"],
    )


def test_defaults_are_in_personalizes_form_whatever_the_shops_is() -> None:
    assert prices("decimal: ',', defaults: {PRICE: 9.5}", "", "1,5") == (["9.5", "1.5"], [])


def test_own_columns_and_returns_have_the_shops_marks_and_texts_stay() -> None:
    text = "interactions: {decimal: ',', thousands: '.', returns: {column: menge}}"
    rows, findings = read(
        "interactions", text, "user_id,item_id,timestamp,menge,note", 'u1,"1,5",1700000000,"1.000,5-","a, b"'
    )
    assert rows[1] == 'u1,"1,5",1700000000,Return,-1000.5,"a, b"'
    assert "1 number of MENGE was written with a point before decimals, and without signs" in findings.notes
    assert "1 row became events of the type Return, as the setting returns says: MENGE below 0" in findings.notes


def test_notes_about_changes_count_no_rows_that_are_left_out() -> None:
    text = "interactions: {returns: {column: qty}, event_types: {sale: Purchase}, defaults: {EVENT_VALUE: 1}}"
    header = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE,qty"
    good, bad = "u,i,2024-01-01,sale,,-1", ["u,,2024-01-01,sale,,-1", "u,i,yesterday,sale,,-1"]
    rows, findings = read("interactions", text, header, good, *bad)
    assert (rows[1:], findings.rejected) == (["u,i,1704067200,Return,1,-1"], 2)
    counted = [note for note in findings.notes if note[0].isdigit()]
    assert [note.partition(" ")[0] for note in counted] == ["1"] * 4, counted


def test_event_types_get_the_names_that_they_have_here() -> None:
    text = "interactions: {event_types: {purchase: Purchase, view_item: View}}"
    lines = [f"u,i,170000000{n},{kind}" for n, kind in enumerate(["purchase", "view_item", "Wish", ""])]
    rows, findings = read("interactions", text, "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", *lines)
    assert [row.rpartition(",")[2] for row in rows[1:]] == ["Purchase", "View", "Wish", "Purchase"]
    assert "2 values of EVENT_TYPE were renamed as the settings say" in findings.notes


def test_a_copy_of_events_is_in_the_form_of_the_import() -> None:
    header = "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP,EVENT_VALUE,STREAMED_TO"
    rows, _ = read(
        "interactions", "interactions: {unit: ms, decimal: ','}", header, "u,i,View,1700000000,1.5,retail-shop/1"
    )
    assert rows[1] == "u,i,1700000000,View,1.5"


def test_notes_say_what_was_converted_and_by_which_zone() -> None:
    day = timedelta(days=1)
    cells = [f"{datetime(2024, 1, 1, tzinfo=UTC) + day * n:%d/%m/%Y}" for n in range(3)]
    text = "interactions: {dates: '%d/%m/%Y', timezone: Asia/Seoul}"
    _, findings = read("interactions", text, "USER_ID,ITEM_ID,TIMESTAMP", *[f"u,i,{cell}" for cell in cells])
    assert (
        "3 times of TIMESTAMP were turned into whole Unix seconds (Asia/Seoul where they name no zone)"
        in findings.notes
    )


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        ("%d. %B %Y", {"15. März 2026": "2026-03-15", "1. Mai 2026": "2026-05-01", "31. Dezember 2025": "2025-12-31"}),
        ("%d de %B de %Y %H:%M hs.", {"15 de marzo de 2026 14:22 hs.": "2026-03-15 14:22"}),
        ("%d %B. %Y", {"15 févr. 2026": "2026-02-15", "1 déc. 2025": "2025-12-01"}),
        ("%d %B %Y", {"3 июня 2026": "2026-06-03", "14 сентября 2026": "2026-09-14"}),
        ("%b-%d-%y", {"Mar-15-26": "2026-03-15", "May-01-26": "2026-05-01"}),
    ],
)
def test_months_in_words_are_read_in_the_languages_of_shops(form: str, cells: Mapping[str, str]) -> None:
    proposed = values.times([*cells])
    assert (proposed.dates, proposed.problem) == ((form,), "")
    seconds = [str(int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())) for day in cells.values()]
    assert times(f"dates: '{form}'", *cells) == (seconds, [])
