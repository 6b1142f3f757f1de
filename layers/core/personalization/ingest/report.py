# SPDX-License-Identifier: Apache-2.0
"""The report on a drop: the data, the refused rows, whether the data suffice, and what follows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from table_intake import DataKind, Mode
from table_intake.check import changes
from table_intake.check.findings import (
    MINIMUM_INTERACTIONS,
    MINIMUM_USERS,
    RECOMMENDED_INTERACTIONS,
    RECOMMENDED_USERS,
    Filled,
    Findings,
    Reason,
    Spread,
)
from table_intake.origins import Origins
from table_intake.wording import Text

from personalization.reports import pages
from personalization.shop import keys
from personalization.shop.records.release import on
from personalization.shop.settings import engine_jobs
from personalization.shop.settings.gate import FOR_USERS, PATIENCE, Ramp
from personalization.shop.settings.prices import MONTH_DAYS, Billed, Prices, campaign_month, estimate, estimate_trial
from personalization.shop.settings.recipes import SECOND_GENERATION, Generation, RecipeAlias
from personalization.shop.settings.settings import ShopSettings


@dataclass(frozen=True, slots=True)
class Limit:
    """What a generation uses in a training; it ignores the rest."""

    items: int
    interactions: int


LIMITS: Mapping[Generation, Limit] = {"v1": Limit(750_000, 500_000_000), "v2": Limit(5_000_000, 3_000_000_000)}
"""From the developer guide's page on quotas."""


def data_limits(settings: ShopSettings, items: int, interactions: int) -> tuple[str, ...]:
    """Return notes about a shop that exceeds what its recipes use; `interactions` is 0 where unknown."""
    further = settings.further_aliases
    on_engine = [
        alias for alias, backend in settings.backends.items() if backend == "engine" or on(alias, "engine") in further
    ]
    of_engine = engine_limits(settings, on_engine, items, interactions) if on_engine else ()
    if settings.fallback and interactions:
        of_engine = (_fallback(settings, interactions), *of_engine)
    recipes = [alias for alias in settings.trained_on("personalize") if alias in SECOND_GENERATION]
    limit = LIMITS[settings.generation]
    notes = [
        Text(
            f"limits.{what}",
            f"{{have:,}} {what}: {{recipes}} of generation {{generation}} consider {{most:,}}, not the rest",
            have=have,
            recipes=Text.all_of(recipes),
            generation=settings.generation,
            most=most,
        )
        for what, have, most in (("items", items, limit.items), ("interactions", interactions, limit.interactions))
        if recipes and have > most
    ]
    if notes and settings.generation == "v1":
        notes.append(_proposal(settings.prices, recipes, interactions))
    return (*notes, *of_engine)


def _fallback(settings: ShopSettings, interactions: int) -> Text:
    """Return what the engine's trainings cost that answer where Amazon Personalize does not."""
    recipes = [alias for alias in settings.trained if on(alias, "engine") in settings.fallback_aliases]
    billed = [replace(settings.billed(alias), engine=True) for alias in recipes]
    text = (
        "the engine trains on the same files, to answer where Amazon Personalize does not: about ${training:,.4f} a "
        "training of {recipes} besides, and nothing while idle (prices of {date})"
    )
    prices = settings.prices
    cost = estimate(prices, 0, interactions, billed)
    values = {"training": cost.training_dollars, "recipes": Text.all_of(recipes), "date": prices.as_of}
    return Text("note.fallback", text, **values)


def engine_limits(
    settings: ShopSettings, recipes: Sequence[RecipeAlias], items: int, interactions: int
) -> tuple[str, ...]:
    """Return a note about the engine's trainings that are expected to take more than a function usually has."""
    prices, taken = settings.prices, items if interactions else 0
    needed = engine_jobs.megabytes(recipes, interactions, taken)
    seconds = engine_jobs.seconds(recipes, interactions, taken)
    is_short = seconds <= engine_jobs.MOST_SECONDS
    if is_short and needed <= engine_jobs.USUAL_MEGABYTES:
        return ()
    if is_short and needed <= engine_jobs.MOST_MEGABYTES:
        text = (
            "a training on {interactions:,} interactions takes about {needed:,} MB of memory: give the stack an "
            "EngineMemory of as much"
        )
        return (Text("limits.engine-memory", text, interactions=interactions, needed=needed),)
    expected = {"interactions": interactions, "needed": needed, "minutes": round(seconds / 60)}
    if settings.fallback:
        text = (
            "a training on {interactions:,} interactions takes about {needed:,} MB of memory and {minutes:,} minutes, "
            "more than a function of the engine can have, so the run may fail: leave fallback out"
        )
        return (Text("limits.engine-fallback", text, **expected),)
    billed = [replace(settings.billed(alias), engine=False) for alias in recipes]
    cost = estimate(prices, 0, interactions, billed)
    text = (
        "a training on {interactions:,} interactions takes about {needed:,} MB of memory and {minutes:,} minutes, "
        "more than a function can have. With backend: personalize the trainings cost about ${training:,.2f}, and the "
        "campaigns at least ${month:,.2f} a month (prices of {date})"
    )
    values = {"training": cost.training_dollars, "month": cost.month_dollars, "date": prices.as_of}
    return (Text("limits.engine", text, **expected, **values),)


