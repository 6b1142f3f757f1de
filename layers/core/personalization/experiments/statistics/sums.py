# SPDX-License-Identifier: Apache-2.0
"""What is known of a variant's users together: sums of what they did, and of products of two of them.

All that a verdict needs are means, variances and correlations, so the sums of parts of the users can be computed
apart and added, and no figure of a single user is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

Row = tuple[float, ...]
Matrix = tuple[Row, ...]
USERS = "users"
"""The first column: 1 for every user."""
HAS_PAST = "known"
"""The column that has 1 for a user who was seen in the 14 days before the exposure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The users of a variant who were exposed by a time, and what they had done since."""

    columns: tuple[str, ...]
    """Names of figures of a user, `users` first."""
    products: Matrix
    """The sum over users of one column times another."""
    since: Matrix = ()
    """The sum over users of a column as it was at the look before, times another as it is now; empty at the first.

    Who was not exposed by then had 0 in every column.
    """

    @classmethod
    def of(cls, users: Sequence[Mapping[str, float]], before: Sequence[Mapping[str, float]] = ()) -> Self:
        """Return the sums of single users, and of the same as they were at the look before (an empty row: unexposed).

        Aggregates of many users are summed where they are; this is the plain meaning of the sums.
        """
        columns = (USERS, *(users[0] if users else ()))
        now = [(1.0, *row.values()) for row in users]
        earlier = [(1.0, *row.values()) if row else (0.0,) * len(columns) for row in before]
        return cls(
            columns=columns,
            products=_products(now, now, len(columns)),
            since=_products(earlier, now, len(columns)) if earlier else (),
        )

    @property
    def users(self) -> int:
        return round(self.products[0][0])

    def total(self, column: str) -> float:
        return self.products[0][self.columns.index(column)]

    def __add__(self, other: Self) -> Self:
        """Return the sums of both.

        Raises:
            ValueError: they have not the same columns.
        """
        if self.columns != other.columns:
            raise ValueError(f"sums of {self.columns} cannot be added to sums of {other.columns}")
        since = _added(self.since, other.since) if self.since and other.since else ()
        return type(self)(columns=self.columns, products=_added(self.products, other.products), since=since)

    def after(self, before: Self) -> Self:
        """Return the sums of what the same users did after the look before, of whom nobody is known any longer."""
        earlier = before.products
        products = [
            [
                here + earlier[row][column] - self.since[row][column] - self.since[column][row]
                for column, here in enumerate(cells)
            ]
            for row, cells in enumerate(self.products)
        ]
        products[0] = [here - there for here, there in zip(self.products[0], earlier[0], strict=True)]
        for row, total in enumerate(products[0]):
            products[row][0] = total
        products[0][0] = self.products[0][0]
        return type(self)(columns=self.columns, products=tuple(map(tuple, products)))


def counted(counts: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of both, by name; what one of them does not name is none there."""
    return {name: counts.get(name, 0) + others.get(name, 0) for name in sorted({*counts, *others})}


def _products(rows: Sequence[Row], others: Sequence[Row], size: int) -> Matrix:
    sums = [[0.0] * size for _ in range(size)]
    for row, other in zip(rows, others, strict=True):
        for number, value in enumerate(row):
            for column, factor in enumerate(other):
                sums[number][column] += value * factor
    return tuple(map(tuple, sums))


def _added(one_matrix: Iterable[Row], other: Iterable[Row]) -> Matrix:
    return tuple(
        tuple(here + there for here, there in zip(row, cells, strict=True))
        for row, cells in zip(one_matrix, other, strict=True)
    )
