# SPDX-License-Identifier: Apache-2.0
"""AWS clients, created on first use and kept. Creation reads files but needs no network.

botocore's session is enough: boto3 adds a fifth to the start of a function and nothing that we use.
"""

import os
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

from personalization.core import environment
from personalization.core.aws.errors import Translating
from personalization.core.aws.routing import Routed
from personalization.core.names import ENGINE

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

_STEP = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=3, read_timeout=20)
"""For the state machine's steps, which it retries itself."""
_SERVING = Config(
    retries={"mode": "standard", "total_max_attempts": 2},
    connect_timeout=0.5,
    read_timeout=1.5,
    tcp_keepalive=True,
    # Our own models have already validated the parameters.
    parameter_validation=False,
)
"""For answers to users: two attempts and the pause between them take five seconds at most, so that together with the
table's four an answer comes before the function's timeout of ten."""
_QUEUE = _SERVING.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=0.3))
"""For requests with a waiting caller, who retries after an error."""
_ONCE = _QUEUE.merge(Config(read_timeout=1.0))
"""For live events: a failed attempt is enqueued."""
_FALLBACK = _ONCE.merge(Config(connect_timeout=0.25, read_timeout=0.6))
"""For lists with a fallback."""
_TABLE = _SERVING.merge(Config(read_timeout=1))
_MADE: list[Any] = []
_MAKING = Lock()


def _translating(**created: Any) -> None:  # noqa: ANN401 - as botocore calls it
    """Let a class of clients raise our errors."""
    created["base_classes"].insert(0, Translating)


def _routed(**created: Any) -> None:  # noqa: ANN401 - as botocore calls it
    """Let another than AWS answer some calls of a class of clients; their errors are translated as well."""
    classes = created["base_classes"]
    classes.insert(1 if Translating in classes else 0, Routed)


@cache
def session() -> "Session":
    """Return the session whose clients raise our errors."""
    made: Session = botocore.session.get_session()
    made.register("creating-client-class", _translating)
    for service in ("personalize", "personalize-runtime", "personalize-events"):
        made.register(f"creating-client-class.{service}", _routed)
    return made


def _client(service: str, config: Config, *, routed: str = "") -> Any:  # noqa: ANN401 - of any service
    """Return a function that creates a client on its first call; where it is `routed`, see `routing.Routed`."""

    @cache
    def made() -> Any:  # noqa: ANN401 - of any service
        # Two threads would make two sessions, which is most of the work, and a session is for one of them at a time.
        with _MAKING:
            client: Any = session().create_client(service, config=config)
            if routed:
                client.routed = routed
            return client

    _MADE.append(made)
    return made


personalize: "Callable[[], PersonalizeClient]" = _client("personalize", _STEP)
engine: "Callable[[], PersonalizeClient]" = _client("personalize", _STEP, routed=ENGINE)
"""Personalize's control plane, all of whose calls the engine answers."""
s3: "Callable[[], S3Client]" = _client("s3", _STEP)
s3_once: "Callable[[], S3Client]" = _client("s3", _TABLE)
"""S3, bounded for serving."""
s3_quick: "Callable[[], S3Client]" = _client("s3", _FALLBACK)
"""S3 for callers that can do without a late answer."""
scheduler: "Callable[[], EventBridgeSchedulerClient]" = _client("scheduler", _STEP)
stepfunctions: "Callable[[], SFNClient]" = _client("stepfunctions", _STEP)
dynamodb: "Callable[[], DynamoDBClient]" = _client("dynamodb", _TABLE)
"""DynamoDB, bounded for serving."""
dynamodb_once: "Callable[[], DynamoDBClient]" = _client("dynamodb", _ONCE)
"""DynamoDB for callers with a fallback or little time: one attempt."""
runtime: "Callable[[], PersonalizeRuntimeClient]" = _client("personalize-runtime", _SERVING)
"""Recommendations, bounded for serving."""
runtime_once: "Callable[[], PersonalizeRuntimeClient]" = _client("personalize-runtime", _FALLBACK)
"""Recommendations for callers with a fallback: one attempt, fallback.ATTEMPT_SECONDS at most."""
events: "Callable[[], PersonalizeEventsClient]" = _client("personalize-events", _SERVING)
"""Live events, bounded for serving."""
events_once: "Callable[[], PersonalizeEventsClient]" = _client("personalize-events", _ONCE)
"""Live events for callers with a queue for failed attempts."""
eventbridge: "Callable[[], EventBridgeClient]" = _client("events", _STEP)
secretsmanager: "Callable[[], SecretsManagerClient]" = _client("secretsmanager", _SERVING)
secretsmanager_once: "Callable[[], SecretsManagerClient]" = _client("secretsmanager", _ONCE)
"""Secrets Manager for callers that can do without a late answer: one attempt."""
sqs: "Callable[[], SQSClient]" = _client("sqs", _SERVING)
sqs_once: "Callable[[], SQSClient]" = _client("sqs", _QUEUE)
"""SQS for callers whose own caller waits: one attempt."""


def make_ahead(*makers: Callable[[], object]) -> None:
    """Create clients, and read variables, while a function starts, when Lambda gives it a whole processor.

    Outside of Lambda this does nothing.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        for maker in makers:
            maker()


def forget() -> None:
    """Drop all clients, the session and what was read of the environment, which are made anew."""
    environment.forget()
    for made in (*_MADE, session):
        made.cache_clear()
