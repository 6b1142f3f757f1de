# SPDX-License-Identifier: Apache-2.0
"""Variables of the environment, which containers read once."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from personalization.core import environment

from tests.handlers.samples import BUCKET, LIVE, SHOPPER_EVENTS, TABLE

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    "PREFIX": "retail",
    "ACCOUNT_ID": "123456789012",
    "PARTITION": "aws",
    "BUCKET": BUCKET,
    "INCREMENTAL_IMPORT_BYTES": "1000000000",
    "CHECK_PART_BYTES": "1000000000",
    "LARGE_DAY_BYTES": "1000000000",
    "CHECK_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:Check",
    "JOIN_STORAGE": "10240",
    "SHOPS_TABLE": TABLE,
    "SHOPPER_EVENTS_TABLE": SHOPPER_EVENTS,
    "LIVE_TABLE": LIVE,
    "PERSONALIZE_ROLE_ARN": "arn:aws:iam::123456789012:role/retail-personalize",
    "SCHEDULE_GROUP": "retail-schedules",
    "SCHEDULE_ROLE_ARN": "arn:aws:iam::123456789012:role/retail-schedules",
    "RETRAIN_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:Retrain",
    "BATCH_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:Batch",
    "CHORES_QUEUE_ARN": "arn:aws:sqs:us-east-1:123456789012:chores",
    "UNUSED_DAYS": "30",
    "LIST_ID_KEYS": "list-id-keys",
    "IMPRESSIONS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/impressions",
    "PROBE_RATE": "1000000",
    "EVENT_CALLS_PER_SECOND": "1000",
    "EVENT_DELIVERIES": "2",
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "Test",
}
"""What the template gives functions."""


@contextmanager
def changed(name: str, value: str) -> Iterator[None]:
    """Let a variable have another value while the block runs."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, value)
            environment.forget()
            yield
    finally:
        environment.forget()
