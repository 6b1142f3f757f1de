# SPDX-License-Identifier: Apache-2.0
"""Simple rules that a recipe has to beat: what sells, what sells now, what the user buys, and a mixture of these.

Their parameters are chosen on the shop's own past (`tuned`), as the recipes' are. All of them rank every item; ties are
broken by popularity, and what is still equal counts against them, as for the recipes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt
from personalization.releases.ranking_metrics import Answer, discounted_gain, mean, relevant_last
from personalize_local.recipes.common.rows import Rows
from scipy import sparse

Scores = npt.NDArray[np.float64]
Pairs = list[tuple[str, object]]
"""Items with their sort keys, best first."""
DAY = 86_400.0
HALF_LIVES = (3.0, 7.0, 14.0, 30.0, 90.0, 365.0)
"""Days to try as the half-life of an interaction."""
BLENDS = (0.001, 0.1, 0.5, 2.0)
"""Weights to try for what sells now beside the user's own interactions."""
TUNING = 400
"""The number of users to choose parameters on."""
SPARE = 15
"""Items beyond the depth, since ties may reach across the cut."""


@dataclass(frozen=True, slots=True)
class Tuning:
    recent: float = 14.0
    """Half-life of what sells now; infinite where times are no clock."""
    own: float = 90.0
    """Half-life of a user's own interactions."""
    blend: float = 0.001
    """Weight of what sells now, as a share of the best seller, against one interaction of today."""


class Rules:
    """Counts of the past, and the lists that they give.

    `rows` are sorted by user; `items` has ids by the numbers in them; the past ends at `now` (Unix epoch seconds).
    """

    def __init__(
        self, rows: Rows, items: npt.NDArray[np.object_], users: Mapping[str, int], now: float, tuning: Tuning
    ) -> None:
        self._rows, self._items, self._users = rows, items, users
        self._age: Scores = ((now - rows.time) / DAY).astype(np.float64)
        self._starts = np.searchsorted(rows.user, np.arange(len(users) + 1))
        total = np.bincount(rows.item, minlength=rows.items).astype(np.float64)
        self._all = total / max(float(total.max()), 1.0)
        self._tuning = tuning
        self._now = self._recent(tuning.recent)

    def popular(self, _user: str) -> Scores:
        return self._all

    def recent(self, _user: str) -> Scores:
        return self._now

    def again(self, user: str) -> Scores:
        """Score what the user took most, then what is popular."""
        own, _ = self._own(user)
        return np.bincount(own, minlength=self._rows.items) + 0.5 * self._all

    def decayed(self, user: str) -> Scores:
        """Score what the user took most and last, mixed with what is popular lately."""
        own, age = self._own(user)
        mine = np.bincount(own, 0.5 ** (age / self._tuning.own), minlength=self._rows.items)
        return mine + self._tuning.blend * self._now + 1e-9 * self._all

    def together(self, user: str) -> Scores:
        """Score what goes into one basket with what the user took last: the sum of their cosines."""
        own, age = self._own(user)
        basket = own[age == age.min(initial=np.inf)]
        shared: Scores = self._cosines[basket].sum(axis=0)
        return shared + 1e-9 * self._all

    @cached_property
    def _cosines(self) -> sparse.csr_array:
        """[items, items] cosines of the baskets that two items share; no item with itself."""
        rows = self._rows
        places = (np.cumsum(rows.begins()) - 1, rows.item)
        taken = sparse.coo_array((np.ones(len(rows)), places), shape=(len(rows), rows.items)).tocsr()
        taken.data[:] = 1.0
        rare = sparse.diags_array(np.maximum(taken.sum(axis=0), 1.0) ** -0.5)
        found = (rare @ (taken.T @ taken) @ rare).tocsr()
        return found - sparse.diags_array(found.diagonal())

    def list(self, scores: Scores, allowed: npt.NDArray[np.bool_] | None, limit: int) -> Pairs:
        shown = np.where(allowed, scores, -1.0) if allowed is not None else scores
        top = np.argpartition(-shown, min(limit, len(shown) - 1))[:limit]
        top = top[np.argsort(-shown[top], kind="stable")]
        return [(self._items[place], float(shown[place])) for place in top.tolist() if shown[place] >= 0]

    def _own(self, user: str) -> tuple[npt.NDArray[np.int64], Scores]:
        number = self._users.get(user, -1)
        where = slice(self._starts[number], self._starts[number + 1]) if number >= 0 else slice(0, 0)
        return self._rows.item[where], self._age[where]

    def _recent(self, half_life: float) -> Scores:
        counted = np.bincount(self._rows.item, 0.5 ** (self._age / half_life), minlength=self._rows.items)
        lately: Scores = counted / max(float(counted.max()), 1e-300) + 1e-9 * self._all
        return lately


def tuned(
    make: Callable[[Tuning], Rules], tests: Iterable[tuple[str, frozenset[str]]], depth: int, *, lately: bool = True
) -> Tuning:
    """Return the parameters with the best NDCG on earlier tests: users and what they took.

    `make` returns rules on the past of these tests; `lately` says whether times tell what sells now.
    """
    asked = list(tests)[:TUNING]

    def gain(tuning: Tuning, rule: Callable[[Rules, str], Scores]) -> float:
        rules = make(tuning)
        lists = ((rules.list(rule(rules, user), None, depth + SPARE), relevant) for user, relevant in asked)
        return mean(discounted_gain(Answer(relevant_last(pairs, wanted), wanted), depth) for pairs, wanted in lists)

    recent = max(HALF_LIVES, key=lambda days: gain(Tuning(recent=days), Rules.recent)) if lately else float("inf")
    mixtures = [Tuning(recent, own, blend) for own, blend in product(HALF_LIVES, BLENDS)]
    return max(mixtures, key=lambda tuning: gain(tuning, Rules.decayed))
