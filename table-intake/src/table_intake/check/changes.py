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
from table_intake.wording import counted

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


Suspicions = Iterator[tuple[Suspicion, str]]


def _rows(now: Document, last: Document, share: float) -> Suspicions:
    before, rows = last["rows"]["accepted"], now["rows"]["accepted"]
    days, now_days = (_at(document, ("span", "days")) for document in (last, now))
    if now["mode"] == "INCREMENTAL" and days and now_days:
        # What comes after a pause is more, and what comes after that is less.
        before, rows = before / days, rows / now_days
        if rows < share * before:
            daily = counted(round(rows), "good row")
            yield "rows", f"it has {daily} a day, {rows / before:.0%} of the {before:,.0f} before"
    elif rows < share * before:
        yield "rows", f"it has {counted(rows, 'good row')}, {rows / before:.0%} of the {before:,} before"


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
        more = f"; {counted(len(gaps) - 1, 'more such time')}" if len(gaps) > 1 else ""
        yield "days", f"nothing happened from {first} to {final}, {counted((final - first).days + 1, 'day')}{more}"


def _older(now: Document, last: Last) -> Suspicions:
    end = str(_at(now, ("span", "last")) or "")[:10]
    if end and end < last.until:
        yield "history", f"its last interaction is of {end}, and one of {last.until} was imported before"


def _medians(now: Document, last: Document, factor: float) -> Suspicions:
    for was, now_is in _both(now, last, "columns"):
        old, new = (_at(column, ("range", "median")) for column in (was, now_is))
        if not old or new is None or min(was["filled"], now_is["filled"]) < FEW:
            continue
        times = new / old
        if not 1 / factor < times < factor:
            told = f"{times:,.3g} times the {old:,.6g} before" if times > 0 else f"and was {old:,.6g} before"
            yield "numbers", f"the median of {was['name']} is {new:,.6g}, {told}"


def _unknown(now: Document, last: Document | None, known_share: float) -> Suspicions:
    """Find ids of interactions that are missing in the shop's users or items, more than were missing before."""
    for kind in ("users", "items"):
        share, before = _unknown_share(now, kind), _unknown_share(last or {}, kind)
        if share is not None and share > 1 - known_share and (before is None or share > before + (1 - before) / 2):
            yield "ids", f"{share:.0%} of its {kind} are not in the shop's {kind}"


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
            yield "ids", f"of its {ids:,} {now['kind']} only {still:,} are among the {before:,} before"
    was, top = ([item["itemId"] for item in _at(document, ("items", "top")) or ()] for document in (last, now))
    enough = min(_at(document, ("items", "ids")) or 0 for document in (last, now)) >= FEW
    if enough and len(top) == len(was) and not {*was} & {*top}:
        yield "ids", f"none of the {len(was)} most popular items before is among the {len(top)} now"


def _types_gone(now: Document, last: Document, share: float) -> Suspicions:
    are, total = {event_type["name"] for event_type in now.get("eventTypes") or ()}, last["rows"]["accepted"]
    for event_type in last.get("eventTypes") or ():
        if event_type["name"] not in are and event_type["rows"] >= max(share * total, 1):
            yield (
                "event_types",
                f"the event type {event_type['name']} is gone, which {event_type['rows'] / total:.0%} of rows had",
            )


def _poorer(now: Document, last: Document, share: float) -> Suspicions:
    names = {column["name"] for column in now["columns"]}
    gone = [column["name"] for column in last.get("columns") or () if column["name"] not in names]
    if gone:
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        yield "columns", f"{', '.join(gone[:_SHOWN])}{more} {'are' if len(gone) > 1 else 'is'} gone"
    for was, now_is in _both(now, last, "columns"):
        if was["kind"] != now_is["kind"]:
            yield "columns", f"{was['name']} was read as {was['kind']} before, and is {now_is['kind']} now"
        if now_is["share"] < share * was["share"] and was["filled"] >= FEW:
            yield "columns", f"{was['name']} is filled in {now_is['share']:.0%} of rows, and was in {was['share']:.0%}"


def refusal(document: Document, settings: ChangeSettings) -> str:
    """Return why the shop's settings refuse a drop that looks wrong; empty where they do not."""
    refused = [suspicion["told"] for suspicion in document["suspicions"] if suspicion["what"] in settings.refused]
    if not refused or settings.accept == (accepted := code(document)):
        return ""
    than = document.get("changes")
    beside = f" beside {than['key']}, the last one of run {than['run']}" if than else ""
    return (
        f"the drop looks wrong{beside}: {'; '.join(refused)}; the settings refuse that (changes.refuse). If the data "
        f"are right, add accept: {accepted} to changes in the settings, and drop the file again: that lets in these "
        "data alone"
    )


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
