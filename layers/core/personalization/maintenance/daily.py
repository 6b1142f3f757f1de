# SPDX-License-Identifier: Apache-2.0
"""Daily maintenance: measure the age of releases, and delete unused schemas, filters, solutions and records."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from personalization.core.aws.errors import none_if_missing
from personalization.core.aws.pagination import paginate
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.names import backend_of, on_backend
from personalization.core.observability import logger
from personalization.core.status import is_being_deleted
from personalization.experiments import experiment
from personalization.personalize.removal import gone_or_busy
from personalization.personalize.solution_names import is_of
from personalization.runs import leases
from personalization.shop.records import dataset_groups
from personalization.shop.records.release import (
    CANDIDATE,
    HISTORY,
    RECORD,
    Judged,
    ReleaseRecord,
    history_key,
    release_before,
)
from personalization.shop.records.release_store import delete, scan
from personalization.shop.settings.recipes import SEGMENTS, TRAINABLE
from personalization.shop.settings.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

LOG = logger()
RELEASES = 30
"""The newest releases of a shop that are kept."""
CANDIDATES = 10
"""The newest judged runs of a shop whose plan is kept for an override by hand."""
_SCHEMA = re.compile(r"(interactions|users|items|actions|action-interactions)-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Aged:
    """A schema or a filter by name and ARN, and its creation time."""

    name: str
    arn: str
    made: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopRecords:
    """A shop's releases and judged runs."""

    shop: str
    release: ReleaseRecord | None
    """The release that serves."""
    history: tuple[ReleaseRecord, ...]
    """The newest first."""
    judged: tuple[Judged, ...]
    """The newest first."""
    ramped: frozenset[str] = frozenset()
    """Runs whose versions come to the users step by step, and are still to be promoted."""

    @classmethod
    def read(cls, shop: str, records: Iterable[Mapping[str, Any]]) -> Self:
        """Parse a shop's records.

        Raises:
            Rejected: one of them is from before 0.1.0.
        """
        by_key = {str(record["record"]): record for record in records}
        history = [ReleaseRecord.read(record) for key, record in by_key.items() if key.startswith(HISTORY)]
        judged = [Judged.read(record) for key, record in by_key.items() if key.startswith(CANDIDATE)]
        return cls(
            shop=shop,
            release=ReleaseRecord.read(by_key[RECORD]) if RECORD in by_key else None,
            history=tuple(sorted(history, key=lambda release: release.promoted_at, reverse=True)),
            judged=tuple(sorted(judged, key=lambda run: run.judged_at, reverse=True)),
            ramped=_ramped(by_key.get(experiment.RECORD)),
        )

    @property
    def before(self) -> ReleaseRecord | None:
        """The release to which a rollback returns."""
        with suppress(Rejected):
            return release_before(self.release, self.history, self.shop) if self.release else None
        return None

    def without(self, keys: Collection[str]) -> Self:
        """Return the records without those of some sort keys."""
        return replace(
            self,
            history=tuple(release for release in self.history if release.record not in keys),
            judged=tuple(run for run in self.judged if run.record not in keys),
        )


