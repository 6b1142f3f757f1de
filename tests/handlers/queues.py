# SPDX-License-Identifier: Apache-2.0
"""The queues of events, as a test looks into them and as Lambda brings what is in them."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass
class Context:
    """What a function knows of its time."""

    milliseconds: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        """The time that is left."""
        return self.milliseconds


@dataclass
class Queues:
    """Events that wait, events that are buried, and impressions."""

    client: "SQSClient"
    events: str
    dead: str
    impressions: str = ""

    def messages(self, url: str) -> list[dict[str, Any]]:
        """What is in a queue; it stays invisible afterwards."""
        answer = self.client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        return [dict(message) for message in answer.get("Messages", [])]

    def batch(self) -> dict[str, Any]:
        """Lambda's event for what is in the queue of events."""
        return {
            "Records": [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": {"ApproximateReceiveCount": "1"},
                }
                for message in self.messages(self.events)
            ]
        }

    def put(
        self,
        *ids: str,
        session: str = "s",
        shop: str = "demo",
        sent_at: int = 1_795_594_812,
        delivered: bool = False,
    ) -> None:
        """A message of events with these ids; of delivered ones, it is that they are still to be written down."""
        events = [{"eventType": "View", "eventId": id_, "sentAt": sent_at} for id_ in ids]
        body = {"shop": shop, "sessionId": session, "userId": "u", "delivered": delivered, "events": events}
        self.client.send_message(QueueUrl=self.events, MessageBody=json.dumps(body))
