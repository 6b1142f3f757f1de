# SPDX-License-Identifier: Apache-2.0
"""Decide whether a new solution version may replace the one that serves.

Metrics of versions from different imports have different tests, and an easier test makes a version look better. The
gate therefore compares the *lift*: a version's metric over that of Popularity-Count, the baseline from the same import.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from personalization.releases.held_out.trials import Result
from personalization.shop.records.release import BASELINE
from personalization.shop.settings.gate import FOR_USERS, Gate, RecipeGate

Metrics = Mapping[str, float]
"""Metrics of a solution version by Personalize's names."""
Decision = Literal["approved", "refused"]

FLOOR = 0.001
"""Added on both sides of a lift, so that a baseline of 0 does not make every lift infinite."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of a version, and of Popularity-Count on the same import; None if that version does not exist."""

    metrics: Metrics | None
    baseline: Metrics | None


def measure(versions: Mapping[str, tuple[str, str | None]], metrics: Mapping[str, Metrics]) -> dict[str, Measured]:
    """Return the metrics of (version, baseline) pairs by recipe alias, from metrics by ARN."""
    return {
        alias: Measured(metrics.get(arn), metrics.get(baseline or "")) for alias, (arn, baseline) in versions.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The decision about one recipe, and the figures (of the gate's metric) behind it."""

    alias: str
    decision: Decision
    reason: str
    metric: str
    new: float | None = None
    popularity: float | None = None
    serving: float | None = None
    serving_popularity: float | None = None
    lift: float | None = None
    serving_lift: float | None = None


def judge_release(
    gate: Gate, new: Mapping[str, Measured], serving: Mapping[str, Measured], held_out: Result
) -> list[Judgement]:
    """Judge the new versions of a run by recipe alias, each by its metrics and by the test on held-out time.

    Popularity has no baseline. If every other recipe of the same import is refused, popularity is refused too, because
    the data cannot be trusted.
    """
    judged = [combine(judge(alias, _gate_of(gate, alias), new[alias], serving.get(alias)), held_out) for alias in new]
    others = [judgement for judgement in judged if judgement.alias != BASELINE]
    if not others or any(judgement.decision == "approved" for judgement in others):
        return judged
    reason = "Every other recipe that was trained on this import is refused, so this one is refused too."
    return [
        replace(judgement, decision="refused", reason=reason) if judgement.alias == BASELINE else judgement
        for judgement in judged
    ]


def _gate_of(gate: Gate, alias: str) -> Gate:
    """Return the gate of one recipe, with its exceptions."""
    exceptions = gate.recipes.get(alias, RecipeGate()).model_dump(exclude_none=True)
    return gate.model_copy(update={**exceptions, "recipes": {}})


def judge(alias: str, gate: Gate, new: Measured, serving: Measured | None) -> Judgement:
    """Judge a recipe's new version by its metrics.

    A version without its metric is refused; otherwise a better metric never turns an approval into a refusal. Nothing
    serves before a first release.
    """
    old = serving or Measured(None, None)
    new_figure, popularity, old_figure, their_popularity = (
        _figure(metrics, gate.metric) for metrics in (new.metrics, new.baseline, old.metrics, old.baseline)
    )
    facts = Judgement(
        alias=alias,
        decision="approved",
        reason="",
        metric=gate.metric,
        new=new_figure,
        popularity=popularity,
        serving=old_figure,
        serving_popularity=their_popularity,
        lift=lift(new_figure, popularity),
        serving_lift=lift(old_figure, their_popularity),
    )
    decision, reason = _decide(gate, facts, first=serving is None)
    return replace(facts, decision=decision, reason=reason)


def lift(value: float | None, baseline: float | None) -> float | None:
    """Return a metric over its baseline; None if either is unknown."""
    if value is None or baseline is None:
        return None
    return (value + FLOOR) / (baseline + FLOOR)


def _figure(metrics: Metrics | None, name: str) -> float | None:
    """Return a metric if it is a finite number of at least 0."""
    value = metrics.get(name) if metrics is not None else None
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def _decide(gate: Gate, facts: Judgement, *, first: bool) -> tuple[Decision, str]:
    if not gate.enabled:
        return "approved", "The shop's gate is off."
    if facts.new is None:
        return "refused", f"Personalize gives no usable {gate.metric} for the new version."
    if facts.alias == BASELINE:
        return (
            "approved",
            f"The baseline itself: its {gate.metric} is {facts.new:.4f}, and the other recipes are compared with it.",
        )
    least = gate.minimum_over_popularity
    if facts.alias in FOR_USERS and facts.lift is not None and least and facts.lift < least * (1 - gate.tolerance):
        return "refused", (
            f"{gate.metric} of the new version is {facts.new:.4f} where popularity has {facts.popularity:.4f}: "
            f"{facts.lift:.2f} times popularity, and the gate requires {least:g}, less {gate.tolerance:.0%}."
        )
    figure = f"Its {gate.metric} is {facts.new:.4f}."
    if facts.lift is not None:
        figure = f"{figure[:-1]}, {facts.lift:.2f} times that of popularity ({facts.popularity:.4f})."
    if first or facts.serving is None:
        gone = "Personalize no longer has metrics of the serving version."
        return "approved", f"{'The first release of this recipe: nothing serves yet.' if first else gone} {figure}"
    return _against_serving(gate, facts, facts.new, facts.serving)


def _against_serving(gate: Gate, facts: Judgement, new: float, serving: float) -> tuple[Decision, str]:
    """Compare lifts, or plain figures where a lift is unknown."""
    new_value, serving_value, unit, digits = new, serving, "", 4
    without = " Without a popularity of the same import, the plain figures are compared as they are."
    if facts.lift is not None and facts.serving_lift is not None:
        new_value, serving_value, unit, digits, without = facts.lift, facts.serving_lift, " times popularity", 2, ""
    reason = (
        f"{gate.metric}: the new version has {new_value:.{digits}f}{unit} ({new:.4f}), "
        f"the serving one {serving_value:.{digits}f}{unit} ({serving:.4f}); {gate.tolerance:.0%} less is tolerated."
        f"{without}"
    )
    return ("approved" if new_value >= serving_value * (1 - gate.tolerance) else "refused"), reason


def combine(judgement: Judgement, result: Result) -> Judgement:
    """Combine a judgement by metrics with the test on held-out time: both must approve."""
    if judgement.alias not in FOR_USERS or result.outcome in {"notAsked", "tooLittle"}:
        return judgement
    if result.outcome == "leaked":
        return _refused(judgement, result.reason)
    of_recipe = next(
        (recipe_result for recipe_result in result.recipes if recipe_result.alias == judgement.alias), None
    )
    if of_recipe is None:
        return judgement
    if of_recipe.decision == "refused":
        return _refused(judgement, of_recipe.reason)
    return replace(judgement, reason=f"{judgement.reason} Besides, {of_recipe.reason}.")


def _refused(judgement: Judgement, reason: str) -> Judgement:
    earlier = f"{judgement.reason} Besides, " if judgement.decision == "refused" else ""
    return replace(judgement, decision="refused", reason=f"{earlier}{reason}")
