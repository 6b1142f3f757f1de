# SPDX-License-Identifier: Apache-2.0
"""Events of a shop on the engine while its functions are killed; `benchmarks/kills.py` plays the large number."""

from collections.abc import Iterator

import pytest

from benchmarks import kills, shops
from tests.app.laptop import Laptop

SHOP, EVENTS = "mortal", 600


@pytest.fixture
def _mortal(laptop: Laptop) -> Iterator[None]:
    """A shop of its own; it is gone at the end."""
    shops.drop(laptop.client, SHOP, kills.SETTINGS)
    yield
    laptop.command("teardown", SHOP, "--yes", "--objects")


@pytest.mark.usefixtures("_mortal")
def test_each_event_is_there_once_counted_once_and_trained_once_though_functions_are_killed(laptop: Laptop) -> None:
    outcome = kills.play(laptop.state, SHOP, EVENTS, pause=0.2)
    assert (outcome.lost, outcome.doubled) == (0, 0), outcome.wrong
    assert outcome.statuses.total() == EVENTS
    assert outcome.kills.total() > 5
