# SPDX-License-Identifier: Apache-2.0
"""Fit a shop's purchase likelihood after a promotion."""

import os
from datetime import UTC, datetime
from typing import Any

# A function has one processor, so threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.likelihood import fit
from personalization.likelihood.fit import FitRequest
from personalization.releases.report import Report

LOG = observability.logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Fit, store what serves, report, and take a snapshot of the ranking campaign's scores.

    Args:
        event: `{step: fit, shop, run}`.

    Returns:
        `{outcome, reason, report, method}`.
    """
    request = FitRequest.read(event)
    aws = fit.Clients(clients.s3(), clients.dynamodb(), clients.runtime())
    environment = Environment()
    done = fit.fit(aws, request, environment, datetime.now(UTC))
    if done.report:
        # The release's page exists already.
        Report(aws.s3, environment.bucket, request.shop, request.run).link("likelihood.html")
    if done.outcome == "leftOut":
        observability.count(environment.namespace, "LikelihoodsLeftOut", 1)
    LOG.info("Likelihood fitted", shop=request.shop, run=request.run, outcome=done.outcome, reason=done.reason)
    return done.as_json()
