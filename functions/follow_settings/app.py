# SPDX-License-Identifier: Apache-2.0
"""Update a shop's schedules after its settings were dropped, changed or deleted, and its experiments after theirs."""

from datetime import UTC, datetime
from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.observability import logger
from personalization.experiments import following
from personalization.shop import keys, schedules

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Create, update and delete one shop's schedules, and start, change and stop its experiments.

    The handler reads the current files, so that events may come twice or out of order. A refused file changes nothing:
    the run of refused settings reports why, and of refused experiments a report of their own.

    Args:
        event: EventBridge's, of an object of the bucket.

    Returns:
        `{shop, created, updated, deleted}`, names of schedules, and `experiments`, those that are known, or None where
        their file is refused.
    """
    answer: dict[str, object] = {}
    try:
        drop = keys.recognise(str(event["detail"]["object"]["key"]))
        if drop.kind == "settings":
            answer = _schedules(drop.shop)
    except Rejected as refused:
        LOG.warning("Settings refused; schedules left as they are", reason=str(refused))
        return {}
    if drop.kind in {"settings", "experiments"}:
        # Settings have the placements that experiments change.
        answer |= _experiments(drop.shop)
    return answer


def _schedules(shop: str) -> dict[str, object]:
    done = schedules.follow(clients.scheduler(), clients.s3(), Environment(), shop)
    answer: dict[str, object] = {
        "shop": shop,
        "created": [timer.name for timer in done.create],
        "updated": [timer.name for timer in done.update],
        "deleted": list(done.delete),
    }
    LOG.info("Schedules follow the settings", done=answer)
    return answer


def _experiments(shop: str) -> dict[str, object]:
    environment, now = Environment(), datetime.now(UTC)
    try:
        done = following.follow(
            clients.dynamodb(), clients.s3(), environment.table, environment.bucket, shop=shop, now=now
        )
    except Rejected as refused:
        LOG.warning("Experiments refused; those that run go on", reason=str(refused))
        return {"shop": shop, "experiments": None}
    names = [experiment.name for experiment in done.experiments]
    if names:
        LOG.info("Experiments follow their file", shop=shop, experiments=names)
    return {"shop": shop, "experiments": names}
