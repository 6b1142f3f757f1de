# SPDX-License-Identifier: Apache-2.0
"""What the shelves earned: a shop's placements in a day, a week or a month, against the same days before."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import polars as pl
from table_intake.wording import Text

from personalization.experiments.experiment import Experiment
from personalization.experiments.shelves import metrics, placement_days
from personalization.experiments.shelves.costs import costs
from personalization.experiments.shelves.metrics import SUMS, WAYS
from personalization.experiments.shelves.picture import Bar, Column, bars, columns
from personalization.reports import pages
from personalization.shop.settings.settings import ShopSettings

Period = Literal["today", "day", "week", "month"]
PERIODS: Mapping[Period, int] = {"today": 1, "day": 1, "week": 7, "month": 28}
"""How many days a period has. A month is four weeks, so that both have the same days of the week."""
MONTH = 30
TOP_ITEMS = 5
"""The items of a placement that a page shows."""
_CODE, _CURRENCIES = 3, 3
"""The letters of a currency's code, and the currencies that a report names."""
_ALIKE = 0.005
"""A smaller relative difference is none."""
_DAY = timedelta(days=1)
Days = Mapping[date, pl.DataFrame]
Figures = Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The days of a report, and those that they are compared with."""

    period: Period
    first: date
    last: date

    @classmethod
    def of(cls, period: Period, today: date) -> "Span":
        """Return today so far, or the days up to yesterday."""
        last = today if period == "today" else today - _DAY
        return cls(period=period, first=last - (PERIODS[period] - 1) * _DAY, last=last)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> tuple[date, date]:
        """The same days of the week before: a week ago, or four."""
        back = (7 if self.days <= 7 else self.days) * _DAY
        return self.first - back, self.last - back


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an experiment says by its last report."""

    experiment: Experiment
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a report is made of, beside the days."""

    shop: str
    settings: ShopSettings
    now: datetime
    currency: str = ""
    foreign: Mapping[str, int] = field(default_factory=dict)
    """Lines by another currency, whose money is not added."""
    tests: Sequence[Trial] = ()
    refused: str = ""
    """Why the file of experiments is refused, if it is."""
    whole: bool = True
    """Whether all days are made."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Items' names, by id."""


def stem(shop: str, name: str) -> str:
    """Return the key of a report, without its ending; `name` is a period, or a week's first day."""
    return f"reports/{shop}/shelves/{name}"


def items_of(days: Days, span: Span) -> set[str]:
    """Return the items that a report shows."""
    table = placement_days.added([rows for day, rows in days.items() if span.first <= day <= span.last])
    return {row["item"] for rows in _top_items(table).values() for row in rows}


