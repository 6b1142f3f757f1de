# SPDX-License-Identifier: Apache-2.0
"""Recipes and rules on the same questions: their answers, and figures of quality with their uncertainty."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from personalization.releases.ranking_metrics import (
    Answer,
    Bootstrap,
    Interval,
    Metric,
    coverage,
    discounted_gain,
    hit_rate,
    precision,
    recall,
    reciprocal_rank,
    relevant_last,
    tail_share,
)
from personalize_local.recipes.common.topk import Scored

from local.evaluation.pasts import Question
from local.evaluation.rules import SPARE, Pairs, Rules, Scores
from local.evaluation.trainings import Learned

Document = dict[str, Any]
Ask = Callable[[Question, bool, int], Pairs]
"""(question, only items that are new to the user, how many) → items with their sort keys."""
Rule = Callable[[Rules, str], Scores]
"""(counts, user) → [items] scores."""
METRICS: Mapping[str, Metric] = {
    "hitRate": hit_rate,
    "recall": recall,
    "precision": precision,
    "ndcg": discounted_gain,
    "mrr": reciprocal_rank,
}
LISTED = 100
"""The number of items in a list to rank."""


@dataclass(frozen=True, slots=True)
class Method:
    """A recipe or a rule."""

    name: str
    ask: Ask
    recipe: bool
    seconds: float = 0.0
    """Wall-clock time of the training, offline metrics of Personalize included."""
    cpu_seconds: float = 0.0
    rank: Callable[[Question, Sequence[str]], Pairs] | None = field(default=None)
    """Ranks a given list."""


def of_model(name: str, learned: Learned) -> Method:
    model = learned.model
    places = {item: place for place, item in enumerate(model.item_ids.tolist())}

    def ask(question: Question, new: bool, limit: int) -> Pairs:
        return _pairs(model.recommend(question.query, _unseen(question, places) if new else None, limit))

    def rank(question: Question, items: Sequence[str]) -> Pairs:
        return _pairs(model.rank(question.query, items))

    return Method(name, ask, recipe=True, seconds=learned.seconds, cpu_seconds=learned.cpu_seconds, rank=rank)


def of_rule(name: str, rules: Rules, rule: Rule, items: npt.NDArray[np.object_]) -> Method:
    places = {item: place for place, item in enumerate(items.tolist())}

    def ask(question: Question, new: bool, limit: int) -> Pairs:
        return rules.list(rule(rules, question.user), _unseen(question, places) if new else None, limit)

    def rank(question: Question, listed: Sequence[str]) -> Pairs:
        scores = rule(rules, question.user)
        pairs = [(item, float(scores[places[item]]) if item in places else -1.0) for item in listed]
        return sorted(pairs, key=itemgetter(1), reverse=True)

    return Method(name, ask, recipe=False, rank=rank)


def ask_all(
    method: Method, questions: Sequence[Question], depth: int, *, new: bool, tell: Callable[[], None]
) -> list[Answer]:
    """Return a method's lists, cut at a depth; ties count against it."""
    answers = []
    for question in questions:
        items = relevant_last(method.ask(question, new, depth + SPARE), question.relevant)[:depth]
        answers.append(Answer(items, question.relevant))
        tell()
    return answers


def rank_all(
    method: Method, questions: Sequence[Question], lists: Sequence[Sequence[str]], tell: Callable[[], None]
) -> list[Answer]:
    answers = []
    for question, listed in zip(questions, lists, strict=True):
        if method.rank is not None:
            answers.append(Answer(relevant_last(method.rank(question, listed), question.relevant), question.relevant))
        tell()
    return answers


def lists_to_rank(questions: Sequence[Question], sold: Sequence[str], seed: int) -> list[list[str]]:
    """Return for each user what they took, among other items drawn at random: LISTED items in random order."""
    random, made = np.random.default_rng(seed), []
    for question in questions:
        taken = sorted(question.relevant)[: LISTED // 2]
        drawn = random.choice(len(sold), min(LISTED, len(sold)), replace=False).tolist()
        others = [sold[place] for place in drawn if sold[place] not in question.relevant]
        listed = [*taken, *others[: LISTED - len(taken)]]
        made.append([listed[place] for place in random.permutation(len(listed)).tolist()])
    return made


@dataclass(frozen=True, slots=True)
class Field:
    """The bounds of the figures."""

    depth: int
    catalogue: int
    """Items that the recipes choose from."""
    head: frozenset[str]
    """The bestselling fifth of them."""
    seed: int


def figures(answers: Mapping[str, Sequence[Answer]], against: str, field: Field) -> dict[str, Document]:
    """Return the figures of several methods on the same questions.

    Args:
        answers: by method, in the same order of questions, of which there is at least one.
        against: the method that `times` compares with, in pairs.
        field: depth, catalogue and seed.

    Returns:
        By method: each metric as [value, low, high] (95 %), `times` (NDCG as a multiple of the other's, or None),
        `coverage` and `tail`.
    """
    bootstrap = Bootstrap(len(answers[against]), field.seed)
    gains = {name: [discounted_gain(each, field.depth) for each in found] for name, found in answers.items()}
    results: dict[str, Document] = {}
    for name, found in answers.items():
        values = {key: [metric(each, field.depth) for each in found] for key, metric in METRICS.items()}
        lists = [each.items for each in found]
        results[name] = {
            **{key: rounded(bootstrap.interval(each)) for key, each in values.items()},
            "times": rounded(bootstrap.ratio(gains[name], gains[against])),
            "coverage": round(coverage(lists, field.catalogue), 4),
            "tail": round(tail_share(lists, field.head), 4),
        }
    return results


def rounded(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(value, 4) for value in interval]


def _pairs(scored: Iterable[Scored]) -> Pairs:
    """Return items with scores; answers without scores count in their order."""
    return [(each.item_id, -place if each.score is None else each.score) for place, each in enumerate(scored)]


def _unseen(question: Question, places: Mapping[str, int]) -> npt.NDArray[np.bool_]:
    allowed = np.ones(len(places), bool)
    allowed[[places[item] for item in question.seen if item in places]] = False
    return allowed
