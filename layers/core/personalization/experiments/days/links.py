# SPDX-License-Identifier: Apache-2.0
"""Who is one unit by several names: a user, the visitor whom they first were, and the visitor of another device.

An exposure that names a user beside its unit links the two, and so does an event with a user and a visitor. All that is
linked is one unit, whose figures are added up; if it saw two variants, it is counted as such and left out.
"""

from collections.abc import Collection, Iterable

import polars as pl

LINKS = pl.Schema({"unit": pl.String(), "other": pl.String()})
"""Two digests of one unit."""
LINK = "#link"
"""The kind of rows of copies that are links."""


class Links:
    """The links of a shop, as sets of digests that are joined."""

    def __init__(self, links: Iterable[pl.DataFrame] = ()) -> None:
        self._parents: dict[str, str] = {}
        self._renames: pl.DataFrame | None = None
        for rows in links:
            self.add(rows)

    def add(self, rows: pl.DataFrame) -> None:
        """Add links (`LINKS`)."""
        for unit, other in rows.iter_rows():
            first, second = sorted((self.unit(unit), self.unit(other)))
            if first != second:
                self._parents[second] = first
                self._renames = None

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
    """Return the links of a day, which its exposures and its events tell; both as `events` reads them."""
    pairs = [
        exposures.select("unit", other="user"),
        exposures.select("unit", other="visitor"),
        copies.filter(pl.col("kind") == LINK).select("unit", "other"),
    ]
    return pl.concat(pairs).drop_nulls().unique().sort("unit", "other")
