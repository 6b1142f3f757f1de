# SPDX-License-Identifier: Apache-2.0
"""Promote versions to campaigns, and record what the shop serves, with its bestsellers."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from personalization.api import bestsellers
from personalization.api.actions import MOST_ACTIONS
from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError, Rejected
from personalization.core.messages import Part
from personalization.core.names import backend_of, dataset_arn, is_of_engine, on_backend
from personalization.ingest import sales
from personalization.personalize import campaigns, ensure, runtime, schemas, training
from personalization.personalize.campaigns import METADATA, Wish
from personalization.personalize.readiness import Stage, advance
from personalization.personalize.runtime import Ask
from personalization.releases import ramping
from personalization.releases.probe import UNKNOWN_USER, Clients
from personalization.releases.report import item_table
from personalization.releases.verdicts import Target
from personalization.runs.claims import PREFIX, Claim
from personalization.shop.plan import Made, Promoted, Resource, RunPlan, Step
from personalization.shop.records import release_store
from personalization.shop.records.release import RECORD, ReleaseRecord, history_key, restored
from personalization.shop.settings.recipes import NEXT_BEST_ACTION

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient


class CampaignRequest(Part):
    """Have a campaign serve a solution version."""

    step: Literal["campaign"]
    dataset_group_arn: str
    campaign: Resource
    solution_version_arn: str
    target: Target
    """The target with the campaign's configuration."""
    made: Made = Made()


class ReleaseRequest(Part):
    """Record what serves now."""

    step: Literal["release"]
    plan: RunPlan
    campaigns: tuple[Promoted, ...]
    promoted_by: str = ""
    """The execution that promotes: the plan's own run, or one that promotes by hand what the gate refused."""
    ramp: Target | None = None
    """Among the campaigns, the second one of a recipe, which a part of the users gets."""


class RetireRequest(Part):
    """Delete campaigns that the settings no longer name."""

    step: Literal["retire"]
    shop: str
    campaigns: tuple[Resource, ...]


class RestoreRequest(Part):
    """Record that an earlier release serves again."""

    step: Literal["restore"]
    shop: str
    restore: str


def promote(aws: Clients, request: CampaignRequest, environment: Environment) -> Step:
    """Have a campaign serve a version.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `aws.errors.Translating`.
    """
    stage = Stage(
        request.campaign.name,
        lambda _: training.ensure_campaign(aws.personalize, request.campaign, _wish(aws, request, environment)),
        lambda arn: _towards(aws.personalize, arn, request.solution_version_arn),
    )
    return advance([stage], request.made)


def _towards(client: "PersonalizeClient", campaign_arn: str, version_arn: str) -> Mapping[str, str]:
    return campaigns.progress_to(client.describe_campaign(campaignArn=campaign_arn)["campaign"], version_arn)


def _wish(aws: Clients, request: CampaignRequest, environment: Environment) -> Wish:
    """Return the wish of a request.

    Metadata costs extra, and the table of items has the same columns. Without the table, which the next drop of items
    creates, answers would show none.
    """
    target = request.target
    group = on_backend(request.dataset_group_arn, backend_of(request.campaign.arn))
    items = ensure.dataset_schema(aws.personalize, "items", dataset_arn(group, "ITEMS")) is not None
    config = target.campaign_config
    if not target.returns:
        shop = group.rpartition("/")[2].removeprefix(f"{environment.names.prefix}-")
        listed = items and item_table(aws.s3, environment.bucket, shop) is not None
        # Without an Items dataset there are no columns to show.
        config = {**config, METADATA: items and config.get(METADATA, not listed)}
    return Wish(
        version=request.solution_version_arn,
        recipe=target.recipe,
        tps=target.min_provisioned_tps,
        config=config,
        earlier=target.earlier_config,
    )


def release(aws: Clients, request: ReleaseRequest, environment: Environment, now: datetime) -> dict[str, object]:
    """Record what serves, when all campaigns do; return the record."""
    client, table = aws.personalize, environment.table
    group = request.plan.dataset_group.arn
    items = ensure.dataset_schema(client, "items", dataset_arn(group, "ITEMS"))
    users = ensure.dataset_schema(client, "users", dataset_arn(group, "USERS"))
    metadata = {"ITEMS": items, "USERS": users}
    ramp = request.ramp
    promoted = tuple(part for part in request.campaigns if not ramp or part.campaign_arn != ramp.campaign.arn)
    arn = next((campaign.campaign_arn for campaign in promoted if campaign.alias == NEXT_BEST_ACTION), None)
    actions = ensure.dataset_schema(client, "actions", dataset_arn(group, "ACTIONS")) if arn else None
    interactions = schemas.read(request.plan.dataset.arn, "interactions", request.plan.schema_.text)
    promoted_at = _time(now)
    engine = on_backend(group, "engine")
    # Whoever sees a ramp's version is answered by its backend, which has to know what they do.
    is_beside = group != engine and any(is_of_engine(part.campaign_arn) for part in request.campaigns)
    promotion = campaigns.Promotion(
        promoted=promoted,
        at=promoted_at,
        by=request.promoted_by or request.plan.run,
        tracking_id=ensure.tracking_id(client, group),
        datasets={kind: dataset_arn(group, kind) for kind, schema in metadata.items() if schema},
        actions=_actions(aws, arn),
        action_tracking_id=ensure.action_tracking_id(client, group),
        fallback_tracking_id=ensure.tracking_id(client, engine) if is_beside else "",
        schemas=[schema for schema in (interactions, items, users, actions) if schema],
    )
    record = campaigns.record(request.plan, promotion)
    record = campaigns.as_served(record, _serving(client, record))
    # The history comes first, so that a rollback is always possible.
    release_store.put(aws.table, table, replace(record, record=history_key(promoted_at)).as_record())
    release_store.put(aws.table, table, record.as_record())
    ramping.end(aws.table, table, record, now)
    if ramp and request.plan.gate.ramp:
        described = training.campaign_as_it_is(client, ramp.campaign.arn) or {}
        shows = campaigns.shows(ramp.recipe, described)
        second = ramping.Second(target=ramp, settings=request.plan.gate.ramp, metadata=shows)
        ramping.begin(aws.table, table, record, second, now)
    # A promotion never waits for bestsellers: if no source answers, the earlier list stays.
    with suppress(PersonalizationError):
        _write_bestsellers(aws, environment, record, now)
    return dict(record.as_record())


