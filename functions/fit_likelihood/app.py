# SPDX-License-Identifier: Apache-2.0
"""Fits a shop's purchase likelihood after a promotion."""

import os
from datetime import UTC, datetime
from typing import Any

# A function has one processor; threads that wait for each other would only cost.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from personalization import observability
from personalization.aws import clients, fitting
from personalization.environment import Environment
from personalization.likelihood.fits import FitRequest

LOG = observability.logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Fit, store what serves, report, and take a snapshot of the ranking campaign's scores.

    Args:
        event: `{step: fit, shop, run}`.
        _context: Lambda's.

    Returns:
        `{outcome, reason, report, method}`.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: as `personalization.aws.failures` says.
    """
    request = FitRequest.read(event)
    aws = fitting.Clients(clients.s3(), clients.dynamodb(), clients.runtime())
    environment = Environment()
    done = fitting.fit(aws, request, environment, datetime.now(UTC))
    if done.outcome == "leftOut":
        observability.count(environment.namespace, "LikelihoodsLeftOut", 1)
    LOG.info("Likelihood fitted", shop=request.shop, run=request.run, outcome=done.outcome, reason=done.reason)
    return done.as_json()
