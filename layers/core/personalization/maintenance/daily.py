# SPDX-License-Identifier: Apache-2.0
"""Daily maintenance: measure the age of releases, and delete unused schemas, filters, solutions and records."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from personalization.core.aws.pagination import paginate
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.status import is_being_deleted
from personalization.personalize.removal import gone_or_busy
from personalization.runs import leases
from personalization.shop.recipes import RECIPES, SEGMENTS
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
            tuple(map(str, record.get("filters") or ())),
            str(record["datasetGroupArn"]),
        )
        for record in records
    )


def _promoted_at(record: Mapping[str, Any]) -> datetime:
    """Return when a release was promoted; without a training of its own, when its newest version was made."""
    times = [str(entry.get("foundFrom") or "") for entry in (record.get("campaigns") or {}).values()]
    at = max(times) if times and all(times) else str(record["promotedAt"])
    return datetime.fromisoformat(at.replace("Z", "+00:00"))


def days_since(then: datetime, now: datetime) -> float:
    """Return the days since a time, with one decimal."""
    return round((now - then) / timedelta(days=1), 1)


def unused_schemas(prefix: str, schemas: Iterable[Aged], now: datetime, days: int) -> tuple[Aged, ...]:
    """Return our schemas that are old enough for an attempt: Personalize refuses to delete those with a dataset.

    A younger one may belong to a run that has not made its dataset yet.
    """
    ours = re.compile(rf"{re.escape(prefix)}-{_SCHEMA.pattern}")
    return tuple(schema for schema in schemas if ours.fullmatch(schema.name) and days_since(schema.made, now) >= days)


def unused_filters(
    start: str, filters: Iterable[Aged], named: Collection[str], now: datetime, days: int
) -> tuple[Aged, ...]:
    """Return a shop's filters that are old enough, and that its settings and its release don't name.

    The names of the shop's filters begin with `start`: `<prefix>-<shop>-`.
    """
    in_use = {f"{start}{name}" for name in named}
    return tuple(
        existing
        for existing in filters
        if existing.name.startswith(start) and existing.name not in in_use and days_since(existing.made, now) >= days
    )


def outdated(records: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Return shop and sort key of the releases and judged runs of all shops beyond the number that is kept.

    The serving release and the target of a rollback are never among them.
    """
    shops: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for stored in records:
        shops[str(stored["shop"])].append(stored)
    return tuple(
        (shop, record) for shop, records_of_shop in shops.items() for record in _outdated(shop, records_of_shop)
    )


def _outdated(shop: str, records: list[Mapping[str, Any]]) -> list[str]:
    release = _serving_release(records)
    past = _newest_first(records, HISTORY, "promotedAt")
    judged = _newest_first(records, CANDIDATE, "judgedAt")
    needed = {history_key(str(release["promotedAt"]))} if release else set()
    with suppress(Rejected):
        needed.add(str(release_before(release, past, shop)["record"]))
    old = [str(record["record"]) for record in (*past[RELEASES:], *judged[CANDIDATES:])]
    return [record for record in old if record not in needed]


