# SPDX-License-Identifier: Apache-2.0
"""A burst at ten times the quota with the engine killed in the middle; `benchmarks/burst.py` plays the large one."""

import csv
import io
from collections.abc import Iterator

import pytest

from benchmarks import burst, shops
from tests.app.laptop import Laptop

SHOP, EVENTS = "flood", 1_200
"""A shop of its own: so many events of one item would change what the shop of the other tests shows."""


@pytest.fixture(scope="module", autouse=True)
def _flood(laptop: Laptop) -> Iterator[None]:
    """The shop; it is gone at the end, as Personalize allows few dataset groups."""
    shops.drop(laptop.client, SHOP, burst.SETTINGS)
    yield
    laptop.command("teardown", SHOP, "--yes", "--objects")


@pytest.fixture(scope="module")
def outcome(laptop: Laptop) -> burst.Outcome:
    """What became of a burst."""
    result, laptop.state = burst.play(laptop.home, laptop.state, SHOP, EVENTS)
    return result


def test_of_a_burst_nothing_is_lost_or_doubled_though_the_engine_is_killed(outcome: burst.Outcome) -> None:
    assert outcome.good, outcome
    assert outcome.statuses.total() == EVENTS
    assert outcome.statuses["queued"] > 0


def test_its_copy_is_refused_as_the_history_of_the_shop_that_it_came_from(
    laptop: Laptop, outcome: burst.Outcome
) -> None:
    rows = list(burst.rows_under(laptop.state, f"events/{SHOP}/"))
    assert len(rows) == outcome.events
    text = io.StringIO()
    copy = csv.DictWriter(text, rows[0])
    copy.writeheader()
    copy.writerows(rows)
    run = laptop.drop(SHOP, "interactions", text.getvalue())
    assert run.status == "FAILED"
    assert "would count twice" in run.reason