def _proposal(prices: Prices, recipes: Sequence[str], interactions: int) -> Text:
    """Compare the costs of the second generation with the first, for the recipes that have it."""
    larger = LIMITS["v2"]
    bill: dict[Generation, tuple[float, float]] = {}
    for generation in LIMITS:
        billed = [Billed(alias=alias, generation=generation) for alias in recipes]
        training = estimate(prices, 0, interactions or 1_000_000, billed).training_dollars
        bill[generation] = training, sum(campaign_month(prices, recipe) for recipe in billed)
    million = Text("limits.million", "each million interactions")
    trained_on = Text("limits.interactions-of", "{rows:,} interactions", rows=interactions)
    return Text(
        "limits.second-generation",
        "generation: v2 considers {items:,} items and {interactions:,} interactions. A training on {history} costs "
        "${training:,.2f} instead of ${training_now:,.2f}, and the campaigns cost at least ${month:,.2f} instead of "
        "${month_now:,.2f} a month (prices of {date})",
        items=larger.items,
        interactions=larger.interactions,
        history=trained_on if interactions else million,
        training=bill["v2"][0],
        training_now=bill["v1"][0],
        month=bill["v2"][1],
        month_now=bill["v1"][1],
        date=prices.as_of,
    )


def ramp_price(settings: ShopSettings, ramp: Ramp) -> Text:
    """Return what the second campaign of a ramp costs at least."""
    days, billed = len(ramp.steps) * ramp.days, settings.billed(ramp.recipe)
    if billed.engine:
        text = (
            "a new version of {recipe} comes step by step, by a second campaign on the engine for {days} days: it "
            "costs nothing while nobody asks it"
        )
        return Text("note.ramp-engine", text, recipe=ramp.recipe, days=days)
    text = (
        "a new version of {recipe} comes step by step, by a second campaign for {days} days: about ${dollars:,.2f} "
        "without any request, and ${most:,.2f} at most where it is late (prices of {date})"
    )
    dollars = campaign_month(settings.prices, billed) * days / MONTH_DAYS
    values = {"recipe": ramp.recipe, "days": days, "dollars": dollars, "most": PATIENCE * dollars}
    return Text("note.ramp", text, **values, date=settings.prices.as_of)


Document = dict[str, Any]
BUCKETS = (1, 2, 3, 6, 11, 21, 51, 101)
"""Lower bounds of interactions for the groups of users or items."""
TAIL = (0.01, 0.05, 0.1, 0.2, 0.5)
"""The busiest shares of items, for which the report gives the share of all interactions."""
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The subject of a report."""

    shop: str
    run: str
    kind: DataKind
    mode: Mode
    key: str
    now: datetime
    settings: ShopSettings
    before: int = 0
    """Interactions of the shop before an incremental drop."""


def key(shop: str, run: str, kind: DataKind, part: int) -> str:
    """Return a report's key without its extension; `part` distinguishes drops imported together."""
    return f"reports/{shop}/{run}/data-{kind}{f'-{part}' if part else ''}"


def rejects_key(shop: str, run: str, kind: DataKind, part: int) -> str:
    """Return the key of the refused rows."""
    return f"rejects/{shop}/{run}/{kind}{f'-{part}' if part else ''}.csv"


