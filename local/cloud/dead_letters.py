# SPDX-License-Identifier: Apache-2.0
"""Dead letters of events go back into the queue, as StartMessageMoveTask moves them on AWS."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3

from local.cloud.home import State, access

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

UNKNOWN = "tried for two days"
"""Why a message is dead that has no reason of its own: its tries were used up."""


def replay(state: State) -> Counter[str]:
    """Move every dead letter back; returns how many messages there were, by the reason for which each was dead."""
    client: SQSClient = boto3.client("sqs", **access(state))
    dead, waiting = state.outputs["DeadEventsQueueUrl"], state.outputs["EventsQueueUrl"]
    reasons: Counter[str] = Counter()
    for message in _messages(client, dead):
        reason = message.get("MessageAttributes", {}).get("reason")
        client.send_message(QueueUrl=waiting, MessageBody=message["Body"])
        client.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
        reasons[reason.get("StringValue", UNKNOWN) if reason else UNKNOWN] += 1
    return reasons


def _messages(client: "SQSClient", queue: str) -> Iterator["MessageTypeDef"]:
    """What is in a queue now, and not what comes meanwhile."""
    attributes = client.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
    left = int(attributes["Attributes"]["ApproximateNumberOfMessages"])
    while left > 0:
        found = client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["reason"])
        messages = found.get("Messages", [])
        if not messages:
            return
        yield from messages
        left -= len(messages)
