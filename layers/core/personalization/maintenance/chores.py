# SPDX-License-Identifier: Apache-2.0
"""The daily round: which shops are stale, and which schemas, filters and records nothing needs any more.

Personalize has no call that deletes a solution version or an import job alone: they go with their solution and their
dataset.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from personalization.core.errors import Rejected
from personalization.shop.release import CANDIDATE, HISTORY, RECORD, history_key, release_before, versions
from personalization.shop.solution_names import is_of

RELEASES = 30
"""Releases of a shop that are remembered, the newest ones."""
CANDIDATES = 10
"""Judged runs of a shop whose plan is kept for an override by hand, the newest ones."""
_SCHEMA = re.compile(r"(interactions|users|items)-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Promoted:
    """A shop's release, as far as the round needs it."""

    shop: str
    at: datetime
    filters: tuple[str, ...]
    dataset_group_arn: str


@dataclass(frozen=True, slots=True)
class Aged:
    """A schema or a filter by name and ARN, and when it was made."""

    name: str
    arn: str
    made: datetime


def promoted(records: Iterable[Mapping[str, Any]]) -> tuple[Promoted, ...]:
    """What the round needs of release records."""
    return tuple(
        Promoted(
            str(record["shop"]),
            _promoted_at(record),
            tuple(str(name) for name in _list(record.get("filters"))),
            str(record["datasetGroupArn"]),
        )
        for record in records
    )


def _promoted_at(record: Mapping[str, Any]) -> datetime:
    """When a release was promoted; one of which nothing was trained is as old as the newest version in it."""
    found = [str(entry.get("foundFrom") or "") for entry in (record.get("campaigns") or {}).values()]
    at = max(found) if found and all(found) else str(record["promotedAt"])
    return datetime.fromisoformat(at.replace("Z", "+00:00"))


def _list(value: object) -> Collection[object]:
    return value if isinstance(value, list | tuple) else ()


def days_since(then: datetime, now: datetime) -> float:
    """Days, with one decimal."""
    return round((now - then) / timedelta(days=1), 1)


def unused_schemas(prefix: str, schemas: Iterable[Aged], now: datetime, days: int) -> tuple[Aged, ...]:
    """Our schemas that are old enough to be tried: Personalize refuses to delete one that a dataset has.

    A younger one may belong to a run that has not made its dataset yet.
    """
    ours = re.compile(rf"{re.escape(prefix)}-{_SCHEMA.pattern}")
    return tuple(each for each in schemas if ours.fullmatch(each.name) and days_since(each.made, now) >= days)


def unused_filters(
    start: str, filters: Iterable[Aged], named: Collection[str], now: datetime, days: int
) -> tuple[Aged, ...]:
    """Filters of a shop that neither its release nor its settings name, and that are old enough.

    Args:
        start: how the names of the shop's filters begin: `<prefix>-<shop>-`.
        filters: those of the shop's dataset group.
        named: the filters' names as the shop gives them.
        now: the time.
        days: their least age.
    """
    kept = {f"{start}{name}" for name in named}
    return tuple(
        each
        for each in filters
        if each.name.startswith(start) and each.name not in kept and days_since(each.made, now) >= days
    )


def outdated(records: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Shop and sort key of the releases and judged runs that are older than those that are remembered.

    The release that serves and the one that a rollback would return to are never among them.

    Args:
        records: release records, those of the history, and judged runs, of any shops.
    """
    shops: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in records:
        shops[str(each["shop"])].append(each)
    return tuple((shop, record) for shop, mine in shops.items() for record in _outdated(shop, mine))


def unused_solutions(
    bases: Collection[str], solutions: Iterable[Aged], records: Iterable[Mapping[str, Any]]
) -> tuple[Aged, ...]:
    """Solutions of a shop that no release may go back to.

    Kept are those of the release that serves, of the one that a rollback returns to, and of what was judged last.
    Where the release that serves can't be found among them, all are kept.

    Args:
        bases: what the solutions of the shop's recipes are called without their columns.
        solutions: those of its dataset group that aren't being deleted.
        records: the shop's releases and judged runs.
    """
    mine, there = list(records), tuple(solutions)
    release = next((each for each in mine if each["record"] == RECORD), None)
    if release is None or not _of(versions(release).values()) <= {each.arn for each in there}:
        return ()
    needed = _solutions(release)
    with suppress(Rejected):
        needed |= _solutions(release_before(release, _newest_first(mine, HISTORY, "promotedAt"), str(release["shop"])))
    for judged in _newest_first(mine, CANDIDATE, "judgedAt")[:1]:
        needed |= _solutions(judged)
    ours = (each for each in there if any(is_of(each.name, base) for base in bases))
    return tuple(each for each in ours if each.arn not in needed)


def unreturnable(there: Collection[str], records: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Sort keys of releases and judged runs that can't serve any more, because a solution (ARN) of theirs is gone.

    A run deletes solutions, too, where there is no room for a new one. Where the release that serves can't be found
    among those that are there, nothing is known of the others.
    """
    mine = list(records)
    release = next((each for each in mine if each["record"] == RECORD), None)
    if release is None or not _serving(release) <= set(there):
        return ()
    return tuple(str(each["record"]) for each in mine if not _serving(each) <= set(there))


def _serving(record: Mapping[str, Any]) -> set[str]:
    """ARNs of the solutions that a release serves from, or that a judged run would."""
    entries = record.get("campaigns", {}).values()
    return _of([*(each["solutionVersionArn"] for each in entries), *record.get("versions", {}).values()])


def _solutions(record: Mapping[str, Any]) -> set[str]:
    """ARNs of the solutions whose versions a release or a judged run names, that of its baseline among them."""
    entries = record.get("campaigns", {}).values()
    arns = [each["solutionVersionArn"] for each in entries] + list(record.get("versions", {}).values())
    arns += [each.get("baselineArn") for each in (record, *entries)]
    return _of(arns)


def _of(versions: Iterable[Any]) -> set[str]:
    """The ARNs of the solutions of versions, of which some may be missing."""
    return {str(arn).rpartition("/")[0] for arn in versions if arn}


def _outdated(shop: str, records: list[Mapping[str, Any]]) -> list[str]:
    release = next((each for each in records if each["record"] == RECORD), None)
    past = _newest_first(records, HISTORY, "promotedAt")
    judged = _newest_first(records, CANDIDATE, "judgedAt")
    needed = {history_key(str(release["promotedAt"]))} if release else set()
    with suppress(Rejected):
        needed.add(str(release_before(release, past, shop)["record"]))
    old = [str(each["record"]) for each in (*past[RELEASES:], *judged[CANDIDATES:])]
    return [record for record in old if record not in needed]


def _newest_first(records: Iterable[Mapping[str, Any]], start: str, when: str) -> list[Mapping[str, Any]]:
    found = [each for each in records if str(each["record"]).startswith(start)]
    return sorted(found, key=lambda each: str(each[when]), reverse=True)