def document(
    subject: Subject, findings: Findings | None, reason: str, last: changes.Last = changes.NOTHING
) -> Document:
    """Return the report.

    Args:
        subject: the drop.
        findings: the results for its rows, or None for an unreadable file.
        reason: why the drop was refused; empty where it was accepted.
        last: the documents of what was imported last of this kind.
    """
    members: Document = {
        "language": subject.settings.language,
        "shop": subject.shop,
        "run": subject.run,
        "kind": subject.kind,
        "mode": subject.mode,
        "key": subject.key,
        "checkedAt": _iso(subject.now),
        "outcome": "refused" if reason else "accepted",
        "reason": reason,
        "advice": _advice(subject, findings) if reason else [],
    }
    if findings is None:
        return members
    limit = subject.settings.rejects.limit
    # A mostly damaged or partly read file says nothing about the shop.
    is_complete = not reason or (findings.accepted > 0 and not findings.stopped)
    members |= {
        "rows": {
            "read": findings.rows,
            "accepted": findings.accepted,
            "rejected": findings.rejected,
            **({"skipped": findings.skipped} if findings.skipped else {}),
            "rejectedShare": findings.rejected / findings.rows if findings.rows else 0.0,
            "limit": limit,
            "duplicates": findings.duplicates,
            "bytes": findings.size,
        },
        "refused": [_refused(broken, findings.origins) for broken in findings.reasons],
        "goals": _goals(subject, findings) if not reason or findings.rejected <= limit * findings.rows else [],
        "columns": [_column(filled, findings.accepted) for filled in findings.columns] if is_complete else [],
        "notes": list(findings.notes),
    }
    if reason:
        part, line = findings.origins.locate(findings.stopped) if findings.stopped else ("", None)
        members |= {"stoppedAt": line, **({"stoppedIn": part} if part else {})}
    else:
        members["next"] = _next(subject, findings)
    if subject.kind == "interactions" and is_complete:
        members |= _interactions(findings)
    elif subject.kind == "action-interactions" and is_complete:
        members |= _times(findings)
    elif findings.ids is not None:
        members["ids"] = {"count": findings.ids, "new": findings.new_ids}
    members["changes"] = changes.differences(members, last.same) if is_complete else None
    members["suspicions"] = changes.suspicions(members, last, subject.settings.changes) if is_complete else []
    if reason and reason == changes.refusal(members, subject.settings.changes):
        members["code"] = changes.code(members)
    return members


def _refused(broken: Reason, origins: Origins) -> Document:
    """Return a broken rule, with the part of each example if there are several."""
    places = [origins.locate(example.line) for example in broken.examples]
    examples = [
        {**asdict(example), "line": line, **({"part": part} if part else {})}
        for example, (part, line) in zip(broken.examples, places, strict=True)
    ]
    return {**asdict(broken), "examples": examples}