def document(days: Days, span: Span, facts: Facts) -> dict[str, Any]:
    """Return the report of some days.

    Args:
        days: `placement_days.SHELVES` of the days of the span and of those before.
        span: which days.
        facts: the rest.
    """
    now = _between(days, span.first, span.last)
    earlier = _between(days, *span.before)
    table, before = placement_days.added([*now.values()]), placement_days.added([*earlier.values()])
    placements, placements_before = _by_placement(table), _by_placement(before)
    shown = [name for name in facts.settings.placements if name not in placements]
    dollars = costs(
        facts.settings, {name: row["lists"] or 0 for name, row in placements.items()}, _billed(now, facts.now)
    )
    total, total_before = _total(table), _total(before)
    # Of a part of the days a sum is no measure of the whole.
    compares = span.period != "today" and len(now) == len(earlier) == span.days
    items, variants = _top_items(table), _variants(table)
    shelves = []
    for name, row in sorted(placements.items(), key=lambda pair: (-(pair[1]["attributed"] or 0), pair[0])):
        figures = metrics.figures(row, dollars[name])
        then = metrics.figures(placements_before[name]) if name in placements_before else None
        shelves.append(
            {
                "placement": name,
                "figures": figures,
                "before": then if compares else None,
                "changes": _changes(figures, then) if compares else {},
                "dollars": dollars[name],
                "earned": _earned(name, facts.tests),
                "variants": variants.get(name, []),
                "items": [{**row, "name": facts.names.get(row["item"], "")} for row in items.get(name, [])],
            }
        )
    figures = metrics.figures(total)
    then = metrics.figures(total_before)
    spent = [value for value in dollars.values() if value is not None]
    return {
        "language": facts.settings.language,
        "shop": facts.shop,
        "currency": facts.currency,
        "period": span.period,
        "from": span.first.isoformat(),
        "to": span.last.isoformat(),
        "beforeFrom": span.before[0].isoformat(),
        "beforeTo": span.before[1].isoformat(),
        "compares": compares,
        "days": len(now),
        "daysBefore": len(earlier),
        "at": facts.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "window": facts.settings.shelves.window,
        "pricesAsOf": facts.settings.prices.as_of,
        "sentence": _sentence(figures, then if compares else None, facts.currency, len(shelves)),
        "proof": _proof(shelves, facts.currency),
        "total": {
            "figures": figures,
            "before": then if compares else None,
            "changes": _changes(figures, then) if compares else {},
            "dollars": sum(spent) if spent else None,
        },
        "joined": _joined(total),
        "shelves": shelves,
        "unseen": shown,
        "tests": [_told(test) for test in facts.tests],
        "daily": _daily(days, span) if span.days > 1 else [],
        "findings": [*_findings(figures, total, shown, facts)],
    }


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report."""
    words = pages.texts(report["language"])["shelves"]
    by = "attributedRevenue" if any(shelf["figures"]["attributedRevenue"] for shelf in report["shelves"]) else "clicks"
    drawn = bars(
        [
            Bar(shelf["placement"], shelf["figures"][by] or 0, (shelf["before"] or {}).get(by))
            for shelf in report["shelves"]
        ],
        words["bars"][by],
        compares=report["compares"],
    )
    daily = columns(
        [Column(day["day"], day[by], (day["before"] or {}).get(by)) for day in report["daily"]], words["daily"][by]
    )
    return pages.render("shelves.html", report, drawn=drawn, daily=daily, by=by)


def _between(days: Days, first: date, last: date) -> Days:
    return {day: rows for day, rows in days.items() if first <= day <= last}


def _billed(days: Days, now: datetime) -> float:
    """Return the days that a campaign bills; today's up to now."""
    return len(days) - (1 - (now.hour * 60 + now.minute) / 1440 if now.date() in days else 0)


def _rows(table: pl.DataFrame, level: str) -> list[dict[str, Any]]:
    return table.filter(pl.col("level") == level).to_dicts()


def _sums(row: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: row[name] for name in SUMS}


