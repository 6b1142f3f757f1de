# SPDX-License-Identifier: Apache-2.0
"""Campaigns: a solution version that answers, until the next one replaces it without a break."""

import asyncio
import logging
from typing import Final

from personalize_local.engine import Call, Engine, Json, Resource, operation, require_active, require_settled, work
from personalize_local.operations.common import deletes, limit, listed, tags_of
from personalize_local.operations.datasets import schemas_of
from personalize_local.recipes.definitions import RECIPES, check_parameters, recipe_of
from personalize_local.resources import kinds
from personalize_local.resources.lifecycle import updating
from personalize_local.wire.errors import InvalidInput, ResourceInUse, ResourceNotFound

LOGGER: Final = logging.getLogger("personalize")
_LATEST: Final = "/$LATEST"
_EXPLORING: Final = RECIPES["aws-user-personalization"]


@operation("CreateCampaign")
def create_campaign(engine: Engine, call: Call, request: Json) -> Json:
    config = request.get("campaignConfig", {})
    version = _target(engine, request["solutionVersionArn"], config)
    _check_config(engine, version, config)
    tags = tags_of(request)
    limit(
        engine.registry.find(kinds.CAMPAIGN, datasetGroupArn=version.group),
        engine.quotas.campaigns,
        "resources in ACTIVE state",
        "Cannot create a campaign. More than {most} {what}. Please delete some and try again.",
    )
    parents = {"solutionArn": version.body["solutionArn"], "datasetGroupArn": version.group}
    deployed = {"solutionVersionArn": version.arn, "minProvisionedTPS": request.get("minProvisionedTPS", 1)}
    return engine.create(call, kinds.CAMPAIGN, request["name"], request | parents | deployed | {"tags": tags})


@operation("UpdateCampaign")
def update_campaign(engine: Engine, call: Call, request: Json) -> Json:
    """Change the version, the configuration or the throughput; what the request leaves out stays."""
    campaign = engine.registry.get(kinds.CAMPAIGN, request["campaignArn"])
    config: Json = (campaign.body | request).get("campaignConfig") or {}
    if "solutionVersionArn" in request:
        version = _target(engine, request["solutionVersionArn"], config)
        if version.group != campaign.group:
            raise InvalidInput(f"{version.arn} belongs to another dataset group than {campaign.arn}.")
    else:
        version = require_active(engine.registry.get(kinds.SOLUTION_VERSION, campaign.body["solutionVersionArn"]))
    _check_config(engine, version, config)
    require_settled(campaign)
    throughput = request.get("minProvisionedTPS", campaign.body["minProvisionedTPS"])
    update = {"solutionVersionArn": version.arn, "minProvisionedTPS": throughput, "campaignConfig": config}
    return engine.lifecycle.update(campaign, update, call.now)


def synchronise(engine: Engine, campaign: Resource) -> None:
    """Update a campaign that follows the latest version of its solution to a newer one."""
    config = campaign.body.get("campaignConfig", {})
    if not config.get("syncWithLatestSolutionVersion") or not campaign.active or updating(campaign):
        return
    latest = _latest_version(engine, campaign.body["solutionArn"])
    if latest and latest.arn != campaign.body["solutionVersionArn"]:
        update = {"solutionVersionArn": latest.arn, "campaignConfig": config}
        throughput = {"minProvisionedTPS": campaign.body["minProvisionedTPS"]}
        engine.lifecycle.update(campaign, update | throughput, latest.body["lastUpdatedDateTime"])


@work(kinds.CAMPAIGN, kinds.CREATE)
async def deploy(engine: Engine, campaign: Resource) -> None:
    await engine.serving.catalogue(engine.registry.get(kinds.SOLUTION_VERSION, campaign.body["solutionVersionArn"]))
    asyncio.get_running_loop().call_soon(synchronise, engine, campaign)


@work(kinds.CAMPAIGN, kinds.UPDATE)
async def redeploy(engine: Engine, campaign: Resource) -> None:
    """Load the next model, then swap; the campaign answers from the old one until then."""
    update = campaign.body["latestCampaignUpdate"]
    version = engine.registry.get(kinds.SOLUTION_VERSION, update["solutionVersionArn"])
    await engine.serving.catalogue(version)
    old = campaign.body["solutionVersionArn"]
    taken = {name: update[name] for name in ("solutionVersionArn", "minProvisionedTPS", "campaignConfig")}
    campaign.body |= taken | {"solutionArn": version.body["solutionArn"], "status": "ACTIVE"}
    campaign.body.pop("failureReason", None)
    if old != version.arn:
        before = engine.registry.get(kinds.SOLUTION_VERSION, old).body["recipeArn"]
        if version.body["recipeArn"] != before:
            LOGGER.warning("%s answers with %s now, no longer with %s", campaign.arn, version.body["recipeArn"], before)
        _release(engine, campaign, old)
    asyncio.get_running_loop().call_soon(synchronise, engine, campaign)


