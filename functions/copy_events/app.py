# SPDX-License-Identifier: Apache-2.0
"""Copies accepted events to the bucket, as CSV, from the stream of the table that they are written down in."""

from typing import Any

from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.events import export
from personalization.shop import event_copies

LOG = observability.logger()


def handler(event: dict[str, Any], _context: object) -> None:
    """Write the rows of a batch of the stream.

    What fails is tried again with the whole batch, which then replaces what it had written. A record that is not an
    event's goes to the dead letters, so that no other waits for it.

    Args:
        event: Lambda's, of a DynamoDB stream.
        _context: Lambda's.

    Raises:
        RetryLater, Broken: the bucket does not take an object, or the queue a dead letter; all others are written.
    """
    environment = Environment()
    made = event_copies.texts(event["Records"], environment.names)
    export.write(clients.s3(), environment.bucket, made.files)
    LOG.info("Events copied", objects=len(made.files), records=len(event["Records"]))
    if made.foreign:
        LOG.error("Records that are no events", records=len(made.foreign))
        observability.count(environment.namespace, "UncopiedEvents", len(made.foreign))
        export.dead_letter(clients.sqs(), environment.chores_queue, made.foreign)
