# SPDX-License-Identifier: Apache-2.0
"""The daily round on AWS: staleness is measured, unused schemas, filters and records are deleted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import translate_errors
from personalization.core.aws.pagination import paginate
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.names import Names
from personalization.core.status import is_being_deleted
from personalization.maintenance import chores
from personalization.maintenance.chores import Aged, Promoted
from personalization.personalize.inventory import gone_or_busy
from personalization.runs import leases
from personalization.shop import release as releases
from personalization.shop.records import delete, scan
from personalization.shop.settings import RECIPES
from personalization.shop.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client


_ARE_WANTED = "#record IN (:release, :lease) OR begins_with(#record, :history) OR begins_with(#record, :candidate)"
_WANTED = {
    ":release": releases.RECORD,
    ":lease": leases.RECORD,
    ":history": releases.HISTORY,
    ":candidate": releases.CANDIDATE,
}


@dataclass(frozen=True, slots=True)
class Round:
    """What a round saw and did: days since the last promotion by shop, and the names of what was deleted.

    Of records of the table, how many.
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
    """Look at every shop once, and delete what nothing uses.

    A run may be about to use what it found: its shop's filters and records are left alone, and so are all schemas.
    """
    records = tuple(scan(table, environment.table, _ARE_WANTED, names={"#record": "record"}, values=_WANTED))
    promoted = chores.promoted(each for each in records if each["record"] == releases.RECORD)
    led = {str(each["shop"]) for each in records if each["record"] == leases.RECORD}
    idle = [each for each in promoted if each.shop not in led]
    filters = [name for each in idle for name in prune_filters(personalize, s3, environment, each, now)]
    old = [
        each
        for each in chores.outdated(each for each in records if each["record"] != leases.RECORD)
        if each[0] not in led
    ]
    for shop, record in old:
        delete(table, environment.table, shop, record)
    forgotten = set(old)
    kept = [each for each in records if (str(each["shop"]), str(each["record"])) not in forgotten]
    solutions = [name for each in idle for name in prune_solutions(personalize, table, environment, each, kept)]
    return Round(
        days={each.shop: chores.days_since(each.at, now) for each in promoted},
        schemas=() if led else prune_schemas(personalize, environment, now),
        filters=tuple(filters),
        records=len(old),
        solutions=tuple(solutions),
    )


def prune_schemas(client: "PersonalizeClient", environment: Environment, now: datetime) -> tuple[str, ...]:
    """Delete this deployment's schemas that no dataset has; their names."""
    with translate_errors("schemas"):
        every = [_aged(each, "schemaArn") for each in paginate(client.list_schemas, "schemas")]
    gone = []
    for schema in chores.unused_schemas(environment.names.prefix, every, now, environment.unused_days):
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
    """Delete a shop's solutions that no release may go back to, and records whose solution is gone.

    Personalize refuses to delete what a campaign serves from. Returns the solutions' names.
    """
    group, shop = release.dataset_group_arn, release.shop
    with translate_errors(group):
        listed = paginate(client.list_solutions, "solutions", datasetGroupArn=group)
        there = [_aged(each, "solutionArn") for each in listed if not is_being_deleted(each["status"])]
    mine = [each for each in records if each["shop"] == shop]

    def returnable(left: Iterable[Aged]) -> list[Mapping[str, Any]]:
        out = chores.unreturnable({each.arn for each in left}, mine)
        for record in out:
            delete(table, environment.table, shop, record)
        return [each for each in mine if each["record"] not in out]

    bases = [environment.names.solution(shop, alias).name for alias in RECIPES]
    mine = returnable(there)
    gone = []
    for each in chores.unused_solutions(bases, there, mine):
        with translate_errors(each.arn):
            if gone_or_busy(partial(client.delete_solution, solutionArn=each.arn)):
                gone.append(each)
    returnable(each for each in there if each not in gone)
    return tuple(each.name for each in gone)


def prune_filters(
    client: "PersonalizeClient", s3: "S3Client", environment: Environment, release: Promoted, now: datetime
) -> tuple[str, ...]:
    """Delete a shop's filters that neither its release nor its settings name; their names.

    A shop whose settings cannot be read keeps them all.
    """
    try:
        wanted = shop_settings(s3, environment.bucket, release.shop).filters
    except Rejected:
        return ()
    group = release.dataset_group_arn
    with translate_errors(group):
        there = [_aged(each, "filterArn") for each in paginate(client.list_filters, "Filters", datasetGroupArn=group)]
    named = {*release.filters, *wanted}
    start = _filter_start(environment.names, release.shop)
    gone = []
    for each in chores.unused_filters(start, there, named, now, environment.unused_days):
        with translate_errors(each.arn):
            if gone_or_busy(partial(client.delete_filter, filterArn=each.arn)):
                gone.append(each.name)
    return tuple(gone)


def _filter_start(names: Names, shop: str) -> str:
    return f"{names.shop(shop)}-"


def _aged(each: Mapping[str, Any], arn: str) -> Aged:
    return Aged(each["name"], each[arn], each["creationDateTime"])
