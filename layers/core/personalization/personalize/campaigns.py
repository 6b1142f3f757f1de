# SPDX-License-Identifier: Apache-2.0
"""Decide how a campaign comes to serve a solution version, and build the record of what serves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from table_intake.columns.schema import Schema

from personalization.core.names import backend_of
from personalization.core.status import ACTIVE, UPDATED, Deployment, Progress, is_promoted, progress
from personalization.shop import filters
from personalization.shop.plan import Plan, Promoted
from personalization.shop.records.release import ReleaseRecord, Served, Value
from personalization.shop.settings import diversity, placements
from personalization.shop.settings.campaigns import Members

Action = Literal["create", "update", "wait", "nothing", "busy"]

SYNC = "syncWithLatestSolutionVersion"
METADATA = "enableMetadataWithRecommendations"
EXPLORATION = "itemExplorationConfig"
INFLUENCE = "rankingInfluence"
SEMANTIC = "aws-semantic-similarity"
ACTIONS = "aws-next-best-action"
SECOND = re.compile(r"-v2-[0-9a-f]{6}/")
"""Marks the ARN of a second-generation solution version."""
_ONLY: Mapping[str, str] = {EXPLORATION: "aws-user-personalization", INFLUENCE: SEMANTIC}
"""The one recipe with this member of the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The version that a campaign is to serve, and the decided part of its configuration."""

    version: str
    """ARN of the solution version."""
    recipe: str
    """Personalize's name of its recipe."""
    tps: int | None = None
    config: Members = field(default_factory=dict)
    earlier: Members = field(default_factory=dict)
    """Members that apply if the campaign has none of its own."""


def configuration(campaign: Mapping[str, Any]) -> Members:
    """Return the latest requested configuration that has not failed, of a campaign as Personalize describes it."""
    update: Mapping[str, Any] = campaign.get("latestCampaignUpdate") or {}
    stands = update and progress(update["status"]) is not Progress.FAILED
    config: Members = (update if stands and "campaignConfig" in update else campaign).get("campaignConfig") or {}
    return config


def merged(campaign: Mapping[str, Any] | None, wish: Wish) -> dict[str, Any]:
    """Return the whole configuration to request: the decided members over those of the existing campaign.

    Members that the recipe lacks are left out, and so is the one that lets ungated versions serve.
    """
    current = dict(configuration(campaign)) if campaign else {}
    if campaign and SECOND.search(described(campaign).latest[1]):
        # A second generation shows metadata free of charge; the first one was never asked for it.
        current.pop(METADATA, None)
    layers: tuple[Members, ...] = (wish.earlier, current, wish.config)
    config = {name: value for layer in layers for name, value in layer.items()}
    for member in (EXPLORATION, INFLUENCE):
        if member in config:
            config[member] = {name: value for layer in layers for name, value in layer.get(member, {}).items()}
    if SYNC in config:
        # Leaving it out might leave it on.
        config[SYNC] = False
    return {name: value for name, value in config.items() if not _lacks(wish.recipe, name)}


def _lacks(recipe: str, member: str) -> bool:
    """Return whether a recipe (empty if unknown) lacks the member."""
    if recipe == ACTIONS:
        # An action has no columns of items, and Personalize explores by itself.
        return True
    if member == METADATA:
        # It is always on, without a switch.
        return _always_shows(recipe)
    return bool(recipe) and _ONLY.get(member, recipe) != recipe


def shows(recipe: str, campaign: Mapping[str, Any]) -> bool:
    """Return whether a campaign of a recipe, as Personalize describes it, shows columns of items."""
    return _always_shows(recipe) or bool(configuration(campaign).get(METADATA))


def _always_shows(recipe: str) -> bool:
    """Return whether campaigns of a recipe show columns of items without being asked to."""
    return recipe.endswith("-v2") or recipe == SEMANTIC


def decide(campaign: Mapping[str, Any] | None, wish: Wish) -> Action:
    """Return the next action of the campaign, as Personalize describes it, towards the wish.

    `wait` while the latest request is this one; `nothing` when it is promoted; `busy` while Personalize works on
    another change or deletes the campaign, so that it would refuse an update.
    """
    if campaign is None:
        return "create"
    deployment = described(campaign)
    status, latest = deployment.latest
    same = latest == wish.version and _as_decided(campaign, wish)
    if is_promoted(deployment, wish.version) and same:
        return "nothing"
    moving = {progress(status), progress(deployment.status)} & {Progress.UNDER_WAY, Progress.LEAVING}
    if not moving:
        return "update"
    return "wait" if same and Progress.LEAVING not in moving else "busy"


def described(campaign: Mapping[str, Any]) -> Deployment:
    """Return the versions of a campaign as Personalize describes it."""
    update: Mapping[str, Any] = campaign.get("latestCampaignUpdate") or {}
    return Deployment(
        campaign["status"], campaign["solutionVersionArn"], update.get("status"), update.get("solutionVersionArn")
    )


def progress_to(campaign: Mapping[str, Any], version: str) -> Mapping[str, str]:
    """Return a campaign's progress towards a version: ACTIVE, in progress, or a failure with its reason.

    During an update, and after its failure, the campaign itself stays ACTIVE with its old version.
    """
    deployment = described(campaign)
    status, latest = deployment.latest
    if is_promoted(deployment, version):
        return {"status": ACTIVE}
    if latest == version and progress(status) is Progress.FAILED:
        update = campaign.get("latestCampaignUpdate") or campaign
        return {"status": status, "failureReason": update.get("failureReason") or ""}
    return {"status": status if progress(status) is Progress.UNDER_WAY else UPDATED}


