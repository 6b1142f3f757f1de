# SPDX-License-Identifier: Apache-2.0
"""Live data: histories and metadata are current to the last call."""

import math
from pathlib import Path

import numpy as np
import pytest
from personalize_local.data.building import write_live
from personalize_local.data.live import LiveData
from personalize_local.data.records import Interaction, StreamedEvent

from engine.tests.planted import BEGIN, cycle_rows, event, spec

ITEMS = [("item-0", "shoes", 10.5, "Red shoe", BEGIN), ("item-1", "hats"), ("item-2", "hats", 3.0)]
USERS = [("u0", "red", 41), ("u1", "", "")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert write_live(spec(tmp_path, cycle_rows(), USERS, ITEMS), tmp_path / "live") == len(cycle_rows())
    return tmp_path / "live"


@pytest.fixture
def live(folder: Path) -> LiveData:
    return LiveData(folder)


def items(live: LiveData, user: str) -> list[str]:
    return [row.item_id for row in live.history(user)]


def test_bulk_history_is_oldest_first(live: LiveData) -> None:
    assert items(live, "u1") == [f"item-{n}" for n in range(1, 11)]
    assert live.history("u1")[0] == ("item-1", BEGIN + 7, "View", 1.0)
    assert not live.history("nobody")


def test_events_follow_bulk_rows_in_the_order_of_their_time(live: LiveData) -> None:
    live.add_event(event(2, "late", user="u1"))
    live.add_event(event(1, "early", user="u1"))
    assert items(live, "u1")[-3:] == ["item-10", "early", "late"]


def test_an_event_id_counts_once(live: LiveData) -> None:
    assert live.add_event(event(1, "a", user="u1"))
    assert not live.add_event(event(1, "b", user="u1"))
    assert items(live, "u1")[-1] == "a"


def test_a_session_is_its_own_user_until_somebody_logs_in(live: LiveData) -> None:
    live.add_event(event(1, "before", session="s1"))
    assert items(live, "s1") == ["before"]
    live.add_event(event(2, "login", user="u1", session="s1"))
    live.add_event(event(3, "after", session="s1"))
    assert items(live, "u1")[-3:] == ["before", "login", "after"]
    assert items(live, "s1") == ["before", "login", "after"]


def test_an_event_without_an_item_ties_a_session(live: LiveData) -> None:
    live.add_event(event(1, "seen", session="s1"))
    live.add_event(event(2, None, user="u1", session="s1"))
    assert items(live, "u1")[-1] == "seen"


def test_a_new_import_keeps_what_was_streamed(live: LiveData, tmp_path: Path) -> None:
    live.add_event(event(1, "streamed", user="u1"))
    (tmp_path / "next").mkdir()
    write_live(spec(tmp_path / "next", cycle_rows(length=9)), tmp_path / "live")
    live.replace_bulk(tmp_path / "live")
    assert items(live, "u1") == [*(f"item-{n}" for n in range(1, 10)), "streamed"]


def test_metadata_has_its_types_and_leaves_out_what_is_missing(live: LiveData) -> None:
    assert live.user("u0") == {"TEAM": "red", "AGE": 41}
    assert live.user("u1") == {}
    item = {"CATEGORY_L1": "shoes", "PRICE": 10.5, "NAME": "Red shoe", "CREATION_TIMESTAMP": BEGIN}
    assert live.item("item-0") == item
    assert isinstance(live.item("item-0")["CREATION_TIMESTAMP"], int)
    assert live.item("no-such") == {}


def test_put_records_replace_the_whole_row(live: LiveData) -> None:
    live.put_item("item-0", {"PRICE": 2.0, "CATEGORY_L1": None})
    live.put_user("new", {"TEAM": "blue"})
    assert live.item("item-0") == {"PRICE": 2.0}
    assert live.user("new") == {"TEAM": "blue"}


def test_columns_are_aligned_cached_and_follow_puts(live: LiveData) -> None:
    ids = np.array(["item-2", "item-9", "item-0"], object)
    category, price = live.item_column("CATEGORY_L1", ids), live.item_column("PRICE", ids)
    assert category.tolist() == ["hats", None, "shoes"]
    assert (price[0], math.isnan(price[1]), price[2]) == (3.0, True, 10.5)
    live.put_item("item-9", {"CATEGORY_L1": "bags", "PRICE": 7.0})
    assert live.item_column("CATEGORY_L1", ids).tolist() == ["hats", "bags", "shoes"]
    assert live.item_column("CATEGORY_L1", ids) is category
    assert live.item_column("PRICE", ids)[1] == 7.0
    assert live.item_column("NO_SUCH", ids).tolist() == [None] * 3


def test_everything_works_before_the_first_import() -> None:
    live = LiveData(None)
    live.add_event(event(1, "item-1", session="s1"))
    live.put_item("item-1", {"PRICE": 1.0})
    ids = np.array(["item-1"], object)
    assert items(live, "s1") == ["item-1"]
    assert (live.user("u"), live.item("item-1")) == ({}, {"PRICE": 1.0})
    assert live.item_column("PRICE", ids).tolist() == [1.0]


@pytest.mark.parametrize("item", ["item-3", "new"])
def test_events_of_known_and_of_new_items_are_put_between_imported_ones_alike(live: LiveData, item: str) -> None:
    before = list(live.history("u1"))
    events = [StreamedEvent("s", "View", BEGIN + 7 + 3600 * n, f"e{n}", "u1", item, n or None) for n in (4, 0)]
    for streamed in events:
        live.add_event(streamed)
    rows = [Interaction(item, BEGIN + 7 + 3600 * n, "View", n or None) for n in (0, 4)]
    expected = [before[0], rows[0], *before[1:5], rows[1], *before[5:]]
    assert list(live.history("u1")) == list(live.rows("u1")) == expected
    assert list(live.history("nobody")) == []
    live.add_event(StreamedEvent("s2", "Unheard-of", BEGIN, "e9", "nobody", item))
    assert list(live.history("nobody")) == [Interaction(item, BEGIN, "Unheard-of")]