def _actions(aws: Clients, arn: str | None) -> list[str]:
    """Return the actions for a stranger, which answers fall back to; none if no campaign answers."""
    with suppress(PersonalizationError):
        if arn is not None:
            ask = Ask(arn, {"userId": UNKNOWN_USER, "numResults": MOST_ACTIONS})
            return [str(action["itemId"]) for action in runtime.recommend_actions(aws.runtime, ask).items]
    return []


def retire(aws: Clients, request: RetireRequest, environment: Environment) -> dict[str, object]:
    """Delete campaigns that the settings no longer name, but for those that the release still has.

    A recipe that moves to another backend goes on there only when its version there is approved and every user has it.
    """
    release = release_store.release_record(aws.table, environment.table, request.shop)
    serving = {served.arn for served in release.campaigns.values()} if release else set()
    return training.retire_campaigns(aws.personalize, [part for part in request.campaigns if part.arn not in serving])


def restore(aws: Clients, request: RestoreRequest, environment: Environment, now: datetime) -> dict[str, object]:
    """Record that an earlier release serves again; return the record."""
    shop, table, restored_at = request.shop, environment.table, _time(now)
    releases = release_store.history(aws.table, table, shop)
    previous = next((release for release in releases if release.promoted_at == request.restore), None)
    if previous is None:
        raise Rejected(shop, f"there is no release of {request.restore}")
    back = replace(
        previous,
        record=RECORD,
        campaigns=restored(previous, release_store.release_record(aws.table, table, shop)),
        baseline_arn=previous.baselines.get(backend_of(previous.dataset_group_arn)),
        restored_at=restored_at,
    )
    record = campaigns.as_served(back, _serving(aws.personalize, back))
    # The history comes first: rollbacks skip withdrawn releases, and a repeated step finds them again.
    for release in releases:
        if release.promoted_at > request.restore and not release.withdrawn_at:
            release_store.put(aws.table, table, replace(release, withdrawn_at=restored_at).as_record())
    release_store.put(aws.table, table, record.as_record())
    ramping.end(aws.table, table, record, now, f"the shop went back to the release of {request.restore}")
    return dict(record.as_record())


def _serving(client: "PersonalizeClient", record: ReleaseRecord) -> dict[str, Mapping[str, Any]]:
    """Return a release's campaigns as Personalize describes them, by recipe alias."""
    described = {alias: training.campaign_as_it_is(client, served.arn) for alias, served in record.campaigns.items()}
    return {alias: campaign for alias, campaign in described.items() if campaign}


def _write_bestsellers(aws: Clients, environment: Environment, release: ReleaseRecord, now: datetime) -> None:
    """Store the list of bestsellers: from counted purchases, or else from a campaign."""
    items = _count_sales(aws, environment, release, now)
    if not items:
        request = bestsellers.instead({alias: served.arn for alias, served in release.campaigns.items()})
        items = [str(item["itemId"]) for item in runtime.recommend(aws.runtime, request).items] if request else []
    if items:
        made = bestsellers.record(release.shop, release.run, release.promoted_at, items)
        release_store.put(aws.table, environment.table, made)


def _count_sales(aws: Clients, environment: Environment, release: ReleaseRecord, now: datetime) -> list[str]:
    """Return the items bought most, and merge the counts into one file."""
    shop, bucket = release.shop, environment.bucket
    claims = [Claim.read(record) for record in release_store.query_prefix(aws.table, environment.table, shop, PREFIX)]
    keys = list(objects.list_keys(aws.s3, bucket, sales.folder(shop)))
    chosen = sales.chosen(keys, claims, release.run)
    if not chosen:
        return []
    files = (objects.get_bytes(aws.s3, bucket, file.key) for file in chosen)
    total = sales.add(sales.unpack(data) for data in files if data is not None)
    if len(keys) > 1:
        merged = sales.key(shop, "FULL", int(now.timestamp() * 1000), total.rows)
        objects.put_bytes(aws.s3, bucket, merged, sales.pack(total), "application/gzip")
        for key in keys:
            objects.remove(aws.s3, bucket, key)
    return sales.best(total, bestsellers.LENGTH)


def _time(now: datetime) -> str:
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")