def _advice(subject: Subject, findings: Findings | None) -> list[Text]:
    """Return advice for the people who made a refused file."""
    folder, _, name = subject.key.rpartition("/")
    rest = "nothing has changed in the shop, and earlier imports still serve"
    if keys.recognise(subject.key).folder:
        text = f"Correct the parts in {{folder}}/, and write {{marker}} again: {rest}"
        advice = [Text("advice.parts", text, folder=folder, marker=name)]
    else:
        advice = [Text("advice.file", f"Correct the file and drop it again under {{folder}}/: {rest}", folder=folder)]
    if findings is None or not findings.rejected:
        return advice
    if not findings.stopped and findings.accepted:
        share = min(1.0, math.ceil(findings.rejected / findings.rows * 100) / 100)
        text = (
            "Or import only the good rows: allow a larger share of bad ones in the shop's settings, with rejects: "
            "{{limit: {share:g}}}, and drop the file again"
        )
        advice.append(Text("advice.limit", text, share=share))
    if findings.stopped:
        text = "Rows after {line} were not checked: they may have faults of other kinds than those below"
        advice.append(Text("advice.stopped", text, line=findings.origins.describe(findings.stopped)))
    return advice


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _goals(subject: Subject, findings: Findings) -> list[Document]:
    if subject.kind != "interactions" or findings.users is None:
        return []
    different, again = findings.accepted - findings.duplicates, findings.users.at_least(2)
    needed = max(MINIMUM_USERS, -(-findings.users.ids // 100))
    goals = (
        ("different interactions", different, MINIMUM_INTERACTIONS, RECOMMENDED_INTERACTIONS),
        ("users with two interactions or more", again, needed, max(RECOMMENDED_USERS, needed)),
    )
    members = ("what", "have", "minimum", "recommended")
    return [dict(zip(members, goal, strict=True)) for goal in goals]


def _interactions(findings: Findings) -> Document:
    return {
        **_times(findings),
        "users": _spread(findings.users, tail=False),
        "items": _spread(findings.items, tail=True),
    }


def _times(findings: Findings) -> Document:
    days = [[(_EPOCH + timedelta(days=day)).isoformat(), rows] for day, rows in findings.per_day.items()]
    span = None
    if findings.first is not None and findings.last is not None:
        first, last = (datetime.fromtimestamp(moment, UTC) for moment in (findings.first, findings.last))
        span = {"first": _iso(first), "last": _iso(last), "days": (last.date() - first.date()).days + 1}
    return {
        "span": span,
        "perDay": days,
        "eventTypes": [{"name": kind, "rows": rows} for kind, rows in list(findings.event_types.items())[:50]],
    }


def _spread(spread: Spread | None, *, tail: bool) -> Document | None:
    if spread is None:
        return None
    ends = (*(low - 1 for low in BUCKETS[1:]), None)
    groups = [
        {"from": low, "to": high, "ids": spread.at_least(low) - (spread.at_least(high + 1) if high else 0)}
        for low, high in zip(BUCKETS, ends, strict=True)
    ]
    members: Document = {"ids": spread.ids, "groups": groups}
    if spread.unknown_rows is not None:
        share = spread.unknown_rows / spread.rows if spread.rows else 0.0
        members["unknown"] = {"rows": spread.unknown_rows, "share": share, "ids": spread.unknown_ids}
    if tail:
        members["tail"] = [{"top": share, "share": spread.share_of_top(share)} for share in TAIL]
        members["top"] = [{"itemId": item, "rows": rows} for item, rows in spread.top]
    return members


def _column(filled: Filled, rows: int) -> Document:
    column = filled.column
    kind = LONG_TEXT if column.textual else "category" if column.categorical else _TYPES[column.type]
    share = filled.cells / rows if rows else 0.0
    members = {"name": column.name, "kind": kind, "filled": filled.cells, "share": share, "distinct": filled.distinct}
    if column.item_name:
        members["itemName"] = True
    if filled.range:
        members["range"] = {
            "minimum": filled.range.minimum,
            "median": filled.range.median,
            "maximum": filled.range.maximum,
            "belowZero": filled.range.below_zero,
            "exact": filled.range.exact,
        }
    return members


LONG_TEXT = "long text"
"""The kind of the column that describes items."""
_TYPES = {"string": "text", "long": "whole number", "float": "number"}


def _next(subject: Subject, findings: Findings) -> Document:
    trains = subject.kind == "interactions"
    settings, prices = subject.settings, subject.settings.prices
    history = (subject.before + findings.accepted) if trains else 0
    billed = settings.billed_trainings
    cost = estimate(prices, findings.size, history, billed)
    tuned = [{"recipe": recipe.alias, "trials": recipe.trials} for recipe in billed if recipe.trials]
    weights = [{"name": name, "weight": event.weight} for name, event in settings.weights.items()]
    return {
        "recipes": list(subject.settings.trained) if trains else [],
        "generation": subject.settings.generation,
        "recommenders": list(subject.settings.recommenders) if trains else [],
        "importDollars": cost.import_dollars,
        "interactions": cost.interactions,
        "trainingHours": cost.training_hours,
        "trainingDollars": cost.training_dollars,
        **({"tuned": tuned} if trains and tuned else {}),
        **({"weights": weights} if trains and weights else {}),
        "runDollars": cost.run_dollars,
        "campaigns": len(cost.campaign_months),
        "campaignMonths": [{"recipe": alias, "dollars": dollars} for alias, dollars in cost.campaign_months],
        "monthDollars": cost.month_dollars,
        **({"ramp": ramp_price(settings, settings.gate.ramp)} if trains and settings.gate.ramp else {}),
        "heldOut": _held_out(subject, findings) if trains else None,
        "prices": prices.model_dump(),
    }


def _held_out(subject: Subject, findings: Findings) -> Document | None:
    """Return the costs of the test on held-out time, if the shop enables it."""
    settings, gate = subject.settings, subject.settings.gate
    recipes = [alias for alias in settings.trained_on("personalize") if alias in FOR_USERS]
    if gate.held_out is None or not gate.enabled:
        return None
    history, tested = subject.before + findings.accepted, [settings.billed(alias) for alias in recipes]
    cost = estimate_trial(settings.prices, findings.size, history, tested, gate.held_out.users)
    return {
        "days": gate.held_out.days,
        "recipes": recipes,
        "trainingHours": cost.training_hours,
        "lists": cost.lists,
        "dollars": cost.dollars,
    }


def page(report: Document) -> str:
    return pages.render("drop.html", report, examples=_examples)


def _examples(reason: Document) -> list[tuple[str, str, list[tuple[str, int]]]]:
    """Return the cells or words of examples with their parts and lines, equal ones grouped."""
    groups: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for example in reason["examples"]:
        text = "" if example["value"] or example["told"] == reason["rule"] else example["told"]
        groups.setdefault((example["value"], text), []).append((example.get("part", ""), example["line"]))
    return [(value, text, lines) for (value, text), lines in groups.items()]
