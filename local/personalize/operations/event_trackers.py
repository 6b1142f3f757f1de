# SPDX-License-Identifier: Apache-2.0
"""Event trackers: one per dataset group; its tracking id is what PutEvents names."""

import secrets
import uuid

from local.personalize.engine import Engine, operation, require_active
from local.personalize.errors import ResourceAlreadyExists
from local.personalize.operations.common import deletes, describes, lists, tags_of
from local.personalize.resources import DATASET_GROUP, EVENT_TRACKER, Call
from local.personalize.wire import Json


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
