# SPDX-License-Identifier: Apache-2.0
"""Promote: have a campaign serve a solution version, then record the shop's release."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.messages import Steps
from personalization.core.observability import logger
from personalization.engine import backend, campaigns, describing
from personalization.releases import promote
from personalization.releases.probe import Clients
from personalization.releases.promote import CampaignRequest, ReleaseRequest, RestoreRequest, RetireRequest

LOG = logger()
backend.connect(clients.dynamodb, environment, describing.OPERATIONS, campaigns.OPERATIONS)


@dataclass(frozen=True, slots=True)
class _Call:
    aws: Clients
    environment: Environment
    now: datetime


def _promote(request: CampaignRequest, call: _Call) -> dict[str, object]:
    return promote.promote(call.aws, request, call.environment).as_json()


def _release(request: ReleaseRequest, call: _Call) -> dict[str, object]:
    return promote.release(call.aws, request, call.environment, call.now)


def _restore(request: RestoreRequest, call: _Call) -> dict[str, object]:
    return promote.restore(call.aws, request, call.environment, call.now)


def _retire(request: RetireRequest, call: _Call) -> dict[str, object]:
    return promote.retire(call.aws, request, call.environment)


STEPS: Steps[_Call, dict[str, object]] = Steps(
    {CampaignRequest: _promote, ReleaseRequest: _release, RestoreRequest: _restore, RetireRequest: _retire}
)


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Create or update a campaign, or write the release record and the list of bestsellers.

    Args:
        event: `{step: campaign, datasetGroupArn, campaign, solutionVersionArn}`,
            `{step: release, plan, campaigns: [{alias, campaignArn, solutionVersionArn, run, baselineArn?}]}` or
            `{step: restore, shop, restore}`, where `restore` is an earlier release's `promotedAt`, or
            `{step: retire, shop, campaigns: [{name, arn}]}`.

    Returns:
        `{arn, status}` of the campaign, with the status of the latest update; or the release record.
    """
    aws = Clients(clients.personalize(), clients.runtime(), clients.dynamodb(), clients.s3())
    done = STEPS.take(event, _Call(aws, Environment(), datetime.now(UTC)))
    LOG.info("Step done", step=event["step"])
    return done
