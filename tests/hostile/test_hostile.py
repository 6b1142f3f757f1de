# SPDX-License-Identifier: Apache-2.0
"""Hostile requests to the handlers: no 5xx, no traceback, no log line, no access to another user.

`benchmarks/hostile.py` sends a hundred thousand, and some over HTTP.
"""

from collections.abc import Iterator
from random import Random

import pytest
from personalization.auth.caller import Caller

from tests.hostile.cases import CALLERS
from tests.hostile.world import World, own_events, world, wrong

SEED = 20_261_125


@pytest.fixture(scope="module")
def _world() -> Iterator[World]:
    with world() as made:
        assert made.good_tokens_are_good()
        yield made


@pytest.fixture
def hostile(_world: World) -> World:
    """A world in which nothing is broken yet."""
    _world.broken.clear()
    _world.statuses.clear()
    return _world


def send(hostile: World, requests: int, seed: int = SEED) -> None:
    random = Random(seed)
    for number in range(requests):
        hostile.request(random)
        if number % 4 == 0:
            hostile.token(random)


def test_nothing_comes_of_hostile_requests(hostile: World) -> None:
    send(hostile, 3_000)
    assert hostile.broken == []
    statuses = {status for _, status in hostile.statuses}
    assert {200, 201, 202, 400, 401, 403, 404, 413} <= statuses  # they reach every kind of answer


@pytest.mark.nightly
def test_nothing_comes_of_a_hundred_thousand(hostile: World) -> None:
    send(hostile, 100_000, SEED + 1)
    assert hostile.broken == []


def test_every_kind_of_forgery_is_refused(hostile: World) -> None:
    random = Random(SEED)
    for _ in range(600):
        hostile.token(random)
    assert hostile.broken == []
    assert len({kind for kind, _ in hostile.statuses}) == 12
    assert {status for _, status in hostile.statuses} == {401}


def answer(**changes: object) -> dict[str, object]:
    headers = {"Content-Type": ["application/json"]}
    return {"statusCode": 200, "body": "{}", "multiValueHeaders": headers, **changes}


def test_what_must_not_be_is_seen() -> None:
    assert list(wrong(answer())) == []
    for bad in (
        {"statusCode": 500},
        {"body": '{"detail": "Traceback (most recent call last)"}'},
        {"body": "[]"},
        {"statusCode": 304},
        {"multiValueHeaders": {"Content-Type": ["text/html"]}},
        {"multiValueHeaders": {"Content-Type": ["application/json"], "X": ["a\r\nb"]}},
    ):
        assert len(list(wrong(answer(**bad)))) == 1


@pytest.mark.parametrize("caller", CALLERS)
def test_events_of_others_are_seen(caller: Caller) -> None:
    good = caller.session or "u-" + "0" * 40
    assert own_events(caller, caller.user or None, good)
    assert not own_events(caller, "u2", good)
    assert not own_events(caller, caller.user or None, "s-" + "B" * 22)
