# SPDX-License-Identifier: Apache-2.0
"""Live events, and records of single users and items: the API's requests, and Personalize's parameters."""

import json
import math
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from table_intake.columns.schema import DEEDS, TEXT_LENGTH
from table_intake.read.line_breaks import BREAK

from personalization.core import problems
from personalization.core.observability import Count
from personalization.core.problems import FieldError, Problem
from personalization.events.visitors import VisitorId

PER_CALL = 10
"""The most events in one PutEvents."""
MOST_EVENTS = 100
"""The most events in one request."""
EVENT_BYTES = 10_000
USER_BYTES, ITEM_BYTES = 24_000, 32_000
"""The most characters of the properties of a user and of an item."""
LIST_ID = 100
"""The most characters that may be a listId."""
AHEAD = 86_400
"""Seconds by which a time may be ahead of our clock."""
BROWSER_AHEAD, BROWSER_BEHIND = 600, 7 * 86_400
"""The same for browsers, whose clocks may be wrong; and seconds by which theirs may be behind: pages were offline."""
NOT_SECONDS = 10**11
"""From here on a number is taken for milliseconds."""
FORBIDDEN = {"userid", "sessionid", "eventtype", "timestamp", "recommendationid", "impression"}
"""Property keys that Personalize reserves, in lower case."""
LATER = "must not be later than tomorrow"
FAR_OFF = (
    "must be of the last seven days, and at most ten minutes ahead: leave it out, and the time at which the event "
    "arrives counts"
)
EVENT_TYPES: Mapping[str, str] = {
    name.lower(): name for name in ("View", "Click", "Favorite", "AddToCart", "Checkout", "Purchase", "Watch", "Rate")
}
"""Types with metrics of their own, in any spelling: add_to_cart is AddToCart."""
OTHER = "Other"
"""The type of all others in metrics."""
_COLUMN_LIKE = re.compile(r"[A-Z][A-Z0-9_]*")

compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
"""Returns JSON without spaces and escapes."""


def _without_breaks(text: str) -> str:
    if BREAK.search(text):
        raise ValueError("must not contain line breaks")
    return text


Id = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_without_breaks)]
PropertyValue = str | bool | int | Annotated[float, Field(allow_inf_nan=False)] | None
Properties = dict[Annotated[str, StringConstraints(min_length=1, max_length=150)], PropertyValue]


def epoch(value: object) -> object:
    """Return a time as epoch seconds, from ISO 8601 (UTC by default) or from epoch seconds.

    Raises:
        ValueError: it is neither, or a number in milliseconds.
    """
    if isinstance(value, str):
        value = _from_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("must be ISO 8601 or epoch seconds")
    if value < 0:
        raise ValueError("must be 1970 or later")
    if value >= NOT_SECONDS:
        raise ValueError("must be in seconds; this looks like milliseconds")
    return int(value)


def deed(event_type: str) -> str:
    """Return what a user did with an action, as it is imported: Not taken is NOT_TAKEN."""
    return re.sub(r"[^A-Z]+", "_", event_type.upper())


