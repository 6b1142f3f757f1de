# SPDX-License-Identifier: Apache-2.0
"""Log lines and metrics: constant messages with keys, one JSON object a line, without ids of users and bodies.

The pipeline's functions use Powertools' Logger and Metrics. The functions behind the API write one line of CloudWatch's
embedded metric format per call themselves (`emf`): it costs a few microseconds and no import.
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

_encode = json.JSONEncoder(separators=(",", ":")).encode
Count = tuple[Mapping[str, float], Mapping[str, str]]
"""Values by metric, and their dimensions except the service."""
_OF_A_LIST = (("service", "shop", "source"), ("service", "shop", "list"))
_OF_EVENTS = ("service", "shop", "eventType")

METRICS: Mapping[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "AnswerTime": ("Milliseconds", (("service", "route"),)),
    "FailedAnswers": ("Count", (("service",),)),
    "AuthorizeTime": ("Milliseconds", (("service", "outcome"),)),
    "Lists": ("Count", _OF_A_LIST),
    "DegradedAnswers": ("Count", (("service",), *_OF_A_LIST[:1])),
    "Events": ("Count", (("service",), _OF_EVENTS)),
    "AttributedEvents": ("Count", (_OF_EVENTS,)),
    "DeliveredEvents": ("Count", (("service",),)),
    "BuriedEvents": ("Count", (("service",),)),
    "UncopiedEvents": ("Count", (("service",),)),
    "RowsAccepted": ("Count", (("service",),)),
    "RowsRejected": ("Count", (("service",),)),
    "RejectsAboveLimit": ("Count", (("service",),)),
    "DaysSincePromotion": ("Count", (("service",),)),
    "FailedErasures": ("Count", (("service",),)),
    "LikelihoodsLeftOut": ("Count", (("service",),)),
}
"""Every metric with its unit and its sets of dimensions in CloudWatch.

`service` is the stack. No dimension has values from callers: each value is a metric of its own, with a price.
docs/operations/watch.md explains the metrics, and the template's dashboard shows them all.
"""


def logger() -> "Logger":
    """Return Powertools' structured logger; POWERTOOLS_SERVICE_NAME and …_LOG_LEVEL set the service and the level."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - the API functions never pay for it

    return Logger()


def count(namespace: str, name: str, value: float) -> None:
    """Write one metric of METRICS for one business fact, by the service alone."""
    from aws_lambda_powertools import single_metric  # noqa: PLC0415 - the API functions never pay for it
    from aws_lambda_powertools.metrics import MetricUnit  # noqa: PLC0415

    with single_metric(name=name, unit=MetricUnit(METRICS[name][0]), value=value, namespace=namespace):
        pass


def emf(namespace: str, metrics: Mapping[str, float], timestamp: int, **keys: object) -> str:
    """Return one log line with embedded metrics.

    Args:
        namespace: CloudWatch namespace.
        metrics: values by name; each name is one of METRICS.
        timestamp: in epoch milliseconds.
        keys: the values of their dimensions, and further ones to search for.
    """
    directives = _directives(namespace, tuple(metrics))
    values = _encode({**metrics, **keys})
    return f'{{"_aws":{{"Timestamp":{timestamp},"CloudWatchMetrics":{directives}}},{values[1:]}'


@cache
def _directives(namespace: str, names: tuple[str, ...]) -> str:
    """Return CloudWatch's metric directives as JSON."""
    made = [
        {"Namespace": namespace, "Dimensions": METRICS[name][1], "Metrics": [{"Name": name, "Unit": METRICS[name][0]}]}
        for name in names
    ]
    return _encode(made)


def write(line: str) -> None:
    """Write one line to standard output, which Lambda ships to CloudWatch Logs."""
    sys.stdout.write(line + "\n")
