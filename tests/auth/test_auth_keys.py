# SPDX-License-Identifier: Apache-2.0
"""Keys that somebody else rotates: how often they are looked up, and what holds while nobody tells them."""

import pytest
from personalization.auth.keyring import Keyring
from personalization.core.errors import RetryLater


class World:
    """A clock and a source of keys that counts."""

    def __init__(self) -> None:
        self.now, self.fetched, self.keys, self.down = 0.0, 0, {"a": 1}, False
        self.ring = Keyring(self.fetch, lambda: self.now, fresh=100, pause=10, stale=1000)

    def fetch(self) -> dict[str, int]:
        """What the source says."""
        self.fetched += 1
        if self.down:
            raise RetryLater("issuer", "away")
        return dict(self.keys)


def test_known_keys_are_kept_for_a_while() -> None:
    world = World()
    for world.now in (0, 50, 99):
        assert world.ring.find("a") == 1
    assert world.fetched == 1
    world.now = 100
    assert world.ring.find("a") == 1
    assert world.fetched == 2


def test_a_new_key_is_found_at_once_and_made_up_ones_cost_nothing() -> None:
    world = World()
    assert world.ring.find("b") is None
    world.keys["b"] = 2
    for _ in range(1000):
        assert world.ring.find("b") is None
    assert world.fetched == 1
    world.now = 10
    assert (world.ring.find("b"), world.fetched) == (2, 2)


def test_a_key_that_was_taken_back_is_gone_when_keys_are_looked_up() -> None:
    world = World()
    assert world.ring.find("a") == 1
    world.keys = {"b": 2}
    world.now = 100
    assert (world.ring.find("a"), world.ring.find("b")) == (None, 2)


def test_old_keys_hold_while_nobody_tells_new_ones_but_not_for_ever() -> None:
    world = World()
    assert world.ring.find("a") == 1
    world.down = True
    for world.now in (100, 105, 999):
        assert world.ring.find("a") == 1
    assert world.fetched == 3  # one look in each pause
    world.now = 1009
    with pytest.raises(RetryLater):
        world.ring.find("a")


def test_without_any_key_everybody_is_told_to_try_again() -> None:
    world = World()
    world.down = True
    for _ in range(2):
        with pytest.raises(RetryLater):
            world.ring.find("a")
    world.down = False
    assert world.ring.find("a") == 1
