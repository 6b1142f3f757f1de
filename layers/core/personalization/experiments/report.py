# SPDX-License-Identifier: Apache-2.0
"""The report of an experiment: its verdict, figures by variant, checks of the data and the daily curve."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from personalization.experiments import following, picture, preferences, ramps, sentences
from personalization.experiments.announcing import News
from personalization.experiments.days import looks
from personalization.experiments.days.aggregating import Made, day_of
from personalization.experiments.days.links import MOST_OTHERS
from personalization.experiments.days.looks import Course, Scope
from personalization.experiments.experiment import INTERLEAVED, SCALE, Experiment
from personalization.experiments.ramps import Seen
from personalization.experiments.sentences import Told
from personalization.experiments.statistics import checks, verdicts
from personalization.experiments.statistics.bands import Guarded, Guardrail
from personalization.experiments.statistics.checks import Facts
from personalization.experiments.statistics.effects import Metric
from personalization.experiments.statistics.sums import USERS, Sums
from personalization.experiments.statistics.verdicts import FEW_ORDERS, Day, Design, Look, Result, Scale, State, Verdict
from personalization.reports import pages
from personalization.shop.settings.settings import ShopSettings

MARGIN = 0.1
"""The harm that a guardrail rules out, relative."""
MONTH = 30.0
_WEEK = 7 * 86_400
ORDERS = Metric(name="orders", value="orders", past=("past.orders", USERS))
REVENUE = Metric(name="revenue", value="revenue", past=("past.revenue", USERS))
WINSORIZED = Metric(name="revenueWinsorized", value="revenueWinsorized", past=("past.revenueWinsorized", USERS))
CLICKS = Metric(
    name="clicks", value="clicks", per="viewable", past=("past.clicks", "past.viewable"), counted="clickers"
)
RETURNS = Metric(name="returns", value="returned", per="money", better="less")
GOALS: Mapping[str, Metric] = {"orders": ORDERS, "revenue": WINSORIZED, "clicks": CLICKS, "returns": RETURNS}
"""What decides or guards, by its name in the file of experiments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What an experiment's days say."""

    design: Design
    course: Course
    facts: Facts
    verdict: Verdict
    sentence: str
    ramp: Seen | None = None
    """What is known of it as a ramp, if it is one."""
    preference: preferences.Seen | None = None
    """What users prefer, if each of them sees both rankers."""

    @property
    def harm(self) -> str | None:
        """Why it must stop, if it must."""
        return self.sentence if self.verdict.state == "stopped" else None

    @property
    def is_decided(self) -> bool:
        return self.verdict.state in {"ship", "keep", "preferred"} or self.verdict.ended


def stem(shop: str, name: str) -> str:
    """Return the key of an experiment's report, without its ending."""
    return f"reports/{shop}/experiments/{name}/report"


def judge(experiment: Experiment, made: Made, now: datetime) -> Judged:
    """Return what an experiment proves by the days that are made."""
    if experiment.ramp is not None:
        return _judge_ramp(experiment, made, now)
    if experiment.interleaved:
        return _judge_preference(experiment, made, now)
    others = tuple(variant.name for variant in experiment.variants if variant.name != experiment.control)
    scope = Scope(
        variants=(experiment.control, *others),
        # Impressions of today may be here before their exposures.
        today=now.date(),
        weights=_weights(experiment),
        weeks_since=experiment.starts_at,
        few_orders=FEW_ORDERS,
    )
    course = looks.course(partial(made.shards_of, experiment.name), scope)
    weeks = max(round((experiment.ends_at - experiment.starts_at) / _WEEK), 1)
    design = Design(
        control=experiment.control,
        variants=others,
        goal=GOALS[experiment.goal],
        guardrails=tuple(Guardrail(metric=GOALS[name], margin=MARGIN) for name in experiment.guardrails),
        revenue=(REVENUE, WINSORIZED) if course.cap else (),
        shares=tuple(week / weeks for week in range(1, weeks + 1)),
        planned=_planned(experiment, course, weeks),
    )
    facts = Facts(
        periods=course.periods,
        double=course.double,
        shown=course.shown,
        unexposed=course.unexposed,
        robots=course.robots,
        crowds=len(made.links.crowds),
        most_others=MOST_OTHERS,
        silent_days=tuple(_silent_days(experiment, made, course, now)),
    )
    scale = Scale(users_a_month=_users_a_month(experiment, course), revenues=course.money)
    weekly = [Look(week=number, sums=look.sums) for number, look in enumerate(course.looks, 1)]
    daily = [Day(day=look.day.isoformat(), sums=look.sums) for look in course.days]
    verdict = verdicts.judge(design, weekly, daily, facts, scale)
    told = Told(end=day_of(experiment.ends_at).isoformat(), currency=made.currency or "")
    return Judged(
        design=design, course=course, facts=facts, verdict=verdict, sentence=sentences.sentence(verdict, design, told)
    )


