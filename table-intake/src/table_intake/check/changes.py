# SPDX-License-Identifier: Apache-2.0
"""What changed since the last imported drop of a kind, and what of it looks wrong.

Both drops are their reports' documents; see `report.document`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from table_intake.settings.changes import ChangeSettings, Suspicion
from table_intake.wording import Text

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Last:
    """The documents of what was imported last of a kind."""

    same: Document | None = None
    """Of the drop's mode."""
    since: Document | None = None
    """Of the other mode, if that was imported after it."""

    @property
    def until(self) -> str:
        """The day of the last interaction that was imported, ISO 8601; empty where unknown."""
        ends = [_at(document, ("span", "last")) for document in (self.same, self.since) if document]
        return max([str(end)[:10] for end in ends if end], default="")


NOTHING = Last()

FEW = 100
"""The fewest cells or ids of each drop for which medians and ids are compared."""
BUSY = 10
"""The median of interactions on days with any, below which empty days may be chance."""
_SHOWN = 5
_FIGURES: Sequence[tuple[str, Sequence[str]]] = (
    ("good rows", ("rows", "accepted")),
    ("bad rows", ("rows", "rejected")),
    ("rows left out by a setting", ("rows", "skipped")),
    ("shoppers", ("users", "ids")),
    ("items", ("items", "ids")),
    ("different ids", ("ids", "count")),
    ("days", ("span", "days")),
)


def differences(now: Document, last: Document | None) -> dict[str, Any] | None:
    """Return the differences from the last drop, as pairs of before and now; None without one."""
    if not last or "rows" not in last:
        return None
    figures = [
        {"what": what, "before": old, "now": new}
        for what, path in _FIGURES
        if isinstance(old := _at(last, path), int) and isinstance(new := _at(now, path), int)
    ]
    members: dict[str, Any] = {"run": last["run"], "key": last["key"], "checkedAt": last["checkedAt"]}
    members |= {"figures": figures, "columns": _columns(now, last)}
    for member in ("columns", "eventTypes"):
        was, are = ([entry["name"] for entry in document.get(member, ())] for document in (last, now))
        members[f"{member}Added"] = [name for name in are if name not in was]
        members[f"{member}Gone"] = [name for name in was if name not in are]
    return members


def _columns(now: Document, last: Document) -> list[dict[str, Any]]:
    """Return the columns of both drops with another type, fill rate or median."""
    falls = []
    for was, now_is in _both(now, last, "columns"):
        old, new = _of_column(was), _of_column(now_is)
        if old != new:
            falls.append({"name": was["name"], "before": old, "now": new})
    return falls


def _of_column(column: Document) -> dict[str, Any]:
    # A rate is compared as it is shown.
    return {"kind": column["kind"], "share": round(column["share"], 3), "median": _at(column, ("range", "median"))}


def suspicions(now: Document, last: Last, settings: ChangeSettings) -> list[dict[str, str]]:
    """Return what looks wrong in a drop, as a Suspicion and a clause about it.

    Args:
        now: the drop's document.
        last: those of what was imported last of its kind.
        settings: the shop's thresholds.
    """
    suspicions: list[tuple[Suspicion, str]] = []
    same = last.same
    if same and "rows" in same:
        suspicions += _rows(now, same, settings.rows)
        suspicions += _medians(now, same, settings.numbers)
        suspicions += _other_ids(now, same, settings.ids)
        suspicions += _types_gone(now, same, settings.event_types)
        suspicions += _poorer(now, same, settings.columns)
    suspicions += [*_older(now, last), *_empty_days(now, last, settings.days), *_unknown(now, same, settings.ids)]
    return [{"what": what, "told": told} for what, told in suspicions]


Suspicions = Iterator[tuple[Suspicion, Text]]


