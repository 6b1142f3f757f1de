# SPDX-License-Identifier: Apache-2.0
"""Daily maintenance: measure the age of releases, and delete unused schemas, filters, solutions and records."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import translate_errors
from personalization.core.aws.pagination import paginate
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.names import Names
from personalization.core.status import is_being_deleted
from personalization.personalize.inventory import gone_or_busy
from personalization.runs import leases
from personalization.shop import release as releases
from personalization.shop.recipes import RECIPES
from personalization.shop.records import delete, scan
from personalization.shop.release import CANDIDATE, HISTORY, RECORD, history_key, release_before, versions
from personalization.shop.settings_file import shop_settings
from personalization.shop.solution_names import is_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

RELEASES = 30
"""The newest releases of a shop that are kept."""
CANDIDATES = 10
"""The newest judged runs of a shop whose plan is kept for an override by hand."""
_SCHEMA = re.compile(r"(interactions|users|items)-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Promoted:
    """The members of a shop's release that maintenance needs."""

    shop: str
    at: datetime
    filters: tuple[str, ...]
    dataset_group_arn: str


@dataclass(frozen=True, slots=True)
class Aged:
    """A schema or a filter by name and ARN, and its creation time."""

    name: str
    arn: str
    made: datetime


def promoted_shops(records: Iterable[Mapping[str, Any]]) -> tuple[Promoted, ...]:
    """Parse release records."""
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
    """Return when a release was promoted; without a training of its own, when its newest version was made."""
    found = [str(entry.get("foundFrom") or "") for entry in (record.get("campaigns") or {}).values()]
    at = max(found) if found and all(found) else str(record["promotedAt"])
    return datetime.fromisoformat(at.replace("Z", "+00:00"))


def _list(value: object) -> Collection[object]:
    return value if isinstance(value, list | tuple) else ()


def days_since(then: datetime, now: datetime) -> float:
    """Return the days since a time, with one decimal."""
    return round((now - then) / timedelta(days=1), 1)


def unused_schemas(prefix: str, schemas: Iterable[Aged], now: datetime, days: int) -> tuple[Aged, ...]:
    """Return our schemas that are old enough for an attempt: Personalize refuses to delete those with a dataset.

    A younger one may belong to a run that has not made its dataset yet.
    """
    ours = re.compile(rf"{re.escape(prefix)}-{_SCHEMA.pattern}")
    return tuple(each for each in schemas if ours.fullmatch(each.name) and days_since(each.made, now) >= days)


def unused_filters(
    start: str, filters: Iterable[Aged], named: Collection[str], now: datetime, days: int
) -> tuple[Aged, ...]:
    """Return a shop's filters that are old enough and in neither its release nor its settings.

    Args:
        start: the prefix of the shop's filter names: `<prefix>-<shop>-`.
        filters: those of the shop's dataset group.
        named: the filters' names in the shop's settings and release.
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
    """Return shop and sort key of releases and judged runs beyond the number that is kept.

    The serving release and the target of a rollback are never among them.

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
    """Return a shop's solutions that no release can return to.

    Solutions of the serving release, of a rollback's target and of the last judged run are kept. If the serving
    release's solutions are not found, all are kept.

    Args:
        bases: the names of the shop's solutions without their column suffix.
        solutions: those of its dataset group that are not being deleted.
        records: the shop's releases and judged runs.
    """
    mine, existing = list(records), tuple(solutions)
    release = next((each for each in mine if each["record"] == RECORD), None)
    if release is None or not _solution_arns(versions(release).values()) <= {each.arn for each in existing}:
        return ()
    needed = _solutions(release)
    with suppress(Rejected):
        needed |= _solutions(release_before(release, _newest_first(mine, HISTORY, "promotedAt"), str(release["shop"])))
    for judged in _newest_first(mine, CANDIDATE, "judgedAt")[:1]:
        needed |= _solutions(judged)
    ours = (each for each in existing if any(is_of(each.name, base) for base in bases))
    return tuple(each for each in ours if each.arn not in needed)


