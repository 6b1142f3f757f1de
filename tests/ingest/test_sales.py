# SPDX-License-Identifier: Apache-2.0
import pytest
from personalization.ingest import sales
from personalization.runs.claims import Claim, State
from table_intake import Mode
from table_intake.check.sold import MOST, Sold


def claim(name: str, state: State, run: str = "earlier") -> Claim:
    return Claim(id=name, shop="demo", kind="interactions", key=f"drops/demo/interactions/{name}", state=state, run=run)


def key(name: str, mode: Mode, when: int, rows: int = 100) -> str:
    return sales.key("demo", mode, when, rows, sales.identity(f"drops/demo/interactions/{name}", None))


def read(keys: list[str], claims: list[Claim], run: str = "r2") -> list[str]:
    return [key.key for key in sales.chosen(keys, claims, run)]


def test_an_incremental_drop_adds_to_the_whole_history_before_it() -> None:
    old, whole, more = key("old", "FULL", 1), key("whole", "FULL", 2), key("more", "INCREMENTAL", 3)
    done = [claim("whole", "done"), claim("more", "taken", "r2")]
    assert read([more, whole, old], done) == [whole, more]
    assert sales.history([more, whole, old]) == 200


@pytest.mark.parametrize("state", ["pending", "refused", "failed", "superseded", "held", "taken"])
def test_what_is_not_imported_does_not_count(state: State) -> None:
    whole, more = key("whole", "FULL", 1), key("more", "INCREMENTAL", 2)
    assert read([whole, more], [claim("whole", "done"), claim("more", state)]) == [whole]
    loaded = claim("more", state).model_copy(update={"loaded": True})
    assert read([whole, more], [claim("whole", "done"), loaded]) == [whole, more]


def test_a_whole_history_that_failed_replaces_nothing() -> None:
    whole, failed = key("whole", "FULL", 1), key("failed", "FULL", 2)
    assert read([whole, failed], [claim("failed", "failed")]) == [whole]


def test_a_drop_that_is_checked_twice_counts_once() -> None:
    whole, first, again = key("whole", "FULL", 1), key("more", "INCREMENTAL", 2), key("more", "INCREMENTAL", 3)
    assert read([whole, first, again], [claim("more", "done")]) == [whole, again]
    assert sales.history([whole, first, again]) == 200


def test_increments_alone_are_no_list() -> None:
    assert read([key("more", "INCREMENTAL", 1)], [claim("more", "done")]) == []
    assert read([], []) == []


def test_what_was_bought_comes_before_what_was_only_seen() -> None:
    total = sales.add([Sold(3, {"a": 1, "b": 2}, {"a": 9, "z": 5}), Sold(2, {"a": 2}, {"y": 5, "x": 1})])
    assert sales.best(total, 5) == ["a", "b", "y", "z", "x"]
    assert sales.best(total, 1) == ["a"]
    assert total.rows == 5
    assert sales.unpack(sales.pack(total)) == total


def test_counts_are_bounded() -> None:
    files = [Sold(1, {f"i{start + number}": 1 for number in range(MOST)}, {}) for start in range(0, 12 * MOST, MOST)]
    total = sales.add([Sold(1, {"best": 5}, {}), *files])
    assert len(total.bought) == MOST
    assert sales.best(total, 1) == ["best"]
