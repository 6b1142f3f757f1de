# SPDX-License-Identifier: Apache-2.0
"""Two rankings in one list by team draft: Radlinski, Kurup and Joachims (2008), CIKM, 43-52.

As captains choose their teams: in each round a coin says which ranker is first, and either one adds the best of its
items that the list does not have. So neither is shown higher than the other but by luck, and clicks on the items of one
say that a user prefers it. Nothing is stored: the coins are bits of a hash.
"""

import itertools
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple


class Pick(NamedTuple):
    """An item of the mixed list."""

    item: str
    side: int
    """0 for the first ranking, 1 for the second."""
    counts: bool
    """Whether it tells the rankings apart: what both begin with does not (Chapelle and others, 2012, TOIS 30)."""


def draft(rankings: tuple[Sequence[str], Sequence[str]], length: int, seed: str) -> list[Pick]:
    """Return the mixed list of two rankings; a shorter one is the start of a longer one.

    Args:
        rankings: items, best first, each once.
        length: the most items of the list; it ends earlier where a ranking whose turn it is has no item left.
        seed: the coins, the same for the same seed.
    """
    alike = _alike(rankings)
    left = tuple(map(iter, rankings))
    picked: dict[str, Pick] = {}
    for coin in _coins(seed):
        for side in (coin, 1 - coin):
            item = next((item for item in left[side] if item not in picked), None)
            if item is None or len(picked) >= length:
                return list(picked.values())
            picked[item] = Pick(item, side, len(picked) >= alike)
    raise AssertionError("coins never end")


def _alike(rankings: tuple[Sequence[str], Sequence[str]]) -> int:
    """Return with how many items both begin alike."""
    pairs = zip(*rankings, strict=False)
    return next((number for number, (first, second) in enumerate(pairs) if first != second), min(map(len, rankings)))


def _coins(seed: str) -> Iterator[int]:
    """Iterate over coins, 0 or 1, without an end."""
    for number in itertools.count():
        bits = int.from_bytes(blake2b(f"{seed}\0{number}".encode(errors="replace"), digest_size=8).digest())
        for position in range(64):
            yield bits >> position & 1
