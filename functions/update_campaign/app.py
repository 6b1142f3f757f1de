# SPDX-License-Identifier: Apache-2.0
"""Promote: have a campaign serve a solution version, then record the shop's release."""

from datetime import UTC, datetime
from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.releases import promote
from personalization.releases.probe import Clients

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Create or update a campaign, or write the release record and the list of bestsellers.

    Args:
        event: `{step: campaign, datasetGroupArn, campaign, solutionVersionArn}`,
            `{step: release, plan, campaigns: [{alias, campaignArn, solutionVersionArn, run, baselineArn?}]}` or
            `{step: restore, shop, restore}`, where `restore` is an earlier release's `promotedAt`, or
            `{step: retire, campaigns: [{name, arn}]}`.

    Returns:
        `{arn, status}` of the campaign, with the status of the latest update; or the release record.
    """
    aws = Clients(clients.personalize(), clients.runtime(), clients.dynamodb(), clients.s3())
    done = promote.promotion_step(aws, event, Environment(), datetime.now(UTC))
    LOG.info("Step done", step=event.get("step"))
    return done
