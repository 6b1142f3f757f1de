# SPDX-License-Identifier: Apache-2.0
"""Judge, probe and report a release; find what an override or a rollback promotes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.messages import Steps
from personalization.core.observability import logger
from personalization.engine import answering, backend, describing, files
from personalization.releases import judge, probe, report
from personalization.releases.judge import JudgeRequest, OverrideRequest, RollbackRequest
from personalization.releases.probe import Clients, ProbeRequest
from personalization.releases.report import ReportRequest

LOG = logger()
backend.connect(
    clients.dynamodb,
    environment,
    describing.OPERATIONS,
    answering.operations(
        answering.Sources(files.Store(clients.s3, environment.bucket), environment.live_table, answering.PROBE_SECONDS)
    ),
)


@dataclass(frozen=True, slots=True)
class _Call:
    aws: Clients
    environment: Environment
    now: datetime


def _judge(request: JudgeRequest, call: _Call) -> dict[str, object]:
    verdict = judge.judge(call.aws, request, call.environment, call.now)
    LOG.info("Release judged", run=verdict.run, shop=verdict.shop, outcome=verdict.outcome, reason=verdict.reason)
    return verdict.as_json()


def _override(request: OverrideRequest, call: _Call) -> dict[str, object]:
    return judge.override(call.aws.table, request, call.environment).as_json()


def _rollback(request: RollbackRequest, call: _Call) -> dict[str, object]:
    return judge.rollback(call.aws.table, request, call.environment).as_json()


def _probe(request: ProbeRequest, call: _Call) -> dict[str, object]:
    result = probe.probe(call.aws, request, call.environment)
    if result.throttled:
        LOG.warning("Probe throttled", campaign=request.target.campaign.name, requests=result.throttled)
    return {"answers": len(result.replies), "throttled": result.throttled}


def _report(request: ReportRequest, call: _Call) -> dict[str, object]:
    return report.complete(call.aws.s3, request, call.environment)


STEPS: Steps[_Call, dict[str, object]] = Steps(
    {
        JudgeRequest: _judge,
        OverrideRequest: _override,
        RollbackRequest: _rollback,
        ProbeRequest: _probe,
        ReportRequest: _report,
    }
)


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
    aws = Clients(clients.personalize(), clients.runtime(), clients.dynamodb(), clients.s3())
    done = STEPS.take(event, _Call(aws, Environment(), datetime.now(UTC)))
    LOG.info("Step done", step=event["step"])
    return done