def _from_text(value: str) -> float:
    if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", value) and len(value) != 8:
        return float(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("must be ISO 8601 or epoch seconds") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_SECONDS_SCHEMA = {"type": "number", "minimum": 0, "exclusiveMaximum": NOT_SECONDS}
_TIME_SCHEMA = {"anyOf": [{"type": "string", "format": "date-time"}, _SECONDS_SCHEMA]}
Time = Annotated[int, BeforeValidator(epoch), WithJsonSchema(_TIME_SCHEMA)]


def _list_id(value: object) -> object:
    """Return a listId; a text that is none in place of what cannot be one, since no event is lost for it."""
    return value if value is None or (isinstance(value, str) and len(value) <= LIST_ID) else ""


ListId = Annotated[str, BeforeValidator(_list_id), WithJsonSchema({"type": "string", "maxLength": LIST_ID})]


class Request(BaseModel):
    """A part of a request's body, in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Event(Request):
    """An action of a user."""

    event_type: Id
    item_id: Id | None = None
    action_id: Id | None = None
    """The action that the user took, did not take or viewed (eventType Taken, Not_Taken or Viewed), without itemId."""
    sent_at: Time | None = None
    """ISO 8601 or epoch seconds, no later than tomorrow; now by default."""
    event_id: Id | None = None
    """Of a caller's events with one id Personalize trains on the first, so a repeated request counts once."""
    event_value: float | None = Field(default=None, allow_inf_nan=False, strict=True)
    recommendation_id: (
        Annotated[str, StringConstraints(min_length=1, max_length=40), AfterValidator(_without_breaks)] | None
    ) = None
    list_id: ListId | None = None
    """The list from which it follows: of the shop's answers of the last 31 days, and of this user or session. Any other
    is refused, and the event is accepted without it."""
    impression: list[Id] | None = Field(default=None, min_length=1, max_length=25)
    properties: Properties | None = None
    """Further columns of Interactions, by name."""

    @model_validator(mode="after")
    def _of_action(self) -> "Event":
        if self.action_id is None:
            return self
        if self.item_id is not None or self.event_value is not None:
            raise ValueError("an event with an actionId has no itemId and no eventValue")
        if deed(self.event_type) not in DEEDS:
            raise ValueError("eventType of an event with an actionId is Taken, Not_Taken or Viewed")
        return self

    @field_validator("properties")
    @classmethod
    def _properties(cls, properties: Properties | None) -> Properties | None:
        named = {camel(key): _on_one_line(value) for key, value in (properties or {}).items()}
        taken = sorted(key for key in named if key.lower() in FORBIDDEN)
        if taken:
            raise ValueError(f"{', '.join(taken)} has a place of its own and cannot be a property")
        if len(compact(named)) > 1024:
            raise ValueError("properties may have 1024 characters as JSON")
        return named or None


class Events(Request):
    """A user's events in a session. Without a userId they count once a later event ties the session to a user."""

    user_id: Id | None = None
    session_id: Id
    visitor_id: VisitorId | None = None
    """The random id that this browser keeps: the unit of experiments before a login. No record has it."""
    events: list[Event] = Field(min_length=1, max_length=MOST_EVENTS)

    @model_validator(mode="after")
    def _session(self) -> "Events":
        if self.session_id == "null":
            raise ValueError("sessionId must be an id: Personalize drops events of the session null")
        return self


class Put(Request):
    """A user or an item: columns of its dataset, by name. It replaces the earlier record."""

    properties: Properties = Field(min_length=1)


class Personalization(Request):
    """What a user chose."""

    enabled: StrictBool
    """False for a user who objects to personal lists."""


class Who(Request):
    """Ids that come in a path."""

    user_id: Id | None = None
    item_id: Id | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One PutEvents or PutActionInteractions: at most ten events of one session."""

    session_id: str
    user_id: str | None
    events: Sequence[Mapping[str, Any]]
    of_actions: bool = False
    """Whether the events are about actions; all are, or none is."""


@dataclass(frozen=True, slots=True)
class Record:
    """A user or an item, with its properties as JSON."""

    id: str
    properties: str
    shortened: tuple[str, ...] = ()
    """The truncated properties."""

    def answer(self) -> dict[str, object]:
        """Return the API's answer, described by `api.models.PutAccepted`."""
        return {"status": "delivered"} | ({"shortened": list(self.shortened)} if self.shortened else {})


def _new_id() -> str:
    return str(uuid.uuid4())


def calls(request: Events, now: int, new_id: Callable[[], str] = _new_id, *, browser: bool = False) -> list[Call]:
    """Split a request into calls of Personalize; events without a time get `now`, in epoch seconds.

    Raises:
        Problem: an event is larger than 10 KB or later than tomorrow; or a browser's has a time that is far off.
    """
    sent = [_sent(event, now, new_id) for event in request.events]
    far = _far_off if browser else _too_late
    reason = FAR_OFF if browser else LATER
    late = [FieldError(f"events.{index}.sentAt", reason) for index, event in enumerate(sent) if far(event, now)]
    if late:
        raise Problem(400, "The request is invalid.", late)
    for index, event in enumerate(sent):
        if len(compact(event).encode()) > EVENT_BYTES:
            raise Problem(400, "An event is too large.", [FieldError(f"events.{index}", "may have 10 KB")])
    return [
        Call(request.session_id, request.user_id, alike[start : start + PER_CALL], of_actions)
        for of_actions, group in groupby(sent, lambda event: "actionId" in event)
        for alike in [list(group)]
        for start in range(0, len(alike), PER_CALL)
    ]


def _too_late(event: Mapping[str, Any], now: float) -> bool:
    """Return whether an event is later than tomorrow (`now` is in epoch seconds): models would take it for now."""
    return bool(event["sentAt"] > now + AHEAD)


def _far_off(event: Mapping[str, Any], now: float) -> bool:
    return not -BROWSER_BEHIND <= event["sentAt"] - now <= BROWSER_AHEAD


def first(made: Sequence[Call], count: int) -> list[Call]:
    """Return the calls with their first `count` events."""
    taken = []
    for call in made:
        if count > 0:
            taken.append(replace(call, events=call.events[:count]))
        count -= len(call.events)
    return taken


def renamed(made: Sequence[Call], event_id: Callable[[str, str], str]) -> list[Call]:
    """Return the calls with new event ids, which `event_id` derives from the session and the old id."""
    return [
        replace(
            call,
            events=[{**event, "eventId": event_id(call.session_id, str(event["eventId"]))} for event in call.events],
        )
        for call in made
    ]


def hashed(made: Sequence[Call], hash_id: Callable[[str], str], columns: Collection[str]) -> list[Call]:
    """Return the calls with hashes for users and sessions, which may be each other's ids, and for some columns.

    Raises:
        Problem: no hash can be made of an id.
    """
    return [
        Call(
            problems.named("sessionId", hash_id(call.session_id)),
            problems.named("userId", hash_id(call.user_id)) if call.user_id else call.user_id,
            [_with_hashes(event, hash_id, columns) for event in call.events],
            call.of_actions,
        )
        for call in made
    ]


def _with_hashes(
    event: Mapping[str, Any], hash_id: Callable[[str], str], columns: Collection[str]
) -> Mapping[str, Any]:
    if "properties" not in event:
        return event
    properties = hashed_properties(json.loads(event["properties"]), hash_id, columns)
    return {**event, "properties": compact(properties)}


def hashed_properties(
    properties: Mapping[str, PropertyValue], hash_id: Callable[[str], str], columns: Collection[str]
) -> dict[str, PropertyValue]:
    """Return properties with hashes for those of some columns, in any spelling."""
    names = set(map(_letters, columns))
    return {
        key: hash_id(str(value)) if _letters(key) in names and value is not None else value
        for key, value in properties.items()
    }


def _letters(name: str) -> str:
    """Return a name without its spelling: E-mail and EMAIL are one column."""
    return "".join(filter(str.isalnum, name)).casefold()


def without_refused(
    made: Sequence[Call], refusal: Callable[[Call, str], str | None]
) -> tuple[list[Call], Mapping[int, str]]:
    """Return the calls without the listIds for which `refusal` has a word, and these words by the events' numbers."""
    refused: dict[int, str] = {}
    checked: list[Call] = []
    start = 0
    for call in made:
        words = [refusal(call, event["listId"]) if "listId" in event else None for event in call.events]
        refused |= {start + index: word for index, word in enumerate(words) if word}
        pairs = zip(call.events, words, strict=True)
        checked.append(replace(call, events=[without_list(event) if word else event for event, word in pairs]))
        start += len(words)
    return checked, refused


def attributed(made: Sequence[Call], source: Callable[[str], str | None]) -> list[Call]:
    """Return the calls with the source of each event's list, for metrics in Personalize; deeds have none there."""
    return [
        call if call.of_actions else replace(call, events=[_with_source(event, source) for event in call.events])
        for call in made
    ]


def _with_source(event: Mapping[str, Any], source: Callable[[str], str | None]) -> Mapping[str, Any]:
    name = source(event["listId"]) if "listId" in event else None
    return {**event, "metricAttribution": {"eventAttributionSource": name}} if name else event


def without_list(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event without its listId."""
    return {name: value for name, value in event.items() if name != "listId"}


def of_visitor(made: Sequence[Call], visitor: str) -> list[Call]:
    """Return the calls with the digest of their visitor in each event."""
    return [replace(call, events=[{**event, "visitor": visitor} for event in call.events]) for call in made]


def for_personalize(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as Personalize takes it: without its list, its visitor and when it was accepted."""
    return {name: value for name, value in event.items() if name not in {"listId", "visitor", "accepted"}}


def for_engine(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as the engine takes it: beside what Personalize takes, it gets when the event was accepted."""
    accepted = {"acceptedAt": event["accepted"]} if "accepted" in event else {}
    return for_personalize(event) | accepted


def dated(made: Sequence[Call], now: float, earlier: Mapping[str, float] | None = None) -> list[Call]:
    """Return calls whose events say when they were accepted, in epoch seconds, which they keep wherever they wait.

    Args:
        made, now: the calls, and the time.
        earlier: when events were accepted that came before, by their ids.
    """
    times = earlier or {}
    return [
        replace(call, events=[{**event, "accepted": times.get(event["eventId"], now)} for event in call.events])
        for call in made
    ]


def accepted(
    made: Sequence[Call], delivered: int, queued: int = 0, refused: Mapping[int, str] = MappingProxyType({})
) -> dict[str, object]:
    """Return the answer, described by `api.models.Accepted`.

    Args:
        made: the calls. delivered, queued: how many events went to Personalize, and how many after them to the queue.
        refused: why events lost their listId, by their numbers.
    """
    ids = [event["eventId"] for call in made for event in call.events][: delivered + queued]
    answers = [
        {"eventId": event_id, "status": "delivered" if index < delivered else "queued"}
        | ({"listIdRefused": refused[index]} if index in refused else {})
        for index, event_id in enumerate(ids)
    ]
    return {"accepted": len(answers), "events": answers}


def discarded(made: Sequence[Call]) -> dict[str, object]:
    """Return the answer for events of a user who is being deleted: none is kept, and none should be sent again."""
    ids = [event["eventId"] for call in made for event in call.events]
    return {"accepted": len(ids), "events": [{"eventId": event_id, "status": "discarded"} for event_id in ids]}


def record(record_id: str, request: Put, most: int, *, described: bool = False) -> Record:
    """Return a user or an item for Personalize: as in a drop, texts have one line and at most 1,000 characters.

    Args:
        record_id, request: the id and the properties.
        most: the most characters of the properties as JSON.
        described: whether a description, the text that an item is trained on, may be longer.

    Raises:
        Problem: the properties have more than `most` characters as JSON.
    """
    given = {camel(key): _on_one_line(value) for key, value in request.properties.items()}
    shortened = {
        key: value[:TEXT_LENGTH]
        for key, value in given.items()
        if isinstance(value, str) and len(value) > TEXT_LENGTH and not (described and "DESCRIPTION" in key.upper())
    }
    text = compact(given | shortened)
    if len(text) > most:
        raise Problem(
            400, "The record is too large.", [FieldError("properties", f"may have {most} characters as JSON")]
        )
    return Record(record_id, text, tuple(shortened))


def _on_one_line(value: PropertyValue) -> PropertyValue:
    return BREAK.sub(" ", value) if isinstance(value, str) else value


def camel(column: str) -> str:
    """Return a column's name in the spelling of properties: CATEGORY_L1 becomes categoryL1; others stay."""
    if not _COLUMN_LIKE.fullmatch(column):
        return column
    first, *others = [part for part in column.lower().split("_") if part]
    return first + "".join(part.capitalize() for part in others)


def _sent(event: Event, now: int, new_id: Callable[[], str]) -> dict[str, Any]:
    sent = event.model_dump(by_alias=True, exclude_none=True, exclude={"properties"})
    if event.action_id is not None:
        sent["eventType"] = deed(event.event_type)
    sent["sentAt"] = event.sent_at if event.sent_at is not None else now
    sent["eventId"] = event.event_id or new_id()
    if event.properties:
        sent["properties"] = compact(event.properties)
    return sent


def counted(shop: str, made: Sequence[Call]) -> list[Count]:
    """Return the metrics of accepted events by type; an event with a recommendationId is attributed to a list."""
    by_type: dict[str, list[int]] = {}
    for call in made:
        for event in call.events:
            written = event["eventType"]
            kind = EVENT_TYPES.get(written) or EVENT_TYPES.get("".join(filter(str.isalnum, written)).lower(), OTHER)
            numbers = by_type.setdefault(kind, [0, 0])
            numbers[0] += 1
            numbers[1] += "recommendationId" in event
    return [
        ({"Events": float(events), "AttributedEvents": float(attributed)}, {"shop": shop, "eventType": kind})
        for kind, (events, attributed) in by_type.items()
    ]
