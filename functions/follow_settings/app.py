# SPDX-License-Identifier: Apache-2.0
"""Update a shop's schedules after its settings were dropped, changed or deleted."""

from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.observability import logger
from personalization.shop import keys, schedules

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Create, update and delete one shop's schedules.

    The handler reads the current file, so that events may come twice or out of order. Refused settings change nothing:
    their run reports why.

    Args:
        event: EventBridge's, of an object of the bucket.

    Returns:
        `{shop, created, updated, deleted}`, names of schedules.
    """
    try:
        drop = keys.recognise(str(event["detail"]["object"]["key"]))
        environment = Environment()
        if drop.kind != "settings":
            return {}
        done = schedules.follow(clients.scheduler(), clients.s3(), environment, drop.shop)
    except Rejected as refused:
        LOG.warning("Settings refused; schedules left as they are", reason=str(refused))
        return {}
    answer: dict[str, object] = {
        "shop": drop.shop,
        "created": [timer.name for timer in done.create],
        "updated": [timer.name for timer in done.update],
        "deleted": list(done.delete),
    }
    LOG.info("Schedules follow the settings", done=answer)
    return answer
