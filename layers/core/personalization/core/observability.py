# SPDX-License-Identifier: Apache-2.0
"""Log lines and metrics: constant messages with keys, one JSON object a line, no ids of users and no bodies.

The functions of the pipeline use Powertools' Logger and Metrics. The functions behind the API answer users, so
they write one line of CloudWatch's embedded metric format a call themselves (`emf`): it costs a few microseconds and
no import.
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

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
"""Every metric that the code writes: its unit, and the sets of dimensions that CloudWatch keeps it by.

`service` is the stack. No dimension takes a value that a caller makes up: each value is a metric of its own, with a
price. docs/operations.md says what they mean, and the template's dashboard shows them all.
"""


def logger() -> "Logger":
    """Powertools' structured logger; the service and the level come from POWERTOOLS_SERVICE_NAME and …_LOG_LEVEL."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - the API functions never pay for it

    return Logger()


def count(namespace: str, name: str, value: float) -> None:
    """One metric of one business fact, in a CloudWatch namespace; one of METRICS, by the service alone."""
    from aws_lambda_powertools import single_metric  # noqa: PLC0415 - the API functions never pay for it
    from aws_lambda_powertools.metrics import MetricUnit  # noqa: PLC0415

    with single_metric(name=name, unit=MetricUnit(METRICS[name][0]), value=value, namespace=namespace):
        pass


def emf(namespace: str, metrics: Mapping[str, float], timestamp: int, **keys: object) -> str:
    """One log line that is also metrics.

    Args:
        namespace: CloudWatch namespace.
        metrics: values by name; each name is one of METRICS.
        timestamp: the time of them, in epoch milliseconds.
        keys: the values of their dimensions, and further ones to search for.
    """
    directives = _directives(namespace, tuple(metrics))
    told = json.dumps({**metrics, **keys}, separators=(",", ":"))
    return f'{{"_aws":{{"Timestamp":{timestamp},"CloudWatchMetrics":{directives}}},{told[1:]}'


@cache
def _directives(namespace: str, names: tuple[str, ...]) -> str:
    """What CloudWatch makes of the metrics, as JSON."""
    made = [
        {"Namespace": namespace, "Dimensions": METRICS[name][1], "Metrics": [{"Name": name, "Unit": METRICS[name][0]}]}
        for name in names
    ]
    return json.dumps(made, separators=(",", ":"))


def write(line: str) -> None:
    """Put one line on standard output, which Lambda ships to CloudWatch Logs."""
    sys.stdout.write(line + "\n")
