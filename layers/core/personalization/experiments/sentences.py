# SPDX-License-Identifier: Apache-2.0
"""A verdict in a sentence, which the catalogues have in each language."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from table_intake.wording import Text

from personalization.experiments.statistics.verdicts import Design, Money, Result, Verdict

SYMBOLS = {"EUR": "€", "GBP": "£", "JPY": "¥", "KRW": "₩", "USD": "$"}
_DIGITS = 2
"""Significant ones of money that is told: more would promise more than is known."""
_SMALL = 100
"""An amount below which cents are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a sentence names besides figures."""

    end: str
    """The day of the last planned look."""
    currency: str = ""


def sentence(verdict: Verdict, design: Design, told: Told) -> Text:
    """Return what a verdict says, and why."""
    if verdict.state == "hidden":
        return _hidden(verdict)
    if verdict.state == "stopped":
        return _stopped(verdict.of(verdict.variant), design)
    if verdict.state == "ship":
        result = verdict.of(verdict.variant)
        text = "{difference}. Ship."
        said = Text("experiment.ship", text, difference=_difference(result, design, told))
        return Text.joined(" ", [said, *_open(result, design)])
    if verdict.state == "keep":
        return Text.joined(" ", _losses(verdict, design, told))
    return _undecided(verdict, told)


def _hidden(verdict: Verdict) -> Text:
    hiding = [finding for finding in verdict.findings if finding.hides]
    reasons = Text.joined(" ", [finding.text for finding in hiding])
    if {finding.name for finding in hiding} == {"tooLittleData"}:
        return Text("experiment.too-early", "No verdict yet. {reasons}", reasons=reasons)
    return Text("experiment.hidden", "No verdict, since the data cannot be believed. {reasons}", reasons=reasons)


def _losses(verdict: Verdict, design: Design, told: Told) -> Iterator[Text]:
    for result in verdict.results:
        yield Text("experiment.sentence", "{sentence}.", sentence=_difference(result, design, told))
    yield Text("experiment.keep", "Keep {control}.", control=design.control)


def goal_name(name: str) -> str:
    """Return what a metric is called in a sentence; one without a name of its own is called as it is."""
    return GOALS.get(name, name)


GOALS = {
    "orders": Text("experiment.metric.orders", "orders per user"),
    "revenue": Text("experiment.metric.revenue", "revenue per user"),
    "revenueWinsorized": Text("experiment.metric.winsorized", "revenue per user (winsorized)"),
    "clicks": Text("experiment.metric.clicks", "clicks per viewable impression"),
    "returns": Text("experiment.metric.returns", "the returned share of revenue"),
    "degraded": Text("experiment.metric.degraded", "the share of degraded answers"),
    "latency": Text("experiment.metric.latency", "the share of slow answers"),
}


def _difference(result: Result, design: Design, told: Told) -> Text:
    """Return what a variant brings, with its interval and its money a month."""
    lift = result.lift or 0.0
    values = {"variant": result.variant, "size": abs(lift), "goal": goal_name(design.goal.name)}
    if lift >= 0:
        said = Text("experiment.more", "{variant} brings {size:.1%} more {goal}", **values)
    else:
        said = Text("experiment.less", "{variant} lowers {goal} by {size:.1%}", **values)
    if result.interval:
        low, high = result.interval
        said = Text("experiment.interval", "{said} ({low:+.1%} to {high:+.1%})", said=said, low=low, high=high)
    if not result.money:
        return said
    money = result.money[-1]
    amounts = {"amount": _amount(money.estimate, told.currency), **_range(money, told.currency)}
    text = "{said}, about {amount} a month at today's traffic ({low} to {high})"
    return Text("experiment.month", text, said=said, **amounts)


def _open(result: Result, design: Design) -> Iterator[Text]:
    """Yield which harm is not ruled out."""
    states = {guardrail.name: guardrail.state for guardrail in result.guardrails}
    for guardrail in design.guardrails:
        if states.get(guardrail.metric.name) == "open":
            text = "It is not ruled out that {metric} got worse by {margin:.0%} or more."
            name = goal_name(guardrail.metric.name)
            yield Text("experiment.not-ruled-out", text, metric=name, margin=guardrail.margin)


def _stopped(result: Result, design: Design) -> Text:
    guardrail = result.harmed[0]
    metric = next(rail.metric for rail in design.guardrails if rail.metric.name == guardrail.name)
    values = {"variant": result.variant, "metric": goal_name(guardrail.name), "size": abs(guardrail.best or 0.0)}
    if metric.better == "more":
        text = "{variant} is stopped for harm: it lowers {metric} by {size:.1%} at least."
        return Text("experiment.lowers", text, **values)
    return Text(
        "experiment.raises", "{variant} is stopped for harm: it raises {metric} by {size:.1%} at least.", **values
    )


def _undecided(verdict: Verdict, told: Told) -> Text:
    least = max((result.least for result in verdict.results if result.least), default=None)
    if least is None:
        return Text("experiment.early", "Nothing proven yet: the first look comes after a week.")
    if verdict.ended:
        text = "Nothing proven: a difference under {least:.0%} could not be seen by {end}."
        return Text("experiment.unproven", text, least=least, end=told.end)
    text = "Nothing proven yet: a difference under {least:.0%} cannot be seen by {end}."
    return Text("experiment.open", text, least=least, end=told.end)


def _range(money: Money, currency: str) -> dict[str, str]:
    low, high = money.interval
    return {"low": _amount(low, currency), "high": _amount(high, currency)}


def _amount(value: float, currency: str) -> str:
    """Return an amount with two digits that count: ₩4,200,000."""
    if value:
        value = round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))
    number = f"{abs(value):,.0f}" if abs(value) >= _SMALL or currency in {"KRW", "JPY"} else f"{abs(value):,.2f}"
    sign = "-" if value < 0 else ""
    return f"{sign}{SYMBOLS.get(currency, f'{currency} ' if currency else '')}{number}"