def _serving_release(records: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((record for record in records if record["record"] == RECORD), None)


def _newest_first(records: Iterable[Mapping[str, Any]], start: str, when: str) -> list[Mapping[str, Any]]:
    of_kind = [record for record in records if str(record["record"]).startswith(start)]
    return sorted(of_kind, key=lambda record: str(record[when]), reverse=True)


def unused_solutions(
    bases: Collection[str], solutions: Iterable[Aged], records: Iterable[Mapping[str, Any]]
) -> tuple[Aged, ...]:
    """Return a shop's solutions that no release can return to, of those whose names begin with one of `bases`.

    Solutions of the serving release, of a rollback's target and of the last judged run are kept. If the serving
    release's solutions are not found, all are kept.
    """
    stored, existing = list(records), tuple(solutions)
    release = _serving_release(stored)
    if release is None or not _solution_arns(versions(release).values()) <= {solution.arn for solution in existing}:
        return ()
    needed = _solutions(release)
    with suppress(Rejected):
        needed |= _solutions(
            release_before(release, _newest_first(stored, HISTORY, "promotedAt"), str(release["shop"]))
        )
    for judged in _newest_first(stored, CANDIDATE, "judgedAt")[:1]:
        needed |= _solutions(judged)
    ours = (solution for solution in existing if any(is_of(solution.name, base) for base in bases))
    return tuple(solution for solution in ours if solution.arn not in needed)


def unused_segment_solutions(bases: Mapping[str, bool], solutions: Iterable[Aged]) -> tuple[Aged, ...]:
    """Return a shop's solutions of segment recipes that no batch job uses again.

    No release names them, since a job trains its recipe once for each release. Of a recipe that jobs ask for the newest
    solution is kept, which has the current columns.

    Args:
        bases: how the names of each recipe's solutions begin, and whether a job of the settings asks for the recipe.
        solutions: those that exist.
    """
    newest_first = sorted(solutions, key=lambda solution: solution.made, reverse=True)
    unused: list[Aged] = []
    for base, wanted in bases.items():
        ours = [solution for solution in newest_first if is_of(solution.name, base)]
        unused += ours[int(wanted) :]
    return tuple(unused)


def unreturnable(solutions: Collection[str], records: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return sort keys of releases and judged runs that can no longer serve because one of their solutions is gone.

    Runs delete solutions, too, to make room for a new one. If the serving release's solutions are not found, nothing is
    known about the others.
    """
    stored = list(records)
    release = _serving_release(stored)
    if release is None or not _serving(release) <= set(solutions):
        return ()
    return tuple(str(record["record"]) for record in stored if not _serving(record) <= set(solutions))


def _serving(record: Mapping[str, Any]) -> set[str]:
    """Return the ARNs of the solutions that a release serves from, or that a judged run would."""
    entries = record.get("campaigns", {}).values()
    return _solution_arns([*(entry["solutionVersionArn"] for entry in entries), *record.get("versions", {}).values()])


def _solutions(record: Mapping[str, Any]) -> set[str]:
    """Return the ARNs of all solutions in a release or a judged run, including its baseline's."""
    entries = record.get("campaigns", {}).values()
    arns = [entry["solutionVersionArn"] for entry in entries] + list(record.get("versions", {}).values())
    arns += [entry.get("baselineArn") for entry in (record, *entries)]
    return _solution_arns(arns)


def _solution_arns(versions: Iterable[Any]) -> set[str]:
    """Return the solution ARNs of versions, some of which may be missing."""
    return {str(arn).rpartition("/")[0] for arn in versions if arn}


_WANTED = (
    "#record IN (:release, :lease) OR begins_with(#record, :history) OR begins_with(#record, :candidate)"
    " OR begins_with(#record, :batch)"
)
_WANTED_VALUES = {
    ":release": RECORD,
    ":lease": leases.RECORD,
    ":history": HISTORY,
    ":candidate": CANDIDATE,
    ":batch": leases.BATCH,
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
    records = tuple(scan(table, environment.table, _WANTED, names={"#record": "record"}, values=_WANTED_VALUES))
    promoted = promoted_shops(record for record in records if record["record"] == RECORD)
    led = {str(record["shop"]) for record in records if record["record"] == leases.RECORD}
    idle = [release for release in promoted if release.shop not in led]
    filters = [name for release in idle for name in prune_filters(personalize, s3, environment, release, now)]
    old = [
        record
        for record in outdated(stored for stored in records if stored["record"] != leases.RECORD)
        if record[0] not in led
    ]
    for shop, record in old:
        delete(table, environment.table, shop, record)
    forgotten = set(old)
    left_records = [record for record in records if (str(record["shop"]), str(record["record"])) not in forgotten]
    solutions = [
        name for release in idle for name in prune_solutions(personalize, table, environment, release, left_records)
    ]
    batches = {str(record["shop"]) for record in records if str(record["record"]).startswith(leases.BATCH)}
    for release in idle:
        if release.shop not in batches:
            solutions += prune_segments(personalize, s3, environment, release)
    return Round(
        days={release.shop: days_since(release.at, now) for release in promoted},
        schemas=() if led else prune_schemas(personalize, environment, now),
        filters=tuple(filters),
        records=len(old),
        solutions=tuple(solutions),
    )


def prune_schemas(client: "PersonalizeClient", environment: Environment, now: datetime) -> tuple[str, ...]:
    """Delete this deployment's schemas without a dataset; return their names."""
    every = [_aged(schema, "schemaArn") for schema in paginate(client.list_schemas, "schemas")]
    unused = unused_schemas(environment.names.prefix, every, now, environment.unused_days)
    return _names(_deleted(unused, lambda arn: client.delete_schema(schemaArn=arn)))


def prune_solutions(
    client: "PersonalizeClient",
    table: "DynamoDBClient",
    environment: Environment,
    release: Promoted,
    records: Iterable[Mapping[str, Any]],
) -> tuple[str, ...]:
    """Delete a shop's solutions that no release can return to, and records whose solution is gone.

    Personalize refuses to delete a solution that a campaign serves from. Returns the names of the deleted solutions.
    """
    group, shop = release.dataset_group_arn, release.shop
    listed = paginate(client.list_solutions, "solutions", datasetGroupArn=group)
    existing = [_aged(solution, "solutionArn") for solution in listed if not is_being_deleted(solution["status"])]
    of_shop = [record for record in records if record["shop"] == shop]

    def returnable(left: Iterable[Aged]) -> list[Mapping[str, Any]]:
        out = unreturnable({solution.arn for solution in left}, of_shop)
        for record in out:
            delete(table, environment.table, shop, record)
        return [record for record in of_shop if record["record"] not in out]

    bases = [environment.names.solution(shop, alias).name for alias in RECIPES]
    of_shop = returnable(existing)
    gone = _deleted(unused_solutions(bases, existing, of_shop), lambda arn: client.delete_solution(solutionArn=arn))
    returnable(solution for solution in existing if solution not in gone)
    return _names(gone)


def prune_segments(
    client: "PersonalizeClient", s3: "S3Client", environment: Environment, release: Promoted
) -> tuple[str, ...]:
    """Delete a shop's solutions of segment recipes that no batch job uses again; return their names.

    If the settings cannot be read, all are kept. The caller makes sure that no batch job is at work.
    """
    try:
        jobs = shop_settings(s3, environment.bucket, release.shop).batch.values()
    except Rejected:
        return ()
    asked_for = {job.segment.recipe for job in jobs if job.segment}
    bases = {environment.names.solution(release.shop, alias).name: alias in asked_for for alias in SEGMENTS}
    listed = paginate(client.list_solutions, "solutions", datasetGroupArn=release.dataset_group_arn)
    existing = [_aged(solution, "solutionArn") for solution in listed if not is_being_deleted(solution["status"])]
    unused = unused_segment_solutions(bases, existing)
    return _names(_deleted(unused, lambda arn: client.delete_solution(solutionArn=arn)))


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
    filters = paginate(client.list_filters, "Filters", datasetGroupArn=group)
    existing = [_aged(listed_filter, "filterArn") for listed_filter in filters]
    start, named = f"{environment.names.shop(release.shop)}-", {*release.filters, *wanted}
    unused = unused_filters(start, existing, named, now, environment.unused_days)
    return _names(_deleted(unused, lambda arn: client.delete_filter(filterArn=arn)))


def _deleted(unused: Iterable[Aged], delete_by_arn: Callable[[str], object]) -> list[Aged]:
    """Delete resources, and return those that Personalize did not refuse to delete."""
    gone = []
    for resource in unused:
        if gone_or_busy(partial(delete_by_arn, resource.arn)):
            gone.append(resource)
    return gone


def _names(resources: Iterable[Aged]) -> tuple[str, ...]:
    return tuple(resource.name for resource in resources)


def _aged(described: Mapping[str, Any], arn: str) -> Aged:
    return Aged(described["name"], described[arn], described["creationDateTime"])
