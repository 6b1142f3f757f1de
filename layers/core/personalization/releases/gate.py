# SPDX-License-Identifier: Apache-2.0
"""Decide whether a new solution version may replace the one that serves.

Metrics of versions from different imports have different tests, and an easier test makes a version look better. The
gate therefore compares the *lift*: a version's metric over that of Popularity-Count, the baseline from the same import.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from table_intake.wording import Text

from personalization.core.names import Backend, backend_of
from personalization.releases.held_out.trials import Result
from personalization.shop.records.release import BASELINE, recipe_of
from personalization.shop.settings.gate import FOR_USERS, OWN_METRICS, Gate

Metrics = Mapping[str, float]
"""Metrics of a solution version by Personalize's names."""
Decision = Literal["approved", "refused"]

_TELLING = {
    "trend_prediction_accuracy": "trend",
    "average_similarity_at_25": "similarity",
    "average_popularity_at_25": "popularity",
    "average_freshness_at_25": "freshness",
    "area_under_curve": "curve",
}
"""The words that tell the metrics of single recipes."""
CHANCE: Mapping[str, float] = {"area_under_curve": 0.5}
"""What guesses reach, by metric."""
FLOOR = 0.001
"""Added on both sides of a lift, so that a baseline of 0 does not make every lift infinite."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of a version, and of Popularity-Count on the same import; None if that version does not exist."""

    metrics: Metrics | None
    baseline: Metrics | None
    other_events: bool = False
    """Whether it trained on other types of events than the version that it is compared with, or weighs them otherwise:
    Personalize measures a version on the events that train it."""
    backend: Backend = "personalize"
    """Who trained it."""


