# SPDX-License-Identifier: Apache-2.0
"""Plain rules for lists of items: counts, neighbours and chains, whose parameters are chosen on an earlier cut.

Every rule gives each item a score from what is told of the user (`Question.query`), so that it answers new users and
baskets that are being filled as well. Ages are days, or baskets where times are positions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import lapack

from local.evaluation.pasts import Past, Question

Scores = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Scorer = Callable[[Question], Scores]
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
        self.places = {item: place for place, item in enumerate(past.snapshot.items.tolist())}
        self.positions = past.split.positions
        self.age: Scores = (past.split.cut - rows.time) / DAY
        self.popular: Scores = np.bincount(rows.item, minlength=self.items) / max(len(rows), 1)
        self._of = dict[object, sparse.csr_array]()
        self._ease = dict[float, npt.NDArray[np.float32]]()

    def share(self, weight: Scores) -> Scores:
        """[items] share of all rows, each with its weight; popularity of all time breaks ties."""
        counted = np.bincount(self.rows.item, weight, minlength=self.items)
        shares: Scores = counted / max(float(counted.sum()), 1e-300) + TINY * self.popular
        return shares

    def told(self, question: Question) -> tuple[Ints, Scores, Scores]:
        """[rows] what is told of the user: the item, its age, and how many baskets lie after it."""
        history = [row for row in question.query.history if row.item_id in self.places]
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

    def _taken(self, who: Ints) -> sparse.csr_array:
        taken = sparse.coo_array(
            (np.ones(len(who), np.float32), (who, self.rows.item)), shape=(int(who.max()) + 1, self.items)
        )
        found = taken.tocsr()
        found.data[:] = 1.0
        return found

    def cosine(self, of_baskets: bool, shrinkage: float) -> sparse.csr_array:
        """[items, items] cosine of users, or of baskets, shrunk for pairs with little evidence; none with itself."""
        key = (of_baskets, shrinkage)
        if key not in self._of:
            taken = self.baskets if of_baskets else self.users
            rare = sparse.diags_array(np.maximum(taken.sum(axis=0), 1.0) ** -0.5)
            both = (taken.T @ taken).tocsr()
            both.data *= both.data / (both.data + shrinkage)
            found = (rare @ both @ rare).tocsr()
            self._of[key] = (found - sparse.diags_array(found.diagonal())).tocsr()
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

    def ease(self, ridge: float) -> npt.NDArray[np.float32]:
        """[items, items] EASE weights (Steck, 2019) of the most popular items; the others have none."""
        if ridge not in self._ease:
            chosen = np.argsort(-self.popular, kind="stable")[:EASE_ITEMS]
            taken = self.users[:, chosen]
            gram = (taken.T @ taken).toarray().astype(np.float32)
            gram[np.diag_indices(len(chosen))] += ridge
            upper, _ = lapack.spotri(lapack.spotrf(gram)[0])
            inverse = np.triu(upper) + np.triu(upper, 1).T
            weights = -inverse / np.diag(inverse)
            np.fill_diagonal(weights, 0.0)
            self._ease[ridge] = np.zeros((self.items, self.items), np.float32)
            self._ease[ridge][np.ix_(chosen, chosen)] = weights
        return self._ease[ridge]

    @cached_property
    def values(self) -> dict[str, Ints]:
        """The users of each value of Users' columns of text."""
        found = {}
        for name, column in self._past.snapshot.user_columns.items():
            if column.dtype == object:
                for value in sorted({cell for cell in column if cell is not None}):
                    found[f"{name}={value}"] = np.flatnonzero(column == value)
        return found

    @cached_property
    def attributes(self) -> sparse.csr_array:
        """[items, values] the categories of items, rare ones weighing more; rows of length 1."""
        found: dict[str, list[int]] = {}
        for name, column in self._past.snapshot.item_columns.items():
            if column.dtype == object:
                for place, cell in enumerate(column.tolist()):
                    for value in (cell or "").split("|"):
                        if value:
                            found.setdefault(f"{name}={value}", []).append(place)
        columns = [np.array(each) for each in found.values()]
        if not columns:
            return sparse.csr_array((self.items, 1))
        rare = [np.full(len(each), np.log(self.items / len(each)) + TINY) for each in columns]
        places = (np.concatenate(columns), np.repeat(np.arange(len(columns)), list(map(len, columns))))
        made = sparse.coo_array((np.concatenate(rare), places), shape=(self.items, len(columns))).tocsr()
        length = np.sqrt(np.asarray(made.multiply(made).sum(axis=1)).ravel())
        return (sparse.diags_array(1.0 / np.maximum(length, TINY)) @ made).tocsr()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, the parameters to try, and how it is made for a past with one choice of them."""

    name: str
    grid: tuple[tuple[float, ...], ...]
    make: Callable[..., Scorer]
    """(counts, *parameters) → question → [items] scores."""
    by_time: bool = False
    """Whether it says nothing where times are positions."""


def popular(counts: Counts) -> Scorer:
    return lambda _question: counts.popular


def recent(counts: Counts, half_life: float) -> Scorer:
    scores = counts.share(0.5 ** (counts.age / half_life))
    return lambda _question: scores


def of_window(counts: Counts, days: float) -> Scorer:
    """Score popularity of the last days."""
    scores = counts.share((counts.age < days).astype(np.float64))
    return lambda _question: scores


def a_year_ago(counts: Counts, days: float) -> Scorer:
    """Score what sold a year ago, from a week before this day to so many days after it."""
    scores = counts.share(((counts.age < 365 + 7) & (counts.age > 365 - days)).astype(np.float64))
    return lambda _question: scores


def frequency(counts: Counts, own: float, blend: float) -> Scorer:
    """Score what the user took most and last, mixed with what sells lately (half-life of two weeks)."""
    lately = counts.popular if counts.positions else counts.share(0.5 ** (counts.age / 14))
    lately = blend * lately / max(float(lately.max()), 1e-300) + TINY * counts.popular

    def score(question: Question) -> Scores:
        item, age, _ = counts.told(question)
        return np.bincount(item, 0.5 ** (age / own), minlength=counts.items) + lately

    return score


def neighbours(matrix: Callable[..., sparse.csr_array], counts: Counts, decay: float, *options: float) -> Scorer:
    """Score the neighbours of what the user took, older baskets less by a factor each."""
    near = matrix(counts, *options)

    def score(question: Question) -> Scores:
        item, _, back = counts.told(question)
        taken = np.bincount(item, decay**back, minlength=counts.items)
        where = np.flatnonzero(taken)
        return np.asarray(taken[where] @ near[where], np.float64) + TINY * counts.popular

    return score


def cosine(counts: Counts, decay: float, shrinkage: float) -> Scorer:
    return neighbours(lambda counts, least: counts.cosine(of_baskets=False, shrinkage=least), counts, decay, shrinkage)


def together(counts: Counts, decay: float, shrinkage: float) -> Scorer:
    return neighbours(lambda counts, least: counts.cosine(of_baskets=True, shrinkage=least), counts, decay, shrinkage)


def chain(counts: Counts, decay: float, discount: float) -> Scorer:
    return neighbours(Counts.follows, counts, decay, discount)


def ease(counts: Counts, decay: float, ridge: float) -> Scorer:
    weights = counts.ease(ridge)

    def score(question: Question) -> Scores:
        item, _, back = counts.told(question)
        taken = np.zeros(counts.items, np.float32)
        np.maximum.at(taken, item, decay**back)
        where = np.flatnonzero(taken)
        return (taken[where] @ weights[where]).astype(np.float64) + TINY * counts.popular

    return score


def of_group(counts: Counts, shrinkage: float, half_life: float) -> Scorer:
    """Multiply what sells lately by how much more often each of the user's values takes an item (naive Bayes)."""
    lately = counts.share(0.5 ** (counts.age / half_life)) + 1e-6 / counts.items
    taken, total = counts.users, np.asarray(counts.users.sum(axis=0), np.float64).ravel()
    expected = total / max(float(total.sum()), 1.0)
    lifts: dict[str, Scores] = {}
    for value, users in counts.values.items():
        of_value = np.asarray(taken[users[users < taken.shape[0]]].sum(axis=0), np.float64).ravel()
        lifts[value] = np.log((of_value + shrinkage) / (expected * of_value.sum() + shrinkage))

    def score(question: Question) -> Scores:
        keys = [f"{name}={value}" for name, value in question.query.user.items()]
        lift = sum((lifts[key] for key in keys if key in lifts), np.zeros(counts.items))
        return lately * np.exp(lift)

    return score


