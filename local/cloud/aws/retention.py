# SPDX-License-Identifier: Apache-2.0
"""How much of the past the local AWS keeps, so that its memory does not grow with every request.

ministack keeps the log lines and the metrics of every invocation, and the history of every execution, for good.
"""

import time
from typing import Any, Final

from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc, stepfunctions

from local.cloud.aws.patching import Function, Json, wrapping

INVOCATIONS: Final = 1000
"""The newest invocations of a log group whose lines are kept; ministack writes a stream for each."""
POINTS: Final = 10_000
"""The newest points of a metric that are kept."""
EXECUTIONS: Final = 1000
"""The newest executions that are kept, beside those that run; AWS keeps each for 90 days."""
RECENT: Final = 100
"""The newest of them, which somebody may be reading."""
MINUTE: Final = 60


def install() -> None:
    """Drop the oldest lines, points and executions as new ones come."""

    @wrapping(lambda_svc, "_emit_lambda_logs")
    def emitted(stock: Function, function: Json, *more: object, **named: object) -> None:
        stock(function, *more, **named)
        config = function.get("config") or function
        name = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        streams = (cloudwatch_logs._log_groups.get(name) or {}).get("streams", {})
        for oldest in tuple(streams)[: max(len(streams) - INVOCATIONS, 0)]:
            streams.pop(oldest, None)  # other threads do the same

    @wrapping(stepfunctions, "_emit_execution_status_event")
    def forget(stock: Function, execution: Json) -> None:
        stock(execution)
        executions = stepfunctions._executions
        if len(executions) > EXECUTIONS:
            ended = [
                (arn, execution) for arn, execution in tuple(executions.items()) if execution["status"] != "RUNNING"
            ]
            # What another execution waited for goes first, since a run has many of those; not what just ended.
            waited_for = dict.fromkeys(arn for arn, execution in ended[:-RECENT] if execution.get("sync"))
            arns = [*waited_for, *(arn for arn, _ in ended if arn not in waited_for)]
            for arn in arns[: max(len(executions) - EXECUTIONS, 0)]:
                executions.pop(arn, None)

    cloudwatch.record_metric = record_metric


def record_metric(namespace: str, name: str, value: float, unit: str = "None", dimensions: Any = None) -> None:  # noqa: ANN401
    """Record a value of a metric; equal ones of the same minute are one point with a count, as CloudWatch has them."""
    wanted = dict(dimensions or {})
    points = cloudwatch._metric_bucket((namespace, name, cloudwatch._dims_key(wanted)))
    now, last = time.time(), points[-1] if points else None
    if last and last["Value"] == float(value) and last["Timestamp"] // MINUTE == now // MINUTE:
        last["Count"] = last.get("Count", 1.0) + 1
        return
    points.append({"Timestamp": now, "Value": float(value), "Unit": unit, "Dimensions": wanted})
    del points[: max(len(points) - POINTS, 0)]
