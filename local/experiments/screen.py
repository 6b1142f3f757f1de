# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 - typography
"""A plan on the terminal: two tables, and what they mean in sentences."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from table_intake.wording import Text

from local.experiments.history import CAPPED, ORDERS, REVENUE
from local.terminal.output import Terminal

Document = Mapping[str, Any]
USUAL_WEEKS = 4
"""How long an experiment takes where nobody says otherwise."""
GOALS: Mapping[str, str] = {
    ORDERS: Text("experiment.orders", "orders per user"),
    REVENUE: Text("experiment.revenue", "revenue per user"),
    CAPPED: Text("experiment.capped", "the same, winsorized"),
}
WEIGHTS: Mapping[str, str] = {
    "half": Text("experiment.half", "half and half"),
    "holdout": Text("experiment.holdout", "a holdout of 5%"),
}
_NAMED = 5
_FEW = "–"


def show(document: Document, sentences: Sequence[str], terminal: Terminal) -> None:
    words = terminal.words
    text = "{from} to {to}, {weeks} weeks: {users:,} {users:user|users} a week"
    values = {"from": document["from"], "to": document["to"]}
    told = Text("experiment.span", text, weeks=document["weeks"], users=document["usersAWeek"], **values)
    terminal.spoken(told)
    terminal.line("")
    usual = _usual(document)
    columns = (
        "",
        Text("experiment.column.users", "users#"),
        Text("experiment.column.mean", "mean#"),
        Text("experiment.column.spread", "spread#"),
        Text("experiment.column.past", "CUPED explains#"),
    )
    rows = [_measured(goal, usual, words) for goal in document["goals"]]
    title = words(Text("experiment.table.measured", "What users did in {weeks} weeks", weeks=usual))
    terminal.table([*map(words, columns)], rows, title)
    terminal.line("")
    spans = [plan["weeks"] for plan in document["goals"][0]["plans"]]
    heads = [words(Text("experiment.column.weeks", "{weeks} weeks#", weeks=weeks)) for weeks in spans]
    title = words(Text("experiment.table.lifts", "The least lift that is found in 80 of 100 experiments"))
    terminal.table(["", "", *heads], _lifts(document, terminal), title)
    terminal.line("")
    for sentence in sentences:
        terminal.spoken(Text("experiment.point", "• {sentence}", sentence=sentence))


def sentences(document: Document) -> list[str]:
    """Return what the figures mean, the most important first."""
    orders, *money = document["goals"]
    said = [_orders(orders), _holdout(orders)]
    if money:
        said.append(_revenue(money, document["cap"]))
    power = max(sight["singleLookPower"] for plan in orders["plans"] for sight in plan["sights"])
    text = (
        "There is a look after each week, so that a clear result ends early. That costs little: one look at "
        "the end would find the same lift in {power:.1%} of the experiments, in place of 80%."
    )
    said.append(Text("experiment.looks", text, power=power))
    if document["onlyOrders"]:
        text = (
            "The files have nobody who only looks, so this takes 1% of the users for buyers. Files with "
            "views say it better, and let each user's past make the figures sharper."
        )
        said.append(Text("experiment.only-orders", text))
    if document["leftOut"]:
        texts = [
            Text("experiment.robot", "{user} ({reason})", user=robot["user"], reason=robot["reason"])
            for robot in document["leftOut"][:_NAMED]
        ]
        listed, more = Text.joined(", ", texts), len(document["leftOut"]) - len(texts)
        if more:
            listed = Text("experiment.robots-more", "{listed} and {more:,} more", listed=listed, more=more)
        said.append(Text("experiment.robots", "Left out, as no person does so much: {users}.", users=listed))
    return [*said, *document["unknown"]]


def _orders(goal: Document) -> str:
    lifts = {plan["weeks"]: _lift(plan, "half") for plan in goal["plans"]}
    seen = {weeks: lift for weeks, lift in lifts.items() if lift != _FEW}
    if not seen:
        text = (
            "Your shop has too few buyers for an experiment: {buyers:,} in half of its users after {weeks} weeks, "
            "and 150 are needed. Let it run longer, or test what more users see."
        )
        last = goal["plans"][-1]
        buyers = _sight(last, "half")["controlBuyers"]
        return Text("experiment.none", text, buyers=buyers, weeks=last["weeks"])
    usual = USUAL_WEEKS if USUAL_WEEKS in seen else max(seen)
    text = "Your shop can see {lift} orders per user in {weeks} weeks, when half of the users get the change."
    told = Text("experiment.sees", text, lift=seen[usual], weeks=usual)
    others = [
        Text("experiment.other", "{lift} in {weeks} weeks", lift=lift, weeks=weeks)
        for weeks, lift in seen.items()
        if weeks != usual
    ]
    if not others:
        return told
    return Text("experiment.sees-too", "{told} It is {others}.", told=told, others=Text.all_of(others))


def _holdout(goal: Document) -> str:
    last = goal["plans"][-1]
    lift, buyers = _lift(last, "holdout"), _sight(last, "holdout")["controlBuyers"]
    if lift == _FEW:
        text = "A holdout of 5% has too few buyers to tell anything: {buyers:,} after {weeks} weeks of the 150 needed."
        return Text("experiment.holdout-few", text, buyers=buyers, weeks=last["weeks"])
    return Text(
        "experiment.holdout-sees", "A holdout of 5% sees {lift} in {weeks} weeks.", lift=lift, weeks=last["weeks"]
    )


def _revenue(money: Sequence[Document], cap: float) -> str:
    whole, capped = ({plan["weeks"]: _lift(plan, "half") for plan in goal["plans"]} for goal in money)
    weeks = USUAL_WEEKS if USUAL_WEEKS in whole else max(whole)
    if whole[weeks] == _FEW:
        return Text("experiment.revenue-few", "For revenue there are too few buyers as well.")
    text = (
        "Revenue: {whole} in {weeks} weeks, or {capped} where an order counts for {cap:,.2f} at most, "
        "which one in a thousand exceeds (winsorized)."
    )
    return Text("experiment.money", text, whole=whole[weeks], capped=capped[weeks], weeks=weeks, cap=cap)


def _usual(document: Document) -> int:
    return min(USUAL_WEEKS, max(int(plan["weeks"]) for plan in document["goals"][0]["plans"]))


def _measured(goal: Document, weeks: int, words: Callable[[str], str]) -> list[str]:
    plan = next(plan for plan in goal["plans"] if plan["weeks"] == weeks)
    figures = [f"{plan[name]:,.4f}" if goal["goal"] == ORDERS else f"{plan[name]:,.2f}" for name in ("mean", "spread")]
    explains = f"{plan['pastExplains']:.0%}" if plan["pastExplains"] else _FEW
    return [words(GOALS[goal["goal"]]), f"{plan['users']:,}", *figures, explains]


def _lifts(document: Document, terminal: Terminal) -> list[list[str]]:
    rows = []
    for weights, name in WEIGHTS.items():
        for number, goal in enumerate(document["goals"]):
            lifts = [_lift(plan, weights) for plan in goal["plans"]]
            rows.append(["" if number else terminal.words(name), terminal.words(GOALS[goal["goal"]]), *lifts])
    return rows


def _sight(plan: Document, weights: str) -> Document:
    seen: Document = next(sight for sight in plan["sights"] if sight["weights"] == weights)
    return seen


def _lift(plan: Document, weights: str) -> str:
    lift = _sight(plan, weights)["leastLift"]
    if lift is None:
        return _FEW
    return f"{lift:+.1%}" if lift < 0.1 else f"{lift:+,.0%}"
