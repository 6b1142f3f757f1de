# SPDX-License-Identifier: Apache-2.0
"""A shop's settings were dropped, changed or deleted: its schedules become what they say."""

from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.observability import logger
from personalization.shop import keys, schedule_store

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Create, update and delete the timers of one shop.

    The file is read as it is now and not as the event had it, so that events may come twice or out of order. Settings
    that are refused change nothing: the run that their drop started says why.

    Args:
        event: EventBridge's, of an object of the bucket.
        _context: Lambda's.

    Returns:
        `{shop, created, updated, deleted}`, names of timers.

    Raises:
        RetryLater, LimitReached, Broken: as `personalization.core.aws.errors` says.
    """
    try:
        drop = keys.recognise(str(event["detail"]["object"]["key"]))
        environment = Environment()
        if drop.kind != "settings":
            return {}
        done = schedule_store.follow(clients.scheduler(), clients.s3(), environment, drop.shop)
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
