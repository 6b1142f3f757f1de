# SPDX-License-Identifier: Apache-2.0
"""The next purchase from views and purchases: what views should count for, and what plain rules make of them.

The test holds purchases alone. Weights are chosen on the cut before, in the fast tier; no event after a cut
trains or stands in the history that a question has.
"""

from collections.abc import Sequence

import numpy as np
from personalize_local.recipes.common.rows import training_rows
from personalize_local.recipes.config import RETURN, EventParameters, TrainingConfig
from scipy import sparse

from benchmarks.questions import lists
from benchmarks.questions.answers import Judged, Variant
from benchmarks.questions.cases import BUILDERS
from benchmarks.questions.shop import Shop
from local.evaluation import rules as plain
from local.evaluation.counts import TINY, Counts, Scores
from local.evaluation.pasts import Past, Question
from local.evaluation.rules import DECAYS, FREQUENCY, POPULAR, RECENT, Rule, Scorer, grid

RECIPE = "aws-user-personalization-v2"
QUESTION = "next-purchase"
TRIED = (0.0, 0.03, 0.1, 0.3, 1.0)
"""Weights of all other types that are tried, beside 1 for purchases; 0 = purchases alone train."""
EQUAL, ONLY = "equal weights", "purchases only"
Events = tuple[EventParameters, ...]


class Funnel(Counts):
    """What rules count of purchases, and what they count of the events before them."""

    def __init__(self, past: Past, purchase: str) -> None:
        super().__init__(past)
        config = TrainingConfig(events=_named(_others(past, purchase)), minimum_interactions=1, minimum_users=1)
        self.viewed = Counts(Past(past.split, past.snapshot, training_rows(past.snapshot, config)))
        self._bought_after = dict[float, sparse.csr_array]()

    def bought_after(self, shrinkage: float) -> sparse.csr_array:
        """[viewed items, bought items] cosine of those who viewed the one and those who bought the other."""
        if shrinkage not in self._bought_after:
            viewed, bought = self.viewed.users, self.users
            size = min(viewed.shape[0], bought.shape[0])
            both = (viewed[:size].T @ bought[:size]).tocsr()
            both.data *= both.data / (both.data + shrinkage)
            rare = [sparse.diags_array(np.maximum(taken.sum(axis=0), 1.0) ** -0.5) for taken in (viewed, bought)]
            self._bought_after[shrinkage] = (rare[0] @ both @ rare[1]).tocsr()
        return self._bought_after[shrinkage]


def _viewed_lately(counts: Funnel, half_life: float) -> Scorer:
    return plain.recent(counts.viewed, half_life)


def _looked_at(counts: Funnel, half_life: float, blend: float) -> Scorer:
    """Score what the user looked at last, mixed with what is bought lately."""
    lately = counts.share(0.5 ** (counts.age / 30.0))
    lately = blend * lately / max(float(lately.max()), 1e-300)

    def score(question: Question) -> Scores:
        item, age, _ = counts.viewed.told(question)
        return np.bincount(item, 0.5 ** (age / half_life), minlength=counts.items) + lately

    return score


def _from_views(counts: Funnel, decay: float, shrinkage: float) -> Scorer:
    """Score what was bought by those who viewed what the user viewed, older views less by a factor each."""
    near = counts.bought_after(shrinkage)

    def score(question: Question) -> Scores:
        item, _, back = counts.viewed.told(question)
        taken = np.bincount(item, decay**back, minlength=counts.items)
        where = np.flatnonzero(taken)
        return np.asarray(taken[where] @ near[where], np.float64) + TINY * counts.popular

    return score


RULES = (
    POPULAR,
    Rule("most bought lately", RECENT.grid, plain.recent, by_time=True),
    Rule("most viewed lately", RECENT.grid, _viewed_lately, by_time=True),
    Rule("viewed by the user lately", grid((1.0, 3.0, 14.0, 90.0), (0.001, 0.1, 0.5, 2.0)), _looked_at, by_time=True),
    Rule("bought by the user lately", FREQUENCY.grid, plain.frequency, by_time=True),
    Rule("views to purchases", grid(DECAYS, (0.0, 5.0, 50.0)), _from_views),
)


def rules(shop: Shop, question: str) -> list[Judged]:
    """Return every rule's figures on the test, chosen on the cut before as those of other lists are."""
    return lists.judged(shop, question, RULES, lambda _name, past: Funnel(past, _purchase(shop)))


def variants(shop: Shop) -> Sequence[Variant]:
    """Return trainings with equal weights, with purchases only, and with the best weights on the cut before."""
    others = _others(BUILDERS[QUESTION](shop, 1)[0].past, _purchase(shop))
    best = chosen(shop, others)
    return (
        Variant(EQUAL, weighed(_purchase(shop), others, 1.0), decides=False),
        Variant(ONLY, weighed(_purchase(shop), others, 0.0), decides=False),
        Variant(f"weight {best:g}, chosen", weighed(_purchase(shop), others, best)),
    )


def chosen(shop: Shop, others: Sequence[str]) -> float:
    """Return the weight of other events with the best lists on the cut before the test."""
    answers: dict[float, float] = {}
    for weight in TRIED:
        trial = shop.weighing(weighed(_purchase(shop), others, weight))
        answers[weight] = lists.validated(trial, QUESTION, RECIPE, "fast")
    return max(answers, key=lambda weight: answers[weight])


def weighed(purchase: str, others: Sequence[str], weight: float) -> Events:
    """Return weights: 1 for purchases, and one weight for all other types, none of which trains with 0."""
    rest = [EventParameters(name, weight=weight) for name in others] if weight else []
    return (EventParameters(purchase, weight=1.0), *rest)


def _named(types: Sequence[str]) -> Events:
    return tuple(EventParameters(name) for name in types)


def _others(past: Past, purchase: str) -> list[str]:
    return [name for name in past.snapshot.event_types if name.lower() not in (purchase.lower(), RETURN)]


def _purchase(shop: Shop) -> str:
    return shop.spec.event_type or "Purchase"
