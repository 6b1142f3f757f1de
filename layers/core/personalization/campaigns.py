# SPDX-License-Identifier: Apache-2.0
"""What to do with a campaign so that it serves a solution version, and the record of what serves when all do."""

from collections.abc import Mapping, Sequence
from typing import Literal

from personalization import filtering, placements
from personalization.datasets import Schema
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
    datasets: Mapping[str, str],
    schemas: Sequence[Schema] = (),
) -> dict[str, Value]:
    """The record as it is stored.

    Args:
        plan: the run's plan.
        promoted: the campaigns with the versions that they serve; where this run was refused, those of earlier ones.
        promoted_at: ISO 8601.
        tracking_id: of the shop's event tracker.
        datasets: ARNs of the ITEMS and USERS datasets that exist.
        schemas: those of the shop's datasets.
    """
    start = len(f"{plan.dataset_group.name}-")
    items = next((schema for schema in schemas if schema.kind == "items"), None)
    shown = items.metadata_columns(100) if items else []
    context = [name for schema in schemas for name in schema.context_columns()]
    numeric = {(schema.kind.upper(), column.name) for schema in schemas for column in schema.columns if column.numeric}
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
                **({"foundFrom": each.found_from} if each.found_from else {}),
            }
            for each in promoted
        },
        "baselineArn": _baseline(plan, promoted),
        "filters": [filter_.name[start:] for filter_ in plan.filters],
        "filterParameters": {
            filter_.name[start:]: filtering.parameters(filter_.expression, numeric) for filter_ in plan.filters
        },
        "metadataColumns": items.metadata_columns() if items else [],
        "contextColumns": context,
        "placements": placements.record(plan.placements, shown, context),
        "datasets": dict(datasets),
    }


def _baseline(plan: Plan, promoted: Sequence[Promoted]) -> str | None:
    """The Popularity-Count version that the newest of the promoted versions is measured by."""
    own = [each.baseline_arn for each in promoted if each.run == plan.run]
    return next((arn for arn in (*own, *(each.baseline_arn for each in promoted)) if arn), None)