def remarks(campaign: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return notes on changes to a campaign beyond the settings."""
    if not campaign or not configuration(campaign).get(SYNC):
        return ()
    name = str(campaign.get("name") or campaign["campaignArn"]).rpartition("/")[2]
    return (f"{name}: {SYNC} is switched off, because it lets versions serve that no gate has seen",)


def _as_decided(campaign: Mapping[str, Any], wish: Wish) -> bool:
    """Return whether the latest request has the decided members and does not follow versions automatically."""
    latest: Mapping[str, Any] = campaign.get("latestCampaignUpdate") or campaign
    config: Members = latest.get("campaignConfig") or {}
    tps = wish.tps in {None, latest.get("minProvisionedTPS", 1)}
    return (
        tps
        and not config.get(SYNC)
        and all(_same(config.get(name), value) for name, value in wish.config.items() if not _lacks(wish.recipe, name))
    )


def _same(current: object, wanted: object) -> bool:
    """Compare a member with the wanted value; missing means off, and Personalize may format numbers anew."""
    if not isinstance(wanted, Mapping):
        return (current or False) == wanted
    members = current if isinstance(current, Mapping) else {}
    return all(name in members and float(members[name]) == float(value) for name, value in wanted.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What a release has beside the run's plan.

    Attributes:
        promoted: the campaigns with the versions that they serve: this run's, or those of earlier runs.
        at, by: when, ISO 8601, and the execution that promotes.
        tracking_id: that of the shop's event tracker.
        actions, action_tracking_id, fallback_tracking_id: as in `ReleaseRecord`.
        datasets, schemas: ARNs of the existing ITEMS and USERS datasets, and the schemas of all datasets.
    """

    promoted: Sequence[Promoted]
    at: str
    by: str
    tracking_id: str
    datasets: Mapping[str, str]
    actions: Sequence[str] = ()
    action_tracking_id: str = ""
    fallback_tracking_id: str = ""
    schemas: Sequence[Schema] = ()


def record(plan: Plan, promotion: Promotion) -> ReleaseRecord:
    """Return the release of a run."""
    start, schemas = len(f"{plan.dataset_group.name}-"), promotion.schemas
    items = next((schema for schema in schemas if schema.kind == "items"), None)
    context = [name for schema in schemas for name in schema.context_columns()]
    expressions = {filter_.name[start:]: filter_.expression for filter_ in plan.filters}
    uses = {recommender.name[start:]: recommender.recipe_arn for recommender in plan.recommenders}
    varied = placements.varied(plan.placements, plan.diversity, expressions, uses)
    numeric = {(schema.kind.upper(), column.name) for schema in schemas for column in schema.columns if column.numeric}
    return ReleaseRecord(
        shop=plan.shop,
        run=plan.run,
        promoted_at=promotion.at,
        promoted_by=promotion.by,
        tracking_id=promotion.tracking_id,
        dataset_group_arn=plan.dataset_group.arn,
        domain=plan.dataset_group.domain,
        campaigns={
            campaign.alias: Served(
                arn=campaign.campaign_arn,
                solution_version_arn=campaign.solution_version_arn,
                run=campaign.run,
                recipe=_recipe(plan, campaign),
                baseline_arn=campaign.baseline_arn,
                found_from=campaign.found_from,
            )
            for campaign in promotion.promoted
        },
        baseline_arn=_baseline(plan, promotion.promoted),
        filters=tuple(expressions),
        filter_parameters={name: filters.parameters(text, numeric) for name, text in expressions.items()},
        metadata_columns=tuple(items.metadata_columns(100)) if items else (),
        context_columns=tuple(context),
        placements=placements.record(plan.placements, context, varied),
        lists=plan.lists.record,
        diversity=diversity.variety_record(plan.diversity, None, diversity.SIMILAR),
        datasets=promotion.datasets,
        actions=tuple(promotion.actions),
        action_tracking_id=promotion.action_tracking_id,
        fallback_tracking_id=promotion.fallback_tracking_id,
        hashed=plan.hashed,
    )


def _baseline(plan: Plan, promoted: Sequence[Promoted]) -> str | None:
    """Return the Popularity-Count version that is the baseline of the newest promoted version of the shop's backend."""
    home = backend_of(plan.dataset_group.arn)
    newest_first = sorted(promoted, key=lambda version: version.run != plan.run)
    baselines = (version.baseline_arn for version in newest_first)
    return next((arn for arn in baselines if arn and backend_of(arn) == home), None)


def as_served(record: ReleaseRecord, serving: Mapping[str, Mapping[str, Any]]) -> ReleaseRecord:
    """Return a release with the current configuration of the campaigns in `serving`, by recipe alias."""
    entries = dict(record.campaigns)
    for alias, campaign in serving.items():
        config, served = configuration(campaign), entries[alias]
        config_stored: dict[str, Value] = {METADATA: bool(config.get(METADATA))}
        if config.get(EXPLORATION):
            config_stored[EXPLORATION] = dict(config[EXPLORATION])
        entries[alias] = replace(served, metadata=shows(served.recipe, campaign), config=config_stored)
    return replace(record, campaigns=entries)


def _recipe(plan: Plan, version: Promoted) -> str:
    """Return Personalize's name of a promoted version's recipe: the plan's, unless an earlier run trained it."""
    recipe_arns = {part.alias: part.recipe_arn for part in plan.recipes} if version.run == plan.run else {}
    return recipe_arns.get(version.alias, "").rpartition("/")[2] or version.recipe