def measure(
    versions: Mapping[str, tuple[str, str | None]], metrics: Mapping[str, Metrics], other_events: Collection[str] = ()
) -> dict[str, Measured]:
    """Return the metrics of (version, baseline) pairs by recipe alias.

    Args:
        versions: the pairs.
        metrics: by ARN.
        other_events: recipes whose version trained on other events than the one that it is compared with.
    """
    return {
        alias: Measured(metrics.get(arn), metrics.get(baseline or ""), alias in other_events, backend_of(arn))
        for alias, (arn, baseline) in versions.items()
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
    """Judge the new versions of a run by alias, each by its metrics and by the test on held-out time.

    Each backend's versions are judged by themselves; the test was not made with those of the engine.
    """
    judged: list[Judgement] = []
    for backend, result in (("personalize", held_out), ("engine", Result(outcome="notAsked"))):
        aliases = {recipe_of(alias): alias for alias, figures in new.items() if figures.backend == backend}
        judgements = _judged(gate, _by_recipe(new, aliases), _by_recipe(serving, aliases), result)
        judged += [replace(judgement, alias=aliases[judgement.alias]) for judgement in judgements]
    return judged


def _by_recipe(measured: Mapping[str, Measured], aliases: Mapping[str, str]) -> dict[str, Measured]:
    """Return what is measured of one backend's versions, by recipe."""
    return {recipe: measured[alias] for recipe, alias in aliases.items() if alias in measured}


def _judged(
    gate: Gate, new: Mapping[str, Measured], serving: Mapping[str, Measured], held_out: Result
) -> list[Judgement]:
    """Judge one backend's versions, by recipe.

    Popularity has no baseline. If every other recipe of the same import is refused, popularity is refused too, because
    the data cannot be trusted.
    """
    gates = gate.by_recipe(new)
    judged = [combine(judge(alias, gates[alias], new[alias], serving.get(alias)), held_out) for alias in new]
    others = [judgement for judgement in judged if judgement.alias != BASELINE]
    # What has a metric of its own says nothing about what is compared with popularity.
    others = [judgement for judgement in others if judgement.alias not in OWN_METRICS] or others
    if not others or any(judgement.decision == "approved" for judgement in others):
        return judged
    text = "Every other recipe that was trained on this import is refused, so this one is refused too."
    reason = Text("gate.others-refused", text)
    return [
        replace(judgement, decision="refused", reason=reason) if judgement.alias == BASELINE else judgement
        for judgement in judged
    ]


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
    decision, reason = _decide(gate, facts, first=serving is None, other_events=old.other_events)
    return replace(facts, decision=decision, reason=reason)


def lift(value: float | None, baseline: float | None) -> float | None:
    """Return a metric over its baseline; None if either is unknown."""
    if value is None or baseline is None:
        return None
    return (value + FLOOR) / (baseline + FLOOR)


def _figure(metrics: Metrics | None, name: str) -> float | None:
    """Return a metric if it is a finite number of at least 0.

    Amazon describes the metrics of single recipes without their names: one with the telling word is taken for it.
    """
    figures, word = metrics or {}, _TELLING.get(name)
    names = (name, *(other for other in sorted(figures) if word and word in other))
    value = next((figures[other] for other in names if other in figures), None)
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def _name(gate: Gate) -> Text:
    return Text(f"metric.{gate.metric}", gate.metric)


def _decide(gate: Gate, facts: Judgement, *, first: bool, other_events: bool) -> tuple[Decision, str]:
    if not gate.enabled:
        return "approved", Text("gate.off", "The shop's gate is off.")
    metric = {"metric": _name(gate)}
    if facts.new is None:
        text = "Personalize gives no usable {metric} for the new version."
        return "refused", Text("gate.no-metric", text, **metric)
    if facts.alias == BASELINE:
        text = "The baseline itself: its {metric} is {new:.4f}, and the other recipes are compared with it."
        return "approved", Text("gate.baseline", text, new=facts.new, **metric)
    if why := _too_low(gate, facts, facts.new):
        return "refused", why
    figure = Text("gate.figure", "Its {metric} is {new:.4f}.", new=facts.new, **metric)
    if facts.lift is not None:
        text = "Its {metric} is {new:.4f}, {lift:.2f} times that of popularity ({popularity:.4f})."
        figures = {"new": facts.new, "popularity": facts.popularity, "lift": facts.lift}
        figure = Text("gate.figure-times", text, **figures, **metric)
    if first or other_events or facts.serving is None:
        lead = Text("gate.metrics-gone", "Personalize no longer has metrics of the serving version.")
        if other_events:
            text = "The serving version weighs event types otherwise, so that its figures measure something else."
            lead = Text("gate.other-events", text)
        if first:
            lead = Text("gate.first", "The first release of this recipe: nothing serves yet.")
        return "approved", Text.joined(" ", [lead, figure])
    return _against_serving(gate, facts, facts.new, facts.serving)


def _too_low(gate: Gate, facts: Judgement, new: float) -> Text | None:
    """Return why a new version is refused whatever serves: it is below chance, or below popularity."""
    figures = {"metric": _name(gate), "new": new, "tolerance": gate.tolerance}
    chance, least = CHANCE.get(gate.metric, 0.0), gate.minimum_over_popularity
    if new < chance * (1 - gate.tolerance):
        text = "{metric} of the new version is {new:.4f}, and chance reaches {chance:.1f}, less {tolerance:.0%}."
        return Text("gate.chance", text, chance=chance, **figures)
    if facts.alias in FOR_USERS and facts.lift is not None and least and facts.lift < least * (1 - gate.tolerance):
        text = (
            "{metric} of the new version is {new:.4f} where popularity has {popularity:.4f}: {lift:.2f} times "
            "popularity, and the gate requires {least:g}, less {tolerance:.0%}."
        )
        of_popularity = {"popularity": facts.popularity, "lift": facts.lift, "least": least}
        return Text("gate.below-popularity", text, **of_popularity, **figures)
    return None


def _against_serving(gate: Gate, facts: Judgement, new: float, serving: float) -> tuple[Decision, str]:
    """Compare lifts, or plain figures where a lift is unknown."""
    figures = {"metric": _name(gate), "new": new, "serving": serving, "tolerance": gate.tolerance}
    if facts.lift is not None and facts.serving_lift is not None:
        new_value, serving_value = facts.lift, facts.serving_lift
        text = (
            "{metric}: the new version has {lift:.2f} times popularity ({new:.4f}), the serving one {serving_lift:.2f} "
            "times popularity ({serving:.4f}); {tolerance:.0%} less is tolerated."
        )
        reason = Text("gate.lifts", text, lift=new_value, serving_lift=serving_value, **figures)
    else:
        new_value, serving_value = new, serving
        text = (
            "{metric}: the new version has {new:.4f} ({new:.4f}), the serving one {serving:.4f} ({serving:.4f}); "
            "{tolerance:.0%} less is tolerated. Without a popularity of the same import, the plain figures are "
            "compared as they are."
        )
        reason = Text("gate.plain", text, **figures)
        if gate.metric in OWN_METRICS.get(facts.alias, ()):
            text = (
                "{metric}: the new version has {new:.4f}, the serving one {serving:.4f}; {tolerance:.0%} less is "
                "tolerated. Popularity has no such metric."
            )
            reason = Text("gate.own", text, **figures)
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
    text = "{reason} Besides, {held_out}."
    reason = Text("gate.besides", text, reason=judgement.reason, held_out=of_recipe.reason)
    return replace(judgement, reason=reason)


def _refused(judgement: Judgement, reason: str) -> Judgement:
    if judgement.decision == "refused":
        text = "{reason} Besides, {held_out}"
        reason = Text("gate.refused-besides", text, reason=judgement.reason, held_out=reason)
    return replace(judgement, decision="refused", reason=reason)
