# SPDX-License-Identifier: Apache-2.0
"""Cutting a history in two, held against the same in plain Python."""

import csv
import io
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.errors import Broken
from personalization.releases.held_out.splitting import Export, Splitter, Verifier, copied, latest

COLUMNS = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE")
IDS = st.sampled_from(["a", "b", 'say "c"', "d,e", "é", "back\\slash", "x\ny"])
ROW = st.tuples(IDS, IDS, st.integers(0, 30), st.sampled_from(["Purchase", "purchase", "View"]))
CUT = 20
Row = tuple[str, str, int, str]


def written(rows: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    return text.getvalue().encode()


def exported(rows: list[Row]) -> Export:
    return Export("export", iter([written(rows)]), COLUMNS)


@given(rows=st.lists(ROW, min_size=1, max_size=60))
def test_the_parts_are_those_of_the_oracle(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> None:
    splitter = Splitter(CUT, "PURCHASE", users=100, candidates=3, scratch=tmp_path_factory.mktemp("cut"))
    imported = b"".join(splitter.take(frame) for frame in exported(rows).frames())
    parts = splitter.finish()
    rows = [(user.replace("\n", " "), item.replace("\n", " "), when, kind) for user, item, when, kind in rows]
    early, late = [row for row in rows if row[2] <= CUT], [row for row in rows if row[2] > CUT]
    text = ",".join(COLUMNS).encode() + b"\n" + imported
    chunks = (text[start : start + 100] for start in range(0, len(text), 100))
    copies = Export("again", chunks, COLUMNS, copied=True).frames()
    again = [tuple(row) for frame in copies for row in frame.iter_rows()]
    assert again == [(user, item, str(when), kind) for user, item, when, kind in early]
    assert (parts.rows, parts.held_out_rows) == (len(early), len(late))
    bought = [row for row in late if row[3].lower() == "purchase"]
    assert parts.event_type == ("PURCHASE" if bought else "")
    baskets: dict[str, set[str]] = defaultdict(set)
    for user, item, _, _ in bought or late:
        baskets[user].add(item)
    past = {row[0] for row in early}
    assert {user: set(items) for user, items in parts.baskets.items()} == {
        u: i for u, i in baskets.items() if u in past
    }
    assert parts.new_shoppers == len(set(baskets) - past)
    counts = Counter(row[1] for row in early)
    assert [counts[item] for item in parts.popular] == sorted(counts.values(), reverse=True)[:3]
    assert parts.catalogue == len(counts)


def test_a_sample_is_drawn_evenly_and_is_the_same_every_time(tmp_path: Path) -> None:
    rows: list[Row] = [(f"u{user}", f"i{day}", day, "Purchase") for user in range(500) for day in (1, 25)]
    drawn = []
    for order in (rows, rows[::-1]):
        splitter = Splitter(CUT, "Purchase", users=50, candidates=3, scratch=tmp_path)
        for start in range(0, len(order), 100):
            for frame in exported(order[start : start + 100]).frames():
                splitter.take(frame)
        drawn.append(sorted(splitter.finish().baskets))
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 50
    numbers = [int(user[1:]) for user in drawn[0]]
    assert min(numbers) < 100
    assert max(numbers) > 400


def test_what_was_had_before_is_counted_and_the_latest_time_found() -> None:
    verifier = Verifier({"a": ["i1", "i2"], "b": ["i1"]})
    rows: list[Row] = [("a", "i1", 3, "View"), ("a", "i1", 7, "View"), ("b", "i9", 5, "View")]
    for frame in exported(rows).frames():
        verifier.take(frame)
    assert (verifier.rows, verifier.last) == (3, 7)
    assert verifier.bought_again == pytest.approx(1 / 3)


def test_an_empty_export_has_no_latest_time_and_a_strange_one_is_broken() -> None:
    assert latest(exported([]).frames()) is None
    with pytest.raises(Broken, match="no column EVENT_TYPE, PRICE"):
        Export("export", iter([b"USER_ID,ITEM_ID\na,b\n"]), ("USER_ID", "EVENT_TYPE", "PRICE"))


def test_what_was_streamed_on_several_lines_is_imported_on_one() -> None:
    export = Export("it", [b'ITEM_ID,NAME\n1,"one\r\ntwo"\n2,next\xc2\x85line\n3,"a,b"\n'], ("ITEM_ID", "NAME"))
    assert b"".join(map(copied, export.frames())) == b'1,one two\n2,next line\n3,"a,b"\n'


def test_a_copy_whose_quotes_do_not_match_is_broken() -> None:
    with pytest.raises(Broken, match="not an import copy: its quotes do not match"):
        Export("copy", [b'ITEM_ID,NAME\n1,"one\\"\n'], ("ITEM_ID", "NAME"), copied=True)
