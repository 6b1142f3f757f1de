# SPDX-License-Identifier: Apache-2.0
"""The queue of events that Personalize did not take at once, and the one of those that it never will."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from personalization.core.aws.errors import translate_errors
from personalization.core.errors import PersonalizationError
from personalization.events.models import Call
from personalization.events.queued import Message, delay, text

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

_BATCH = 10


def hold(
    client: "SQSClient",
    queue: str,
    shop: str,
    calls: Sequence[Call],
    late: Callable[[], bool],
    *,
    delivered: bool = False,
) -> int:
    """Put calls into the queue, one message each; returns how many events are safe there, from the first on.

    Args:
        client: the queue's service.
        queue: its URL.
        shop: whose events they are.
        calls: the events.
        late: tells when there is no time left for another one.
        delivered: whether they are only to be written down, as Personalize is told of them otherwise.
    """
    held = 0
    for call in calls:
        if late():
            break
        try:
            with translate_errors("events queue"):
                client.send_message(QueueUrl=queue, MessageBody=text(shop, call, delivered=delivered))
        except PersonalizationError:
            break
        held += len(call.events)
    return held


def bury(client: "SQSClient", queue: str, body: str, reason: str) -> None:
    """Put a message that will never be taken where an operator finds it, with the reason as an attribute.

    Raises:
        RetryLater, Broken: the queue does not take it.
    """
    with translate_errors("dead events queue"):
        client.send_message(
            QueueUrl=queue,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason[:500]}},
        )


def postpone(client: "SQSClient", queue: str, messages: Sequence[Message]) -> int:
    """Have messages come again after a pause that grows with each try.

    Returns:
        How many messages SQS does not do that for: for those the queue's own pause holds.
    """
    left = 0
    for some in _tens(messages):
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(index), "ReceiptHandle": each.receipt, "VisibilityTimeout": delay(each.receives)}
            for index, each in enumerate(some)
        ]
        try:
            with translate_errors("events queue"):
                answer = client.change_message_visibility_batch(QueueUrl=queue, Entries=entries)
            left += len(answer.get("Failed", []))
        except PersonalizationError:
            left += len(some)
    return left


def _tens(messages: Sequence[Message]) -> list[Sequence[Message]]:
    return [messages[start : start + _BATCH] for start in range(0, len(messages), _BATCH)]
