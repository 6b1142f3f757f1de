# SPDX-License-Identifier: Apache-2.0
"""What the simple rules count in a past: popularity, neighbours, chains, and what users and items have in common."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
from personalize_local.recipes.common.rows import Numbers
from scipy import sparse
from scipy.linalg import lapack

from local.evaluation.pasts import Past, Question

Scores = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DAY = 86_400.0
EASE_ITEMS = 4_000
"""Most popular items that EASE knows; its cost grows with the third power."""
LARGEST = 200
"""Items of the largest basket that counts."""
WINDOW, STEP = 10, 0.8
"""Distance of the farthest successor in a chain, and how much less each further one counts."""
TINY = 1e-9


class Counts:
    """What the rules count in one past."""

    def __init__(self, past: Past) -> None:
        self._past, rows = past, past.rows
        self.rows, self.items = rows, rows.items
        self.ids = past.snapshot.items
        self.places = past.places
        self.positions = past.split.positions
        self.age: Scores = (past.split.cut - rows.time) / DAY
        trained = np.unique(past.snapshot.event_type[rows.source]).tolist()
        self._types = {past.snapshot.event_types[code] for code in trained if code >= 0} | {None}
        self.popular: Scores = np.bincount(rows.item, minlength=self.items) / max(len(rows), 1)
        self._of = dict[object, sparse.csr_array]()
        self._ease = dict[float, npt.NDArray[np.float32]]()

    def share(self, weight: Scores) -> Scores:
        """[items] share of all rows, each with its weight; popularity of all time breaks ties."""
        counted = np.bincount(self.rows.item, weight, minlength=self.items)
        shares: Scores = counted / max(float(counted.sum()), 1e-300) + TINY * self.popular
        return shares

    def told(self, question: Question) -> tuple[Ints, Scores, Scores]:
        """[rows] what is told of the user: the item, its age, and how many baskets lie after it.

        Events of types that don't train count for nothing.
        """
        history = [
            row for row in question.query.history if row.item_id in self.places and row.event_type in self._types
        ]
        item = np.array([self.places[row.item_id] for row in history], np.int64)
        times = np.array([row.timestamp for row in history], np.float64)
        back = np.searchsorted(np.unique(-times), -times).astype(np.float64)
        return item, back if self.positions else np.maximum(question.query.now - times, 0.0) / DAY, back

    @cached_property
    def users(self) -> sparse.csr_array:
        """[users, items] 1 where a user took an item."""
        return self._taken(self.rows.user)

    @cached_property
    def baskets(self) -> sparse.csr_array:
        """[baskets, items] 1 where an item was in a basket."""
        taken = self._taken(np.cumsum(self.rows.begins()) - 1)
        return taken[np.flatnonzero(np.diff(taken.indptr) <= LARGEST)]

    def _taken(self, who: Numbers) -> sparse.csr_array:
        taken = sparse.coo_array(
            (np.ones(len(who), np.float32), (who, self.rows.item)), shape=(int(who.max()) + 1, self.items)
        )
        matrix = taken.tocsr()
        matrix.data[:] = 1.0
        return matrix

    def cosine(self, of_baskets: bool, shrinkage: float) -> sparse.csr_array:
        """[items, items] cosine of users, or of baskets, shrunk for pairs with little evidence; none with itself."""
        key = (of_baskets, shrinkage)
        if key not in self._of:
            taken = self.baskets if of_baskets else self.users
            rare = sparse.diags_array(np.maximum(taken.sum(axis=0), 1.0) ** -0.5)
            both = (taken.T @ taken).tocsr()
            both.data *= both.data / (both.data + shrinkage)
            together = (rare @ both @ rare).tocsr()
            self._of[key] = (together - sparse.diags_array(together.diagonal())).tocsr()
        return self._of[key]

    def follows(self, discount: float) -> sparse.csr_array:
        """[items, items] how often b came soon after a, over the popularity of b to the power of `discount`."""
        if discount not in self._of:
            rows = self.rows
            parts = []
            for gap in range(1, WINDOW + 1):
                first = np.flatnonzero(rows.user[gap:] == rows.user[:-gap])
                parts.append((rows.item[first], rows.item[first + gap], np.full(len(first), STEP ** (gap - 1))))
            before, after, weight = map(np.concatenate, zip(*parts, strict=True))
            weight = weight * np.maximum(np.bincount(rows.item, minlength=self.items), 1)[after] ** -discount
            self._of[discount] = sparse.coo_array((weight, (before, after)), shape=(self.items, self.items)).tocsr()
        return self._of[discount]

    @cached_property
    def head(self) -> Ints:
        """The items that EASE knows, the most popular first."""
        return np.argsort(-self.popular, kind="stable")[:EASE_ITEMS]

    def ease(self, ridge: float) -> npt.NDArray[np.float32]:
        """[head, head] EASE weights (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, 2019)."""
        if ridge not in self._ease:
            taken = self.users[:, self.head]
            gram = (taken.T @ taken).toarray().astype(np.float32)
            gram[np.diag_indices(len(gram))] += ridge
            upper, _ = lapack.spotri(lapack.spotrf(gram)[0])
            inverse = np.triu(upper) + np.triu(upper, 1).T
            self._ease[ridge] = -inverse / np.diag(inverse)
            np.fill_diagonal(self._ease[ridge], 0.0)
        return self._ease[ridge]

    @cached_property
    def values(self) -> dict[str, Ints]:
        """The users of each value of Users' columns of text."""
        rows_by_value = {}
        for name, column in self._past.snapshot.user_columns.items():
            if column.dtype == object:
                for value in sorted({cell for cell in column if cell is not None}):
                    rows_by_value[f"{name}={value}"] = np.flatnonzero(column == value)
        return rows_by_value

    @cached_property
    def attributes(self) -> sparse.csr_array:
        """[items, values] the categories of items, rare ones weighing more; rows of length 1."""
        rows_by_value: dict[str, list[int]] = {}
        for name, column in self._past.snapshot.item_columns.items():
            if column.dtype == object:
                for row, cell in enumerate(column.tolist()):
                    for value in (cell or "").split("|"):
                        if value:
                            rows_by_value.setdefault(f"{name}={value}", []).append(row)
        columns = [np.array(rows) for rows in rows_by_value.values()]
        if not columns:
            return sparse.csr_array((self.items, 1))
        rare = [np.full(len(column), np.log(self.items / len(column)) + TINY) for column in columns]
        places = (np.concatenate(columns), np.repeat(np.arange(len(columns)), list(map(len, columns))))
        made = sparse.coo_array((np.concatenate(rare), places), shape=(self.items, len(columns))).tocsr()
        length = np.sqrt(np.asarray(made.multiply(made).sum(axis=1)).ravel())
        return (sparse.diags_array(1.0 / np.maximum(length, TINY)) @ made).tocsr()
