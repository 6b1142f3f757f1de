# SPDX-License-Identifier: Apache-2.0
"""Run the steps of a test on held-out time that call Personalize, one per call. Each step can be repeated."""

from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.releases.held_out import steps
from personalization.releases.held_out.plan import (
    AskRequest,
    ClearRequest,
    ExportRequest,
    MeasureRequest,
    TrialRequest,
    UntestedRequest,
)

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take the step in the event.

    Args:
        event: `{step: plan, evaluation, attempt}`, `{step: export, source, made?}`, `{step: ask, question,
            solutionVersionArn, made?}`, `{step: measure, trial, split, imported}`, `{step: untested, trial, split}`
            or `{step: clear, shop}`.
        _context: Lambda's.

    Returns:
        `{trial, before}` of plan; `{arn, status, ready, made?}` of export and ask, with status WAITING and the reason
        if a quota is used up; the result of measure and untested; `{left, waitingFor, ready}` of clear.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: see `personalization.core.aws.errors`.
    """
    done = STEPS[event["step"]](event, Environment())
    LOG.info("Step done", step=event["step"])
    return done


def _plan(event: dict[str, Any], environment: Environment) -> dict[str, object]:
    return steps.plan(clients.personalize(), clients.s3(), TrialRequest.read(event), environment).as_json()


def _export(event: dict[str, Any], environment: Environment) -> dict[str, object]:
    return steps.export(clients.personalize(), ExportRequest.read(event), environment.role_arn).as_json()


def _ask(event: dict[str, Any], environment: Environment) -> dict[str, object]:
    return steps.ask(clients.personalize(), AskRequest.read(event), environment.role_arn).as_json()


def _measure(event: dict[str, Any], environment: Environment) -> dict[str, object]:
    result = steps.measure(clients.personalize(), clients.s3(), environment.bucket, MeasureRequest.read(event))
    LOG.info("Tested on held-out time", outcome=result.outcome, reason=result.reason)
    return result.as_json()


def _untested(event: dict[str, Any], environment: Environment) -> dict[str, object]:
    return steps.untested(clients.s3(), environment.bucket, UntestedRequest.read(event)).as_json()


def _clear(event: dict[str, Any], environment: Environment) -> dict[str, object]:
    return steps.clear(clients.personalize(), ClearRequest.read(event), environment).as_json()


STEPS = {
    "plan": _plan,
    "export": _export,
    "ask": _ask,
    "measure": _measure,
    "untested": _untested,
    "clear": _clear,
}
