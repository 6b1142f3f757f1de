# SPDX-License-Identifier: Apache-2.0
"""Reports of metric attributions: what interactions add up to, by source and quarter of an hour (polars).

The columns and the file's name are those of "Publishing metric attribution reports to Amazon S3" in AWS's guide.
"""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from personalize_local.data import csv_dialect
from personalize_local.data.building import table
from personalize_local.data.frames import pl
from personalize_local.data.recommendation_ids import source_of
from personalize_local.data.s3 import deliver
from personalize_local.jobs.tasks import QUARTER, ReportTask
from personalize_local.resources.store import Reader, with_streamed
from personalize_local.wire.protocol import Json

UNDEFINED: Final = "SOURCE_NAME_UNDEFINED"
OLDEST: Final = 14 * 86_400
"""Seconds after which CloudWatch takes no interaction any more."""
NAMESPACE: Final = "AWS/Personalize"
_HEAD: Final = ("METRIC_NAME", "EVENT_TYPE", "VALUE", "MATH_FUNCTION", "EVENT_ATTRIBUTION_SOURCE", "TIMESTAMP")
_PUT: Final = 500
"""Most metrics of one call."""
LOGGER: Final = logging.getLogger("personalize")
Line = tuple[str, str, float, str, str, int]
"""The cells of a line, in the order of _HEAD."""


def report(task: ReportTask) -> int:
    rows = _attributed(_events(task) if task.rows is None else pl.read_parquet(task.rows), task.sources)
    items_only = {kind: arn for kind, arn in task.datasets.items() if kind == "ITEMS"}
    spec, _ = with_streamed(task.spec, task.database, items_only)
    items = table(spec.items, spec.items_schema, spec.put_items) if spec.items_schema else None
    lines = [line for metric in task.metrics for line in _sums(rows, items, metric, task.most_sources)]
    if task.target is not None:
        with tempfile.TemporaryDirectory(prefix="report-") as scratch:
            file = Path(scratch) / f"AggregatedAttributionMetrics - {task.method} - {task.timestamp}.csv"
            file.write_bytes("".join(csv_dialect.row(list(map(str, line))) for line in (_HEAD, *lines)).encode())
            deliver([file], task.target)
    if task.cloudwatch:
        put(task.cloudwatch, _data([line for line in lines if line[-1] > task.timestamp - OLDEST]))
    return len(lines)


def _events(task: ReportTask) -> pl.DataFrame:
    """Return streamed events with the columns of the Interactions schema that a metric may name."""
    after, last = task.events
    numeric = [field.name for field in task.spec.interactions_schema.fields if field.numeric]
    texts = ("ITEM_ID", "EVENT_TYPE", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE")
    columns = dict.fromkeys(texts, pl.String) | dict.fromkeys(numeric, pl.Float64) | {"TIMESTAMP": pl.Int64}
    with Reader(task.database) as reader:
        events = (event for number, event in reader.events(task.datasets["INTERACTIONS"], after) if number <= last)
        rows = [
            dict(event.properties)
            | {"ITEM_ID": event.item_id, "EVENT_TYPE": event.event_type, "EVENT_VALUE": event.event_value}
            | {"RECOMMENDATION_ID": event.recommendation_id, "TIMESTAMP": int(event.sent_at)}
            for event in events
        ]
    return pl.DataFrame(rows, columns, strict=False)


def _attributed(rows: pl.DataFrame, sources: Sequence[str]) -> pl.DataFrame:
    """Add each interaction's source: the one it names, else the one whose answer it names."""
    for name in ("EVENT_ATTRIBUTION_SOURCE", "RECOMMENDATION_ID"):
        if name not in rows.columns:
            rows = rows.with_columns(pl.lit(None, pl.String).alias(name))
    source_by_id = {null: source_of(null, sources) for null in rows["RECOMMENDATION_ID"].drop_nulls().unique()}
    answered = pl.col("RECOMMENDATION_ID").replace_strict(source_by_id, default=None, return_dtype=pl.String)
    source = pl.coalesce("EVENT_ATTRIBUTION_SOURCE", answered, pl.lit(UNDEFINED))
    return rows.with_columns(source.alias("EVENT_ATTRIBUTION_SOURCE"), __quarter=pl.col("TIMESTAMP") // QUARTER)


def _sums(rows: pl.DataFrame, items: pl.DataFrame | None, metric: tuple[str, str, str], most: int) -> list[Line]:
    """Return a line for each of `most` sources of the metric's events and each quarter of an hour."""
    name, event_type, expression = metric
    of_type = rows.filter(pl.col("EVENT_TYPE").str.to_lowercase() == event_type.lower())
    function, _, operand = expression.rstrip(")").partition("(")
    dataset, _, column = operand.partition(".")
    value = pl.len().cast(pl.Float64)
    if function.upper() == "SUM":
        if dataset.upper() == "ITEMS" and items is not None:
            of_type = of_type.join(items.select(ITEM_ID="id", __value=column), on="ITEM_ID", how="left")
        else:
            of_type = of_type.with_columns(pl.col(column).alias("__value"))
        value = pl.col("__value").cast(pl.Float64).sum()
    first_sources = of_type["EVENT_ATTRIBUTION_SOURCE"].unique().sort().head(most)
    keys = ("EVENT_ATTRIBUTION_SOURCE", "__quarter")
    sums = (
        of_type.filter(pl.col(keys[0]).is_in(first_sources.implode())).group_by(keys).agg(value.alias("sum")).sort(keys)
    )
    return [
        (name, event_type, total, function.lower(), source, quarter * QUARTER)
        for source, quarter, total in sums.iter_rows()
    ]


def _data(lines: Sequence[Line]) -> list[Json]:
    """Return lines of a report as CloudWatch takes them."""
    return [
        {
            "MetricName": name,
            "Dimensions": [
                {"Name": "EVENT_TYPE", "Value": kind},
                {"Name": "EVENT_ATTRIBUTION_SOURCE", "Value": source},
            ],
            "Timestamp": quarter,
            "Value": value,
        }
        for name, kind, value, _, source, quarter in lines
    ]


def put(region: str, data: Sequence[Json]) -> None:
    """Put metrics, once: a CloudWatch that can't be reached misses them."""
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        client = boto3.client("cloudwatch", region_name=region)
        for first in range(0, len(data), _PUT):
            client.put_metric_data(Namespace=NAMESPACE, MetricData=data[first : first + _PUT])
    except (BotoCoreError, ClientError) as error:
        LOGGER.warning("CloudWatch takes no metrics: %s", error)
