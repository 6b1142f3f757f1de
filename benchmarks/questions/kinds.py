# SPDX-License-Identifier: Apache-2.0
"""Whether what stands in a list is of the item's own kind: by its finest category, and by words of its title."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from personalize_local.data.frames import pl
from personalize_local.recipes.common.content import Content
from scipy import sparse

from benchmarks.questions.figures import Sums
from local.evaluation.distinct_lists import DEPTH, Items
from local.evaluation.pasts import Past

CATEGORIES, TITLES = ("CATEGOR", "GENRE"), ("NAME", "TITLE", "PRODUCT_NAME")
"""How columns of categories begin, and names of columns of titles."""
COMMON = 0.02
"""A word in more than this share of the titles tells nothing."""
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Kinds:
    """What items are: [items, categories] the finest category of each, and [items, words] telling words of its title.

    The finest category is the rarest that five items have.
    """

    categories: sparse.csr_array
    titles: sparse.csr_array

    @classmethod
    def of(cls, past: Past, catalogue: pl.DataFrame | None) -> Self:
        """`catalogue`: the Items data, whose titles train nothing."""
        columns, items = past.snapshot.item_columns, past.rows.items
        content = Content.of({name: columns[name] for name in columns if name.startswith(CATEGORIES)}, items)
        some = np.flatnonzero(content.rarest >= 0)
        return cls(_described(items, some, content.rarest[some].astype(np.int64)), _titles(past, catalogue))

    def sums(self, items: Items, lists: Sequence[Items]) -> Sums:
        """Return by list the share of its places whose items share the category, and a word of the title."""
        by_item = list(zip(items.tolist(), lists, strict=True))
        return Sums.means(
            *([_share(kind, item, listed) for item, listed in by_item] for kind in (self.categories, self.titles))
        )


def _share(described: sparse.csr_array, item: int, listed: Items) -> float:
    return float((described[[item]] @ described[listed].T).count_nonzero()) / DEPTH if len(listed) else 0.0


def _titles(past: Past, catalogue: pl.DataFrame | None) -> sparse.csr_array:
    column = None if catalogue is None else next((name for name in TITLES if name in catalogue.columns), None)
    titles = [] if catalogue is None or column is None else catalogue.select("ITEM_ID", column).iter_rows()
    places = past.places
    words = {places[item]: {*_WORD.findall(str(title or "").lower())} for item, title in titles if item in places}
    often = Counter(word for title in words.values() for word in title)
    most = max(COMMON * len(words), 2)
    numbers = {word: number for number, word in enumerate(sorted(often)) if 1 < often[word] <= most}
    pairs = [(item, numbers[word]) for item, title in words.items() for word in sorted(title & numbers.keys())]
    described = np.array(pairs, np.int64).reshape(-1, 2)
    return _described(past.rows.items, described[:, 0], described[:, 1])


def _described(items: int, some: Items, codes: Items) -> sparse.csr_array:
    shape = (items, int(np.max(codes, initial=-1)) + 1)
    return sparse.coo_array((np.ones(len(some), np.float32), (some, codes)), shape=shape).tocsr()