def unreturnable(solutions: Collection[str], records: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return sort keys of releases and judged runs that can no longer serve because one of their solutions is gone.

    Runs delete solutions, too, to make room for a new one. If the serving release's solutions are not found, nothing is
    known about the others.
    """
    mine = list(records)
    release = next((each for each in mine if each["record"] == RECORD), None)
    if release is None or not _serving(release) <= set(solutions):
        return ()
    return tuple(str(each["record"]) for each in mine if not _serving(each) <= set(solutions))


def _serving(record: Mapping[str, Any]) -> set[str]:
    """Return the ARNs of the solutions that a release serves from, or that a judged run would."""
    entries = record.get("campaigns", {}).values()
    return _solution_arns([*(each["solutionVersionArn"] for each in entries), *record.get("versions", {}).values()])


def _solutions(record: Mapping[str, Any]) -> set[str]:
    """Return the ARNs of all solutions in a release or a judged run, including its baseline's."""
    entries = record.get("campaigns", {}).values()
    arns = [each["solutionVersionArn"] for each in entries] + list(record.get("versions", {}).values())
    arns += [each.get("baselineArn") for each in (record, *entries)]
    return _solution_arns(arns)


def _solution_arns(versions: Iterable[Any]) -> set[str]:
    """Return the solution ARNs of versions, some of which may be missing."""
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


_ARE_WANTED = "#record IN (:release, :lease) OR begins_with(#record, :history) OR begins_with(#record, :candidate)"
_WANTED = {
    ":release": releases.RECORD,
    ":lease": leases.RECORD,
    ":history": releases.HISTORY,
    ":candidate": releases.CANDIDATE,
}


@dataclass(frozen=True, slots=True)
class Round:
    """The result of a round: days since the last promotion by shop, and the names of deleted resources.

    For records, their number.
    """

    days: Mapping[str, float]
    schemas: tuple[str, ...]
    filters: tuple[str, ...]
    records: int = 0
    solutions: tuple[str, ...] = ()


def make_round(
    personalize: "PersonalizeClient",
    table: "DynamoDBClient",
    s3: "S3Client",
    environment: Environment,
    now: datetime,
) -> Round:
    """Look at every shop once, and delete what is unused.

    A current run may be about to use what it found: its shop's filters and records are kept, and so are all schemas.
    """
    records = tuple(scan(table, environment.table, _ARE_WANTED, names={"#record": "record"}, values=_WANTED))
    promoted = promoted_shops(each for each in records if each["record"] == releases.RECORD)
    led = {str(each["shop"]) for each in records if each["record"] == leases.RECORD}
    idle = [each for each in promoted if each.shop not in led]
    filters = [name for each in idle for name in prune_filters(personalize, s3, environment, each, now)]
    old = [each for each in outdated(each for each in records if each["record"] != leases.RECORD) if each[0] not in led]
    for shop, record in old:
        delete(table, environment.table, shop, record)
    forgotten = set(old)
    kept = [each for each in records if (str(each["shop"]), str(each["record"])) not in forgotten]
    solutions = [name for each in idle for name in prune_solutions(personalize, table, environment, each, kept)]
    return Round(
        days={each.shop: days_since(each.at, now) for each in promoted},
        schemas=() if led else prune_schemas(personalize, environment, now),
        filters=tuple(filters),
        records=len(old),
        solutions=tuple(solutions),
    )


def prune_schemas(client: "PersonalizeClient", environment: Environment, now: datetime) -> tuple[str, ...]:
    """Delete this deployment's schemas without a dataset; return their names."""
    with translate_errors("schemas"):
        every = [_aged(each, "schemaArn") for each in paginate(client.list_schemas, "schemas")]
    gone = []
    for schema in unused_schemas(environment.names.prefix, every, now, environment.unused_days):
        with translate_errors(schema.arn):
            if gone_or_busy(partial(client.delete_schema, schemaArn=schema.arn)):
                gone.append(schema.name)
    return tuple(gone)


def prune_solutions(
    client: "PersonalizeClient",
    table: "DynamoDBClient",
    environment: Environment,
    release: Promoted,
    records: Iterable[Mapping[str, Any]],
) -> tuple[str, ...]:
    """Delete a shop's solutions that no release can return to, and records whose solution is gone; return the
    solutions' names.

    Personalize refuses to delete a solution that a campaign serves from.
    """
    group, shop = release.dataset_group_arn, release.shop
    with translate_errors(group):
        listed = paginate(client.list_solutions, "solutions", datasetGroupArn=group)
        existing = [_aged(each, "solutionArn") for each in listed if not is_being_deleted(each["status"])]
    mine = [each for each in records if each["shop"] == shop]

    def returnable(left: Iterable[Aged]) -> list[Mapping[str, Any]]:
        out = unreturnable({each.arn for each in left}, mine)
        for record in out:
            delete(table, environment.table, shop, record)
        return [each for each in mine if each["record"] not in out]

    bases = [environment.names.solution(shop, alias).name for alias in RECIPES]
    mine = returnable(existing)
    gone = []
    for each in unused_solutions(bases, existing, mine):
        with translate_errors(each.arn):
            if gone_or_busy(partial(client.delete_solution, solutionArn=each.arn)):
                gone.append(each)
    returnable(each for each in existing if each not in gone)
    return tuple(each.name for each in gone)


def prune_filters(
    client: "PersonalizeClient", s3: "S3Client", environment: Environment, release: Promoted, now: datetime
) -> tuple[str, ...]:
    """Delete a shop's filters that are in neither its release nor its settings; return their names.

    If the settings cannot be read, all are kept.
    """
    try:
        wanted = shop_settings(s3, environment.bucket, release.shop).filters
    except Rejected:
        return ()
    group = release.dataset_group_arn
    with translate_errors(group):
        existing = [
            _aged(each, "filterArn") for each in paginate(client.list_filters, "Filters", datasetGroupArn=group)
        ]
    named = {*release.filters, *wanted}
    start = _filter_start(environment.names, release.shop)
    gone = []
    for each in unused_filters(start, existing, named, now, environment.unused_days):
        with translate_errors(each.arn):
            if gone_or_busy(partial(client.delete_filter, filterArn=each.arn)):
                gone.append(each.name)
    return tuple(gone)


def _filter_start(names: Names, shop: str) -> str:
    return f"{names.shop(shop)}-"


def _aged(each: Mapping[str, Any], arn: str) -> Aged:
    return Aged(each["name"], each[arn], each["creationDateTime"])
