# SPDX-License-Identifier: Apache-2.0
"""Run the steps of a test on held-out time that call Personalize, one per call. Each step can be repeated."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.messages import Part, Steps
from personalization.core.observability import logger
from personalization.engine import backend, describing
from personalization.personalize.removal import Left
from personalization.releases.held_out import steps
from personalization.releases.held_out.trials import (
    AskRequest,
    ClearRequest,
    ExportRequest,
    MeasureRequest,
    Planned,
    Result,
    TrialRequest,
    UntestedRequest,
)
from personalization.shop.plan import Step

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

LOG = logger()
backend.connect(clients.dynamodb, environment, describing.OPERATIONS)


@dataclass(frozen=True, slots=True)
class _Call:
    personalize: "PersonalizeClient"
    s3: "S3Client"
    environment: Environment


def _plan(request: TrialRequest, call: _Call) -> Planned:
    return steps.plan(call.personalize, call.s3, request, call.environment)


def _export(request: ExportRequest, call: _Call) -> Step:
    return steps.export(call.personalize, request, call.environment.role_arn)


def _ask(request: AskRequest, call: _Call) -> Step:
    return steps.ask(call.personalize, request, call.environment.role_arn)


def _measure(request: MeasureRequest, call: _Call) -> Result:
    result = steps.measure(call.personalize, call.s3, call.environment.bucket, request)
    LOG.info("Tested on held-out time", outcome=result.outcome, reason=result.reason)
    return result


def _untested(request: UntestedRequest, call: _Call) -> Result:
    return steps.untested(call.s3, call.environment.bucket, request)


def _clear(request: ClearRequest, call: _Call) -> Left:
    return steps.clear(call.personalize, request, call.environment)


STEPS: Steps[_Call, Part] = Steps(
    {
        TrialRequest: _plan,
        ExportRequest: _export,
        AskRequest: _ask,
        MeasureRequest: _measure,
        UntestedRequest: _untested,
        ClearRequest: _clear,
    }
)


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take the step in the event.

    Args:
        event: `{step: plan, evaluation, attempt}`, `{step: export, source, made?}`, `{step: ask, question,
            solutionVersionArn, made?}`, `{step: measure, trial, split, imported}`, `{step: untested, trial, split}`
            or `{step: clear, shop}`.

    Returns:
        `{trial, before}` of plan; `{arn, status, ready, made?}` of export and ask, with status WAITING and the reason
        if a quota is used up; the result of measure and untested; `{left, waitingFor, ready}` of clear.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `personalization.core.aws.errors`.
    """
    done = STEPS.take(event, _Call(clients.personalize(), clients.s3(), Environment()))
    LOG.info("Step done", step=event["step"])
    return done.as_json()
