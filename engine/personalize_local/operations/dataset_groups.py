# SPDX-License-Identifier: Apache-2.0
"""Dataset groups: what everything else belongs to."""

import shutil
from collections.abc import Iterator

from personalize_local.engine import Engine, operation, work
from personalize_local.operations.common import deletes, describes, limit, lists, tags_of
from personalize_local.resources.registry import (
    DATA_DELETION_JOB,
    DATASET,
    DATASET_GROUP,
    DELETE,
    EVENT_TRACKER,
    FILTER,
    METRIC_ATTRIBUTION,
    RECOMMENDER,
    SOLUTION,
    Call,
    Resource,
)
from personalize_local.serving import actions_of
from personalize_local.wire.errors import InvalidInput
from personalize_local.wire.protocol import Json


@operation("CreateDatasetGroup")
def create_dataset_group(engine: Engine, call: Call, request: Json) -> Json:
    """Make a dataset group, for a domain or for custom recipes only."""
    if "kmsKeyArn" in request and "roleArn" not in request:
        raise InvalidInput("A kmsKeyArn needs a roleArn that may use it.")
    tags = tags_of(request)
    limit(
        engine.registry.find(DATASET_GROUP, call.prefix),
        engine.options.dataset_groups,
        "More than {most} dataset groups in this region. Delete some and try again.",
    )
    arn = call.arn(DATASET_GROUP, request["name"])
    engine.create(call, DATASET_GROUP, arn, request | {"tags": tags, "datasetGroupArn": arn})
    return {"datasetGroupArn": arn, "domain": request.get("domain")}


def _members(engine: Engine, group: Resource) -> Iterator[Resource]:
    for kind in (DATASET, EVENT_TRACKER, SOLUTION, RECOMMENDER):
        found = engine.registry.find(kind, datasetGroupArn=group.arn)
        # Many clients do not wait for the end of a tracker's deletion.
        ignored = kind is EVENT_TRACKER and not engine.options.strict
        yield from (each for each in found if not (ignored and each.deleting))


@work(DATASET_GROUP, DELETE)
async def remove_dataset_group(engine: Engine, group: Resource) -> None:
    """Take filters, metric attribution, deletion jobs, a tracker on its way out and live data with it."""
    for kind in (FILTER, METRIC_ATTRIBUTION, DATA_DELETION_JOB, EVENT_TRACKER):
        engine.registry.remove(*engine.registry.find(kind, datasetGroupArn=group.arn))
    for name in (group.arn, actions_of(group.arn)):
        engine.serving.forget(name)
        shutil.rmtree(engine.store.folder(name), ignore_errors=True)


describes(DATASET_GROUP)
lists(DATASET_GROUP)
deletes(DATASET_GROUP, _members)
