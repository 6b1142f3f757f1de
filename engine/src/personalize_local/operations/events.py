# SPDX-License-Identifier: Apache-2.0
"""Event trackers, and what is streamed: PutEvents, PutUsers, PutItems, PutActions and PutActionInteractions.

Records are on disk before they are acknowledged, and in the very next answer.
"""

import json
import logging
import secrets
import uuid
from dataclasses import replace
from typing import Final

from personalize_local.data import properties
from personalize_local.data.records import PutRecord, StreamedEvent
from personalize_local.data.schemas import Schema
from personalize_local.engine import Call, Engine, Json, Resource, operation
from personalize_local.operations.common import deletes, tags_of
from personalize_local.operations.datasets import datasets_of, schema_of
from personalize_local.resources import kinds
from personalize_local.serving import actions_of
from personalize_local.wire.errors import InvalidInput, ResourceAlreadyExists, ResourceInUse, ResourceNotFound
from personalize_local.wire.protocol import load_json

_ACTION_EVENTS: Final = frozenset({"TAKEN", "NOT_TAKEN", "VIEWED"})
LOGGER: Final = logging.getLogger("personalize")


@operation("CreateEventTracker")
def create_event_tracker(engine: Engine, call: Call, request: Json) -> Json:
    group = engine.usable(engine.registry.get(kinds.DATASET_GROUP, request["datasetGroupArn"]))
    tags = tags_of(request)
    for tracker in engine.registry.find(kinds.EVENT_TRACKER, datasetGroupArn=group.arn):
        raise ResourceAlreadyExists(f"Another resource with Arn {tracker.arn} already exists: a dataset group has one.")
    tracking = {"trackingId": str(uuid.uuid4())}
    body = request | tracking | {"accountId": call.account, "tags": tags}
    return engine.create(call, kinds.EVENT_TRACKER, secrets.token_hex(4), body) | tracking


deletes(kinds.EVENT_TRACKER)


