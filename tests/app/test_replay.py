# SPDX-License-Identifier: Apache-2.0
"""Requests recorded from the release before, sent again over HTTP: status, headers and bodies are the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.laptop import Laptop
from tests.app.replay import record, shop
from tests.app.replay.play import Player
from tests.app.replay.requests import requests

SHOP = "replayed"


@pytest.fixture
def replayed(laptop: Laptop, tmp_path: Path) -> Iterator[Player]:
    shop.drop(laptop.command_json, SHOP, tmp_path)
    yield Player(laptop.command_json, SHOP)
    laptop.command("teardown", SHOP, "--yes", "--objects")


def test_requests_are_answered_as_by_the_release_before(replayed: Player) -> None:
    assert record.differences(record.read(record.HTTP), list(replayed.play(requests()))) == {}
