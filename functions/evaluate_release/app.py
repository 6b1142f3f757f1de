# SPDX-License-Identifier: Apache-2.0
"""Run the steps of a test on held-out time that call Personalize, one per call. Each step can be repeated."""

from collections.abc import Callable
from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.releases.held_out import plan, steps
from personalization.shop.plan import Part

LOG = logger()


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
    done = STEPS[event["step"]](event, Environment())
    LOG.info("Step done", step=event["step"])
    return done.as_json()


def _measure(event: dict[str, Any], environment: Environment) -> Part:
    result = steps.measure(clients.personalize(), clients.s3(), environment.bucket, plan.MeasureRequest.read(event))
    LOG.info("Tested on held-out time", outcome=result.outcome, reason=result.reason)
    return result


STEPS: dict[str, Callable[[dict[str, Any], Environment], Part]] = {
    "plan": lambda event, own: steps.plan(clients.personalize(), clients.s3(), plan.TrialRequest.read(event), own),
    "export": lambda event, own: steps.export(clients.personalize(), plan.ExportRequest.read(event), own.role_arn),
    "ask": lambda event, own: steps.ask(clients.personalize(), plan.AskRequest.read(event), own.role_arn),
    "measure": _measure,
    "untested": lambda event, own: steps.untested(clients.s3(), own.bucket, plan.UntestedRequest.read(event)),
    "clear": lambda event, own: steps.clear(clients.personalize(), plan.ClearRequest.read(event), own),
}
