# SPDX-License-Identifier: Apache-2.0
"""Filters: expressions that decide which items an answer may contain."""

from collections.abc import Iterator
from functools import lru_cache

from personalize_local import filters
from personalize_local.data.schemas import Schema
from personalize_local.engine import Call, Engine, Json, Resource, operation
from personalize_local.filters import Filter
from personalize_local.operations.common import deletes, limit, tags_of
from personalize_local.operations.datasets import schemas_of
from personalize_local.resources import kinds
from personalize_local.wire.errors import InvalidInput, LimitExceeded, ResourceInUse


@operation("CreateFilter")
def create_filter(engine: Engine, call: Call, request: Json) -> Json:
    group = engine.registry.get(kinds.DATASET_GROUP, request["datasetGroupArn"])
    try:
        engine.usable(group)
    except ResourceInUse as pending:  # the model of this operation does not name it
        raise InvalidInput(pending.message) from None
    filters.check(filters.parse(request["filterExpression"]), schemas_of(engine, group.arn))
    tags = tags_of(request)
    present = list(engine.registry.find(kinds.FILTER, datasetGroupArn=group.arn))
    limit(present, engine.quotas.filters, "filters in this dataset group")
    most = engine.quotas.filter_columns
    every = map(
        filters.parse, [*(resource.body["filterExpression"] for resource in present), request["filterExpression"]]
    )
    if len({(kind, column.upper()) for parsed in every for kind, column in parsed.fields}) > most:
        raise LimitExceeded(f"The filters of a dataset group name at most {most} distinct columns.")
    return engine.create(call, kinds.FILTER, request["name"], request | {"tags": tags})


def filter_of(engine: Engine, arn: str, group: str) -> Filter:
    """Return the filter that a request for a dataset group names. Raises ResourceNotFound, InvalidInput."""
    resource = engine.registry.get(kinds.FILTER, arn)
    if resource.group != group:
        raise InvalidInput(f"{arn} belongs to another dataset group.")
    if not resource.active:
        raise InvalidInput(f"{arn} is in status {resource.status}: it must be ACTIVE.")
    return _parsed(resource.body["filterExpression"], tuple(schemas_of(engine, resource.group).items()))


@lru_cache(maxsize=256)
def _parsed(expression: str, schemas: tuple[tuple[str, Schema], ...]) -> Filter:
    return filters.check(filters.parse(expression), dict(schemas))


def _running_jobs(engine: Engine, resource: Resource) -> Iterator[Resource]:
    for kind in (kinds.BATCH_INFERENCE_JOB, kinds.BATCH_SEGMENT_JOB):
        yield from (job for job in engine.registry.find(kind, filterArn=resource.arn) if not job.settled)


deletes(kinds.FILTER, _running_jobs)
