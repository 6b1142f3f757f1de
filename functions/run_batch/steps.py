# SPDX-License-Identifier: Apache-2.0
"""Run the steps of batch jobs and user segments but their answers, one per call. Each step can be repeated."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from personalization.auth.hash_key import HashKey
from personalization.batch import answering, plan, steps
from personalization.batch.job_input import WritingClients
from personalization.batch.plan import (
    ConvertRequest,
    EndRequest,
    PlanRequest,
    ReportRequest,
    WriteRequest,
)
from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.messages import Part, Steps
from personalization.core.observability import logger
from personalization.engine import backend, describing

LOG = logger()
backend.connect(clients.dynamodb, environment, describing.OPERATIONS)
HASH_KEY = HashKey(clients.secretsmanager, environment.hash_key)


@dataclass(frozen=True, slots=True)
class _Call:
    aws: WritingClients
    environment: Environment
    now: datetime


def _plan(request: PlanRequest, call: _Call) -> plan.Planned:
    return steps.plan(call.aws, request, call.environment, call.now)


def _write(request: WriteRequest, call: _Call) -> plan.WrittenInput:
    return steps.write(call.aws, request, call.environment, call.now)


def _convert(request: ConvertRequest, call: _Call) -> plan.Progressed:
    return steps.convert(call.aws, request, call.environment)


def _report(request: ReportRequest, call: _Call) -> plan.Exported:
    return steps.finish(call.aws, request, call.environment, call.now)


def _end(request: EndRequest, call: _Call) -> plan.Progressed:
    return answering.end(call.aws.table, request.job, call.environment)


STEPS: Steps[_Call, Part] = Steps(
    {
        PlanRequest: _plan,
        WriteRequest: _write,
        ConvertRequest: _convert,
        ReportRequest: _report,
        EndRequest: _end,
    }
)


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take the step in the event.

    Args:
        event: `{step: plan, shop, run, batch | after}`, `{step: write, job}`,
            `{step: convert, job, made?}`, `{step: report, job, written, made}` or
            `{step: end, job}`.

    Returns:
        `{jobs}` of plan; the written input with its price of write; `{arn, status, ready, made}` of
        convert and end; what is announced of report.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `personalization.core.aws.errors`.
    """
    aws = WritingClients(clients.personalize(), clients.s3(), clients.dynamodb(), HASH_KEY)
    variables = Environment()
    try:
        done = STEPS.take(event, _Call(aws, variables, datetime.now(UTC)))
    except Rejected as refused:
        raise answering.said(aws, variables, str(event.get("shop") or event["job"]["shop"]), refused) from None
    LOG.info("Step done", step=event["step"])
    return done.as_json()
