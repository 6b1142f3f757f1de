# SPDX-License-Identifier: Apache-2.0
"""Who is one unit by several names: a user, the visitor whom they first were, and the visitor of another device.

An exposure that names a user beside its unit links the two, and so does an event with a user and a visitor. All that is
linked is one unit, whose figures are added up; if it saw two variants, it is counted as such and left out.

An id that many people share, such as one for all guests, links nobody: it would make one unit of all their browsers.
"""

from collections import Counter
from collections.abc import Collection, Iterable

import polars as pl

LINKS = pl.Schema({"unit": pl.String(), "other": pl.String()})
"""Two digests of one unit."""
LINK = "#link"
"""The kind of rows of copies that are links."""
MOST_OTHERS = 30
"""The most others that a digest may be linked with: browsers of a user, private windows too, or users of a browser."""


class Links:
    """The links of a shop, as sets of digests that are joined."""

    def __init__(self, links: Iterable[pl.DataFrame] = ()) -> None:
        self._rows: list[pl.DataFrame] = []
        self._parents: dict[str, str] = {}
        self._numbers = Counter[str]()
        self._renames: pl.DataFrame | None = None
        self.crowds: set[str] = set()
        """Digests that are linked with more others than one person has, such as an id for all guests."""
        for rows in links:
            self.add(rows)

    def add(self, rows: pl.DataFrame) -> None:
        """Add links (`LINKS`)."""
        self._rows.append(rows)
        crowds = len(self.crowds)
        self._join(rows)
        while len(self.crowds) > crowds:
            # What they have joined falls apart.
            crowds = len(self.crowds)
            self._parents.clear()
            self._numbers.clear()
            self._renames = None
            for earlier in self._rows:
                self._join(earlier)

    def _join(self, rows: pl.DataFrame) -> None:
        for unit, other in rows.iter_rows():
            first, second = sorted((self.unit(unit), self.unit(other)))
            if first == second or unit in self.crowds or other in self.crowds:
                continue
            self._parents[second] = first
            self._renames = None
            self._numbers.update((unit, other))
            self.crowds.update(name for name in (unit, other) if self._numbers[name] > MOST_OTHERS)

    def unit(self, digest: str) -> str:
        """Return the digest that stands for all that are linked with one."""
        path = list[str]()
        while (parent := self._parents.get(digest)) is not None:
            path.append(digest)
            digest = parent
        # The next search is short.
        for passed in path:
            self._parents[passed] = digest
        return digest

    def all_of(self, digests: Collection[str]) -> set[str]:
        """Return digests with all that are linked with one of them."""
        units = {self.unit(digest) for digest in digests}
        return units | set(digests) | {other for other in list(self._parents) if self.unit(other) in units}

    def joined(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows with the digest that stands for each unit; several may have one then."""
        if not self._parents:
            return rows
        if self._renames is None:
            others = list(self._parents)
            self._renames = pl.DataFrame({"unit": others, "stands": [self.unit(other) for other in others]})
        named = rows.join(self._renames, on="unit", how="left", maintain_order="left")
        return named.with_columns(pl.coalesce("stands", "unit").alias("unit")).select(rows.columns)


def links_of(exposures: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Return the links of a day, which its exposures and its events tell; both as `reading` has them."""
    pairs = [
        exposures.select("unit", other="user"),
        exposures.select("unit", other="visitor"),
        copies.filter(pl.col("kind") == LINK).select("unit", "other"),
    ]
    return pl.concat(pairs).drop_nulls().unique().sort("unit", "other")
