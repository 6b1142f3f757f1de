# SPDX-License-Identifier: Apache-2.0
"""Clients, made when first asked for and kept. Making one reads files and no network.

botocore's own session is enough: boto3 adds a fifth to the start of a function and nothing that we use.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, cast

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

_STEP = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=3, read_timeout=20)
"""For the steps of the machine, which tries again by itself."""
_SERVING = Config(
    retries={"mode": "standard", "total_max_attempts": 2},
    connect_timeout=0.5,
    read_timeout=1.5,
    tcp_keepalive=True,
    # Our own models have checked what botocore would check again.
    parameter_validation=False,
)
"""For answers to users: two attempts and the pause between them take five seconds at most, so that together with
the table's four an answer comes before the function's time of ten is over."""
_QUEUE = _SERVING.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=0.3))
"""For what somebody waits for: who is told that it was not taken sends it again."""
_ONCE = _QUEUE.merge(Config(read_timeout=1.0))
"""For live events: what one attempt does not bring goes to the queue."""
_FALLBACK = _ONCE.merge(Config(connect_timeout=0.25, read_timeout=0.6))
"""For lists that something else fills in time."""
_TABLE = _SERVING.merge(Config(read_timeout=1))


@cache
def _session() -> "Session":
    return botocore.session.get_session()


@cache
def personalize() -> "PersonalizeClient":
    """The control plane."""
    return cast("PersonalizeClient", _session().create_client("personalize", config=_STEP))


@cache
def s3() -> "S3Client":
    """The drop bucket's service."""
    return cast("S3Client", _session().create_client("s3", config=_STEP))


@cache
def s3_once() -> "S3Client":
    """The drop bucket's service, bounded for serving."""
    return cast("S3Client", _session().create_client("s3", config=_TABLE))


@cache
def s3_quick() -> "S3Client":
    """The drop bucket's service, for callers who do without what it does not answer at once."""
    return cast("S3Client", _session().create_client("s3", config=_FALLBACK))


@cache
def scheduler() -> "EventBridgeSchedulerClient":
    """EventBridge Scheduler, which keeps the shops' schedules."""
    return cast("EventBridgeSchedulerClient", _session().create_client("scheduler", config=_STEP))


@cache
def stepfunctions() -> "SFNClient":
    """The state machine's executions."""
    return cast("SFNClient", _session().create_client("stepfunctions", config=_STEP))


@cache
def dynamodb() -> "DynamoDBClient":
    """The table of shops, bounded for serving."""
    return cast("DynamoDBClient", _session().create_client("dynamodb", config=_TABLE))


@cache
def dynamodb_once() -> "DynamoDBClient":
    """The tables, for callers who have something else when the first attempt fails, or little time."""
    return cast("DynamoDBClient", _session().create_client("dynamodb", config=_ONCE))


@cache
def runtime() -> "PersonalizeRuntimeClient":
    """Recommendations, bounded for serving."""
    return cast("PersonalizeRuntimeClient", _session().create_client("personalize-runtime", config=_SERVING))


@cache
def runtime_once() -> "PersonalizeRuntimeClient":
    """Recommendations for callers who have something else to show: one attempt, fallback.ATTEMPT_SECONDS at most."""
    return cast("PersonalizeRuntimeClient", _session().create_client("personalize-runtime", config=_FALLBACK))


@cache
def events() -> "PersonalizeEventsClient":
    """Live events, bounded for serving."""
    return cast("PersonalizeEventsClient", _session().create_client("personalize-events", config=_SERVING))


@cache
def events_once() -> "PersonalizeEventsClient":
    """Live events for callers who have a queue for what is not taken at the first attempt."""
    return cast("PersonalizeEventsClient", _session().create_client("personalize-events", config=_ONCE))


@cache
def secretsmanager() -> "SecretsManagerClient":
    """The keys of sessions."""
    return cast("SecretsManagerClient", _session().create_client("secretsmanager", config=_SERVING))


@cache
def sqs() -> "SQSClient":
    """The queues."""
    return cast("SQSClient", _session().create_client("sqs", config=_SERVING))


@cache
def sqs_once() -> "SQSClient":
    """The queues, for callers whose own caller waits: one attempt."""
    return cast("SQSClient", _session().create_client("sqs", config=_QUEUE))


def make_ahead(*makers: Callable[[], object]) -> None:
    """Make clients while a function starts, when Lambda gives it a whole processor; nothing outside of Lambda."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        for maker in makers:
            maker()


def forget() -> None:
    """Drop every client and the session: credentials, regions and endpoints are read anew."""
    for made in (
        personalize,
        s3,
        s3_once,
        s3_quick,
        scheduler,
        stepfunctions,
        dynamodb,
        dynamodb_once,
        runtime,
        runtime_once,
        events,
        events_once,
        secretsmanager,
        sqs,
        sqs_once,
        _session,
    ):
        made.cache_clear()
