# SPDX-License-Identifier: Apache-2.0
"""Decide whether a new solution version may replace the one that serves.

Metrics of versions from different imports have different tests, and an easier test makes a version look better. The
gate therefore compares the *lift*: a version's metric over that of Popularity-Count, the baseline from the same import.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from personalization.shop.gates import FOR_USERS, Gate
from personalization.shop.release import BASELINE

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


@dataclass(frozen=True, slots=True)
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


def figure(metrics: Metrics | None, name: str) -> float | None:
    """Return a metric if it is a finite number of at least 0."""
    value = metrics.get(name) if metrics is not None else None
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def lift(value: float | None, baseline: float | None) -> float | None:
    """Return a metric over its baseline; None if either is unknown."""
    if value is None or baseline is None:
        return None
    return (value + FLOOR) / (baseline + FLOOR)


def judge(alias: str, gate: Gate, new: Measured, serving: Measured | None) -> Judgement:
    """Decide about a recipe's new version.

    Args:
        alias: the recipe.
        gate: the shop's gate.
        new: the new version.
        serving: the version that serves; None for a first release.

    Returns:
        The decision. A version without its metric is refused; otherwise a better metric never turns an approval into a
        refusal.
    """
    recipe_gate = gate.of(alias)
    facts = _facts(alias, recipe_gate, new, serving)
    decision, reason = _decide(recipe_gate, facts)
    return Judgement(alias, decision, reason, recipe_gate.metric, *facts.figures())


def judge_release(judged: Sequence[Judgement]) -> list[Judgement]:
    """Return the judgements of a release as a whole.

    Popularity has no baseline. If every other recipe of the same import is refused, popularity is refused too, because
    the data cannot be trusted.
    """
    others = [each for each in judged if each.alias != BASELINE]
    if not others or any(each.decision == "approved" for each in others):
        return list(judged)
    reason = (
        "Every other recipe that was trained on this import is refused, so its data are not used for this one either."
    )
    return [replace(each, decision="refused", reason=reason) if each.alias == BASELINE else each for each in judged]


@dataclass(frozen=True, slots=True)
class _Facts:
    alias: str
    first: bool
    new: float | None
    popularity: float | None
    serving: float | None
    serving_popularity: float | None

    @property
    def lift(self) -> float | None:
        return lift(self.new, self.popularity)

    @property
    def serving_lift(self) -> float | None:
        return lift(self.serving, self.serving_popularity)

    def figures(self) -> Sequence[float | None]:
        return (self.new, self.popularity, self.serving, self.serving_popularity, self.lift, self.serving_lift)


def _facts(alias: str, gate: Gate, new: Measured, serving: Measured | None) -> _Facts:
    old = serving or Measured(None, None)
    return _Facts(
        alias,
        serving is None,
        figure(new.metrics, gate.metric),
        figure(new.baseline, gate.metric),
        figure(old.metrics, gate.metric),
        figure(old.baseline, gate.metric),
    )


def _decide(gate: Gate, facts: _Facts) -> tuple[Decision, str]:
    if not gate.enabled:
        return "approved", "The shop's gate is off."
    if facts.new is None:
        return "refused", f"Personalize gives no usable {gate.metric} for the new version."
    if facts.alias == BASELINE:
        return "approved", f"The baseline itself: its {gate.metric} is {facts.new:.4f}; the others are measured by it."
    too_low = _under_popularity(gate, facts)
    if too_low:
        return "refused", too_low
    return _against_serving(gate, facts)


def _under_popularity(gate: Gate, facts: _Facts) -> str | None:
    least = gate.minimum_over_popularity
    if facts.alias not in FOR_USERS or facts.lift is None or not least:
        return None
    if facts.lift >= least * (1 - gate.tolerance):
        return None
    return (
        f"{gate.metric} of the new version is {facts.new:.4f} where popularity has {facts.popularity:.4f}: "
        f"{facts.lift:.2f} times popularity, and {least:g} is the least that is asked for, less {gate.tolerance:.0%}."
    )


def _against_serving(gate: Gate, facts: _Facts) -> tuple[Decision, str]:
    if facts.first:
        return "approved", f"The first release of this recipe: nothing serves yet. {_stands(gate, facts)}"
    if facts.serving is None:
        return "approved", f"Personalize has no metrics of the serving version any more. {_stands(gate, facts)}"
    new, old, unit, digits = facts.lift, facts.serving_lift, " times popularity", 2
    if new is None or old is None:
        new, old, unit, digits = facts.new, facts.serving, "", 4
    # `_decide` refused a version without its metric.
    holds = (new or 0.0) >= old * (1 - gate.tolerance)
    against = "" if unit else " Without a popularity of the same import the figures are compared as they are."
    reason = (
        f"{gate.metric}: the new version has {new:.{digits}f}{unit} ({facts.new:.4f}), "
        f"the serving one {old:.{digits}f}{unit} ({facts.serving:.4f}); {gate.tolerance:.0%} less will do.{against}"
    )
    return ("approved" if holds else "refused"), reason


def _stands(gate: Gate, facts: _Facts) -> str:
    if facts.lift is None:
        return f"Its {gate.metric} is {facts.new:.4f}."
    return f"Its {gate.metric} is {facts.new:.4f}, {facts.lift:.2f} times that of popularity ({facts.popularity:.4f})."