@work(kinds.CAMPAIGN, kinds.DELETE)
async def withdraw(engine: Engine, campaign: Resource) -> None:
    _release(engine, campaign, campaign.body["solutionVersionArn"])


def _release(engine: Engine, campaign: Resource, version_arn: str) -> None:
    """Close a version's model unless another campaign answers from it."""
    if all(other is campaign for other in engine.registry.find(kinds.CAMPAIGN, solutionVersionArn=version_arn)):
        engine.serving.forget(version_arn)


def _target(engine: Engine, arn: str, config: Json) -> Resource:
    """Return the version to deploy: that of an ARN, or the latest ACTIVE one for `<solution>/$LATEST`."""
    synchronised = bool(config.get("syncWithLatestSolutionVersion"))
    if synchronised != arn.endswith(_LATEST):
        raise InvalidInput("syncWithLatestSolutionVersion and a solutionVersionArn that ends in /$LATEST go together.")
    if not synchronised:
        version = require_active(engine.registry.get(kinds.SOLUTION_VERSION, arn))
    else:
        solution = engine.registry.get(kinds.SOLUTION, arn.removesuffix(_LATEST))
        latest = _latest_version(engine, solution.arn)
        if latest is None:
            raise ResourceInUse(f"{solution.arn} has no ACTIVE solution version yet.")
        version = latest
    if recipe_of(version.body["recipeArn"]).recipe_type == "USER_SEGMENTATION":
        raise InvalidInput(f"{version.arn} makes segments of users: it is for batch segment jobs, not for campaigns.")
    return version


def _latest_version(engine: Engine, solution: str) -> Resource | None:
    active = [
        version for version in engine.registry.find(kinds.SOLUTION_VERSION, solutionArn=solution) if version.active
    ]
    return active[-1] if active else None


def _check_config(engine: Engine, version: Resource, config: Json) -> None:
    """Check a configuration; recipes that do not explore ignore itemExplorationConfig."""
    check_influence(engine, version, config)
    check_parameters(config, "itemExplorationConfig", _EXPLORING.exploration, _EXPLORING.name)


def check_influence(engine: Engine, version: Resource, config: Json) -> None:
    """Check the rankingInfluence of a campaign or batch job. Raises InvalidInput."""
    influence = config.get("rankingInfluence", {})
    if "rankingInfluence" in config and recipe_of(version.body["recipeArn"]).name != "aws-semantic-similarity":
        raise InvalidInput("rankingInfluence is for aws-semantic-similarity only.")
    schemas = schemas_of(engine, version.group)
    if influence.get("POPULARITY") and "INTERACTIONS" not in schemas:
        raise InvalidInput("rankingInfluence by POPULARITY needs an Interactions dataset.")
    if influence.get("FRESHNESS") and ("ITEMS" not in schemas or "CREATION_TIMESTAMP" not in schemas["ITEMS"].names):
        raise InvalidInput("rankingInfluence by FRESHNESS needs CREATION_TIMESTAMP in the Items schema.")


def serving_version(engine: Engine, arn: str) -> tuple[Resource, Resource]:
    """Return an ACTIVE campaign and the version that it answers from. Raises ResourceNotFound."""
    campaign = engine.registry.get(kinds.CAMPAIGN, arn)
    if not campaign.active:
        raise ResourceNotFound(f"Campaign {arn} is in status {campaign.status}: it answers once it is ACTIVE.")
    return campaign, engine.registry.get(kinds.SOLUTION_VERSION, campaign.body["solutionVersionArn"])


@operation("ListCampaigns")
def list_campaigns(engine: Engine, call: Call, request: Json) -> Json:
    """List campaigns; as on AWS, the solutionArn may also be that of a solution version."""
    of_version = "/" in request.get("solutionArn", "").partition(":solution/")[2]
    return listed(kinds.CAMPAIGN, engine, call, request, member="solutionVersionArn" if of_version else "solutionArn")


deletes(kinds.CAMPAIGN)
