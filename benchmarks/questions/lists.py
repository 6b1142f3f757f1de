# SPDX-License-Identifier: Apache-2.0
"""Lists by rules and by recipes, measured alike: NDCG@10 and hits@10, ties against the one who is measured."""

from collections.abc import Iterator, Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt
from personalization.releases.ranking_metrics import Answer, discounted_gain, hit_rate, relevant_last
from personalize_local.recipes.base import Model
from personalize_local.recipes.common.topk import Scored

from benchmarks.questions.answers import Chosen, Found
from benchmarks.questions.cases import BUILDERS, Case
from benchmarks.questions.figures import Sums
from benchmarks.questions.rules import RULES, Counts, Rule, Scorer
from benchmarks.questions.shop import Shop, mask
from local.evaluation.pasts import Question

K, SPARE = 10, 15
TRIED = 800
"""Questions that a rule's parameters are chosen on."""
Pairs = Sequence[tuple[str, object]]
Allowed = npt.NDArray[np.bool_] | None


def rules(shop: Shop, question: str) -> list[Found]:
    """Return every rule's figures on the test, its parameters and the best rule chosen on the cut before."""
    earlier = BUILDERS[question](shop, 1)
    counts = {case.name: Counts(case.past) for case in earlier}
    chosen: list[tuple[float, Rule, tuple[float, ...]]] = []
    for rule in RULES[question]:
        if rule.by_time and shop.positions:
            continue
        tried = [(_mean(earlier, counts, rule, options), rule, options) for options in rule.grid]
        chosen.append(max(tried, key=itemgetter(0)))
    cases = BUILDERS[question](shop, 0)
    counts = {case.name: Counts(case.past) for case in cases}
    best = max(chosen, key=itemgetter(0))
    return [
        Found(Chosen(rule.name, options), _sums(by_rule(cases, counts, rule, options)), best=rule is best[1])
        for _, rule, options in chosen
    ]


def recipe(shop: Shop, question: str, name: str, tier: str) -> tuple[Sums, float]:
    """Return a recipe's figures on the test, and the processor seconds of its trainings."""
    answers: list[Answer] = []
    seconds = 0.0
    for case in BUILDERS[question](shop, 0):
        if not case.asked:
            continue
        model, took = shop.model(case.name, case.past, name, tier)
        seconds += took
        answers += by_model(case, model)
    return _sums(answers), seconds


def by_model(case: Case, model: Model) -> Iterator[Answer]:
    places = {item: place for place, item in enumerate(model.item_ids.tolist())}
    for number, (question, allowed) in enumerate(_allowed(case, places)):
        if case.lists is not None:
            yield Answer(
                relevant_last(_pairs(model.rank(question.query, case.lists[number])), question.relevant),
                question.relevant,
            )
        else:
            yield _answer(_pairs(model.recommend(question.query, allowed, K + SPARE)), question)


def by_rule(
    cases: Sequence[Case], counts: dict[str, Counts], rule: Rule, options: tuple[float, ...]
) -> Iterator[Answer]:
    for case in cases:
        counted = counts[case.name]
        score: Scorer = rule.make(counted, *options)
        items = case.past.snapshot.items
        for number, (question, allowed) in enumerate(_allowed(case, counted.places)):
            scores = score(question)
            if case.lists is not None:
                listed = [(item, float(scores[counted.places[item]])) for item in case.lists[number]]
                ranked = sorted(listed, key=itemgetter(1), reverse=True)
                yield Answer(relevant_last(ranked, question.relevant), question.relevant)
                continue
            shown = scores if allowed is None else np.where(allowed, scores, -np.inf)
            top = np.argpartition(-shown, min(K + SPARE, len(shown) - 1))[: K + SPARE]
            top = top[np.argsort(-shown[top], kind="stable")]
            yield _answer([(items[place], shown[place]) for place in top.tolist() if shown[place] > -np.inf], question)


def _mean(cases: Sequence[Case], counts: dict[str, Counts], rule: Rule, options: tuple[float, ...]) -> float:
    """Return the mean NDCG of some questions of each case."""
    each = max(TRIED // max(len(cases), 1), 1)
    some = [
        Case(case.name, case.past, case.asked[:each], case.among, case.lists and case.lists[:each]) for case in cases
    ]
    return _sums(by_rule(some, counts, rule, options)).mean()


def _allowed(case: Case, places: dict[str, int]) -> Iterator[tuple[Question, Allowed]]:
    only = mask(places, case.among) if isinstance(case.among, frozenset) else None
    for question in case.asked:
        allowed: Allowed = None
        if only is not None:
            allowed = only
        elif case.among == "own":
            allowed = mask(places, question.seen)
        elif case.among == "new" or question.query.user_id is None:
            allowed = ~mask(places, question.seen)
        yield question, allowed


def _pairs(scored: Sequence[Scored]) -> Pairs:
    """Pair items with scores; those of lists without scores, or of items nobody took, count in their order."""
    return [(each.item_id, -place if each.score is None else (each.score, -place)) for place, each in enumerate(scored)]


def _answer(pairs: Pairs, question: Question) -> Answer:
    return Answer(relevant_last(pairs, question.relevant)[:K], question.relevant)


def _sums(answers: Iterator[Answer] | Sequence[Answer]) -> Sums:
    found = list(answers)
    return Sums.means([discounted_gain(each, K) for each in found], [hit_rate(each, K) for each in found])
