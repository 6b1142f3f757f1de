# SPDX-License-Identifier: Apache-2.0
"""Where the raw copy of events goes: objects of the bucket, and dead letters for what is none."""

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
    """Write objects, by key; one that fails does not stop the others.

    Raises:
        RetryLater, Rejected, Broken: the first that failed, once all others are written.
    """
    failed: list[PersonalizationError] = []
    for key, text in made.items():
        try:
            objects.put_bytes(s3, bucket, key, text.encode(), "text/csv; charset=utf-8")
        except PersonalizationError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def dead_letter(sqs: "SQSClient", dead: str, foreign: Iterable[Mapping[str, Any]]) -> None:
    """Put records of the stream where an operator finds them: by their keys in the table, which holds them longer.

    Raises:
        RetryLater, Broken: the queue does not take one.
    """
    for record in foreign:
        found = {"record": record.get("eventID"), "keys": record.get("dynamodb", {}).get("Keys")}
        queue.dead_letter(sqs, dead, json.dumps(found), "a record of the table of users' events is no event")
