# SPDX-License-Identifier: Apache-2.0
import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from personalization.releases.gate import Measured, judge, judge_release
from personalization.releases.held_out.trials import Result
from personalization.shop.settings.gate import Gate

FLOOR = 0.001
NOT_ASKED = Result(outcome="notAsked")

NDCG = Gate().metric
RANKER = "user-personalization"
SHARE = st.floats(0, 1)
ALIASES = st.sampled_from(["user-personalization", "personalized-ranking", "similar-items", "popularity-count"])
GATES = st.builds(Gate, tolerance=st.floats(0, 0.99), minimum_over_popularity=st.floats(0, 3))


def measured(value: float | None, popularity: float | None) -> Measured:
    return Measured(metrics(value), metrics(popularity))


def metrics(value: float | None) -> Mapping[str, float] | None:
    return None if value is None else {NDCG: value}


MEASURED = st.builds(measured, SHARE, st.none() | SHARE)


@given(ALIASES, GATES, MEASURED, st.none() | MEASURED, SHARE)
def test_a_better_version_is_never_refused_where_a_worse_one_is_approved(
    alias: str, gate: Gate, new: Measured, serving: Measured | None, better: float
) -> None:
    assert new.metrics is not None
    assume(better >= new.metrics[NDCG])
    worse, best = (
        judge(alias, gate, Measured(measures, new.baseline), serving) for measures in (new.metrics, metrics(better))
    )
    assert (worse.decision, best.decision) != ("approved", "refused")


@given(ALIASES, GATES, st.sampled_from([math.nan, math.inf, -math.inf, -0.1, None]), st.none() | MEASURED)
def test_a_version_without_a_usable_metric_is_never_approved(
    alias: str, gate: Gate, value: float | None, serving: Measured | None
) -> None:
    judgement = judge(alias, gate, measured(value, 0.1), serving)
    assert judgement.decision == "refused"
    assert NDCG in judgement.reason
    assert judge(alias, gate, Measured({"precision_at_5": 1.0}, None), serving).decision == "refused"


@given(ALIASES, st.floats(0.001, 1), SHARE)
def test_the_same_figures_as_those_that_serve_are_approved(alias: str, value: float, popularity: float) -> None:
    same = measured(value, popularity)
    assert judge(alias, Gate(tolerance=0, minimum_over_popularity=0), same, same).decision == "approved"


@given(st.floats(0, 0.9), st.floats(0.01, 0.5), st.sampled_from([-1, 1]))
def test_the_tolerance_is_where_it_says(tolerance: float, old: float, side: int) -> None:
    gate = Gate(tolerance=tolerance, minimum_over_popularity=0)
    new = (old + FLOOR) * (1 - tolerance + side * 1e-6) - FLOOR
    assume(new >= 0)
    judgement = judge(RANKER, gate, measured(new, 0.2), measured(old, 0.2))
    assert judgement.decision == ("approved" if side > 0 else "refused")


def test_an_easier_test_does_not_make_a_better_version() -> None:
    # The metric rose by a half; popularity's, on the same import, doubled.
    judgement = judge(RANKER, Gate(), measured(0.3, 0.2), measured(0.2, 0.1))
    assert judgement.decision == "refused"
    assert "1.50 times popularity (0.3000)" in judgement.reason
    assert "1.99 times popularity (0.2000)" in judgement.reason


def test_a_harder_test_does_not_make_a_worse_version() -> None:
    assert judge(RANKER, Gate(), measured(0.1, 0.05), measured(0.2, 0.1)).decision == "approved"


def test_a_first_release_has_to_beat_popularity() -> None:
    assert judge(RANKER, Gate(), measured(0.0921, 0.1), None).decision == "approved"
    judgement = judge(RANKER, Gate(), measured(0.08, 0.1), None)
    assert judgement.decision == "refused"
    assert "0.80 times popularity" in judgement.reason


def test_similar_items_may_be_under_popularity() -> None:
    # They are asked for beside an item, which is another question than what a shopper buys next.
    assert judge("similar-items", Gate(), measured(0.01, 0.1), None).decision == "approved"
    assert judge("similar-items", Gate(), measured(0.01, 0.1), measured(0.02, 0.1)).decision == "refused"


def test_without_popularity_the_figures_are_compared_as_they_are() -> None:
    judgement = judge(RANKER, Gate(), measured(0.1, None), measured(0.2, None))
    assert judgement.decision == "refused"
    assert "0.1000 (0.1000)" in judgement.reason
    assert "as they are" in judgement.reason
    assert judge(RANKER, Gate(), measured(0.19, None), measured(0.2, 0.1)).decision == "approved"


def test_a_serving_version_that_is_gone_is_nothing_to_compare_with() -> None:
    judgement = judge(RANKER, Gate(), measured(0.2, 0.1), measured(None, None))
    assert judgement.decision == "approved"
    assert "no longer has metrics of the serving version" in judgement.reason


