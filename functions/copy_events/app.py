# SPDX-License-Identifier: Apache-2.0
"""Copy accepted events to the bucket, from their table's stream; impressions from a queue, and exposures from a log."""

import json
from collections.abc import Mapping
from typing import Any

from personalization.core import observability
from personalization.core.aws import clients, objects
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError
from personalization.events import event_copies, impressions, queue
from personalization.experiments import exposures

LOG = observability.logger()
_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}


def handler(event: dict[str, Any], _context: object) -> None:
    """Write the rows of a batch of a DynamoDB stream, of a queue, or of a subscription of CloudWatch Logs.

    After a failure Lambda retries the whole batch, which replaces its objects. Records that are not events go to the
    dead-letter queue by their keys in the table, so that they block no others.

    Raises:
        RetryLater, Broken: an object or a dead letter was not written; all other objects are.
    """
    environment = Environment()
    if "awslogs" in event:
        files, strange = exposures.files(event)
        _write(environment, files)
        LOG.info("Exposures copied", objects=len(files), strangeLines=strange)
        return
    if event["Records"] and event["Records"][0].get("eventSource") == "aws:sqs":
        files, bodies = impressions.files(event["Records"])
        _write(environment, files)
        LOG.info("Impressions copied", objects=len(files), messages=len(event["Records"]))
        for body in bodies:
            queue.dead_letter(clients.sqs(), environment.chores_queue, body, "it is not a message of impressions")
        return
    files, foreign = event_copies.texts(event["Records"], environment.names)
    _write(environment, files)
    LOG.info("Events copied", objects=len(files), records=len(event["Records"]))
    if foreign:
        LOG.error("Records that are not events", records=len(foreign))
        observability.count(environment.namespace, "UncopiedEvents", len(foreign))
    for record in foreign:
        letter = json.dumps({"record": record.get("eventID"), "keys": record.get("dynamodb", {}).get("Keys")})
        reason = "a record of the table of users' events is not an event"
        queue.dead_letter(clients.sqs(), environment.chores_queue, letter, reason)


def _write(environment: Environment, files: Mapping[str, str]) -> None:
    failed: list[PersonalizationError] = []
    for key, text in files.items():
        try:
            kind = _TYPES[key.rpartition(".")[2]]
            objects.put_bytes(clients.s3(), environment.bucket, key, text.encode(), kind)
        except PersonalizationError as error:
            failed.append(error)
    if failed:
        raise failed[0]