def _members(text: str | None) -> Json:
    """Return the object in the string. Raises InvalidInput."""
    try:
        document = load_json(text or "{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InvalidInput("Error parsing properties json: it must be one JSON object in a string.")
    return document


@operation("PutEvents")
async def put_events(engine: Engine, call: Call, request: Json) -> None:
    tracker = next(engine.registry.find(kinds.EVENT_TRACKER, call.prefix, trackingId=request["trackingId"]), None)
    if tracker is None or not tracker.active:
        raise InvalidInput(f"No ACTIVE event tracker has the trackingId {request['trackingId']}.")
    dataset = datasets_of(engine, tracker.group).get("INTERACTIONS")
    if dataset is None or not dataset.active:
        raise InvalidInput("Events need an ACTIVE Interactions dataset in the event tracker's dataset group.")
    for name in ("userId", "sessionId"):
        properties.on_one_line(name, request.get(name))
    schema = schema_of(engine, dataset)
    events = [_event(event, request, schema, engine.quotas.event_bytes) for event in request["eventList"]]
    if request["sessionId"] == "null":
        LOGGER.warning("events of the session named null are dropped, as Amazon Personalize does")
        return
    for position, event in enumerate(events):
        # An event that names an answer has been shown the answer's items, unless it has an impression of its own.
        if not event.impression and (shown := engine.serving.shown(event.recommendation_id)):
            events[position] = replace(event, impression=shown)
    last = await engine.store.add_events(dataset.arn, events)
    engine.serving.add_events(dataset.group, events, last)


def _event(event: Json, request: Json, schema: Schema, most: int) -> StreamedEvent:
    size = len(json.dumps(event, ensure_ascii=False).encode())
    if size > most:
        raise InvalidInput(f"An event has at most {most} bytes: this one has {size}.")
    members = _members(event.get("properties"))
    properties.refuse(members, schema)
    for name in ("eventId", "itemId", "eventType"):
        properties.on_one_line(name, event.get(name))
    values = properties.columns(members, schema)
    in_properties = {"itemId": values.pop("ITEM_ID", None), "eventValue": values.pop("EVENT_VALUE", None)}
    if isinstance(members.get("eventValue"), int | float):
        in_properties["eventValue"] = float(members["eventValue"])
    if source := event.get("metricAttribution"):
        values["EVENT_ATTRIBUTION_SOURCE"] = source["eventAttributionSource"]
    return StreamedEvent(
        session_id=request["sessionId"],
        event_type=event["eventType"],
        sent_at=event["sentAt"],
        event_id=event.get("eventId") or str(uuid.uuid4()),
        user_id=request.get("userId"),
        item_id=_item(event.get("itemId", in_properties["itemId"])),
        event_value=event.get("eventValue", in_properties["eventValue"]),
        recommendation_id=event.get("recommendationId"),
        impression=tuple(event.get("impression", ())),
        properties=values,
    )


def _item(value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and 1 <= len(value) <= 256):
        raise InvalidInput("itemId must be a string of 1 to 256 characters.")
    return value if isinstance(value, str) else None


@operation("PutUsers")
async def put_users(engine: Engine, _call: Call, request: Json) -> None:
    group, users = await _put(engine, request, "user")
    engine.serving.put_users(group, users)


@operation("PutItems")
async def put_items(engine: Engine, _call: Call, request: Json) -> None:
    group, items = await _put(engine, request, "item")
    engine.serving.put_items(group, items)


@operation("PutActions")
async def put_actions(engine: Engine, _call: Call, request: Json) -> None:
    group, actions = await _put(engine, request, "action")
    engine.serving.put_items(actions_of(group), actions)


@operation("PutActionInteractions")
async def put_action_interactions(engine: Engine, call: Call, request: Json) -> None:
    dataset = next(engine.registry.find(kinds.DATASET, call.prefix, trackingId=request["trackingId"]), None)
    if dataset is None:
        raise ResourceNotFound(f"No Action_Interactions dataset has the trackingId {request['trackingId']}.")
    schema = _open_schema(engine, dataset)
    events = [_action_event(interaction, schema) for interaction in request["actionInteractions"]]
    last = await engine.store.add_events(dataset.arn, events)
    engine.serving.add_events(actions_of(dataset.group), events, last)


def _action_event(event: Json, schema: Schema) -> StreamedEvent:
    kind = event["eventType"].upper().replace(" ", "_")
    if kind not in _ACTION_EVENTS:
        raise InvalidInput(
            f"eventType of an action interaction is Taken, Not_Taken or Viewed, not {event['eventType']}."
        )
    members = _members(event.get("properties"))
    properties.refuse(members, schema)
    return StreamedEvent(
        session_id=event["sessionId"],
        event_type=kind,
        sent_at=event["timestamp"],
        event_id=event.get("eventId") or str(uuid.uuid4()),
        user_id=event.get("userId"),
        item_id=event["actionId"],
        recommendation_id=event.get("recommendationId"),
        impression=tuple(event.get("impression", ())),
        properties=properties.columns(members, schema),
    )


async def _put(engine: Engine, request: Json, noun: str) -> tuple[str, list[PutRecord]]:
    """Store the records of a request, one for each `noun`; returns the ARN of their dataset group, and the records."""
    dataset, kind = engine.registry.get(kinds.DATASET, request["datasetArn"]), f"{noun}s".upper()
    if dataset.body["datasetType"] != kind:
        raise InvalidInput(f"{dataset.arn} is not a dataset of type {kind}.")
    schema = _open_schema(engine, dataset)
    records = [_record(row[f"{noun}Id"], row, noun, schema) for row in request[f"{noun}s"]]
    await engine.store.put_records(dataset.arn, records)
    return dataset.group, records


def _open_schema(engine: Engine, dataset: Resource) -> Schema:
    """Return the schema of a dataset that takes records. Raises ResourceInUse unless it is ACTIVE."""
    if not dataset.active:
        raise ResourceInUse(f"{dataset.arn} is in status {dataset.status}: it must be ACTIVE.")
    return schema_of(engine, dataset)


def _record(key: str, record: Json, noun: str, schema: Schema) -> PutRecord:
    properties.on_one_line(f"{noun}Id", key)
    members = _members(record.get("properties"))
    properties.refuse(members, schema)
    return PutRecord(key, properties.record(members, schema))