def alike(counts: Counts, decay: float) -> Scorer:
    """Score items by the categories they share with what the user took."""
    attributes = counts.attributes

    def score(question: Question) -> Scores:
        item, _, back = counts.told(question)
        profile = attributes[item].T @ (decay**back) if len(item) else np.zeros(attributes.shape[1])
        return np.asarray(attributes @ profile, np.float64)

    return score


def grid(*values: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
    found: tuple[tuple[float, ...], ...] = ((),)
    for choices in values:
        found = tuple((*each, choice) for each in found for choice in choices)
    return found


DECAYS = (0.5, 0.7, 0.9, 1.0)
POPULAR = Rule("popularity", ((),), popular)
RECENT = Rule("recent popularity", grid((0.04, 0.25, 1.0, 3.0, 7.0, 14.0, 30.0, 90.0)), recent, by_time=True)
OF_WINDOW = Rule("popularity of the last days", grid((0.04, 1.0, 7.0, 28.0)), of_window, by_time=True)
YEAR = Rule("popularity a year ago", grid((7.0, 28.0)), a_year_ago, by_time=True)
FREQUENCY = Rule("decayed frequency", grid((3.0, 14.0, 30.0, 90.0, 365.0), (0.001, 0.1, 0.5, 2.0)), frequency)
COSINE = Rule("cosine", grid(DECAYS, (0.0, 5.0)), cosine)
TOGETHER = Rule("cosine of baskets", grid((0.0, 0.5, 0.9), (0.0, 5.0)), together)
EASE = Rule("EASE", grid(DECAYS, (100.0, 500.0)), ease)
CHAIN = Rule("Markov chain", grid((0.0, 0.5, 0.8), (0.0, 0.5)), chain)
GROUP = Rule("popularity by group", grid((20.0, 100.0, 500.0), (14.0, 90.0, 1e6)), of_group)
ALIKE = Rule("shared categories", grid((0.7, 0.9, 1.0)), alike)

_TASTE = (POPULAR, COSINE, EASE, CHAIN)
RULES: Mapping[str, tuple[Rule, ...]] = {
    "next-item": (*_TASTE, RECENT, FREQUENCY),
    "next-basket": (POPULAR, RECENT, YEAR, FREQUENCY, CHAIN),
    "rest-of-basket": (*_TASTE, RECENT, TOGETHER),
    "buy-again": (POPULAR, FREQUENCY, CHAIN),
    "something-new": (*_TASTE, RECENT, YEAR),
    "similar-next": (POPULAR, COSINE, TOGETHER, CHAIN),
    "also-bought": (POPULAR, COSINE, TOGETHER, CHAIN),
    "ranking": (*_TASTE, RECENT, YEAR, FREQUENCY),
    "new-user": (POPULAR, RECENT, OF_WINDOW, YEAR),
    "new-user-known": (POPULAR, RECENT, OF_WINDOW, GROUP),
    "new-item": (ALIKE,),
}
"""The rules of each question."""
