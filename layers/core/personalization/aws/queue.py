# SPDX-License-Identifier: Apache-2.0
"""The queue of events that Personalize did not take at once, and the one of those that it never will."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from personalization.aws.failures import about
from personalization.errors import PersonalizationError
from personalization.events import Call
from personalization.queued import Message, delay, text

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

_BATCH = 10


def hold(client: "SQSClient", queue: str, shop: str, calls: Sequence[Call]) -> int:
    """Put calls into the queue, one message each; returns how many events are safe there, from the first on."""
    held = 0
    for call in calls:
        try:
            with about("events queue"):
                client.send_message(QueueUrl=queue, MessageBody=text(shop, call))
        except PersonalizationError:
            break
        held += len(call.events)
    return held


def bury(client: "SQSClient", queue: str, body: str, reason: str) -> None:
    """Put a message that will never be taken where an operator finds it, with the reason as an attribute.

    Raises:
        RetryLater, Broken: the queue does not take it.
    """
    with about("dead events queue"):
        client.send_message(
            QueueUrl=queue,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason[:500]}},
        )


def postpone(client: "SQSClient", queue: str, messages: Sequence[Message]) -> None:
    """Have messages come again after a pause that grows with each try; if SQS fails, the queue's own pause holds."""
    for some in _tens(messages):
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(index), "ReceiptHandle": each.receipt, "VisibilityTimeout": delay(each.receives)}
            for index, each in enumerate(some)
        ]
        try:
            with about("events queue"):
                client.change_message_visibility_batch(QueueUrl=queue, Entries=entries)
        except PersonalizationError:
            return


def _tens(messages: Sequence[Message]) -> list[Sequence[Message]]:
    return [messages[start : start + _BATCH] for start in range(0, len(messages), _BATCH)]