def _judge_ramp(experiment: Experiment, made: Made, now: datetime) -> Judged:
    """Return what is known of a ramp, which has no goal: it only must do no harm."""
    names = tuple(variant.name for variant in experiment.variants)
    scope = Scope(variants=names, today=now.date(), weights=[(experiment.starts_at, dict.fromkeys(names, 1.0))])
    course = looks.course(partial(made.shards_of, experiment.name), scope)
    (exposed,) = course.periods
    facts = Facts(
        periods=ramps.periods(experiment, exposed.users),
        double=course.double,
        shown=course.shown,
        unexposed=course.unexposed,
        robots=course.robots,
        crowds=len(made.links.crowds),
        most_others=MOST_OTHERS,
        silent_days=tuple(_silent_days(experiment, made, course, now)),
    )
    design = Design(
        control=names[0],
        variants=names[1:],
        goal=GOALS[experiment.goal],
        guardrails=tuple(Guardrail(metric=GOALS[name], margin=MARGIN) for name in experiment.guardrails),
        planned=ramps.planned(experiment, course.days),
    )
    seen = ramps.see(experiment, design.guardrails, course.days, facts)
    states: dict[ramps.Outlook, State] = {"harmed": "stopped", "hidden": "hidden", "open": "undecided"}
    verdict = Verdict(state=states[seen.outlook], ended=False, findings=seen.findings)
    sentence = ramps.harm(experiment, seen) or ramps.said(experiment, seen)
    return Judged(design=design, course=course, facts=facts, verdict=verdict, sentence=sentence, ramp=seen)


def _judge_preference(experiment: Experiment, made: Made, now: datetime) -> Judged:
    """Return which ranker users prefer; each of them is exposed to both, so that no variant has users of its own."""
    course = looks.course(
        lambda: map(preferences.whole, made.shards_of(experiment.name)),
        Scope(variants=(INTERLEAVED,), today=now.date()),
    )
    over = [look.day for look in course.days if look.day < now.date()]
    seen = preferences.see(experiment, made.shards_of(experiment.name), over)
    facts = Facts(
        periods=(),
        shown=course.shown,
        unexposed=course.unexposed,
        robots=course.robots,
        silent_days=tuple(_silent_days(experiment, made, course, now)),
    )
    of_data = [fault for fault in checks.findings(facts, {}, len(course.days)) if fault.name != "tooLittleData"]
    findings = (*of_data, *preferences.findings(seen))
    state: State = "preferred" if seen.winner else "undecided"
    if any(finding.hides for finding in findings):
        state = "hidden"
    verdict = Verdict(state=state, ended=seen.preferred.ended, variant=seen.winner, findings=findings)
    design = Design(control=INTERLEAVED, variants=(), goal=GOALS[experiment.goal], planned=1)
    told = Told(end=day_of(experiment.ends_at).isoformat(), currency=made.currency or "")
    said = sentences.sentence(verdict, design, told) if state == "hidden" else preferences.sentence(experiment, seen)
    return Judged(design=design, course=course, facts=facts, verdict=verdict, sentence=said, preference=seen)


def news(experiment: Experiment, judged: Judged, now: datetime) -> Iterator[tuple[str, News, str]]:
    """Yield what is to be announced, once: a name of it, its kind, and what is said with it."""
    yield "started", "started", _own_words(experiment, experiment.hypothesis, judged)
    if experiment.stopped_at is not None:
        yield "stopped", "stopped", _own_words(experiment, experiment.stopped_because, judged)
    if experiment.ramp is not None:
        if experiment.runs(now.timestamp()):
            yield f"ramped {len(experiment.ramp.since)}", "ramped", ramps.step_said(experiment)
        elif experiment.stopped_at is None:
            yield "stopped", "stopped", ramps.late(experiment)
        return
    if judged.is_decided and judged.verdict.state != "stopped":
        yield "decided", "decided", judged.sentence


