# SPDX-License-Identifier: Apache-2.0
"""Lists by rules and by recipes, measured alike: NDCG@10 and hits@10, ties against what is measured."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt
from personalization.releases.ranking_metrics import Answer, discounted_gain, hit_rate, relevant_last
from personalize_local.recipes.base import Model
from personalize_local.wire.errors import TrainingRefused

from benchmarks.questions.answers import Chosen, Judged
from benchmarks.questions.cases import BUILDERS, Case
from benchmarks.questions.figures import Sums
from benchmarks.questions.shop import Shop, mask
from local.evaluation.counts import Counts
from local.evaluation.pasts import Past, Question
from local.evaluation.rules import (
    ALIKE,
    CHAIN,
    COSINE,
    EASE,
    FREQUENCY,
    GROUP,
    OF_WINDOW,
    POPULAR,
    RECENT,
    SPARE,
    TOGETHER,
    YEAR,
    Rule,
    in_order,
    listed,
)

K = 10
TRIED = 800
"""Questions that a rule's parameters are chosen on."""
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
Allowed = npt.NDArray[np.bool_] | None


def rules(shop: Shop, question: str) -> list[Judged]:
    """Return every rule's figures on the test, its parameters and the best rule chosen on the cut before."""
    return judged(shop, question, RULES[question], shop.counts)


def judged(
    shop: Shop, question: str, tried_rules: Sequence[Rule], counted: Callable[[str, Past], Counts]
) -> list[Judged]:
    """Return the figures of these rules, which count in a past what `counted` says."""
    earlier = BUILDERS[question](shop, 1)
    counts = {case.name: counted(case.name, case.past) for case in earlier}
    chosen: list[tuple[float, Rule, tuple[float, ...]]] = []
    for rule in tried_rules:
        if rule.by_time and shop.positions:
            continue
        tried = [(_mean(earlier, counts, rule, options), rule, options) for options in rule.grid]
        chosen.append(max(tried, key=itemgetter(0)))
    cases = BUILDERS[question](shop, 0)
    counts = {case.name: counted(case.name, case.past) for case in cases}
    best = max(chosen, key=itemgetter(0))
    return [
        Judged(Chosen(rule.name, options), _sums(by_rule(cases, counts, rule, options)), best=rule is best[1])
        for _, rule, options in chosen
    ]


def recipe(shop: Shop, question: str, name: str, tier: str) -> tuple[Sums, float]:
    """Return a recipe's figures on the test, and the processor seconds of its trainings."""
    return _measured(shop, BUILDERS[question](shop, 0), name, tier)


def validated(shop: Shop, question: str, name: str, tier: str) -> float:
    """Return a recipe's figure on the cut before the test, by which something may be chosen; 0 if it is not trained."""
    try:
        return _measured(shop, BUILDERS[question](shop, 1), name, tier)[0].mean()
    except TrainingRefused:
        return 0.0


def _measured(shop: Shop, cases: Sequence[Case], name: str, tier: str) -> tuple[Sums, float]:
    answers: list[Answer] = []
    seconds = 0.0
    for case in cases:
        if not case.questions:
            continue
        model, took = shop.model(case.name, case.past, name, tier)
        seconds += took
        answers += by_model(case, model)
    return _sums(answers), seconds


def by_model(case: Case, model: Model) -> Iterator[Answer]:
    places = {item: position for position, item in enumerate(model.item_ids.tolist())}
    for number, (question, allowed) in enumerate(_allowed(case, places)):
        if case.lists is not None:
            scored = model.rank(question.query, case.lists[number])
        else:
            scored = model.recommend(question.query, allowed, K + SPARE)
        # Of items that nobody has taken, the printed scores are rounded to nothing.
        blind = isinstance(case.among, frozenset)
        pairs = [(item.item_id, -at if blind or item.score is None else item.score) for at, item in enumerate(scored)]
        yield _answer(pairs, question)


def by_rule(
    cases: Sequence[Case], counts: dict[str, Counts], rule: Rule, options: tuple[float, ...]
) -> Iterator[Answer]:
    for case in cases:
        counted = counts[case.name]
        score = rule.make(counted, *options)
        for number, (question, allowed) in enumerate(_allowed(case, counted.places)):
            scores = score(question)
            if case.lists is None:
                yield _answer(listed(scores, counted.ids, allowed, K + SPARE), question)
            else:
                yield _answer(in_order(scores, counted.places, case.lists[number]), question)


def _mean(cases: Sequence[Case], counts: dict[str, Counts], rule: Rule, options: tuple[float, ...]) -> float:
    """Return the mean NDCG of some questions of each case."""
    most = max(TRIED // max(len(cases), 1), 1)
    some = [
        Case(case.name, case.past, case.questions[:most], case.among, case.lists and case.lists[:most])
        for case in cases
    ]
    return _sums(by_rule(some, counts, rule, options)).mean()


def _allowed(case: Case, places: dict[str, int]) -> Iterator[tuple[Question, Allowed]]:
    only = mask(places, case.among) if isinstance(case.among, frozenset) else None
    for question in case.questions:
        allowed: Allowed = None
        if only is not None:
            allowed = only & ~mask(places, question.seen)
        elif case.among == "own":
            allowed = mask(places, question.seen)
        elif case.among == "new" or question.query.user_id is None:
            allowed = ~mask(places, question.seen)
        yield question, allowed


def _answer(pairs: Iterable[tuple[str, object]], question: Question) -> Answer:
    return Answer(relevant_last(pairs, question.relevant)[:K], question.relevant)


def _sums(answers: Iterator[Answer] | Sequence[Answer]) -> Sums:
    judged = list(answers)
    return Sums.means([discounted_gain(answer, K) for answer in judged], [hit_rate(answer, K) for answer in judged])
