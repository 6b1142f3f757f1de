# SPDX-License-Identifier: Apache-2.0
"""Requests for lists of items: what a campaign is asked for them, and pages without repeats.

The token of a page holds the items that earlier pages have shown, so nothing is stored, and no item comes twice even if
events change the order between two pages. An item is represented by its CRC-32: after 500 items, one new item in 8
million is mistaken for one of them and left out. The signature, by the event tracker's id, which no answer shows, binds
a token to its list and user.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from personalization.api import diversity, filter_values
from personalization.api.diversity import Diversity
from personalization.core.problems import FieldError, Problem
from personalization.personalize.runtime import Ask, Predicted, without_metadata
from personalization.shop.filters import Choice, Id
from personalization.shop.records.release import BASELINE, FALLBACK, Release
from personalization.shop.settings.recipes import FROM_ITEM, TRENDING

Fallback = Literal["popular", "bestsellers", "none"]
CONTEXTUAL = ("user-personalization", "personalized-ranking")
"""The recipes that look at context."""
USUAL = {"recommend": "user-personalization", "similar": FROM_ITEM[0], "popular": BASELINE}
"""The recipes that answer the list operations, unless a shop chooses others."""
POPULAR = {"code": "popular"}
RISING = {"code": "trending"}
ANONYMOUS = "nobody-in-particular"
"""The userId of requests without a user, because some recipes and filters require one."""
MOST_WITH_METADATA = 50
"""The most items of an answer with columns of Items."""
MOST_COLUMNS = 10
"""The most columns of Items that Personalize shows."""
MOST_VARIED = 100
"""Lists longer than this are not diversified."""
MOST = 500
"""The most items over all pages, and in one answer of Personalize."""
_SIGNATURE = 12
Switch = Literal["true", "false"]


class Listing(Choice):
    """A request for a list of items."""

    limit: int = Field(default=25, ge=1, le=MOST)
    user_id: Id | None = None
    item_id: Id | None = None
    exclude_item_ids: tuple[Id, ...] = Field(default=(), max_length=100)
    next: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    personalize: Switch = "true"


class Ranking(Choice):
    """A request to put a user's items into the best order."""

    user_id: Id
    item_ids: list[Id] = Field(min_length=1, max_length=500)
    personalize: Switch = "true"


class RankingBody(BaseModel):
    """The body of a ranking request."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)

    item_ids: list[Id] = Field(min_length=1, max_length=500)


@dataclass(frozen=True, slots=True)
class Hidden:
    """Items that an answer leaves out: by id, and by the marks of earlier pages' items."""

    items: frozenset[str] = frozenset()
    shown: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.items) + len(self.shown)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self.items or (bool(self.shown) and mark(item_id) in self.shown)

    def and_also(self, items: Iterable[str]) -> "Hidden":
        return Hidden(self.items.union(items), self.shown)


NOTHING = Hidden()


@dataclass(frozen=True, slots=True)
class ListAsk(Ask):
    """A question to a campaign, and how to show its answer."""

    limit: int = MOST
    """The number of shown items; the campaign is asked for more if some are hidden."""
    hidden: Hidden = NOTHING
    because: Mapping[str, str] | None = None
    """The reason of the campaign's items, if the question determines it."""
    fallback: Fallback = "popular"
    """The fallback if the campaign does not answer and no good answer is cached."""
    scope: tuple[str, ...] = ()
    """The identity of the list; see `token`."""
    columns: tuple[str, ...] | None = ()
    """Columns of Items in the answer; None for those that the table of items usually shows."""
    prefers_bestsellers: bool = False
    """Whether the stored bestsellers answer, if there are any, and not the campaign."""
    diversity: Diversity | None = None
    """How the campaign's items are varied."""
    engine: str = ""
    """ARN of the engine's campaign that answers where this one does not; empty if there is none."""

    def room(self, more: int = 0) -> int:
        """Return how many items the campaign is asked for, so that enough are left of them; `more` may be hidden."""
        spread = diversity.SPREAD if self.diversity else 1
        most = MOST_WITH_METADATA if "metadataColumns" in self.parameters else MOST
        return min(self.limit * spread + len(self.hidden) + more, most)


