# SPDX-License-Identifier: Apache-2.0
"""Dataset groups, which own every other resource but schemas."""

import shutil
from collections.abc import Iterator

from personalize_local.engine import Call, Engine, Json, Resource, operation, work
from personalize_local.operations.common import deletes, limit, tags_of
from personalize_local.resources import kinds
from personalize_local.serving import actions_of
from personalize_local.wire.errors import InvalidInput


@operation("CreateDatasetGroup")
def create_dataset_group(engine: Engine, call: Call, request: Json) -> Json:
    if "kmsKeyArn" in request and "roleArn" not in request:
        raise InvalidInput("A kmsKeyArn needs a roleArn that may use it.")
    tags = tags_of(request)
    present = engine.registry.find(kinds.DATASET_GROUP, call.prefix)
    limit(present, engine.quotas.dataset_groups, "dataset groups in this region")
    created = engine.create(call, kinds.DATASET_GROUP, request["name"], request | {"tags": tags})
    return created | {"domain": request.get("domain")}


def _members(engine: Engine, group: Resource) -> Iterator[Resource]:
    for kind in (kinds.DATASET, kinds.EVENT_TRACKER, kinds.SOLUTION, kinds.RECOMMENDER):
        yield from engine.registry.find(kind, datasetGroupArn=group.arn)


@work(kinds.DATASET_GROUP, kinds.DELETE)
async def remove_dataset_group(engine: Engine, group: Resource) -> None:
    """Remove filters, metric attribution, deletion jobs and live data too."""
    for kind in (kinds.FILTER, kinds.METRIC_ATTRIBUTION, kinds.DATA_DELETION_JOB):
        engine.registry.remove(*engine.registry.find(kind, datasetGroupArn=group.arn))
    for name in (group.arn, actions_of(group.arn)):
        engine.serving.forget(name)
        shutil.rmtree(engine.store.folder(name), ignore_errors=True)


deletes(kinds.DATASET_GROUP, _members)
