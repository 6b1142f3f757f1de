# SPDX-License-Identifier: Apache-2.0
"""A shop's metric attribution: made, and brought to what the settings say."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from table_intake import DataKind
from table_intake.columns.schema import Schema
from table_intake.wording import Text

from personalization.core.aws.errors import code
from personalization.core.aws.pagination import paginate
from personalization.core.errors import PersonalizationError, Rejected
from personalization.core.names import Names
from personalization.core.status import UPDATED, Progress, progress
from personalization.personalize import ensure, schemas
from personalization.shop.plan import MetricAttributionPart, Plan, Step
from personalization.shop.settings.attribution import AttributedMetric
from personalization.shop.settings.settings_errors import at

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize.type_defs import MetricAttributionSummaryTypeDef


def ensure_metric_attribution(
    client: "PersonalizeClient", plan: Plan, wanted: MetricAttributionPart, role_arn: str
) -> Step:
    """Ensure the dataset group's only metric attribution, with the wanted metrics and no others.

    Raises:
        Rejected: the group has one of another name, which somebody made by hand.
    """
    group = plan.dataset_group.arn
    existing = _find(client, group)
    if existing is None:
        try:
            made = client.create_metric_attribution(
                name=wanted.name,
                datasetGroupArn=group,
                metrics=_sent(wanted),
                metricsOutputConfig={"roleArn": role_arn},
            )
            return Step(arn=made["metricAttributionArn"], status=ensure.CREATED)
        except PersonalizationError as error:
            existing = _find(client, group) if code(error) == "ResourceAlreadyExistsException" else None
            if existing is None:
                raise
    arn = existing["metricAttributionArn"]
    if existing["name"] != wanted.name:
        text = (
            "Personalize has one metric attribution for a shop, and {name} was not made by these settings: leave "
            "metric_attribution out, or delete that one (aws personalize delete-metric-attribution "
            "--metric-attribution-arn {arn})"
        )
        raise Rejected(plan.shop, Text("attribution.other", text, name=existing["name"], arn=arn))
    step = ensure.usable(arn, existing["status"], lambda: client.delete_metric_attribution(metricAttributionArn=arn))
    if progress(step.status) is Progress.UNDER_WAY:
        return step
    metrics = _sent(wanted)
    before = {metric["metricName"]: metric for metric in _metrics(client, arn)}
    added = [metric for metric in metrics if before.get(metric["metricName"]) != metric]
    unchanged = {metric["metricName"] for metric in metrics if metric not in added}
    removed = sorted(before.keys() - unchanged)
    if not added and not removed:
        return step
    changes: dict[str, Any] = {"addMetrics": added} if added else {}
    client.update_metric_attribution(metricAttributionArn=arn, removeMetrics=removed, **changes)
    return Step(arn=arn, status=UPDATED)


def check(client: "PersonalizeClient", names: Names, plan: Plan, metrics: Mapping[str, AttributedMetric]) -> None:
    """Check that the columns that metrics add up are there and have numbers, before interactions are imported.

    Raises:
        Rejected: Personalize would refuse a metric.
    """
    interactions = schemas.read(plan.schema_.arn, "interactions", plan.schema_.text)
    schemas_by_kind: dict[DataKind, Schema | None] = {"interactions": interactions}
    problems: list[Text] = []
    for name, metric in metrics.items():
        if metric.column is None:
            continue
        kind: DataKind = "items" if metric.column[0] == "items" else "interactions"
        if kind not in schemas_by_kind:
            schemas_by_kind[kind] = ensure.dataset_schema(client, kind, names.dataset(plan.shop, kind).arn)
        schema = schemas_by_kind[kind]
        numbers = [column.name for column in schema.columns if column.numeric] if schema else []
        if metric.column[1] not in numbers:
            text = "adds up {column} of {kind}, whose columns of numbers are: {names}. Drop {kind} with it first"
            values = {"column": metric.column[1], "kind": kind, "names": ", ".join(numbers) or "-"}
            problems.append(at(f"metric_attribution.{name}", Text("attribution.column", text, **values)))
    if problems:
        raise Rejected(plan.shop, Text.joined("; ", problems))


def _sent(wanted: MetricAttributionPart) -> Any:  # noqa: ANN401 - as the API's stubs have it
    return [dict(metric) for metric in wanted.metrics]


def _find(client: "PersonalizeClient", group_arn: str) -> "MetricAttributionSummaryTypeDef | None":
    listed = paginate(client.list_metric_attributions, "metricAttributions", datasetGroupArn=group_arn)
    return next(listed, None)


def _metrics(client: "PersonalizeClient", arn: str) -> list[dict[str, str]]:
    pages = paginate(client.list_metric_attribution_metrics, "metrics", metricAttributionArn=arn)
    return [{name: metric[name] for name in ("metricName", "eventType", "expression")} for metric in pages]
