# SPDX-License-Identifier: Apache-2.0
"""Requests recorded from the release before, sent again over HTTP: status, headers and bodies are the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import lifecycle
from local.cloud.home import Home
from tests.app.laptop import Laptop
from tests.app.replay import record, shop
from tests.app.replay.play import Player
from tests.app.replay.requests import requests

SHOP = "replayed"


@pytest.fixture
def replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Player]:
    """A cloud as it was recorded: its trainings learn what they do by default."""
    monkeypatch.delenv(lifecycle.TIER, raising=False)
    home = Home(tmp_path / "run")
    try:
        state, _ = lifecycle.up(home, faults=True)
        laptop = Laptop(home, state, tmp_path)
        shop.drop(laptop.command_json, SHOP, tmp_path)
        yield Player(laptop.command_json, SHOP)
    finally:
        lifecycle.down(home, wipe=True)


def test_requests_are_answered_as_by_the_release_before(replayed: Player) -> None:
    assert record.differences(record.read(record.HTTP), list(replayed.play(requests()))) == {}
