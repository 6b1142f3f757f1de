# SPDX-License-Identifier: Apache-2.0
"""Fit a shop's purchase likelihood after a promotion, in one function or in shards."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# A function has one processor, so threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from personalization.core import environment, observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.messages import Part, Steps
from personalization.engine import answering, backend, files
from personalization.likelihood import fit
from personalization.likelihood.fit import FitRequest, Fitted, Job, Run
from personalization.likelihood.sharded import steps
from personalization.likelihood.sharded.steps import (
    CombineRequest,
    CountRequest,
    DiscardRequest,
    Done,
    ExplainRequest,
    GatherRequest,
    PartitionRequest,
    Planned,
    PlanRequest,
    PublishRequest,
    ServeRequest,
)
from personalization.releases.report import Report

LOG = observability.logger()
SOURCES = answering.Sources(
    files.Store(clients.s3, environment.bucket), environment.live_table, answering.PROBE_SECONDS
)
backend.connect(clients.dynamodb, environment, answering.operations(SOURCES))


@dataclass(frozen=True, slots=True)
class Call:
    """What a step is taken with."""

    aws: fit.Clients
    environment: Environment
    now: datetime

    def sharded(self, request: Run) -> steps.Steps:
        return steps.Steps(Job(self.aws, request, self.environment, self.now))


def _fit(request: FitRequest, call: Call) -> Fitted:
    return fit.fit(call.aws, request, call.environment, call.now)


def _plan(request: PlanRequest, call: Call) -> Planned | Fitted:
    return call.sharded(request).plan()


def _partition(request: PartitionRequest, call: Call) -> Done:
    return call.sharded(request).partition(request.number)


def _gather(request: GatherRequest, call: Call) -> Done | Fitted:
    return call.sharded(request).gather()


def _count(request: CountRequest, call: Call) -> Done:
    return call.sharded(request).count(request.number)


def _combine(request: CombineRequest, call: Call) -> Done | Fitted:
    return call.sharded(request).combine()


def _serve(request: ServeRequest, call: Call) -> Done:
    return call.sharded(request).serve(request.number)


def _publish(request: PublishRequest, call: Call) -> Done | Fitted:
    return call.sharded(request).publish()


def _explain(request: ExplainRequest, call: Call) -> Part:
    call.sharded(request).work.explain()
    return Part()


def _discard(request: DiscardRequest, call: Call) -> Done:
    return call.sharded(request).discard()


STEPS: Steps[Call, Part] = Steps(
    {
        FitRequest: _fit,
        PlanRequest: _plan,
        PartitionRequest: _partition,
        GatherRequest: _gather,
        CountRequest: _count,
        CombineRequest: _combine,
        ServeRequest: _serve,
        PublishRequest: _publish,
        ExplainRequest: _explain,
        DiscardRequest: _discard,
    }
)


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Fit, store what serves, report, and take a snapshot of the ranking campaign's scores; or take a step of that.

    Args:
        event: `{step: fit, shop, run}`, or a request of `likelihood.sharded.steps`.

    Returns:
        `{outcome, reason, report, method}`, or a step's `{outcome: planned, ranges, shards}` or `{outcome: done}`.
    """
    aws = fit.Clients(clients.s3(), clients.dynamodb(), clients.runtime())
    environment = Environment()
    done = STEPS.take(event, Call(aws, environment, datetime.now(UTC)))
    if isinstance(done, Fitted):
        shop = event["shop"]
        if done.report:
            # The release's page exists already, in the same folder.
            run = done.report.split("/")[-2]
            Report(aws.s3, environment.bucket, shop, run).link("likelihood.html")
        if done.outcome == "leftOut":
            observability.count(environment.namespace, "LikelihoodsLeftOut", 1)
        LOG.info("Likelihood fitted", shop=shop, run=event["run"], outcome=done.outcome, reason=done.reason)
    return done.as_json()
