# SPDX-License-Identifier: Apache-2.0
"""Log lines and metrics: constant messages with keys, one JSON object a line, no ids of users and no bodies.

The functions of the pipeline use Powertools' Logger and Metrics. The functions behind the API answer shoppers, so
they write one line of CloudWatch's embedded metric format a call themselves (`emf`): it costs a few microseconds and
no import.
"""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger


def logger() -> "Logger":
    """Powertools' structured logger; the service and the level come from POWERTOOLS_SERVICE_NAME and …_LOG_LEVEL."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - the API functions never pay for it

    return Logger()


def count(namespace: str, name: str, value: float) -> None:
    """One metric of one business fact, in a CloudWatch namespace."""
    from aws_lambda_powertools import single_metric  # noqa: PLC0415 - the API functions never pay for it
    from aws_lambda_powertools.metrics import MetricUnit  # noqa: PLC0415

    with single_metric(name=name, unit=MetricUnit.Count, value=value, namespace=namespace):
        pass


def emf(
    namespace: str,
    dimensions: Mapping[str, str],
    metrics: Mapping[str, float],
    unit: str = "Milliseconds",
    **keys: object,
) -> str:
    """One log line that is also metrics: values by name, under `dimensions`, with further `keys` to search for.

    Args:
        namespace: CloudWatch namespace.
        dimensions: names and values of the only dimension set.
        metrics: values by name; `timestamp` among `keys` is the time of them in epoch milliseconds.
        unit: CloudWatch's, of all of them.
    """
    definition = {
        "Namespace": namespace,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": unit} for name in metrics],
    }
    directive = {"Timestamp": keys.pop("timestamp", 0), "CloudWatchMetrics": [definition]}
    return json.dumps({"_aws": directive, **dimensions, **metrics, **keys}, separators=(",", ":"))


def write(line: str) -> None:
    """Put one line on standard output, which Lambda ships to CloudWatch Logs."""
    sys.stdout.write(line + "\n")