Predict = Callable[[ListAsk], Predicted]
"""Asks Personalize."""


def recipe_of(release: Release, operation: str) -> str:
    """Return the recipe that answers a list operation: the shop's choice if it has a campaign, else the usual one.

    Of two recipes that start from an item, the one with a campaign answers.
    """
    names = (release.lists.get(operation, ""), *(FROM_ITEM if operation == "similar" else ()))
    return next((alias for alias in names if alias in release.campaigns), USUAL[operation])


def listing(
    release: Release, recipe: str, request: Listing, context: Mapping[str, str] | None = None, arn: str | None = None
) -> ListAsk:
    """Return the question for a list of items.

    Args:
        release, request: the shop's release, and the request.
        recipe: the recipe's alias, or another name of the list.
        context: from headers; the request's own takes precedence.
        arn: the campaign or recommender; the recipe's campaign by default.

    Raises:
        Problem: 400, the request is invalid; 404, there is no such campaign.
    """
    filtered = [part for pair in sorted(request.filter_values.items()) for part in pair]
    scope = (release.shop, recipe, request.user_id or "", request.item_id or "", request.filter or "", *filtered)
    shown = read_token(release.tracking_id, scope, request.next) if request.next is not None else frozenset()
    hidden = Hidden(frozenset(request.exclude_item_ids), shown) if request.exclude_item_ids or shown else NOTHING
    limit = min(request.limit, MOST - len(shown))
    is_stored = recipe == BASELINE and BASELINE not in release.campaigns and request.filter is None
    if recipe == BASELINE and not arn:
        # Only a campaign can apply a filter.
        arn = release.campaigns.get(BASELINE) or release.campaigns.get("user-personalization", "")
    asked_of = _campaign(release, recipe) if arn is None else arn
    most = min(limit + len(hidden), MOST)
    parameters = _shared(release, request, limit + len(hidden), context if recipe in CONTEXTUAL else None)
    parameters |= {"numResults": most, "userId": request.user_id or ANONYMOUS}
    because = None
    if request.item_id is not None:
        parameters["itemId"] = request.item_id
        because = {"code": "similarTo", "itemId": request.item_id} if recipe in FROM_ITEM else None
    if recipe == TRENDING:
        because = RISING
    if recipe == BASELINE and (is_stored or asked_of == release.campaigns.get(BASELINE)):
        because = POPULAR
    stands_in = "user-personalization" if recipe == BASELINE and because is None else recipe
    question = ListAsk(
        asked_of,
        parameters,
        limit=limit,
        hidden=hidden,
        because=because,
        fallback="popular",
        scope=scope,
        columns=usual_columns(limit),
        prefers_bestsellers=is_stored,
        engine=release.campaigns.get(FALLBACK + stands_in, ""),
    )
    question = suited(release, question)
    return varied(question, release.diversity) if recipe in FROM_ITEM and arn is None else question


def varied(ask: ListAsk, entry: Mapping[str, Any] | None) -> ListAsk:
    """Return the question for a list with variety, as a release has it; a long list stays as it is."""
    if not entry or ask.limit > MOST_VARIED:
        return ask
    return roomy(replace(ask, diversity=diversity.read(entry)))


def roomy(ask: ListAsk, more: int = 0) -> ListAsk:
    """Return the question for enough items; see `ListAsk.room`."""
    most = max(ask.parameters["numResults"], ask.room(more))
    return replace(ask, parameters={**ask.parameters, "numResults": most})


def after(release: Release, ask: ListAsk, page: dict[str, object]) -> dict[str, object]:
    """Add the token of the next page to the answer to `ask`, if there may be such a page."""
    items: Any = page["items"]
    if len(items) < ask.limit:
        return page
    seen = ask.hidden.shown.union([mark(item["itemId"]) for item in items])
    if len(seen) >= MOST:
        return page
    return {**page, "next": token(release.tracking_id, ask.scope, seen)}


def without(ask: ListAsk, items: Collection[str]) -> ListAsk:
    """Return the question for the same list without `items`."""
    return roomy(replace(ask, hidden=ask.hidden.and_also(items)))


