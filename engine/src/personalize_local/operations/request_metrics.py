# SPDX-License-Identifier: Apache-2.0
"""Metrics of campaigns and recommenders, every minute, to a CloudWatch that the environment names.

Names and dimensions are those of the guide's "CloudWatch metrics for Amazon Personalize".
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from personalize_local.engine import Engine
from personalize_local.jobs.pool import Claim
from personalize_local.jobs.work import run_metrics
from personalize_local.operations.attribution_reports import reaches_cloudwatch
from personalize_local.resources.meter import Tally
from personalize_local.wire.errors import WorkerLost
from personalize_local.wire.protocol import Json

LOGGER: Final = logging.getLogger("personalize")


async def publish_requests(engine: Engine) -> None:
    """Publish what was asked since the last time, once: a CloudWatch that can't be reached misses it."""
    tallies = engine.meter.read()
    if not reaches_cloudwatch():
        return
    regions: dict[str, list[Json]] = defaultdict(list)
    for (operation, dimension, arn), tally in tallies.items():
        common = {"Dimensions": [{"Name": dimension, "Value": arn}], "Timestamp": int(engine.clock.now())}
        regions[arn.split(":")[3]] += [common | datum for datum in _data(operation, tally)]
    for region, data in regions.items():
        try:
            await engine.workers.run(Claim.of_rows(0), run_metrics, region, data)
        except WorkerLost as error:
            LOGGER.warning("CloudWatch gets no metrics of requests: %s", error)


def _data(operation: str, tally: Tally) -> Iterator[Json]:
    for name, count in (("", tally.answered), ("4xxErrors", tally.refused), ("5xxErrors", tally.failed)):
        if count:
            yield {"MetricName": f"{operation}{name}", "Value": float(count), "Unit": "Count"}
    if tally.answered:
        statistics = {"SampleCount": float(tally.answered), "Sum": tally.total}
        statistics |= {"Minimum": tally.fastest, "Maximum": tally.slowest}
        yield {"MetricName": f"{operation}Latency", "StatisticValues": statistics, "Unit": "Milliseconds"}
