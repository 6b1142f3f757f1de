# SPDX-License-Identifier: Apache-2.0
"""Remove a shop, in the state machine's steps. Each step can be repeated."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.events.objections import CHOICE
from personalization.personalize import removal
from personalization.personalize.removal import (
    Finished,
    FinishRequest,
    ForgetRequest,
    Forgotten,
    Objects,
    Removal,
    priced,
)
from personalization.releases.held_out.trials import label
from personalization.runs import leases, lifecycle
from personalization.runs.store import DynamoLedger, StateMachine
from personalization.shop import schedules
from personalization.shop.records import dataset_groups, release_store
from personalization.shop.records.release import RECORD
from personalization.shop.settings.settings import ShopSettings
from personalization.shop.settings.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_stepfunctions import SFNClient

MAX_PAGES = 20
"""Pages of a thousand objects that one call deletes within its function's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Client factories for the steps."""

    personalize: "Callable[[], PersonalizeClient]"
    dynamodb: "Callable[[], DynamoDBClient]"
    s3: "Callable[[], S3Client]"
    scheduler: "Callable[[], EventBridgeSchedulerClient]"
    stepfunctions: "Callable[[], SFNClient]"


def survey(clients: Clients, shop: str, environment: Environment) -> Removal:
    """List everything that a shop has except its objects. Changes nothing."""
    personalize = clients.personalize()
    pieces = removal.inventory(personalize, *groups(clients, shop, environment))
    settings = ShopSettings()
    # Invalid settings must not prevent a removal.
    with suppress(Rejected):
        settings = shop_settings(clients.s3(), environment.bucket, shop)
    return Removal(
        shop=shop,
        resources=priced(pieces, settings),
        prices_as_of=settings.prices.as_of,
        schemas=removal.schemas_of(personalize, pieces),
        records=_told(release_store.sort_keys(clients.dynamodb(), environment.table, shop)),
        schedules=schedules.names(clients.scheduler(), environment.schedule_group, shop),
    )


def groups(clients: Clients, shop: str, environment: Environment) -> tuple[str, ...]:
    """Return the shop's dataset groups of all backends, and those of tests on held-out time that left one.

    Those of Amazon Personalize are not among them if the shop was always on the engine: it need not be in the region.
    """
    made_on = dataset_groups.backends(clients.dynamodb(), environment.table, shop)
    everywhere = (
        names for names in environment.names.everywhere() if made_on != {"engine"} or names.backend in made_on
    )
    return tuple(names.dataset_group(name).arn for names in everywhere for name in (shop, label(shop)))


def forget(clients: Clients, request: ForgetRequest, environment: Environment, now: datetime) -> Forgotten:
    """Delete a shop's schedules and records, its release first: from then on the API returns 404 for the shop.

    From here on the removal leads the shop as a run does: new drops wait for its end. Until then it has the records of
    the shop's dataset groups, which tell it whom to ask.

    Raises:
        Rejected: a run leads the shop.
    """
    table, scheduler, shop = clients.dynamodb(), clients.scheduler(), request.shop
    run = leases.Run(request.run, request.execution, now)
    holder = leases.lead(*_flow(clients, environment, now), run, shop)
    if holder is not None:
        raise Rejected(shop, f"run {holder} is at work on this shop: wait for its end, or stop it, and ask again")
    # This comes before the claims are deleted: without claims all earlier drops would look new.
    DynamoLedger(table, environment.table, now).remove(shop)
    stored = release_store.sort_keys(table, environment.table, shop)
    sort_keys = tuple(key for key in stored if key != leases.RECORD and not key.startswith(dataset_groups.GROUP))
    for record in sorted(sort_keys, key=lambda record: (record != RECORD, record)):
        release_store.delete(table, environment.table, shop, record)
    stopped = schedules.names(scheduler, environment.schedule_group, shop)
    for name in stopped:
        schedules.delete(scheduler, environment.schedule_group, name)
    return Forgotten(records=_told(sort_keys), schedules=stopped)


def _told(sort_keys: Iterable[str]) -> tuple[str, ...]:
    """Return records without those of users, of which there may be too many for an answer."""
    return tuple(sort_key for sort_key in sort_keys if not sort_key.startswith(CHOICE))


def finish(clients: Clients, request: FinishRequest, environment: Environment, now: datetime) -> Finished:
    """Release the lease, and start a run for drops that came meanwhile."""
    run = leases.Run(request.run, request.execution, now)
    ledger, machine = _flow(clients, environment, now)
    lease = ledger.lease(request.shop)
    # A run that leads the shop after this removal has records of its own.
    if lease is not None and lease.owner == run.name:
        dataset_groups.forget(clients.dynamodb(), environment.table, request.shop)
    after = lifecycle.finish(ledger, machine, run, request.shop, ())
    return Finished(shop=request.shop, next=str(after["next"]) if after["next"] else None)


def _flow(clients: Clients, environment: Environment, now: datetime) -> tuple[DynamoLedger, StateMachine]:
    ledger = DynamoLedger(clients.dynamodb(), environment.table, now)
    return ledger, StateMachine(clients.stepfunctions(), environment.retrain_machine_arn)


def remove_objects(client: "S3Client", bucket: str, folders: tuple[str, ...]) -> Objects:
    """Delete every version of the objects in a shop's folders, some thousands per call."""
    removed = pages = 0
    for folder in folders:
        # Always list from the beginning: deleted pages are gone.
        while versions := _page(client, bucket, folder):
            if pages == MAX_PAGES:
                return Objects(removed=removed, more=True)
            client.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
            removed, pages = removed + len(versions), pages + 1
    return Objects(removed=removed, more=False)


def _page(client: "S3Client", bucket: str, folder: str) -> list[Any]:
    page = client.list_object_versions(Bucket=bucket, Prefix=folder)
    versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
