# SPDX-License-Identifier: Apache-2.0
"""Judge, probe and report a release; find what an override or a rollback promotes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.observability import logger
from personalization.releases import judge, probe, report
from personalization.releases.judge import JudgeRequest, OverrideRequest, RollbackRequest
from personalization.releases.probe import Clients, ProbeRequest
from personalization.releases.report import ReportRequest

LOG = logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take the step in the event.

    Args:
        event: `{step: judge, plan, trained}`, `{step: probe, verdict, target}`, `{step: report, verdict}`,
            `{step: override, shop, wanted?}` or `{step: rollback, shop}`.

    Returns:
        The verdict of judge and rollback; `{verdict, plan}` of an override; the result of a probe or a report.

    Raises:
        Rejected: there is nothing to override or to roll back to.
        Broken: a probe failed; otherwise see `personalization.core.aws.errors`, also for RetryLater and LimitReached.
    """
    done = STEPS[event["step"]](event, Environment())
    LOG.info("Step done", step=event["step"])
    return done


def _judge(event: dict[str, Any], environment: Environment) -> dict[str, object]:
    verdict = judge.judge(_clients(), JudgeRequest.read(event), environment, datetime.now(UTC))
    LOG.info("Release judged", run=verdict.run, shop=verdict.shop, outcome=verdict.outcome, reason=verdict.reason)
    return verdict.as_json()


def _probe(event: dict[str, Any], environment: Environment) -> dict[str, object]:
    request = ProbeRequest.read(event)
    result = probe.probe(_clients(), request, environment)
    if result.throttled:
        LOG.warning("Probe throttled", campaign=request.target.campaign.name, requests=result.throttled)
    return {"answers": len(result.replies), "throttled": result.throttled}


def _clients() -> Clients:
    return Clients(clients.personalize(), clients.runtime(), clients.dynamodb(), clients.s3())


STEPS: dict[str, Callable[[dict[str, Any], Environment], dict[str, object]]] = {
    "judge": _judge,
    "override": lambda event, own: judge.override(clients.dynamodb(), OverrideRequest.read(event), own).as_json(),
    "rollback": lambda event, own: judge.rollback(clients.dynamodb(), RollbackRequest.read(event), own).as_json(),
    "probe": _probe,
    "report": lambda event, own: report.complete(clients.s3(), ReportRequest.read(event), own),
}
