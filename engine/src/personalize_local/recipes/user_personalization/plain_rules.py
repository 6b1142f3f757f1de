# SPDX-License-Identifier: Apache-2.0
"""Plain rules beside the counted scores: what follows, what goes together, what comes again, what sells (numpy only).

Held-out baskets choose the share of each, as interpolated language models do it (Jelinek and Mercer, 1980).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common.online_counts import OnlineCounts
from personalize_local.recipes.common.recency_windows import WindowCounts
from personalize_local.recipes.common.repeat_features import EVER, REPEAT_HALF_LIFE, Past
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Scores
from personalize_local.recipes.user_personalization.ease import Weights, ease_scores

MIXTURE = (
    "counted", "next", "again", "week", "month", "quarter", "popular", "year ago", "ever", "basket", "follow", "ease",
    "chain", "basket ease",
)  # fmt: skip
"""What answers may mix: the counted scores, what follows the last basket, what the user took lately, what sells lately,
of all time and in the same weeks of earlier years, what the user ever took, what goes with the last basket, what
follows all of the latest items, what all of the user's items suggest together, what follows the latest baskets more
than others, and what EASE suggests by the last basket."""
SELLING = MIXTURE[3:8]
"""The ones that are the same for every user."""
LATEST = 50
"""Items of the last basket that count."""
LESS = 0.8
"""How much less each older basket counts in a chain."""
Shares = tuple[float, ...]
"""Shares of MIXTURE; the last ones may be missing, and are 0."""


@dataclass(frozen=True)
class PlainRules:
    """The rules that a model's training counted."""

    follows: SparseRows | None
    basket: SparseRows
    selling: npt.NDArray[np.float64]
    """[SELLING, items] interactions."""
    ease: Weights
    clock: bool
    """Whether times are a clock; else only the order within a user counts."""
    _sold: dict[str, Scores] = field(default_factory=dict)

    @cached_property
    def _rare(self) -> Scores:
        rare: Scores = np.maximum(self.selling[SELLING.index("popular")], 1.0) ** -0.5
        return rare

    @classmethod
    def from_arrays(cls, files: Arrays, *, clock: bool) -> Self:
        seen = np.asarray(files["seen"], np.float64)
        windows = files["windows"] if clock else np.zeros_like(files["windows"])
        follows = SparseRows.from_arrays(files, "next") if "next.start" in files else None
        return cls(
            follows,
            SparseRows.from_arrays(files, "together"),
            np.vstack((windows, seen, np.asarray(files["year"]))),
            np.asarray(files["ease"]),
            clock,
        )

    def mixed(
        self,
        shares: Shares,
        past: Past,
        scored: Mapping[str, Scores],
        counts: tuple[WindowCounts | None, OnlineCounts | None] = (None, None),
        tilts: tuple[Scores | None, Scores | None] = (None, None),
    ) -> Scores:
        """[items] the mixture for a user.

        Args:
            shares: of each rule.
            past: the user's history.
            scored: the rules that are known already: "counted", "follow" and "ease".
            counts: what sold before a time of its own, and what happened since the training, if known.
            tilts: what multiplies the rules but the first in the query's context; what sells lately, and a year ago,
                by the second, since it knows the season at the end of the training.
        """
        mixture = np.zeros(self.selling.shape[1])
        for name, share in zip(MIXTURE, shares, strict=False):
            if share:
                mixture += share * tilted(self._rule(name, past, scored, counts), _tilt(name, tilts))
        return mixture

    def sources(
        self, past: Past, scored: Mapping[str, Scores], tilts: tuple[Scores | None, Scores | None]
    ) -> list[Scores]:
        """[items] for each of MIXTURE; it adds up to 1, or to 0 where it says nothing."""
        return [tilted(self._rule(name, past, scored, (None, None)), _tilt(name, tilts)) for name in MIXTURE]

    def _rule(
        self,
        name: str,
        past: Past,
        scored: Mapping[str, Scores],
        counts: tuple[WindowCounts | None, OnlineCounts | None],
    ) -> Scores:
        """[items] shares of what a rule says; an array that is the same for every user is the same object, too."""
        windows, online = counts
        if name not in SELLING:
            return _shares(scored[name] if name in scored else self._personal(name, past, online))
        if windows is None and online is None:
            if name not in self._sold:
                self._sold[name] = _shares(self.selling[SELLING.index(name)])
            return self._sold[name]
        return _shares(self._now(SELLING.index(name), windows, online))

    def _personal(self, name: str, past: Past, online: OnlineCounts | None) -> Scores:
        """[items] what a rule says by the user's history."""
        count = self.selling.shape[1]
        basket = past.last_basket(LATEST)
        ones, none = np.ones(len(basket)), np.zeros(count)
        match name:
            case "next":
                follow = none if self.follows is None else self.follows.weighted(basket, ones, count)
                return follow if online is None else follow + online.weighted(basket, ones, backward=0.0)
            case "chain":
                latest, since = past.items[-LATEST:], past.baskets_since[-LATEST:]
                less = np.power(LESS, since, dtype=np.float64)
                return none if self.follows is None else self.follows.weighted(latest, less, count) * self._rare
            case "basket":
                return self.basket.weighted(basket, ones, count)
            case "basket ease":
                return ease_scores(basket, self.ease, count)
            case _:
                weight = past.decayed(clock=self.clock, days=EVER if name == "ever" else REPEAT_HALF_LIFE)
                again: Scores = np.bincount(past.items, weight, minlength=count).astype(np.float64, copy=False)
                return again

    def _now(self, rule: int, windows: WindowCounts | None, online: OnlineCounts | None) -> Scores:
        """[items] what sold, of SELLING, by a query's windows and with the events since the training."""
        sold: Scores = self.selling[rule] if windows is None or rule >= len(windows) else windows[rule]
        return sold if online is None or SELLING[rule] == "year ago" else sold + online.seen


def _tilt(name: str, tilts: tuple[Scores | None, Scores | None]) -> Scores | None:
    """Return what multiplies a rule in the query's context: the counted scores know it already."""
    if name == "counted":
        return None
    return tilts[1] if name in SELLING and name != "popular" else tilts[0]


def _shares(scores: npt.NDArray[Any]) -> Scores:
    shares: Scores = scores / max(float(scores.sum()), 1e-12)
    return shares


def tilted(scores: Scores, lift: Scores | None) -> Scores:
    """Multiply scores by a lift and keep their sum; None leaves them as they are."""
    if lift is None:
        return scores
    product = scores * lift
    product *= scores.sum() / max(float(product.sum()), 1e-12)
    return product
