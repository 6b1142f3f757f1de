# SPDX-License-Identifier: Apache-2.0
"""Event trackers: one per dataset group; its tracking id is what PutEvents names."""

import secrets
import uuid

from personalize_local.engine import Engine, operation, require_active
from personalize_local.operations.common import deletes, describes, lists, tags_of
from personalize_local.resources.registry import DATASET_GROUP, EVENT_TRACKER, Call
from personalize_local.wire.errors import ResourceAlreadyExists
from personalize_local.wire.protocol import Json


@operation("CreateEventTracker")
def create_event_tracker(engine: Engine, call: Call, request: Json) -> Json:
    """Make the one event tracker of a dataset group."""
    group = require_active(engine.registry.get(DATASET_GROUP, request["datasetGroupArn"]))
    tags = tags_of(request)
    for tracker in engine.registry.find(EVENT_TRACKER, datasetGroupArn=group.arn):
        raise ResourceAlreadyExists(f"Another resource with Arn {tracker.arn} already exists: a dataset group has one.")
    arn, tracking_id = call.arn(EVENT_TRACKER, secrets.token_hex(4)), str(uuid.uuid4())
    body = request | {"accountId": call.account, "trackingId": tracking_id, "tags": tags}
    engine.create(call, EVENT_TRACKER, arn, body)
    return {"eventTrackerArn": arn, "trackingId": tracking_id}


describes(EVENT_TRACKER)
lists(EVENT_TRACKER)
deletes(EVENT_TRACKER)
