# SPDX-License-Identifier: Apache-2.0
"""Have batch jobs answered, or train a recipe of segments, one step per call. Each step can be repeated."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from personalization.batch import answering, plan
from personalization.batch.plan import AnswerRequest, SegmentRequest
from personalization.batch.wanted import Clients
from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.messages import Part, Steps
from personalization.core.observability import logger
from personalization.engine import backend, batches, deleting, describing, files, training
from personalization.engine.streamed import Streams

LOG = logger()
STORE = files.Store(clients.s3, environment.bucket)
STREAMS = Streams(STORE, environment.live_table)
TRAINING = training.operations(STREAMS, environment.megabytes)
ANSWERING = batches.operations(batches.Sources(streams=STREAMS))
TABLES = (describing.OPERATIONS, TRAINING, deleting.operations(STORE), ANSWERING)
backend.connect(clients.dynamodb, environment, *TABLES)


@dataclass(frozen=True, slots=True)
class _Call:
    aws: Clients
    environment: Environment
    now: datetime


def _train(request: SegmentRequest, call: _Call) -> plan.Progressed:
    return answering.train(call.aws, request, call.environment, call.now)


def _answer(request: AnswerRequest, call: _Call) -> plan.Progressed:
    return answering.answer(call.aws, request, call.environment, call.now)


STEPS: Steps[_Call, Part] = Steps({SegmentRequest: _train, AnswerRequest: _answer})


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take the step in the event.

    Args:
        event: `{step: train, job, made?}` or `{step: answer, job, made?}`.

    Returns:
        `{arn, status, ready, made}`, with status WAITING and the reason if a quota is used up.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `personalization.core.aws.errors`.
    """
    aws = Clients(clients.personalize(), clients.s3(), clients.dynamodb())
    variables = Environment()
    try:
        done = STEPS.take(event, _Call(aws, variables, datetime.now(UTC)))
    except Rejected as refused:
        raise answering.said(aws, variables, str(event["job"]["shop"]), refused) from None
    LOG.info("Step done", step=event["step"])
    return done.as_json()