def test_a_recipe_can_have_rules_of_its_own() -> None:
    gate = Gate.model_validate({"recipes": {RANKER: {"tolerance": 0.5, "metric": "coverage"}}})
    both = Measured({"coverage": 0.6}, {"coverage": 0.1}), Measured({"coverage": 1.0}, {"coverage": 0.1})
    new, serving = (dict.fromkeys((RANKER, "similar-items"), measures) for measures in both)
    judged = judge_release(gate, new, serving, Result(outcome="notAsked"))
    assert [judgement.decision for judgement in judged] == ["approved", "refused"]


TREND, ALIKE, CURVE = "trend_prediction_accuracy", "average_similarity_at_25", "area_under_curve"


@pytest.mark.parametrize(
    ("alias", "name", "new", "old", "decision"),
    [
        ("trending-now", TREND, 0.06, 0.1, "approved"),
        ("trending-now", TREND, 0.04, 0.1, "refused"),
        ("trending-now", TREND, 0.0, 0.0, "approved"),
        # Amazon tells what it measures, and not by which name.
        ("trending-now", "accuracy_of_trends", 0.04, 0.1, "refused"),
        ("trending-now", NDCG, 0.5, 0.1, "refused"),
        ("semantic-similarity", ALIKE, 0.59, 0.6, "approved"),
        ("semantic-similarity", ALIKE, 0.5, 0.6, "refused"),
        ("next-best-action", CURVE, 0.66, 0.7, "approved"),
        ("next-best-action", CURVE, 0.62, 0.7, "refused"),
        ("next-best-action", "area_under_the_curve", 0.62, 0.7, "refused"),
    ],
)
def test_a_recipe_with_a_metric_of_its_own_is_held_against_what_serves(
    alias: str, name: str, new: float, old: float, decision: str
) -> None:
    popularity: Mapping[str, float] = {NDCG: 0.4}
    pair = Measured({name: new}, popularity), Measured({name: old}, popularity)
    (judged,) = judge_release(Gate(), {alias: pair[0]}, {alias: pair[1]}, NOT_ASKED)
    assert judged.decision == decision
    assert judged.lift is None
    assert ("popularity has no such metric" in judged.reason.lower()) == (name != NDCG)


def test_guesses_at_actions_are_refused_whatever_serves() -> None:
    worse, same = Measured({CURVE: 0.44}, None), Measured({CURVE: 0.46}, None)
    for serving in (None, worse):
        judged = judge("next-best-action", Gate().by_recipe(["next-best-action"])["next-best-action"], worse, serving)
        assert (judged.decision, "chance reaches 0.5, less 10%" in judged.reason) == ("refused", True)
    assert judge("next-best-action", Gate(metric="area_under_curve"), same, None).decision == "approved"


def test_what_only_reads_texts_says_nothing_about_popularity() -> None:
    popularity: Mapping[str, float] = {NDCG: 0.2}
    bad, alike = measured(0.001, 0.2), Measured({ALIKE: 0.6}, popularity)
    new = {RANKER: bad, "semantic-similarity": alike, "popularity-count": measured(0.2, 0.2)}
    judged = {judgement.alias: judgement.decision for judgement in judge_release(Gate(), new, {}, NOT_ASKED)}
    assert judged == {RANKER: "refused", "semantic-similarity": "approved", "popularity-count": "refused"}


def test_a_gate_that_is_off_lets_everything_pass() -> None:
    assert judge(RANKER, Gate(enabled=False), Measured(None, None), None).decision == "approved"


@pytest.mark.parametrize(("value", "baseline"), [(None, 0.1), (0.1, None), (None, None)])
def test_there_is_no_lift_without_both_figures(value: float | None, baseline: float | None) -> None:
    assert judge(RANKER, Gate(), measured(value, baseline), None).lift is None


def test_a_baseline_of_nothing_makes_no_infinite_lift() -> None:
    assert judge(RANKER, Gate(), measured(0.0, 0.0), None).lift == 1
    assert judge(RANKER, Gate(), measured(0.1, 0.0), None).lift == pytest.approx(101)


def test_popularity_goes_with_the_others() -> None:
    new = {RANKER: measured(0.05, 0.1), "similar-items": measured(0.1, 0.1), "popularity-count": measured(0.1, 0.1)}

    def decisions(*aliases: str) -> list[str]:
        chosen = {alias: new[alias] for alias in aliases}
        return [judgement.decision for judgement in judge_release(Gate(), chosen, {}, Result(outcome="notAsked"))]

    assert decisions(RANKER, "popularity-count") == ["refused", "refused"]
    assert decisions(*new) == ["refused", "approved", "approved"]
    assert decisions("popularity-count") == ["approved"]


def test_each_backend_is_judged_against_its_own_popularity() -> None:
    new = {
        "user-personalization": measured(0.2, 0.1),
        "popularity-count": measured(0.1, None),
        "engine/user-personalization": replace(measured(0.05, 0.1), backend="engine"),
        "engine/popularity-count": replace(measured(0.1, None), backend="engine"),
        "similar-items": replace(measured(0.2, 0.1), backend="engine"),
    }
    judged = {judgement.alias: judgement.decision for judgement in judge_release(Gate(), new, {}, NOT_ASKED)}
    assert judged == {
        "user-personalization": "approved",
        "popularity-count": "approved",
        "engine/user-personalization": "refused",
        "engine/popularity-count": "approved",
        "similar-items": "approved",
    }
