# SPDX-License-Identifier: Apache-2.0
"""Themes of batch recommendations: the words that the recommended items share, and the rest of the catalogue doesn't.

Amazon's Content Generator writes a phrase with a language model; a theme here is one or two words of the items' own
names and descriptions.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from personalize_local.data.live import LiveData
from personalize_local.data.snapshots import Strings
from personalize_local.recipes.common.rows import hashes
from personalize_local.recipes.common.texts import words

READ: Final = 20_000
"""Items of the catalogue that tell how common words are."""
SECOND: Final = 0.5
"""A second word belongs to the theme if it says so much of what the first one says."""
STEM: Final = 4
"""Letters that two words of a theme must not have in common at their beginning: one would only inflect the other."""
NAME: Final = 2
"""How often a word of a name counts, and from where on a word counts as one of the name."""
SHORTEST: Final = 3
"""Letters of a word that says something."""


class Themes:
    """Finds the theme of items of one catalogue."""

    def __init__(self, live: LiveData, item_ids: Strings, columns: Sequence[str]) -> None:
        """`columns` of Items: the names and the descriptions."""
        self._live, self._columns = live, columns
        self._words = lru_cache(maxsize=10_000)(self._read)
        read = item_ids[np.argsort(hashes(item_ids), kind="stable")[:READ]].tolist()
        self._count = len(read)
        self._occurring = Counter(word for item in read for word in self._read(item))

    def of(self, items: Sequence[str]) -> tuple[str, list[tuple[str, float]]]:
        """Return a theme, and the items by how much it says of each; a theme is empty where no two share a word."""
        shared = Counter(word for item in items for word in self._words(item))
        named = Counter(word for item in items for word, count in self._words(item).items() if count >= NAME)
        told = {w: (count + named[w]) * self._telling(w) for w, count in shared.items() if count > 1}
        best = sorted(told, key=lambda word: (-told[word], word))
        others = [word for word in best if word[:STEM] != best[0][:STEM] and told[word] >= SECOND * told[best[0]]]
        theme = best[:1] + others[:1]
        scored = sorted(((item, self._relevance(item, theme)) for item in items), key=lambda pair: -pair[1])
        return ", ".join(theme).capitalize(), scored

    def _read(self, item: str) -> Counter[str]:
        row = self._live.item(item)
        name, text = (words(str(row.get(column) or "")) for column in self._columns)
        return Counter(word for word in name * NAME + text if len(word) >= SHORTEST)

    def _telling(self, word: str) -> float:
        """Return how rare a word is: 0 for one that every item has."""
        return math.log((1 + self._count) / (1 + min(self._occurring[word], self._count)))

    def _relevance(self, item: str, theme: Sequence[str]) -> float:
        """Return the cosine of an item's words and the theme's, 0 to 1."""
        weights = {word: (1 + math.log(count)) * self._telling(word) for word, count in self._words(item).items()}
        wanted = {word: self._telling(word) for word in theme}
        lengths = math.hypot(*weights.values()) * math.hypot(*wanted.values())
        if not lengths:
            return 0.0
        return round(sum(weights.get(word, 0.0) * weight for word, weight in wanted.items()) / lengths, 8)
