# SPDX-License-Identifier: Apache-2.0
"""The JSON that the API answers with, as models.

They describe answers for openapi.json and hold them to it in tests; the functions build the JSON without them.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from personalization.recommendations import Source


class Item(BaseModel):
    """A recommended item."""

    model_config = ConfigDict(alias_generator=to_camel)

    item_id: str
    score: float | None
    """Personalize's score; null where the recipe gives none."""
    source: Source
    reason: list[str] | None = None
    metadata: dict[str, str] | None = None
    """Columns of the item by their names, where the shop has an items dataset and at most 50 items are asked for."""


class Answer(BaseModel):
    """Recommended items, best first. Send the id back with the events that follow from them."""

    model_config = ConfigDict(alias_generator=to_camel)

    recommendation_id: str | None
    """Null where nothing of the answer is Personalize's."""
    items: list[Item]
    degraded: Literal[True] | None = None
    """True where the asked campaign did not answer, and the items are the next best thing."""
    degraded_reason: Literal["throttled", "slow", "dropped", "missing", "failing", "resting", "empty"] | None = None
    """Why: Personalize throttles, is slow, drops the connection, misses the campaign, or fails; the campaign rests
    after several failures; or it had nothing to show."""
    filter_applied: Literal[False] | None = None
    """False where the asked filter could not be applied to these items."""


class Health(BaseModel):
    """The function answers."""

    status: Literal["ok"] = "ok"


class FieldErrorBody(BaseModel):
    """A field that is not as it must be."""

    field: str
    message: str


class ProblemBody(BaseModel):
    """A problem as RFC 9457 describes it."""

    model_config = ConfigDict(alias_generator=to_camel)

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldErrorBody] = Field(default_factory=list)
    request_id: str


class Delivered(BaseModel):
    """An event that is safe: Personalize has it, or the queue from which Personalize gets it when it can."""

    model_config = ConfigDict(alias_generator=to_camel)

    event_id: str
    status: Literal["delivered", "queued"]


class Accepted(BaseModel):
    """The events that were taken: the first `accepted` ones of the request. Send the others again."""

    accepted: int
    events: list[Delivered]


class PutAccepted(BaseModel):
    """The record was taken."""

    status: Literal["delivered"] = "delivered"