def _ramped(record: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the runs whose versions are being ramped, by a shop's experiments."""
    experiments = experiment.Experiments.read(record).experiments if record else ()
    return frozenset(ramp.ramp.run for ramp in experiments if ramp.ramp and ramp.stopped_at is None)


def promoted_at(release: ReleaseRecord) -> datetime:
    """Return when a release was promoted; without a training of its own, when its newest version was made."""
    made = [served.found_from for served in release.campaigns.values()]
    return datetime.fromisoformat(max(made) if made and all(made) else release.promoted_at)


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


def outdated(records: ShopRecords) -> tuple[str, ...]:
    """Return the sort keys of a shop's releases and judged runs beyond the number that is kept.

    The serving release and the target of a rollback are never among them.
    """
    needed = {history_key(records.release.promoted_at)} if records.release else set()
    if before := records.before:
        needed.add(before.record)
    old = [release.record for release in records.history[RELEASES:]] + [
        run.record for run in records.judged[CANDIDATES:] if run.run not in records.ramped
    ]
    return tuple(record for record in old if record not in needed)


def unused_solutions(bases: Collection[str], solutions: Iterable[Aged], records: ShopRecords) -> tuple[Aged, ...]:
    """Return a shop's solutions that no release can return to, of those whose names begin with one of `bases`.

    Solutions of the serving release, of a rollback's target and of the last judged run are kept. If the serving
    release's solutions are not found, all are kept.
    """
    existing, release, before = tuple(solutions), records.release, records.before
    if release is None or not _solution_arns(release.versions.values()) <= {solution.arn for solution in existing}:
        return ()
    needed = _solutions(release) | (_solutions(before) if before else set())
    for judged in (*records.judged[:1], *(run for run in records.judged if run.run in records.ramped)):
        needed |= _solution_arns(judged.versions.values())
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


def unreturnable(solutions: Collection[str], records: ShopRecords) -> tuple[str, ...]:
    """Return sort keys of releases and judged runs that can no longer serve because one of their solutions is gone.

    Runs delete solutions, too, to make room for a new one. If the serving release's solutions are not found, nothing is
    known about the others.
    """
    existing = set(solutions)
    if records.release is None or not _solution_arns(records.release.versions.values()) <= existing:
        return ()
    everything: tuple[ReleaseRecord | Judged, ...] = (*records.history, *records.judged)
    return tuple(entry.record for entry in everything if not _solution_arns(entry.versions.values()) <= existing)


def _solutions(release: ReleaseRecord) -> set[str]:
    """Return the ARNs of all solutions in a release, including its baseline's."""
    baselines = [release.baseline_arn, *(served.baseline_arn for served in release.campaigns.values())]
    return _solution_arns([*release.versions.values(), *baselines])


def _solution_arns(versions: Iterable[str | None]) -> set[str]:
    """Return the solution ARNs of versions, some of which may be missing."""
    return {arn.rpartition("/")[0] for arn in versions if arn}


_WANTED = (
    "#record IN (:release, :lease, :experiments) OR begins_with(#record, :history) OR begins_with(#record, :candidate)"
    " OR begins_with(#record, :batch) OR begins_with(#record, :group)"
)
_WANTED_VALUES = {
    ":release": RECORD,
    ":lease": leases.RECORD,
    ":experiments": experiment.RECORD,
    ":history": HISTORY,
    ":candidate": CANDIDATE,
    ":batch": leases.BATCH,
    ":group": dataset_groups.GROUP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
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
    Where all shops were always on the engine, Amazon Personalize is not asked.
    """
    by_shop: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    led, batches, backends = set(), set(), set()
    for record in scan(table, environment.table, _WANTED, names={"#record": "record"}, values=_WANTED_VALUES):
        shop, key = str(record["shop"]), str(record["record"])
        if "datasetGroupArn" in record:
            backends.add(backend_of(record["datasetGroupArn"]))
        if key == leases.RECORD:
            led.add(shop)
        elif key.startswith(leases.BATCH):
            batches.add(shop)
        elif not key.startswith(dataset_groups.GROUP):
            by_shop[shop].append(record)
    days: dict[str, float] = {}
    filters: list[str] = []
    solutions: list[str] = []
    deleted = 0
    for shop, stored in by_shop.items():
        try:
            records = ShopRecords.read(shop, stored)
        except Rejected as refused:
            LOG.warning("Shop left as it is", shop=shop, reason=str(refused))
            continue
        if records.release:
            days[shop] = days_since(promoted_at(records.release), now)
        if shop in led:
            continue
        old = outdated(records)
        for key in old:
            delete(table, environment.table, shop, key)
        deleted += len(old)
        if records.release is None:
            continue
        filters += prune_filters(personalize, s3, environment, records.release, now)
        solutions += prune_solutions(personalize, table, environment, records.release, records.without(old))
        if shop not in batches:
            solutions += prune_segments(personalize, s3, environment, records.release)
    return Round(
        days=days,
        schemas=() if led or backends == {"engine"} else prune_schemas(personalize, environment, now),
        filters=tuple(filters),
        records=deleted,
        solutions=tuple(solutions),
    )


def prune_schemas(client: "PersonalizeClient", environment: Environment, now: datetime) -> tuple[str, ...]:
    """Delete this deployment's schemas without a dataset; return their names."""
    every = [_aged(schema, "schemaArn") for schema in paginate(client.list_schemas, "schemas")]
    unused = unused_schemas(environment.names.prefix, every, now, environment.unused_days)
    return _names(_deleted(unused, lambda arn: client.delete_schema(schemaArn=arn)))


def _existing_solutions(client: "PersonalizeClient", group: str) -> list[Aged]:
    """Return a dataset group's solutions; none if there is no such group."""
    listed = none_if_missing(lambda: [*paginate(client.list_solutions, "solutions", datasetGroupArn=group)]) or []
    return [_aged(solution, "solutionArn") for solution in listed if not is_being_deleted(solution["status"])]


def prune_solutions(
    client: "PersonalizeClient",
    table: "DynamoDBClient",
    environment: Environment,
    release: ReleaseRecord,
    records: ShopRecords,
) -> tuple[str, ...]:
    """Delete a shop's solutions that no release can return to, and records whose solution is gone.

    Personalize refuses to delete a solution that a campaign serves from. Returns the names of the deleted solutions.
    """
    shop = release.shop
    entries: tuple[ReleaseRecord | Judged, ...] = (release, *records.history, *records.judged)
    backends = {backend_of(arn) for entry in entries for arn in entry.versions.values()}
    groups = {on_backend(release.dataset_group_arn, backend) for backend in backends} | {*release.dataset_groups}
    existing = [solution for group in sorted(groups) for solution in _existing_solutions(client, group)]

    def returnable(records: ShopRecords, left: Iterable[Aged]) -> ShopRecords:
        out = unreturnable({solution.arn for solution in left}, records)
        for record in out:
            delete(table, environment.table, shop, record)
        return records.without(out)

    bases = [environment.names.solution(shop, alias).name for alias in TRAINABLE]
    records = returnable(records, existing)
    gone = _deleted(unused_solutions(bases, existing, records), lambda arn: client.delete_solution(solutionArn=arn))
    returnable(records, [solution for solution in existing if solution not in gone])
    return _names(gone)


def prune_segments(
    client: "PersonalizeClient", s3: "S3Client", environment: Environment, release: ReleaseRecord
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
    existing = _existing_solutions(client, release.dataset_group_arn)
    unused = unused_segment_solutions(bases, existing)
    return _names(_deleted(unused, lambda arn: client.delete_solution(solutionArn=arn)))


def prune_filters(
    client: "PersonalizeClient", s3: "S3Client", environment: Environment, release: ReleaseRecord, now: datetime
) -> tuple[str, ...]:
    """Delete a shop's filters that are in neither its release nor its settings; return their names.

    If the settings cannot be read, all are kept.
    """
    try:
        wanted = shop_settings(s3, environment.bucket, release.shop).filters
    except Rejected:
        return ()
    listed = (
        listed_filter
        for group in release.dataset_groups
        for listed_filter in paginate(client.list_filters, "Filters", datasetGroupArn=group)
    )
    existing = [_aged(listed_filter, "filterArn") for listed_filter in listed]
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
