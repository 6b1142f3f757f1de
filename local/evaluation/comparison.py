# SPDX-License-Identifier: Apache-2.0
"""Recipes and rules on the same questions: their answers, and figures of quality with their uncertainty."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from personalization.releases import ranking_metrics
from personalization.releases.ranking_metrics import Answer, Interval, Metric, discounted_gain, relevant_last
from personalize_local.recipes.base import Model
from personalize_local.recipes.common.topk import Scored

from local.evaluation.counts import Counts
from local.evaluation.pasts import Question
from local.evaluation.rules import SPARE, Options, Pairs, Rule, in_order, listed

Document = dict[str, Any]
Ask = Callable[[Question, bool, int], Pairs]
"""(question, only items that are new to the user, how many) → items with their sort keys."""
METRICS: Mapping[str, Metric] = {
    "hitRate": ranking_metrics.hit_rate,
    "recall": ranking_metrics.recall,
    "precision": ranking_metrics.precision,
    "ndcg": discounted_gain,
    "mrr": ranking_metrics.reciprocal_rank,
}
LISTED = 100
"""The number of items in a list to rank."""


@dataclass(frozen=True, slots=True)
class Method:
    """A recipe or a rule."""

    name: str
    ask: Ask
    rank: Callable[[Question, Sequence[str]], Pairs]
    recipe: bool
    seconds: float = 0.0
    """Wall-clock time of the training, offline metrics of Personalize included."""
    cpu_seconds: float = 0.0
    model: Model | None = None
    """None: a rule."""


def of_model(name: str, model: Model, seconds: float, cpu_seconds: float) -> Method:
    places = {item: number for number, item in enumerate(model.item_ids.tolist())}

    def ask(question: Question, new: bool, limit: int) -> Pairs:
        return _pairs(model.recommend(question.query, _unseen(question, places) if new else None, limit))

    def rank(question: Question, items: Sequence[str]) -> Pairs:
        return _pairs(model.rank(question.query, items))

    return Method(name, ask, rank, recipe=True, seconds=seconds, cpu_seconds=cpu_seconds, model=model)


def of_rule(name: str, rule: Rule, counts: Counts, options: Options) -> Method:
    score, places = rule.make(counts, *options), counts.places

    def ask(question: Question, new: bool, limit: int) -> Pairs:
        return listed(score(question), counts.ids, _unseen(question, places) if new else None, limit)

    def rank(question: Question, items: Sequence[str]) -> Pairs:
        return in_order(score(question), places, items)

    return Method(name, ask, rank, recipe=False)


def tuned(rule: Rule, counts: Counts, questions: Sequence[Question], depth: int, *, new: bool) -> Options:
    """Return the parameters of a rule with the best NDCG on earlier questions; the usual ones where there are none."""
    if len(rule.grid) == 1 or not questions:
        return rule.usual

    def gain(options: Options) -> float:
        answers = ask_all(of_rule(rule.name, rule, counts, options), questions, depth, new=new)
        return ranking_metrics.mean(discounted_gain(answer, depth) for answer in answers)

    return max(rule.grid, key=gain)


def ask_all(method: Method, questions: Sequence[Question], depth: int, *, new: bool) -> list[Answer]:
    """Return a method's lists, cut at a depth; ties count against it."""
    return [
        Answer(relevant_last(method.ask(question, new, depth + SPARE), question.relevant)[:depth], question.relevant)
        for question in questions
    ]


def rank_all(method: Method, questions: Sequence[Question], lists: Sequence[Sequence[str]]) -> list[Answer]:
    return [
        Answer(relevant_last(method.rank(question, listed), question.relevant), question.relevant)
        for question, listed in zip(questions, lists, strict=True)
    ]


def lists_to_rank(questions: Sequence[Question], sold: Sequence[str], seed: int) -> list[list[str]]:
    """Return for each user what they took, among other items drawn at random: LISTED items in random order."""
    random, made = np.random.default_rng(seed), []
    for question in questions:
        taken = sorted(question.relevant)[: LISTED // 2]
        drawn = random.choice(len(sold), min(LISTED, len(sold)), replace=False).tolist()
        others = [sold[number] for number in drawn if sold[number] not in question.relevant]
        listed = [*taken, *others[: LISTED - len(taken)]]
        made.append([listed[number] for number in random.permutation(len(listed)).tolist()])
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
    """Return figures by method, whose `answers` are to the same questions, of which there is at least one.

    They are each metric as [value, low, high] (95 %), NDCG as a multiple (`times`) of that of the method `against`, or
    None, `coverage` and `tail`.
    """
    bootstrap = ranking_metrics.Bootstrap(len(answers[against]), field.seed)
    gains = {
        name: [discounted_gain(answer, field.depth) for answer in answers_of_method]
        for name, answers_of_method in answers.items()
    }
    results: dict[str, Document] = {}
    for name, answers_of_method in answers.items():
        values = {key: [metric(answer, field.depth) for answer in answers_of_method] for key, metric in METRICS.items()}
        lists = [answer.items for answer in answers_of_method]
        results[name] = {
            **{key: rounded(bootstrap.interval(gains)) for key, gains in values.items()},
            "times": rounded(bootstrap.ratio(gains[name], gains[against])),
            "coverage": round(ranking_metrics.coverage(lists, field.catalogue), 4),
            "tail": round(ranking_metrics.tail_share(lists, field.head), 4),
        }
    return results


def rounded(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(value, 4) for value in interval]


def _pairs(scored: Iterable[Scored]) -> Pairs:
    """Return items with scores; answers without scores count in their order."""
    return [
        (scored_item.item_id, -rank if scored_item.score is None else scored_item.score)
        for rank, scored_item in enumerate(scored)
    ]


def _unseen(question: Question, places: Mapping[str, int]) -> npt.NDArray[np.bool_]:
    allowed = np.ones(len(places), bool)
    allowed[[places[item] for item in question.seen if item in places]] = False
    return allowed
