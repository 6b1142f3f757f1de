# SPDX-License-Identifier: Apache-2.0
"""Count what all users do, from the stream of the engine's live table."""

import time
from typing import Any

from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.engine import counting

LOG = observability.logger()


def handler(event: dict[str, Any], _context: object) -> None:
    """Store the counts of a batch of the stream, which Lambda repeats after a failure; a repetition changes nothing.

    Raises:
        RetryLater, Rejected: counts were not stored.
    """
    events = counting.count(clients.dynamodb(), Environment().live_table, event["Records"], time.time)
    LOG.info("Events counted", events=events, records=len(event["Records"]))
