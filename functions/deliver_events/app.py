# SPDX-License-Identifier: Apache-2.0
"""Deliver events from the queue that Personalize did not accept at once."""

import time
from functools import cache
from typing import TYPE_CHECKING, Any

from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import count, logger
from personalization.core.pacing import TokenBucket
from personalization.engine import backend, recording
from personalization.events import erasure_requests, queue
from personalization.events.delivery import Delivery
from personalization.shop.records import release_store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LOG = logger()
backend.connect(clients.dynamodb, environment, recording.operations(environment.live_table))
RELEASES = release_store.Releases(release_store.fetch_release(clients.dynamodb, environment.table))
LEAVING = erasure_requests.Leaving(erasure_requests.fetch(clients.dynamodb, environment.shopper_events_table))
MARGIN_MS = 20_000
"""The part of the function's time for a last call and dead letters."""


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, object]:
    """Deliver the messages of an SQS event in the remaining time of `context`.

    Returns:
        `{batchItemFailures: [{itemIdentifier}]}`: the messages to retry.
    """
    variables = Environment()
    delivery = Delivery(
        personalize=clients.events(),
        sqs=clients.sqs(),
        waiting=variables.events_queue,
        dead=variables.dead_events_queue,
        dynamodb=clients.dynamodb(),
        table=variables.shopper_events_table,
        releases=RELEASES,
        leaving=LEAVING,
        pace=_bucket(variables.event_calls_per_second),
        clock=time.monotonic,
        sleep=time.sleep,
        now=time.time,
    )
    messages = [queue.read(record) for record in event["Records"]]
    seconds = (context.get_remaining_time_in_millis() - MARGIN_MS) / 1000
    again = delivery.deliver(messages, seconds)
    LOG.info(
        "Batch done",
        delivered=delivery.delivered,
        dead_lettered=delivery.dead_lettered,
        discarded=delivery.discarded,
        again=len(again),
    )
    if delivery.paused_by_queue:
        LOG.warning("Pauses not set", messages=delivery.paused_by_queue)
    count(variables.namespace, "DeliveredEvents", delivery.delivered)
    count(variables.namespace, "BuriedEvents", delivery.dead_lettered)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


@cache
def _bucket(rate: float) -> TokenBucket:
    """Return the container's token bucket, which it keeps between batches."""
    return TokenBucket(rate)
