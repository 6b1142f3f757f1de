# SPDX-License-Identifier: Apache-2.0
"""Write the raw copy of events to the bucket; other records of the stream go to a dead-letter queue."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from personalization.core.aws import objects
from personalization.core.errors import PersonalizationError
from personalization.events import queue

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


def write(s3: "S3Client", bucket: str, made: Mapping[str, str]) -> None:
    """Write objects by key; raise the first error once all others are written."""
    failed: list[PersonalizationError] = []
    for key, text in made.items():
        try:
            objects.put_bytes(s3, bucket, key, text.encode(), "text/csv; charset=utf-8")
        except PersonalizationError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def dead_letter(sqs: "SQSClient", dead: str, foreign: Iterable[Mapping[str, Any]]) -> None:
    """Put the keys of invalid records into the dead-letter queue; the table still has the records."""
    for record in foreign:
        found = {"record": record.get("eventID"), "keys": record.get("dynamodb", {}).get("Keys")}
        queue.dead_letter(sqs, dead, json.dumps(found), "a record of the table of users' events is no event")