def ranking(release: Release, request: Ranking, context: Mapping[str, str] | None = None) -> ListAsk:
    """Return the question for a ranking; repeated items are ranked once."""
    items = list(dict.fromkeys(request.item_ids))
    parameters = _shared(release, request, len(items), context)
    parameters |= {"userId": request.user_id, "inputList": items}
    arn, engine = (
        _campaign(release, "personalized-ranking"),
        release.campaigns.get(FALLBACK + "personalized-ranking", ""),
    )
    return suited(release, ListAsk(arn, parameters, columns=usual_columns(len(items)), engine=engine))


def suited(release: Release, ask: ListAsk) -> ListAsk:
    """Return the question without columns of Items if its campaign was made without them."""
    return without_metadata(ask) if ask.campaign_arn in release.without_metadata else ask


def _shared(release: Release, request: Choice, items: int, context: Mapping[str, str] | None) -> dict[str, Any]:
    parameters = filtered(release, request)
    if request.context or context:
        parameters["context"] = {**context, **request.context} if context else request.context
    if release.metadata_columns and items <= MOST_WITH_METADATA:
        parameters["metadataColumns"] = {"ITEMS": list(release.metadata_columns[:MOST_COLUMNS])}
    return parameters


def filtered(release: Release, request: Choice) -> dict[str, Any]:
    """Return the parameters of the filter that a request chooses, if any.

    Raises:
        Problem: 400, the shop has no such filter, or its values are invalid.
    """
    parameters: dict[str, Any] = {}
    if request.filter is not None:
        if request.filter not in release.filters:
            names = ", ".join(release.filters) or "none"
            raise Problem(400, "The shop has no such filter.", [FieldError("filter", f"must be one of: {names}")])
        parameters["filterArn"] = release.filters[request.filter]
        kinds = release.filter_parameters.get(request.filter)
        given = request.filter_values if kinds is None else filter_values.checked(request.filter_values, kinds)
        if given:
            parameters["filterValues"] = given
    elif request.filter_values:
        raise Problem(400, "Values need a filter.", [FieldError("filter", "is missing, and there are filterValues")])
    return parameters


def usual_columns(items: int) -> tuple[str, ...] | None:
    """Return the columns of an answer with so many items that names none; see `ListAsk.columns`."""
    return None if items <= MOST_WITH_METADATA else ()


def _campaign(release: Release, recipe: str) -> str:
    arn = release.campaigns.get(recipe)
    if arn is None:
        raise Problem(404, f"The shop's settings leave out {recipe} or its campaign, or no version was approved yet.")
    return arn


def mark(item_id: str) -> int:
    """Return the mark of an item in tokens."""
    return crc32(item_id.encode(errors="replace"))


def token(secret: str, scope: Sequence[str], shown: Iterable[int]) -> str:
    """Return the token of the next page.

    Args:
        secret: the key of its signature.
        scope: the shop, the user and all other parameters of the list.
        shown: marks of the items so far.
    """
    marks = sorted(shown)
    content = struct.pack(f">{len(marks)}I", *marks)
    return base64.urlsafe_b64encode(_signature(secret, scope, content) + content).decode().rstrip("=")


def read_token(secret: str, scope: Sequence[str], text: str) -> frozenset[int]:
    """Return the marks in a token of this list, or raise 400."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    signature, content = data[:_SIGNATURE], data[_SIGNATURE:]
    good = hmac.compare_digest(signature, _signature(secret, scope, content))
    if not good or len(content) % 4 or not content:
        why = "is not of this list: ask the first page again, and every page with the same parameters"
        raise Problem(400, "The page is unknown.", [FieldError("next", why)])
    return frozenset(struct.unpack(f">{len(content) // 4}I", content))


def _signature(secret: str, scope: Sequence[str], content: bytes) -> bytes:
    parts = [part.encode(errors="replace") for part in scope]
    # The lengths prevent two scopes from having the same bytes.
    lengths = struct.pack(f">{len(parts) + 1}I", len(parts), *map(len, parts))
    signed = b"".join((lengths, *parts, content))
    # A keyed hash (RFC 7693) costs less than half of an HMAC.
    key = secret.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(signed, key=key, digest_size=_SIGNATURE).digest()
