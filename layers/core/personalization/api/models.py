# SPDX-License-Identifier: Apache-2.0
"""Models of the API's answers, for openapi.json and for tests; the functions build the JSON without them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from personalization.api.fallback import Source
from personalization.auth.list_ids import Refusal


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Because(_Camel):
    """Why an item is shown: a code, which the front end puts into words."""

    code: Literal[
        "popular", "trending", "new", "promoted", "similarTo", "becauseYouBought", "becauseYouViewed", "goesWithBasket"
    ]
    item_id: str | None = None
    """The item that it is similar to or goes with."""


class Item(_Camel):
    """A recommended item."""

    item_id: str
    score: float | None
    """Personalize's score; null if the recipe has none."""
    source: Source
    reason: list[str] | None = None
    """Personalize's own reasons, if any."""
    because: Because | None = None
    metadata: dict[str, str] | None = None
    """Columns of the item by name, if the shop has an Items dataset and at most 50 items are requested."""
    recommendation_id: str | None = None
    """Only in a list that two rankers share: that of the item's ranker, to send in place of the answer's."""
    list_id: str | None = Field(default=None, max_length=56)
    """Only there: names the item's ranker, to send in place of the answer's; missing if it counts for neither."""


class Answer(_Camel):
    """Recommended items, best first. Send the recommendationId with the events that follow from them, and the shown
    items as `impression`."""

    recommendation_id: str | None
    """Null if no item comes from Personalize."""
    items: list[Item]
    degraded: Literal[True] | None = None
    """True if the campaign did not answer, and a fallback did."""
    degraded_reason: Literal["throttled", "slow", "dropped", "missing", "failing", "resting", "empty"] | None = None
    """Why: Personalize throttles, is slow, drops the connection, lacks the campaign, or fails; the campaign rests after
    several failures; or its list was empty."""
    filter_applied: Literal[False] | None = None
    """False if the filter could not be applied to these items."""
    list_id: str | None = Field(default=None, max_length=56)
    """Names this list; send it with the events that follow from it. Null while the keys that sign it cannot be read."""
    next: str | None = None
    """The parameter `next` of the next page, with all others unchanged; missing after the last page."""


class RecommendedAction(_Camel):
    """A recommended action."""

    action_id: str
    score: float | None
    """How likely the user takes it; 0 for an action that too few were shown yet, null without Personalize."""
    source: Literal["campaign", "cache", "popular"]
    """`popular` is what a stranger was recommended when the campaign was promoted."""


class ActionAnswer(_Camel):
    """The actions that a user most likely takes, best first. Send the recommendationId with the events that follow."""

    recommendation_id: str | None
    """Null if the actions do not come from Personalize."""
    list_id: str | None = Field(default=None, max_length=56)
    """Names this list, as in an answer with items."""
    actions: list[RecommendedAction]
    degraded: Literal[True] | None = None
    """True if the campaign did not answer, and earlier actions are shown."""
    degraded_reason: Literal["throttled", "slow", "dropped", "missing", "failing", "resting"] | None = None
    filter_applied: Literal[False] | None = None
    """False if the filter could not be applied to these actions."""


class InExperiment(_Camel):
    """The experiment that a list is part of, and what this user gets in it."""

    name: str
    variant: str


class Placed(Answer):
    """The items of a placement."""

    placement: str
    """Its name."""
    experiment: InExperiment | None = None
    """Only where this user is in an experiment on the placement. Without items, its variant leaves the list out."""


class Page(_Camel):
    """The placements of a page, in the requested order. No item appears twice."""

    placements: list[Placed]


class SessionBegun(_Camel):
    """A session of a browser. Send the token with every request: `Authorization: Bearer …`."""

    token: str
    session_id: str
    """The sessionId of its events."""
    user_id: str
    """The userId for recommendations: the user's id after a login, the session's before."""
    expires_at: str
    """When the token expires, ISO 8601; request a new one before then."""


class LikelyItem(_Camel):
    """An item, and the likelihood of its purchase."""

    item_id: str
    probability: float
    """The probability of the event with this user and item within the horizon."""


class CalibratedOn(_Camel):
    """The data of the calibration, which are later than those of the fit."""

    from_: str = Field(alias="from")
    """ISO 8601."""
    to: str
    """ISO 8601."""
    pairs: int
    """Pairs of a user and an item."""
    purchases: int
    """Pairs with a purchase."""


class LikelihoodVerdict(_Camel):
    """Whether a probability means what it says, by the test of the fit at one probability."""

    means_what_it_says: bool | None
    """Null where the test has too few purchases to tell; then use the order, not the numbers."""
    at: float | None
    """The probability at which the test was judged."""
    told: float | None
    """The mean prediction of the tested pairs near it."""
    observed: float | None
    """The share of these pairs with a purchase."""


class Likelihood(_Camel):
    """Likelihoods of purchases, in the order of the requested items."""

    horizon_days: int
    event_type: str
    """The predicted event type."""
    user: Literal["known", "newcomer", "stranger"]
    """What is known of the user: events before the fit, only later events, or attributes at most."""
    items: list[LikelyItem]
    method: Literal["counts", "anchored"]
    """From counts alone, or from counts and the ranking campaign's scores against fixed anchor items."""
    base_rate: float
    """The share of all pairs of users and items with a purchase within a horizon."""
    verdict: LikelihoodVerdict
    as_of: str
    """The beginning of the horizon: now, or the end of the data if they are older than a horizon."""
    calibrated_at: str
    calibrated_on: CalibratedOn
    run: str
    """The run that fitted the model."""
    degraded: Literal[True] | None = None
    """True if the ranking campaign's scores were missing, and the answer is from counts alone."""
    degraded_reason: Literal["throttled", "slow", "dropped", "missing", "failing", "resting"] | None = None


class Health(_Camel):
    """The function answers."""

    status: Literal["ok"] = "ok"


class FieldErrorBody(_Camel):
    """An invalid field."""

    field: str
    message: str


class ProblemBody(_Camel):
    """A problem (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldErrorBody] = Field(default_factory=list)
    request_id: str


class Delivered(_Camel):
    """An accepted event: Personalize has it, or the queue that delivers it later."""

    event_id: str
    status: Literal["delivered", "queued", "discarded"]
    list_id_refused: Refusal | None = None
    """Why the event was accepted without its listId; missing if it was kept, or none was sent."""


class Accepted(_Camel):
    """The first `accepted` events of the request, or all of them, discarded because their user is being deleted. Send
    the others again."""

    accepted: int
    events: list[Delivered]


class RefusedList(_Camel):
    """A list that was left out."""

    number: int
    """Its place in the request, from 0 on."""
    reason: Refusal


class ImpressionsAccepted(_Camel):
    """All good lists of the request, or none of a user who objects to personal lists or is being deleted."""

    accepted: int
    refused: list[RefusedList]
    """Lists that cannot have been seen; do not send them again."""


class Receipt(_Camel):
    """The deletion of the user has begun. A repeated request returns the same id until it ends."""

    receipt_id: str
    personalization: Literal[False] | None = None
    """False if the user objected to personal lists. That stays, since only they can take it back."""


class Personalized(_Camel):
    """A stored choice; it holds everywhere within a minute, until the user makes another one."""

    enabled: bool


class PutAccepted(_Camel):
    """The record was accepted."""

    status: Literal["delivered"] = "delivered"
    shortened: list[str] | None = None
    """Properties that were cut to 1,000 characters, Personalize's limit; missing if there are none."""
