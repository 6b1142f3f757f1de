# SPDX-License-Identifier: Apache-2.0
"""Metric attributions: which sums of events are reported."""

import re
from collections.abc import Sequence
from typing import Final

from personalize_local.data.schemas import Schema
from personalize_local.engine import Call, Engine, Json, Resource, operation, require_settled, work
from personalize_local.jobs.tasks import QUARTER
from personalize_local.operations.common import deletes, page
from personalize_local.operations.datasets import datasets_of, schemas_of
from personalize_local.resources import kinds
from personalize_local.wire.errors import InvalidInput, ResourceAlreadyExists

_EXPRESSION: Final = re.compile(r"(?i:SAMPLECOUNT\(\)|SUM\((Items|Interactions)\.(\w+)\))")


@operation("CreateMetricAttribution")
def create_metric_attribution(engine: Engine, call: Call, request: Json) -> Json:
    group = engine.usable(engine.registry.get(kinds.DATASET_GROUP, request["datasetGroupArn"]))
    metrics = _checked(engine, group.arn, request["metrics"])
    for other in engine.registry.find(kinds.METRIC_ATTRIBUTION, datasetGroupArn=group.arn):
        raise ResourceAlreadyExists(f"Another resource with Arn {other.arn} already exists: a dataset group has one.")
    # Earlier events are not reported.
    reported = {"reported": engine.store.last_event(datasets_of(engine, group.arn)["INTERACTIONS"].arn)}
    body = request | {"metrics": metrics, "reportAfter": call.now + QUARTER} | reported
    return engine.create(call, kinds.METRIC_ATTRIBUTION, request["name"], body)


@operation("UpdateMetricAttribution")
def update_metric_attribution(engine: Engine, call: Call, request: Json) -> Json:
    if "metricAttributionArn" not in request:
        raise InvalidInput("metricAttributionArn is required.")
    attribution = engine.registry.get(kinds.METRIC_ATTRIBUTION, request["metricAttributionArn"])
    present, gone = attribution.body["metrics"], set(request.get("removeMetrics", []))
    names = {metric["metricName"] for metric in present}
    if missing := gone - names:
        raise InvalidInput(f"{attribution.arn} has no metric named {', '.join(sorted(missing))}.")
    for metric in request.get("addMetrics", []):
        if metric["metricName"] in names - gone:
            raise ResourceAlreadyExists(f"{attribution.arn} has a metric named {metric['metricName']} already.")
    remaining = [metric for metric in present if metric["metricName"] not in gone]
    metrics = _checked(engine, attribution.group, [*remaining, *request.get("addMetrics", [])])
    require_settled(attribution)
    output = request.get("metricsOutputConfig", attribution.body["metricsOutputConfig"])
    return engine.lifecycle.update(attribution, {"metrics": metrics, "metricsOutputConfig": output}, call.now)


@work(kinds.METRIC_ATTRIBUTION, kinds.UPDATE)
async def change_metrics(_engine: Engine, attribution: Resource) -> None:
    update = attribution.body["latestUpdate"]
    attribution.body |= {name: update[name] for name in ("metrics", "metricsOutputConfig")}


@operation("ListMetricAttributionMetrics")
def list_metrics(engine: Engine, call: Call, request: Json) -> Json:
    if "metricAttributionArn" not in request:
        raise InvalidInput("metricAttributionArn is required.")
    arn = request["metricAttributionArn"]
    if not (
        attributions := list(engine.registry.find(kinds.METRIC_ATTRIBUTION, call.prefix, metricAttributionArn=arn))
    ):
        raise InvalidInput(f"Resource Arn {arn} does not exist.")
    return page("metrics", list(enumerate(attributions[0].body["metrics"])), request, f"metrics {arn}")


def _checked(engine: Engine, group: str, metrics: Sequence[Json]) -> list[Json]:
    """Check metrics against the schemas. Raises InvalidInput."""
    schemas = schemas_of(engine, group)
    events = schemas.get("INTERACTIONS")
    if events is None or events.find("EVENT_TYPE") is None:
        raise InvalidInput(f"{group} needs an Interactions dataset with EVENT_TYPE for a metric attribution.")
    if not 1 <= len(metrics) <= engine.quotas.metrics:
        raise InvalidInput(f"A metric attribution has from 1 to {engine.quotas.metrics} metrics, not {len(metrics)}.")
    if len({metric["metricName"] for metric in metrics}) < len(metrics):
        raise InvalidInput("The metrics of a metric attribution have different names.")
    return [metric | {"expression": _expression(metric["expression"], schemas)} for metric in metrics]


def _expression(text: str, schemas: dict[str, Schema]) -> str:
    """Return an expression with its column spelled as in the schema. Raises InvalidInput."""
    match = _EXPRESSION.fullmatch(text.replace(" ", ""))
    if match is None:
        raise InvalidInput(f"The expression of a metric is SAMPLECOUNT() or SUM(Items.COLUMN), not {text}.")
    if match[1] is None:
        return "SAMPLECOUNT()"
    schema = schemas.get(match[1].upper())
    field = schema.find(match[2]) if schema else None
    if field is None or not field.numeric:
        raise InvalidInput(f"{match[1]} has no numeric column {match[2]}.")
    return f"SUM({match[1].capitalize()}.{field.name})"


def attribution_of(engine: Engine, group: str) -> Resource | None:
    """Return the ACTIVE metric attribution of a dataset group, if there is one."""
    attributions = engine.registry.find(kinds.METRIC_ATTRIBUTION, datasetGroupArn=group)
    return next((attribution for attribution in attributions if attribution.active), None)


deletes(kinds.METRIC_ATTRIBUTION)
