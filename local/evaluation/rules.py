# SPDX-License-Identifier: Apache-2.0
"""Simple rules that a recipe has to beat: what sells, what the user takes, what goes with it, and what follows it.

Every rule gives each item a score from what is told of the user (`Question.query`), so that it answers for new users
and for baskets that are being filled as well. Its parameters are chosen on the shop's own past (`comparison.tuned`).
Ages are days, or baskets where times are positions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from operator import itemgetter

import numpy as np
import numpy.typing as npt
from scipy import sparse

from local.evaluation.counts import TINY, Counts, Scores
from local.evaluation.pasts import Question

Scorer = Callable[[Question], Scores]
Pairs = list[tuple[str, object]]
"""Items with their sort keys, best first."""
Options = tuple[float, ...]
SPARE = 15
"""Items beyond the depth, since ties may reach across the cut."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, the parameters to try, and how it is made for a past with one choice of them."""

    name: str
    grid: tuple[Options, ...]
    make: Callable[..., Scorer]
    """(counts, *parameters) → question → [items] scores."""
    by_time: bool = False
    """Whether it says nothing where times are positions."""

    @property
    def usual(self) -> Options:
        """The parameters where nothing can be chosen: those in the middle."""
        return self.grid[len(self.grid) // 2]


def listed(scores: Scores, items: npt.NDArray[np.object_], allowed: npt.NDArray[np.bool_] | None, limit: int) -> Pairs:
    """Return the best of the allowed items (None = all) with their scores, best first."""
    shown = scores if allowed is None else np.where(allowed, scores, -np.inf)
    top = np.argpartition(-shown, min(limit, len(shown) - 1))[:limit]
    top = top[np.argsort(-shown[top], kind="stable")]
    return [(items[number], float(shown[number])) for number in top.tolist() if shown[number] > -np.inf]


def in_order(scores: Scores, places: Mapping[str, int], given: Sequence[str]) -> Pairs:
    """Return given items with their scores, best first, unknown ones last."""
    pairs = [(item, float(scores[places[item]]) if item in places else -np.inf) for item in given]
    return sorted(pairs, key=itemgetter(1), reverse=True)


def popular(counts: Counts) -> Scorer:
    return lambda _question: counts.popular


def recent(counts: Counts, half_life: float) -> Scorer:
    """Score popularity in which an interaction counts half after some days."""
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


def again(counts: Counts) -> Scorer:
    """Score what the user took most, then what is popular."""
    lately = 0.5 * counts.popular / max(float(counts.popular.max()), 1e-300)
    return lambda question: np.bincount(counts.told(question)[0], minlength=counts.items) + lately


def frequency(counts: Counts, own_half_life: float, blend: float, half_life: float) -> Scorer:
    """Score what the user took most and last, mixed with what sells lately."""
    lately = counts.popular if counts.positions else counts.share(0.5 ** (counts.age / half_life))
    lately = blend * lately / max(float(lately.max()), 1e-300) + TINY * counts.popular

    def score(question: Question) -> Scores:
        item, age, _ = counts.told(question)
        return np.bincount(item, 0.5 ** (age / own_half_life), minlength=counts.items) + lately

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
        of_head = taken[counts.head]
        where = np.flatnonzero(of_head)
        scores: Scores = TINY * counts.popular
        scores[counts.head] += of_head[where] @ weights[where]
        return scores

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


def grid(*values: Options) -> tuple[Options, ...]:
    """Return every combination of one value for each parameter."""
    return tuple(product(*values))


DECAYS = (0.5, 0.7, 0.9, 1.0)
POPULAR = Rule("popularity", ((),), popular)
RECENT = Rule("recent popularity", grid((0.04, 0.25, 1.0, 3.0, 7.0, 14.0, 30.0, 90.0)), recent, by_time=True)
OF_WINDOW = Rule("popularity of the last days", grid((0.04, 1.0, 7.0, 28.0)), of_window, by_time=True)
YEAR = Rule("popularity a year ago", grid((7.0, 28.0)), a_year_ago, by_time=True)
AGAIN = Rule("personal frequency", ((),), again)
FREQUENCY = Rule(
    "decayed frequency", grid((3.0, 14.0, 30.0, 90.0, 365.0), (0.001, 0.1, 0.5, 2.0), (7.0, 30.0)), frequency
)
COSINE = Rule("cosine", grid(DECAYS, (0.0, 5.0)), cosine)
TOGETHER = Rule("cosine of baskets", grid((0.0, 0.5, 0.9), (0.0, 5.0)), together)
EASE = Rule("EASE", grid(DECAYS, (100.0, 500.0)), ease)
CHAIN = Rule("Markov chain", grid((0.0, 0.5, 0.8), (0.0, 0.5)), chain)
GROUP = Rule("popularity by group", grid((20.0, 100.0, 500.0), (14.0, 90.0, 1e6)), of_group)
ALIKE = Rule("shared categories", grid((0.7, 0.9, 1.0)), alike)
