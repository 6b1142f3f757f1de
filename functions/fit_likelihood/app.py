# SPDX-License-Identifier: Apache-2.0
"""Fit a shop's purchase likelihood after a promotion, in one function or in shards."""

import os
from datetime import UTC, datetime
from typing import Any

# A function has one processor, so threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.likelihood import fit
from personalization.likelihood.fit import FitRequest, Fitted, Job
from personalization.likelihood.sharded.steps import ShardRequest, Steps
from personalization.releases.report import Report
from personalization.shop.plan import Part

LOG = observability.logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Fit, store what serves, report, and take a snapshot of the ranking campaign's scores; or take a step of that.

    Args:
        event: `{step: fit, shop, run}`, or a `ShardRequest`.

    Returns:
        `{outcome, reason, report, method}`, or a step's `{outcome: planned, ranges, shards}` or `{outcome: done}`.
    """
    aws = fit.Clients(clients.s3(), clients.dynamodb(), clients.runtime())
    environment, now = Environment(), datetime.now(UTC)
    request = FitRequest.read(event) if event["step"] == "fit" else ShardRequest.read(event)
    done: Part
    if isinstance(request, FitRequest):
        done = fit.fit(aws, request, environment, now)
    else:
        done = Steps(Job(aws, request, environment, now)).run(request)
    if isinstance(done, Fitted):
        if done.report:
            # The release's page exists already, in the same folder.
            run = done.report.split("/")[-2]
            Report(aws.s3, environment.bucket, request.shop, run).link("likelihood.html")
        if done.outcome == "leftOut":
            observability.count(environment.namespace, "LikelihoodsLeftOut", 1)
        LOG.info("Likelihood fitted", shop=request.shop, run=request.run, outcome=done.outcome, reason=done.reason)
    return done.as_json()