def document(
    shop: str, experiment: Experiment, judged: Judged, made: Made, settings: ShopSettings, now: datetime
) -> dict[str, Any]:
    """Return the report."""
    course, verdict = judged.course, judged.verdict
    last = course.days[-1].sums if course.days else {}
    names = (judged.design.control, *judged.design.variants)
    has_results = judged.ramp is None and judged.preference is None
    left = max(experiment.last_second - int(now.timestamp()), 0)
    state = "running" if left else "ended" if experiment.stopped_at is None else "stopped"
    return {
        "language": settings.language,
        "currency": made.currency or "",
        "shop": shop,
        "experiment": experiment.name,
        "hypothesis": _own_words(experiment, experiment.hypothesis, judged),
        "owner": experiment.owner,
        "placements": list(experiment.placements),
        "control": experiment.control,
        "goal": {"name": experiment.goal, "text": sentences.goal_name(judged.design.goal.name)},
        "at": _moment(now.timestamp()),
        "startsAt": _moment(experiment.starts_at),
        "endsAt": _moment(experiment.ends_at),
        "stoppedAt": _moment(experiment.stopped_at) if experiment.stopped_at is not None else None,
        "stoppedBecause": _own_words(experiment, experiment.stopped_because, judged),
        "state": state,
        "daysLeft": -(-left // 86_400),
        "whole": made.whole,
        "verdict": {"state": verdict.state, "variant": verdict.variant, "ended": verdict.ended},
        "sentence": judged.sentence,
        "findings": [
            {"name": finding.name, "hides": finding.hides, "text": finding.text} for finding in verdict.findings
        ],
        "variants": [
            {
                "variant": name,
                "weight": (_weight(experiment) if experiment.interleaved else experiment.weight(name)) / SCALE,
                **_figures(last[name] if last else None),
                "result": _result(verdict.of(name)) if has_results and name != experiment.control else None,
            }
            for name in names
        ],
        "ramp": _ramp(experiment, judged.ramp) if judged.ramp else None,
        "preference": preferences.document(judged.preference) if judged.preference else None,
        "days": [
            {"day": look.day.isoformat(), "exposures": dict(course.exposures[look.day.isoformat()])}
            for look in course.days
        ],
        "counted": {
            "orders": course.orders,
            "cap": course.cap,
            "foreign": made.foreign_of(experiment),
            "unvalued": made.unvalued_of(experiment),
            "double": course.double,
            "robots": course.robots,
            "shown": judged.facts.shown,
            "unexposed": judged.facts.unexposed,
        },
        "announced": [],
    }


def _own_words(experiment: Experiment, stored: str, judged: Judged) -> str:
    """Return a stored sentence with its translations, where it is one of ours: the record has its English alone."""
    ours = [following.HOLDOUT_HYPOTHESIS, following.LEFT_OUT, judged.sentence]
    if experiment.ramp is not None:
        ours += [ramps.hypothesis(experiment.ramp.recipe), ramps.late(experiment)]
    return next((text for text in ours if text == stored), stored)


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report."""
    words = pages.texts(report["language"])["experiment"]["curve"]
    days = [date.fromisoformat(entry["day"]) for entry in report["days"]]
    curves = {
        entry["variant"]: picture.curve(_points(days, entry["result"]["curve"]), words)
        for entry in report["variants"]
        if entry["result"]
    }
    # Reports of earlier versions have no such member.
    if preference := report.get("preference"):
        words = pages.texts(report["language"])["experiment"]["preference"]["curve"]
        curves = {preference["sides"][1]["variant"]: picture.curve(_points(days, preference["curve"]), words)}
    return pages.render("experiment.html", report, curves=curves)


def _points(days: list[date], curve: list[Mapping[str, Any]]) -> list[picture.Point]:
    by_day = {point["day"]: point for point in curve}
    points = []
    for day in days:
        point = by_day.get(day.isoformat())
        low, high = (point["interval"] if point else None) or (None, None)
        points.append(picture.Point(day, point["lift"] if point else None, low, high))
    return points


def _figures(sums: Sums | None) -> dict[str, float | int | None]:
    def total(column: str) -> float:
        return sums.total(column) if sums else 0.0

    users = total(USERS)
    return {
        "users": round(users),
        "buyers": round(total("buyers")),
        "orders": round(total("orders")),
        "ordersPerUser": total("orders") / users if users else None,
        "revenue": total("revenue"),
        "revenuePerUser": total("revenue") / users if users else None,
        "winsorizedPerUser": total("revenueWinsorized") / users if users else None,
        "returnedShare": total("returned") / total("money") if total("money") else None,
        "clicks": round(total("clicks")),
        "viewable": round(total("viewable")),
        "clicksPerViewable": total("clicks") / total("viewable") if total("viewable") else None,
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "outcome": result.outcome,
        "lift": result.lift,
        "interval": result.interval,
        "reduction": result.reduction,
        "least": result.least,
        "money": [{"estimate": money.estimate, "interval": money.interval} for money in result.money],
        "resampled": result.resampled,
        "looks": [
            {"week": look.week, "z": look.z, "bound": look.bound, "lift": look.lift, "interval": look.interval}
            for look in result.looks
        ],
        "guardrails": [_rail(rail) for rail in result.guardrails],
        "curve": [{"day": point.day, "lift": point.lift, "interval": point.interval} for point in result.curve],
    }


def _rail(rail: Guarded) -> dict[str, Any]:
    return {
        "name": rail.name,
        "text": sentences.goal_name(rail.name),
        "state": rail.state,
        "worst": rail.worst,
        "best": rail.best,
    }


def _ramp(experiment: Experiment, seen: Seen) -> dict[str, Any]:
    """Return what a report has of a ramp beside the rest."""
    ramp = experiment.ramp
    return {
        "recipe": ramp.recipe if ramp else "",
        "run": ramp.run if ramp else "",
        "days": ramp.days if ramp else 0,
        "guardrails": [_rail(rail) for rail in seen.guardrails],
        "steps": [
            {
                "share": step.share,
                "since": _moment(since),
                "users": step.users,
                "sight": [
                    {"name": name, "text": sentences.goal_name(name), "least": least}
                    for name, least in step.sight.items()
                ],
            }
            for step, since in zip(seen.steps, ramp.since if ramp else (), strict=True)
        ],
    }


def _planned(experiment: Experiment, course: Course, weeks: int) -> int:
    """Return the users of a variant and the control by the end, by those of the first week, or of its days so far."""
    first = [look for look in course.days if look.day <= day_of(experiment.starts_at) + timedelta(days=6)]
    users = sum(sums.users for sums in first[-1].sums.values()) if first else 0
    shown = 2 / len(experiment.variants)
    return max(round(users * shown * weeks * 7 / max(len(first), 1)), 1)


def _users_a_month(experiment: Experiment, course: Course) -> float:
    """Return who would see a variant in a month if everybody did, by who was exposed a day."""
    share = _weight(experiment) / SCALE
    if not course.days or not share:
        return 0.0
    users = sum(sums.users for sums in course.days[-1].sums.values())
    return users / share * MONTH / len(course.days)


def _weight(experiment: Experiment) -> int:
    """Return the share of the users who are in any variant, of SCALE."""
    return sum(experiment.weight(variant.name) for variant in experiment.variants)


def _weights(experiment: Experiment) -> list[tuple[int, dict[str, float]]]:
    """Return from when which weights held."""
    return [
        (
            since,
            {
                variant.name: float(
                    sum(
                        part.end - part.start
                        for part in experiment.slices
                        if part.variant == variant.name and part.since <= since
                    )
                )
                for variant in experiment.variants
            },
        )
        for since in sorted({part.since for part in experiment.slices})
    ]


def _silent_days(experiment: Experiment, made: Made, course: Course, now: datetime) -> Iterator[str]:
    """Yield whole days of the experiment with events of the shop and without an exposure, where others have some."""
    shown = {day: sum(by_variant.values()) for day, by_variant in course.exposures.items()}
    if not any(shown.values()):
        return
    last = min(day_of(experiment.last_second), now.date())
    for day in sorted(made.busy):
        if day_of(experiment.starts_at) < day < last and not shown.get(day.isoformat(), 0):
            yield day.isoformat()


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
