# SPDX-License-Identifier: Apache-2.0
"""What to do with a campaign so that it serves a solution version, and the record of what serves when all do."""

from collections.abc import Mapping, Sequence
from typing import Literal

from personalization.plans import Plan, Promoted
from personalization.releases import RECORD, Value
from personalization.statuses import Deployment, Progress, progress, promoted

Action = Literal["create", "update", "wait", "nothing", "busy"]


def decide(found: Deployment | None, version: str) -> Action:
    """The next action towards serving `version` (an ARN).

    Args:
        found: the campaign as described, or None if there is none.
        version: the solution version that is to be served.

    Returns:
        `create` or `update`; `wait` while what was asked for last is this version; `nothing` when it is promoted;
        `busy` while Personalize works on another version or deletes the campaign, so that an update would be refused.
    """
    if found is None:
        return "create"
    if promoted(found, version):
        return "nothing"
    status, latest = found.latest
    moving = {progress(status), progress(found.status)} & {Progress.UNDER_WAY, Progress.LEAVING}
    if not moving:
        return "update"
    return "wait" if latest == version and Progress.LEAVING not in moving else "busy"


def record(
    plan: Plan,
    promoted: Sequence[Promoted],
    promoted_at: str,
    tracking_id: str,
    metadata_columns: Sequence[str],
    datasets: Mapping[str, str],
) -> dict[str, Value]:
    """The record as it is stored.

    Args:
        plan: the run's plan.
        promoted: the campaigns with the versions that they serve; where this run was refused, those of earlier ones.
        promoted_at: ISO 8601.
        tracking_id: of the shop's event tracker.
        metadata_columns: columns of Items that answers can show.
        datasets: ARNs of the ITEMS and USERS datasets that exist.
    """
    start = len(f"{plan.dataset_group.name}-")
    return {
        "shop": plan.shop,
        "record": RECORD,
        "run": plan.run,
        "promotedAt": promoted_at,
        "trackingId": tracking_id,
        "datasetGroupArn": plan.dataset_group.arn,
        "domain": plan.dataset_group.domain,
        "campaigns": {
            each.alias: {
                "arn": each.campaign_arn,
                "solutionVersionArn": each.solution_version_arn,
                "run": each.run,
                "baselineArn": each.baseline_arn,
            }
            for each in promoted
        },
        "filters": [filter_.name[start:] for filter_ in plan.filters],
        "metadataColumns": list(metadata_columns),
        "datasets": dict(datasets),
    }
