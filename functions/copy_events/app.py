# SPDX-License-Identifier: Apache-2.0
"""Copy accepted events from the stream of their table to the bucket, as CSV."""

from typing import Any

from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.events import export
from personalization.shop import event_copies

LOG = observability.logger()


def handler(event: dict[str, Any], _context: object) -> None:
    """Write the rows of a batch of a DynamoDB stream.

    After a failure Lambda retries the whole batch, which replaces its objects. Records that are no events go to the
    dead-letter queue, so that they block no others.

    Raises:
        RetryLater, Broken: an object or a dead letter was not written; all others are.
    """
    environment = Environment()
    made = event_copies.texts(event["Records"], environment.names)
    export.write(clients.s3(), environment.bucket, made.files)
    LOG.info("Events copied", objects=len(made.files), records=len(event["Records"]))
    if made.foreign:
        LOG.error("Records that are no events", records=len(made.foreign))
        observability.count(environment.namespace, "UncopiedEvents", len(made.foreign))
        export.dead_letter(clients.sqs(), environment.chores_queue, made.foreign)