def _rows(now: Document, last: Document, share: float) -> Suspicions:
    before, rows = last["rows"]["accepted"], now["rows"]["accepted"]
    days, now_days = (_at(document, ("span", "days")) for document in (last, now))
    if now["mode"] == "INCREMENTAL" and days and now_days:
        # What comes after a pause is more, and what comes after that is less.
        before, rows = before / days, rows / now_days
        if rows < share * before:
            text = "it has {rows:,} good {rows:row|rows} a day, {share:.0%} of the {before:,} before"
            figures = {"rows": round(rows), "share": rows / before, "before": round(before)}
            yield "rows", Text("change.rows-a-day", text, **figures)
    elif rows < share * before:
        text = "it has {rows:,} good {rows:row|rows}, {share:.0%} of the {before:,} before"
        yield "rows", Text("change.rows", text, rows=rows, share=rows / before, before=before)


def _empty_days(now: Document, last: Last, most: int) -> Suspicions:
    """Find days without interactions that the last drop had not as well.

    An incremental drop also continues what was imported before.
    """
    days = [date.fromisoformat(day) for day, _ in now.get("perDay") or ()]
    before = [date.fromisoformat(day) for day, _ in (last.same or {}).get("perDay") or ()]
    if not days or median(rows for _, rows in now["perDay"]) < BUSY:
        return
    if now["mode"] == "INCREMENTAL" and last.until and (until := date.fromisoformat(last.until)) < days[0]:
        days.insert(0, until)
    same = set(pairwise(before))
    gaps = [pair for pair in pairwise(days) if (pair[1] - pair[0]).days > most and pair not in same]
    if gaps:
        before_gap, after_gap = max(gaps, key=lambda pair: pair[1] - pair[0])
        first, final = before_gap + timedelta(days=1), after_gap - timedelta(days=1)
        text = "nothing happened from {first} to {last}, {days:,} {days:day|days}"
        told = Text("change.days", text, first=first.isoformat(), last=final.isoformat(), days=(final - first).days + 1)
        if len(gaps) > 1:
            text = "{told}; {more:,} more such {more:time|times}"
            told = Text("change.more-days", text, told=told, more=len(gaps) - 1)
        yield "days", told


def _older(now: Document, last: Last) -> Suspicions:
    end = str(_at(now, ("span", "last")) or "")[:10]
    if end and end < last.until:
        text = "its last interaction is of {end}, and one of {before} was imported before"
        yield "history", Text("change.history", text, end=end, before=last.until)


def _medians(now: Document, last: Document, factor: float) -> Suspicions:
    for was, now_is in _both(now, last, "columns"):
        old, new = (_at(column, ("range", "median")) for column in (was, now_is))
        if not old or new is None or min(was["filled"], now_is["filled"]) < FEW:
            continue
        times = new / old
        if not 1 / factor < times < factor:
            figures = {"column": was["name"], "now": new, "before": old}
            if times > 0:
                text = "the median of {column} is {now:,.6g}, {times:,.3g} times the {before:,.6g} before"
                yield "numbers", Text("change.median-times", text, times=times, **figures)
            else:
                text = "the median of {column} is {now:,.6g}, and was {before:,.6g} before"
                yield "numbers", Text("change.median", text, **figures)


def _unknown(now: Document, last: Document | None, known_share: float) -> Suspicions:
    """Find ids of interactions that are missing in the shop's users or items, more than were missing before."""
    for kind in ("users", "items"):
        share, before = _unknown_share(now, kind), _unknown_share(last or {}, kind)
        if share is not None and share > 1 - known_share and (before is None or share > before + (1 - before) / 2):
            text = f"{{share:.0%}} of its {kind} are not in the shop's {kind}"
            yield "ids", Text(f"change.unknown-{kind}", text, share=share)


def _unknown_share(document: Document, kind: str) -> float | None:
    ids, unknown = _at(document, (kind, "ids")), _at(document, (kind, "unknown", "ids"))
    return unknown / ids if ids and unknown is not None and ids >= FEW else None


