# SPDX-License-Identifier: Apache-2.0
"""Promote versions to campaigns, and record what the shop serves."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError, Rejected
from personalization.core.names import dataset_arn
from personalization.personalize import campaigns, ensure, training
from personalization.personalize.campaigns import METADATA, Wish
from personalization.personalize.readiness import Stage, advance
from personalization.releases import bestsellers
from personalization.releases.messages import CampaignRequest, ReleaseRequest, RestoreRequest, RetireRequest
from personalization.shop import item_files, records
from personalization.shop import schema as datasets
from personalization.shop.plan import Step
from personalization.shop.recipes import recipe as recipe_name
from personalization.shop.release import HISTORY, RECORD, history_key, newest_baseline, restored

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient


def promotion_step(
    client: "PersonalizeClient",
    aws: bestsellers.Clients,
    event: Mapping[str, object],
    environment: Environment,
    now: datetime,
) -> dict[str, object]:
    """Have a campaign serve a version, or record the release when all of them do.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `translate_errors`.
    """
    if event.get("step") == "release":
        return _release(client, aws, ReleaseRequest.read(event), environment, now)
    if event.get("step") == "restore":
        return _restore(client, aws.table, RestoreRequest.read(event), environment.table, now)
    if event.get("step") == "retire":
        return training.retire_campaigns(client, RetireRequest.read(event).campaigns)
    request = CampaignRequest.read(event)
    stage = Stage(
        request.campaign.name,
        lambda _: _campaign(client, aws, request, environment),
        lambda arn: campaigns.towards(
            client.describe_campaign(campaignArn=arn)["campaign"], request.solution_version_arn
        ),
    )
    return advance([stage], request.made).as_json()


def _campaign(
    client: "PersonalizeClient", aws: bestsellers.Clients, request: CampaignRequest, environment: Environment
) -> Step:
    items = ensure.dataset_schema(client, "items", dataset_arn(request.dataset_group_arn, "ITEMS"))
    prefix = f"{environment.names.prefix}-"
    shop = request.dataset_group_arn.rpartition("/")[2].removeprefix(prefix)
    listed = items is not None and _has_item_table(aws, environment, shop)
    return training.ensure_campaign(client, request.campaign, _wish(request, items=items is not None, listed=listed))


def _has_item_table(aws: bestsellers.Clients, environment: Environment, shop: str) -> bool:
    """Return whether the shop's table of items can fill answers' columns; a promotion never waits for it."""
    with suppress(PersonalizationError):
        return item_files.table(aws.s3, environment.bucket, shop) is not None
    return False


def _wish(request: CampaignRequest, *, items: bool, listed: bool) -> Wish:
    """Return the wish of a request; payloads that are older than campaign settings have no target.

    Metadata costs extra, and the table of items has the same columns. Without the table, which the next drop of items
    creates, answers would show none.
    """
    target = request.target
    if target is None:
        return Wish(request.solution_version_arn, "", config={METADATA: items})
    recipe, config = target.recipe or recipe_name(target.alias), target.campaign_config
    if not target.returns:
        # Without an Items dataset there are no columns to show.
        config = {**config, METADATA: items and config.get(METADATA, not listed)}
    return Wish(request.solution_version_arn, recipe, target.min_provisioned_tps, config, target.earlier_config)


def _release(
    client: "PersonalizeClient",
    aws: bestsellers.Clients,
    request: ReleaseRequest,
    environment: Environment,
    now: datetime,
) -> dict[str, object]:
    table, name = aws.table, environment.table
    group = request.plan.dataset_group.arn
    items = ensure.dataset_schema(client, "items", dataset_arn(group, "ITEMS"))
    users = ensure.dataset_schema(client, "users", dataset_arn(group, "USERS"))
    schemas = {"ITEMS": items, "USERS": users}
    interactions = datasets.read(request.plan.dataset.arn, "interactions", request.plan.schema_.text)
    promoted_at = _time(now)
    record = campaigns.record(
        request.plan,
        request.campaigns,
        promoted_at,
        ensure.tracking_id(client, group),
        {kind: dataset_arn(group, kind) for kind, schema in schemas.items() if schema},
        [schema for schema in (interactions, items, users) if schema],
    )
    record = campaigns.as_served(record, _serving(client, record))
    # The history comes first, so that a rollback is always possible.
    records.put(table, name, {**record, "record": history_key(promoted_at)})
    records.put(table, name, record)
    bestsellers.write(aws, environment, record, now)
    return dict(record)


def _restore(
    client: "PersonalizeClient",
    table: "DynamoDBClient",
    request: RestoreRequest,
    name: str,
    now: datetime,
) -> dict[str, object]:
    shop = request.shop
    releases = records.query_prefix(table, name, shop, HISTORY)
    found = [each for each in releases if each["promotedAt"] == request.restore]
    if not found:
        raise Rejected(shop, f"there is no release of {request.restore}")
    kept = {
        "campaigns": restored(found[0], records.get(table, name, shop, RECORD)),
        "baselineArn": newest_baseline(found[0]),
    }
    back = {**found[0], **kept, "record": RECORD, "restoredAt": _time(now)}
    record = campaigns.as_served(back, _serving(client, back))
    # The history comes first: rollbacks skip withdrawn releases, and a repeated step finds them again.
    for each in releases:
        if each["promotedAt"] > request.restore and not each.get("withdrawnAt"):
            records.put(table, name, {**each, "withdrawnAt": _time(now)})
    records.put(table, name, record)
    return record


def _serving(client: "PersonalizeClient", record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return a release's campaigns as Personalize describes them, by recipe alias."""
    entries = record["campaigns"].items()
    described = {alias: training.campaign_as_it_is(client, str(each["arn"])) for alias, each in entries}
    return {alias: each for alias, each in described.items() if each}


def _time(now: datetime) -> str:
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")