def _by_placement(table: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    return {row["placement"]: _sums(row) for row in _rows(table, "placement")}


def _total(table: pl.DataFrame) -> dict[str, float | None]:
    names = (*SUMS, *WAYS, "none")
    rows = _rows(table, "shop")
    return (
        {name: rows[0][name] for name in names}
        if rows
        else {name: None if name == "impressions" else 0 for name in names}
    )


def _variants(table: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    variants: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(_rows(table, "variant"), key=lambda row: (row["variant"], row["release"])):
        told = {"variant": row["variant"], "release": row["release"], "figures": metrics.figures(_sums(row))}
        variants.setdefault(row["placement"], []).append(told)
    return variants


def _top_items(table: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    items: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(_rows(table, "item"), key=lambda row: (-(row["clicks"] or 0), row["item"])):
        of_placement = items.setdefault(row["placement"], [])
        if row["clicks"] and len(of_placement) < TOP_ITEMS:
            of_placement.append({name: row[name] for name in ("item", "clicks", "orders", "attributed")})
    return items


def _changes(now: Figures, then: Figures | None) -> dict[str, Any]:
    """Return how figures changed: by which share, and in a word."""
    return {name: _change(value, (then or {}).get(name)) for name, value in now.items()}


def _change(now: float | None, then: float | None) -> dict[str, Any] | None:
    if now is None or (then is None and not now):
        return None
    if not then:
        return {"word": "new" if now else "same", "share": None}
    share = now / then - 1
    # Of a negative sum, such as of returns, no share says anything.
    if then < 0 or now < 0:
        return {"word": "more" if now > then else "less", "share": None}
    return {"word": "same" if abs(share) < _ALIKE else "more" if share > 0 else "less", "share": abs(share)}


def _joined(total: Figures) -> dict[str, Any]:
    lines = {name: int(total[name] or 0) for name in (*WAYS, "none")}
    bought = sum(lines.values())
    return {"lines": bought, "shares": {name: number / bought if bought else None for name, number in lines.items()}}


def _daily(days: Days, span: Span) -> list[dict[str, Any]]:
    """Return each day's total, and that of the day it is compared with."""
    back = span.first - span.before[0]
    rows = []
    for number in range(span.days):
        day = span.first + number * _DAY
        now, then = (_total(placement_days.added([days[when]] if when in days else [])) for when in (day, day - back))
        before = _of_day(then) if day - back in days else None
        rows.append({"day": day.isoformat(), **_of_day(now), "before": before})
    return rows


def _of_day(total: Figures) -> dict[str, float]:
    return {"clicks": total["clicks"] or 0, "attributedRevenue": total["attributed"] or 0}


def _told(test: Trial) -> dict[str, Any]:
    report = test.report
    return {
        "experiment": test.experiment.name,
        "placements": list(test.experiment.placements),
        "holdout": test.experiment.is_holdout,
        "state": report["state"],
        "ends": datetime.fromtimestamp(test.experiment.last_second, UTC).date().isoformat(),
        "sentence": _text(report, report["sentence"]),
        "page": f"../experiments/{test.experiment.name}/report.html",
    }


def _text(report: Mapping[str, Any], sentence: str) -> str:
    """Return a sentence of a stored report as the text that it was."""
    coded = report.get("texts", {}).get(sentence)
    return Text.read(coded) if coded else sentence


def _earned(placement: str, tests: Sequence[Trial]) -> dict[str, Any] | None:
    """Return the money a month that a test or the holdout shows for a placement: it against bestsellers or nothing.

    The money is that of all the experiment's placements together.
    """
    for test in tests:
        experiment, report = test.experiment, test.report
        if placement not in experiment.placements or report["verdict"]["state"] == "hidden":
            continue
        for entry in report["variants"]:
            result = entry["result"]
            if result is None or not result["money"] or result["outcome"] == "open":
                continue
            sign = _sign(experiment, entry["variant"])
            money = result["money"][-1]
            if sign and money["interval"]:
                low, high = sorted(sign * end for end in money["interval"])
                if low > 0 or high < 0:
                    return {
                        "experiment": experiment.name,
                        "holdout": experiment.is_holdout,
                        "placements": list(experiment.placements),
                        "estimate": sign * money["estimate"],
                        "interval": [low, high],
                    }
    return None


def _sign(experiment: Experiment, variant: str) -> int:
    """Return 1 if a variant shows the shelf and the control does not, -1 for the other way, and 0 for neither."""
    without = {
        name: experiment.variant(name).serves in {"bestsellers", "off"} for name in (variant, experiment.control)
    }
    return int(without[experiment.control]) - int(without[variant])


def _sentence(figures: Figures, then: Figures | None, currency: str, shelves: int) -> Text:
    if not any(figures[name] for name in ("viewable", "clicks", "orders")):
        return Text("shelves.nothing", "No list of these days was seen or clicked.")
    values = {
        "shelves": shelves,
        "viewable": int(figures["viewable"] or 0),
        "clicks": int(figures["clicks"] or 0),
        "orders": int(figures["orders"] or 0),
        "amount": amount(figures["attributedRevenue"] or 0, currency),
    }
    text = (
        "{shelves:,} {shelves:shelf|shelves}: {viewable:,} items were on screen and {clicks:,} were clicked, and "
        "{orders:,} {orders:order|orders} for {amount} {orders:is|are} attributed to {shelves:it|them}."
    )
    said = Text("shelves.sum", text, **values)
    change = _change(figures["attributedRevenue"], then["attributedRevenue"]) if then else None
    if not change or change["share"] is None:
        return said
    if change["word"] == "same":
        return Text("shelves.as-before", "{said} Revenue is as in the days before.", said=said)
    if change["word"] == "more":
        return Text("shelves.more", "{said} Revenue is {share:.0%} more than before.", said=said, share=change["share"])
    return Text("shelves.less", "{said} Revenue is {share:.0%} less than before.", said=said, share=change["share"])


def _proof(shelves: Sequence[Mapping[str, Any]], currency: str) -> Text:
    # What an experiment on several placements shows is that of all of them together, and is said once.
    earned = {shelf["earned"]["experiment"]: shelf["earned"] for shelf in shelves if shelf["earned"]}
    if not earned:
        text = (
            "Nothing of it is proven to be earned: some of these people would have bought anyway. A test or a holdout "
            "shows how much."
        )
        return Text("shelves.unproven", text)
    said = [
        Text(
            "shelves.earned",
            "{placement} earned about {estimate} a month ({low} to {high}), as {experiment} shows",
            placement=Text.some_of(told["placements"]),
            estimate=amount(told["estimate"], currency),
            low=amount(told["interval"][0], currency),
            high=amount(told["interval"][1], currency),
            experiment=told["experiment"],
        )
        for told in earned.values()
    ]
    return Text("shelves.proven", "Proven: {said}.", said=Text.joined("; ", said))


def _findings(figures: Figures, total: Figures, unseen: Sequence[str], facts: Facts) -> Iterator[str]:
    """Yield what is wrong, in a sentence each."""
    if not facts.whole:
        yield Text("shelves.part", "Some days are not in these figures yet. The next round adds them within the hour.")
    bought = sum(int(total[name] or 0) for name in (*WAYS, "none"))
    if figures["clicks"] and not figures["viewable"]:
        text = "Nobody reports which items were on screen, so that the clicked share is unknown: send impressions."
        yield Text("shelves.no-impressions", text)
    if bought and not figures["clicks"]:
        text = "{lines:,} bought {lines:item|items} came without any click in a list: send listId with events."
        yield Text("shelves.no-clicks", text, lines=bought)
    if unseen and any(figures[name] for name in ("viewable", "clicks")):
        yield Text("shelves.unseen", "Nothing of {placements} was seen.", placements=Text.some_of(unseen))
    # Events of browsers may say anything: a code has three letters, and a mail takes no more than a few.
    foreign = Counter[str]()
    for code, lines in facts.foreign.items():
        foreign[code[:_CODE]] += lines
    for code, lines in foreign.most_common(_CURRENCIES):
        text = "{lines:,} bought {lines:item is|items are} in {code} and not added to {currency}."
        yield Text("shelves.foreign", text, lines=lines, code=code, currency=facts.currency)
    if facts.refused:
        text = "The file of experiments is refused: {reason}"
        yield Text("shelves.refused", text, reason=facts.refused)
    for test in facts.tests:
        for finding in test.report["findings"]:
            if finding["hides"] and finding["name"] != "tooLittleData":
                said = _text(test.report, finding["text"])
                yield Text("shelves.of-test", "{experiment}: {finding}", experiment=test.experiment.name, finding=said)


def amount(value: float, currency: str) -> str:
    """Return money with its code; whole from a hundred on."""
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"
    return f"{number} {currency}".strip()
