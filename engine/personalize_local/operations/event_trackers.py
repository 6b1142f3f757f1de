# SPDX-License-Identifier: Apache-2.0
"""Event trackers: one per dataset group; its tracking id is what PutEvents names."""

import secrets
import uuid

from personalize_local.engine import Engine, operation, require_active
from personalize_local.operations.common import deletes, tags_of
from personalize_local.resources import kinds
from personalize_local.resources.kinds import Call
from personalize_local.wire.errors import ResourceAlreadyExists
from personalize_local.wire.protocol import Json


@operation("CreateEventTracker")
def create_event_tracker(engine: Engine, call: Call, request: Json) -> Json:
    group = require_active(engine.registry.get(kinds.DATASET_GROUP, request["datasetGroupArn"]))
    tags = tags_of(request)
    for tracker in engine.registry.find(kinds.EVENT_TRACKER, datasetGroupArn=group.arn):
        raise ResourceAlreadyExists(f"Another resource with Arn {tracker.arn} already exists: a dataset group has one.")
    tracking = {"trackingId": str(uuid.uuid4())}
    body = request | tracking | {"accountId": call.account, "tags": tags}
    return engine.create(call, kinds.EVENT_TRACKER, secrets.token_hex(4), body) | tracking


deletes(kinds.EVENT_TRACKER)