def _other_ids(now: Document, last: Document, share: float) -> Suspicions:
    """Find a whole file of users or items that shares few ids with the one before, however each has grown."""
    if now["mode"] != "FULL":
        return
    new, before = _at(now, ("ids", "new")), last["rows"]["accepted"] - last["rows"]["duplicates"]
    if new is not None:
        ids = now["ids"]["count"]
        still, common = ids - new, min(ids, before)
        if common >= FEW and still < share * common:
            text = f"of its {{ids:,}} {now['kind']} only {{still:,}} are among the {{before:,}} before"
            yield "ids", Text(f"change.other-{now['kind']}", text, ids=ids, still=still, before=before)
    was, top = ([item["itemId"] for item in _at(document, ("items", "top")) or ()] for document in (last, now))
    enough = min(_at(document, ("items", "ids")) or 0 for document in (last, now)) >= FEW
    if enough and len(top) == len(was) and not {*was} & {*top}:
        text = "none of the {before} most popular items before is among the {now} now"
        yield "ids", Text("change.top-items", text, before=len(was), now=len(top))


def _types_gone(now: Document, last: Document, share: float) -> Suspicions:
    are, total = {event_type["name"] for event_type in now.get("eventTypes") or ()}, last["rows"]["accepted"]
    for event_type in last.get("eventTypes") or ():
        if event_type["name"] not in are and event_type["rows"] >= max(share * total, 1):
            text = "the event type {name} is gone, which {share:.0%} of rows had"
            share_before = event_type["rows"] / total
            yield "event_types", Text("change.event-type", text, name=event_type["name"], share=share_before)


def _poorer(now: Document, last: Document, share: float) -> Suspicions:
    names = {column["name"] for column in now["columns"]}
    gone = [column["name"] for column in last.get("columns") or () if column["name"] not in names]
    if gone:
        listed, count = Text.some_of(gone, _SHOWN), len(gone)
        yield "columns", Text("change.columns-gone", "{names} {count:is|are} gone", names=listed, count=count)
    for was, now_is in _both(now, last, "columns"):
        if was["kind"] != now_is["kind"]:
            text = "{column} was read as {before} before, and is {now} now"
            before, now_kind = (Text(f"type.{kind}", kind) for kind in (was["kind"], now_is["kind"]))
            yield "columns", Text("change.type", text, column=was["name"], before=before, now=now_kind)
        if now_is["share"] < share * was["share"] and was["filled"] >= FEW:
            text = "{column} is filled in {now:.0%} of rows, and was in {before:.0%}"
            shares = {"now": now_is["share"], "before": was["share"]}
            yield "columns", Text("change.filled", text, column=was["name"], **shares)


def refusal(document: Document, settings: ChangeSettings) -> str:
    """Return why the shop's settings refuse a drop that looks wrong; empty where they do not."""
    refused = [suspicion["told"] for suspicion in document["suspicions"] if suspicion["what"] in settings.refused]
    if not refused or settings.accept == (accepted := code(document)):
        return ""
    than = document.get("changes")
    rest = (
        "{reasons}; the settings refuse that (changes.refuse). If the data are right, add accept: {code} to changes in "
        "the settings, and drop the file again: that lets in these data alone"
    )
    reasons = Text.joined("; ", refused)
    if than is None:
        return Text("change.refused", f"the drop looks wrong: {rest}", reasons=reasons, code=accepted)
    lead = "the drop looks wrong beside {key}, the last one of run {run}: "
    compared = {"key": than["key"], "run": than["run"]}
    return Text("change.refused-beside", lead + rest, reasons=reasons, code=accepted, **compared)


def code(document: Document) -> str:
    """Return a code of a drop's data, the same for the same data whatever the file's name, place or parts."""
    rows = {name: value for name, value in document["rows"].items() if name not in {"limit", "bytes"}}
    data = [rows, *(document.get(name) for name in ("kind", "columns", "span", "perDay", "eventTypes"))]
    return f"drop-{hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:8]}"


def _both(now: Document, last: Document, member: str) -> Iterator[tuple[Document, Document]]:
    """Yield the entries of both documents with the same name."""
    are = {entry["name"]: entry for entry in now.get(member) or ()}
    for was in last.get(member) or ():
        if was["name"] in are:
            yield was, are[was["name"]]


def _at(document: Document, path: Sequence[str]) -> Any:  # noqa: ANN401 - any value
    value: Any = document
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
