# SPDX-License-Identifier: Apache-2.0
"""Models of the API's answers, for openapi.json and for tests; the functions build the JSON without them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from personalization.api.fallback import Source


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Because(_Camel):
    """Why an item is shown, as a code for which a shop has words."""

    code: Literal["popular", "new", "promoted", "similarTo", "becauseYouBought", "becauseYouViewed", "goesWithBasket"]
    item_id: str | None = None
    """The item that it is similar to, or goes with."""


class Item(_Camel):
    """A recommended item."""

    item_id: str
    score: float | None
    """Personalize's score; null where the recipe gives none."""
    source: Source
    reason: list[str] | None = None
    """Why, in Personalize's own words, where it says so."""
    because: Because | None = None
    metadata: dict[str, str] | None = None
    """Columns of the item by their names, where the shop has an items dataset and at most 50 items are asked for."""


class Answer(_Camel):
    """Recommended items, best first. Send the id back with the events that follow from them."""

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
    next: str | None = None
    """Asks for the next page, with all parameters as they were; not there where nothing follows."""


class Placed(Answer):
    """What a placement shows."""

    placement: str
    """Its name."""


class Page(_Camel):
    """What the placements of a page show, in the order in which they were asked for. No item is there twice."""

    placements: list[Placed]


class SessionBegun(_Camel):
    """A session of a browser. Send the token with every request: `Authorization: Bearer …`."""

    token: str
    session_id: str
    """The sessionId of its events."""
    user_id: str
    """Under which to ask for recommendations: the user's id after a login, the session's before."""
    expires_at: str
    """When the token ends, in ISO 8601; go on with a new one before."""


class LikelyItem(_Camel):
    """An item and how likely its purchase is."""

    item_id: str
    probability: float
    """That this user has the event with this item within the horizon."""


class CalibratedOn(_Camel):
    """What the probabilities were calibrated on: purchases later than those that the weights were fitted on."""

    from_: str = Field(alias="from")
    """ISO 8601."""
    to: str
    """ISO 8601."""
    pairs: int
    """Pairs of a user and an item."""
    purchases: int
    """Pairs with a purchase among them."""


class Likelihood(_Camel):
    """How likely purchases are, in the order of the asked items."""

    horizon_days: int
    event_type: str
    """The event that is predicted."""
    user: Literal["known", "newcomer", "stranger"]
    """What is known: events in the history of the fit; only events since then; or none, so that attributes tell."""
    items: list[LikelyItem]
    method: Literal["counts", "anchored"]
    """From counts alone, or from counts and the ranking campaign's scores against fixed anchor items."""
    base_rate: float
    """The share of pairs with a purchase within a horizon, of any user and any item."""
    as_of: str
    """The horizon begins here: now, or the end of the data where they are older than a horizon."""
    calibrated_at: str
    calibrated_on: CalibratedOn
    run: str
    """The run that fitted the model."""
    degraded: Literal[True] | None = None
    """True where scores that should count were not there, so that the answer is from counts alone."""
    degraded_reason: Literal["throttled", "slow", "dropped", "missing", "failing", "resting"] | None = None


class Health(_Camel):
    """The function answers."""

    status: Literal["ok"] = "ok"


class FieldErrorBody(_Camel):
    """A field that is not as it must be."""

    field: str
    message: str


class ProblemBody(_Camel):
    """A problem as RFC 9457 describes it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldErrorBody] = Field(default_factory=list)
    request_id: str


class Delivered(_Camel):
    """An event that is safe: Personalize has it, or the queue from which Personalize gets it when it can."""

    event_id: str
    status: Literal["delivered", "queued", "discarded"]


class Accepted(_Camel):
    """The events that were taken, the first `accepted` ones of the request, or discarded: their user is to be deleted.
    Send the others again."""

    accepted: int
    events: list[Delivered]


class Receipt(_Camel):
    """The deletion of the user is written down and takes its course. Asked for again meanwhile, the id is the same."""

    receipt_id: str


class PutAccepted(_Camel):
    """The record was taken."""

    status: Literal["delivered"] = "delivered"
    shortened: list[str] | None = None
    """Properties that were cut off at 1,000 characters, the most that Personalize takes; left out where none were."""
