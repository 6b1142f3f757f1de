# SPDX-License-Identifier: Apache-2.0
"""Campaigns: what of the engine answers, and how. They cost nothing while nobody asks."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from personalization.core.status import ACTIVE
from personalization.engine.backend import Account, Operation
from personalization.engine.deleting import delete
from personalization.engine.describing import required
from personalization.engine.making import arn_of, change, create
from personalization.engine.records import Members


def _create_campaign(account: Account, parameters: Mapping[str, Any]) -> Members:
    required(account.records, "solutionVersion", parameters["solutionVersionArn"])
    members = {"minProvisionedTPS": 1, "campaignConfig": {}, **parameters}
    return create(account, "campaign", arn_of(account, "campaign", parameters["name"]), members)


def _update_campaign(account: Account, parameters: Mapping[str, Any]) -> Members:
    """Change what a campaign serves; its latest update is what AWS shows of it."""
    arn, now = parameters["campaignArn"], account.clock()
    changes = {name: value for name, value in parameters.items() if name != "campaignArn"}
    if "solutionVersionArn" in changes:
        required(account.records, "solutionVersion", changes["solutionVersionArn"])
    before = required(account.records, "campaign", arn)
    latest = {name: before.get(name) for name in ("solutionVersionArn", "minProvisionedTPS", "campaignConfig")}
    update = {**latest, **changes, "status": ACTIVE, "creationDateTime": now, "lastUpdatedDateTime": now}
    return change(account, "campaign", arn, {**changes, "latestCampaignUpdate": update})


OPERATIONS: Mapping[str, Operation] = {
    "CreateCampaign": _create_campaign,
    "UpdateCampaign": _update_campaign,
    "DeleteCampaign": partial(delete, "campaign"),
}
