# SPDX-License-Identifier: Apache-2.0
"""Any text as an id and as a value: from a drop to what is left after an erasure it is the same, or is refused."""

import csv
import io
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st
from personalization.events import erasures
from personalization.events.erasures import Request
from personalization.likelihood import forgetting
from personalization.likelihood.histories import Reader
from personalization.releases.held_out.splitting import Export
from personalization.shop.settings.settings import ShopSettings
from personalize_local.data import csv_dialect as engine_dialect
from personalize_local.data.importing import import_files
from personalize_local.data.s3 import S3, Location
from personalize_local.data.schemas import Field, Schema
from personalize_local.jobs.deletions import delete
from personalize_local.jobs.exports import export
from personalize_local.jobs.tasks import ExportTask
from table_intake import Checked, DataKind, Expected, check_table
from table_intake.check import counts
from table_intake.read import line_breaks
from table_intake.read.rows import Table
from table_intake.write import dialect

T = TypeVar("T")
NOW = 1_800_000_000
USERS = Schema("USERS", (Field("USER_ID", "string"), Field("NOTE", "string", nullable=True)))
TEXT = st.text(
    st.sampled_from("\\\",'u U\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029\x00\ufeffé\ud800K\u212a") | st.characters(),
    max_size=12,
)
TWINS = (
    lambda text: text + '"',
    lambda text: text + "\\",
    lambda text: f'"{text}"',
    lambda text: text + " ",
    lambda text: text + "\x1c",
    lambda text: text + "\u2028x",
    lambda text: text + ",",
    str.swapcase,
    str.casefold,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFKC", text),
)
"""Another user, whom only such a character tells apart."""


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_the_engine_writes_the_csv_that_the_application_writes(values: list[str]) -> None:
    assert engine_dialect.row(values) == dialect.standard(values)


@given(st.text(st.sampled_from('",\\\n\rab'), max_size=24))
@example('a,"b\\"c"\r\n"d""e",f')
@example('"a\nb",\\"')
def test_the_engine_reads_the_csv_that_the_application_reads(text: str) -> None:
    data = text.encode()
    assert outcome(engine_dialect.standardized, data) == outcome(dialect.standardised, data)
    assert outcome(engine_dialect.cells, text) == outcome(dialect.cells, text)


def outcome(convert: Callable[[T], object], source: T) -> object:
    """What a conversion returns, or why it refuses."""
    try:
        return convert(source)
    except ValueError as error:
        return error.args


def dropped(rows: list[list[str]]) -> bytes:
    """A file of a shop: in quotes throughout, as a csv writer does it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def checked(kind: DataKind, rows: list[list[str]], folder: Path) -> tuple[Checked, bytes]:
    """What the check of a drop gives, and the import copy."""
    parts: list[bytes | memoryview] = []
    expected = Expected("drop.csv", kind, "FULL", ShopSettings(), now=NOW)
    copied = check_table(Table("drop.csv", [dropped(rows)]), expected, parts.append, folder)
    return copied, b"".join(parts)


def refused(identity: str) -> bool:
    """Whether a text can be nobody's id."""
    try:
        size = len(identity.encode())
    except UnicodeEncodeError:
        return True
    return not 0 < size <= 256 or "\0" in identity or line_breaks.BREAK.search(identity) is not None


@given(user=TEXT, note=TEXT, twin=st.sampled_from(TWINS))
@example(user='\\\\"', note='\\\\"', twin=TWINS[0])
@example(user="u1", note='young, "very"', twin=TWINS[5])
@example(user='a\\",', note="\x85", twin=TWINS[1])
@example(user="K", note="\ufeff", twin=TWINS[10])
def test_any_text_is_the_same_at_the_end_or_refused(user: str, note: str, twin: object) -> None:
    with tempfile.TemporaryDirectory() as name:
        _through(Path(name), user, twin(user), note)  # type: ignore[operator]


def _through(folder: Path, user: str, other: str, note: str) -> None:
    told = list(dict.fromkeys([user, other, "somebody"]))
    copied, copy_of_users = checked("users", [["USER_ID", "NOTE"], *([user, note] for user in told)], folder)
    bad_note = "\0" in note or note.encode("utf-8", "surrogatepass").decode(errors="replace") != note
    good = [] if bad_note else [user for user in told if not refused(user)]
    value = line_breaks.BREAK.sub(" ", note)

    # The check: every row is taken or refused with a reason.
    assert copied.findings.accepted == len(good)
    assert copied.rejects.rows >= len(told) - len(good)
    reasons = list(csv.reader(io.StringIO(copied.rejects.file().decode(), newline="")))[1:]
    assert all(reason for _, reason, _ in reasons)
    rows = copy_of_users.decode().split("\n")[1:-1]
    assert list(csv.reader(rows, doublequote=False, escapechar="\\", strict=True)) == [[user, value] for user in good]
    if not good:
        return

    # The import.
    copies = folder / "s3/shop/copies"
    copies.mkdir(parents=True)
    (copies / "part-0.csv").write_bytes(copy_of_users)
    imported = folder / "users.parquet"
    assert import_files([copies / "part-0.csv"], USERS, imported) == len(good)
    assert pl.read_parquet(imported).rows() == [(user, value or None) for user in good]

    # The history of the purchase likelihood.
    events = [["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"], *([user, user, str(NOW), "Purchase"] for user in good)]
    _, copy_of_events = checked("interactions", events, folder)
    reader = Reader("Purchase", NOW)
    reader.interactions(iter(copy_of_events.decode().split("\n")[:-1]))
    reader.users(iter(copy_of_users.decode().split("\n")[:-1]))
    history = reader.history()
    assert (sorted(history.users), sorted(history.items)) == (sorted(good), sorted(good))
    assert len(history.user) == len(good)

    # The erasure of one of them, from copies, from hashes and in the engine.
    gone, left = good[0], good[1:]
    for content in (copy_of_users, copy_of_events):
        header, *rest = dialect.rows([content])
        assert forgetting.user_column(header) == 0
        assert [forgetting.user_of(row, 0) for row in rest] == good
    hashes = counts.pack_ids(counts.hash_ids(pl.Series(good)))
    hashes_left = counts.without_ids(hashes or b"", {gone})
    there = counts.unpack_ids(hashes_left)
    assert there is not None
    assert set(there) == set(counts.hash_ids(pl.Series(left, dtype=pl.String)))
    (folder / "s3/shop/gone.csv").write_text(
        erasures.text([Request(user=gone, receipt="receipt", requested=0)]), newline="\n"
    )
    assert delete(Location("s3://shop/gone.csv", S3(folder / "s3"), "here"), [imported], []) == ([gone], 1)

    # The export of the others.
    output = ExportTask(
        USERS, [imported], "BULK", folder / "db", "users", "all", Location("s3://shop/out/", S3(folder / "s3"), "here")
    )
    assert export(output) == len(left)
    data = (folder / "s3/shop/out/all.csv").read_bytes()
    frames = list(Export("all.csv", [data], USERS.names).frames())
    assert [row for frame in frames for row in frame.rows()] == [(user, value) for user in left]
    again = b"".join(map(str.encode, map(dialect.record, [USERS.names, *([user, value] for user in left)])))
    (copies / "part-0.csv").write_bytes(again)
    if left:
        assert import_files([copies / "part-0.csv"], USERS, imported) == len(left)
