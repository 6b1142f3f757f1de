# SPDX-License-Identifier: Apache-2.0
"""A client of the HTTP API for servers, on the standard library of Python 3.11: one file, to install or to copy from.

    shop = ShopClient("https://….amazonaws.com/v1", "myshop", key)
    answer = shop.recommend("u1", limit=12)
    bought = event("Purchase", itemId="i42", eventValue=2.49, **origin(answer))
    shop.send("session-1", [bought], user_id="u1")

What it shows: an event has its id and time before it is first sent, so that sending it again counts once; only what may
go well later is tried again, after as long as the API says, or else after waits that double and are drawn at random; a
refusal carries the API's own words (RFC 9457).
"""

import hmac
import json
import random
import re
import secrets
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, NotRequired, TypedDict, cast
from urllib.parse import quote, urlencode

BATCH = 100
"""Events that the API takes in one call."""
LONGEST = 60.0
"""Seconds to wait at most, whatever the API asks for."""


class Item(TypedDict):
    """An item of an answer; `source` says where it came from, `score` is null where the recipe has none."""

    itemId: str
    score: float | None
    source: str
    metadata: NotRequired[dict[str, str]]
    recommendationId: NotRequired[str | None]
    listId: NotRequired[str]


class Answer(TypedDict):
    """Items, best first. :func:`origin` goes into the events that follow from them; `recommendationId` may be null."""

    recommendationId: str | None
    listId: NotRequired[str | None]
    items: list[Item]
    degraded: NotRequired[bool]


class Likelihood(TypedDict):
    """How likely the user is to buy an item within the shop's horizon, 0 to 1."""

    itemId: str
    probability: float


Event = dict[str, Any]
"""What docs/api.md lists for an event; :func:`event` makes one."""


def event(event_type: str, **members: object) -> Event:
    """An event that has just happened; members without a value are left out."""
    given = {name: value for name, value in members.items() if value is not None}
    return {"eventType": event_type, "eventId": str(uuid.uuid4()), "sentAt": datetime.now(UTC).isoformat(), **given}


def new_visitor_id() -> str:
    """The id of a new visitor, for a cookie that lasts: a shopper is in one variant of an experiment before the login
    and after it, if each call has it. Give every browser its own, and whoever refuses the cookie none."""
    return secrets.token_urlsafe(16)


def origin(answer: Answer, item_id: str | None = None) -> Event:
    """What an event says of the answer from which it came: its ids, and the items that were shown (25 at most).

    Name the item of the event: where two rankers share a list, its ids are those of its ranker.
    """
    usual, items = answer["recommendationId"], answer["items"]
    item: Mapping[str, Any] = next((entry for entry in items if entry["itemId"] == item_id), answer)
    list_id = item.get("listId") or answer.get("listId")
    listed: Event = {"listId": list_id} if list_id else {}
    chosen = item.get("recommendationId", usual)
    if not chosen:
        return listed
    shown = [entry["itemId"] for entry in items if entry.get("recommendationId", usual) == chosen]
    return {"recommendationId": chosen, "impression": shown[:25], **listed}


def hash_id(key: str, shop: str, user_id: str) -> str:
    """The hash that stands for an id in a shop whose setting ``hash`` replaces ids: docs/operations/hashed-ids.md.

    The API makes it by itself of what it is sent; this is for a program that looks a customer up in a file of hashes.

    Args:
        key: the stack's, from Secrets Manager; keep it from browsers.
        shop: its name.
        user_id: spaces around it do not count, nor does the case of an e-mail address; a hash stays as it is.
    """
    if not key:
        raise ValueError("the key of hashes is empty")
    value = user_id.strip(" \t\n\v\f\r\u00a0\u3000\ufeff")
    if not value or re.fullmatch("h-[0-9a-f]{40}", value):
        return value
    if "@" in value:
        value = re.sub("[A-Z]", lambda capital: capital[0].lower(), value)
    return f"h-{hmac.digest(key.encode(), f'{shop}/{value}'.encode(errors='replace'), 'sha256').hex()[:40]}"


class ApiError(Exception):
    """The API refused.

    Attributes:
        status: of HTTP.
        problem: the API's document, with `title`, `detail`, `errors` and `requestId` where it has them.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))
        self.status = status
        self.problem = problem


class ShopClient:
    """One shop, by an API key. It may be shared by threads.

    Args:
        base_url: of the API, without a slash at its end.
        shop: its name.
        key: sent as ``x-api-key``; keep it from browsers.
        tries: of a call that may go well later.
        timeout: seconds until a try is given up.
        wait: how to wait for some seconds; for tests.
    """

    def __init__(
        self, base_url: str, shop: str, key: str, *, tries: int = 4, timeout: float = 8.0,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:  # fmt: skip
        self._root = f"{base_url}/shops/{quote(shop, safe='')}"
        self._headers = {"x-api-key": key, "accept": "application/json"}
        self._tries = tries
        self._timeout = timeout
        self._wait = wait

    def recommend(self, user_id: str, **query: str | int) -> Answer:
        """Items for a user; `query` as in docs/api.md, such as ``limit`` or ``**{"context.DEVICE": "phone"}``."""
        return cast(Answer, self._call("GET", f"/users/{quote(user_id, safe='')}/recommendations", query))

    def similar(self, item_id: str, **query: str | int) -> Answer:
        """Items similar to one."""
        return cast(Answer, self._call("GET", f"/items/{quote(item_id, safe='')}/similar", query))

    def page(
        self, user_id: str, placements: Sequence[str], *, visitor_id: str | None = None, **body: str | Sequence[str]
    ) -> dict[str, Answer]:
        """What placements of a page show, by name, no item twice; `body` as in docs/api.md, such as ``itemId``.

        `visitor_id` is what the shopper's browser keeps, see :func:`new_visitor_id`: the unit of experiments.
        """
        path = f"/users/{quote(user_id, safe='')}/placements"
        query = {} if visitor_id is None else {"visitorId": visitor_id}
        answer = self._call("POST", path, query, {"placements": list(placements), **body})
        return {each["placement"]: cast(Answer, each) for each in answer["placements"]}

    def likelihoods(self, user_id: str, item_ids: Sequence[str]) -> list[Likelihood]:
        """How likely the user is to buy each of the items, in their order; an :class:`ApiError` of 409 before a fit."""
        path = f"/users/{quote(user_id, safe='')}/purchase-likelihood"
        answer = self._call("POST", path, {}, {"itemIds": list(item_ids)})
        return cast(list[Likelihood], answer["items"])

    def seen(
        self, session_id: str, lists: Sequence[Mapping[str, object]], user_id: str | None = None,
        *, visitor_id: str | None = None,
    ) -> int:  # fmt: skip
        """Tell which items of lists (`listId`, `itemIds`, `seenAt`) were on screen, of 50 lists; how many count."""
        body = {"sessionId": session_id, "userId": user_id, "visitorId": visitor_id, "lists": list(lists)}
        answer = cast("Mapping[str, int]", self._call("POST", "/impressions", {}, body))
        return answer["accepted"]

    def personalize(self, user_id: str, *, enabled: bool) -> None:
        """Whether a user's lists are personal; without, they get bestsellers, until another call says otherwise."""
        self._call("PUT", f"/users/{quote(user_id, safe='')}/personalization", {}, {"enabled": enabled})

    def send(
        self, session_id: str, events: Sequence[Event], user_id: str | None = None, *, visitor_id: str | None = None
    ) -> None:
        """Send events of one session, as :func:`event` makes them; returns once all of them are safe.

        Raises:
            ApiError: the API refuses an event for what it is, or takes none at the moment; send the same events again
                later, with the ids that they have.
        """
        rest = list(events)
        who = {"sessionId": session_id} | ({"userId": user_id} if user_id else {})
        who |= {"visitorId": visitor_id} if visitor_id else {}
        while rest:
            accepted = int(self._call("POST", "/events", {}, {**who, "events": rest[:BATCH]})["accepted"])
            if not accepted:
                raise ApiError(202, {"title": "No event was accepted"})
            rest = rest[accepted:]

    def _call(self, method: str, path: str, query: Mapping[str, str | int], body: object = None) -> dict[str, Any]:
        """The answer's document, after as many tries as it takes."""
        address = f"{self._root}{path}?{urlencode(query)}" if query else self._root + path
        content = None if body is None else json.dumps(body).encode()
        headers = self._headers if body is None else self._headers | {"content-type": "application/json"}
        for left in reversed(range(self._tries)):
            request = urllib.request.Request(address, content, headers, method=method)  # noqa: S310 - the caller's URL
            try:
                with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                    return cast(dict[str, Any], json.load(answer))
            except urllib.error.HTTPError as refused:
                with refused:
                    if not (left and (refused.code in {408, 429} or refused.code >= 500)):
                        raise ApiError(refused.code, problem(refused)) from None
                    seconds = asked_for(refused.headers.get("Retry-After"))
            except (OSError, HTTPException):
                if not left:
                    raise
                seconds = None
            chance = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
            self._wait(seconds or 0.25 * 2 ** (self._tries - 1 - left) * chance)
        raise AssertionError("the last try returns or raises")


def problem(refused: urllib.error.HTTPError) -> Mapping[str, Any]:
    """The document of a refusal; what has none, such as a proxy's page, gives its status alone."""
    try:
        document = json.load(refused)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def asked_for(retry_after: str | None) -> float | None:
    """Seconds of a `Retry-After` in seconds, which is how this API says it."""
    return min(float(retry_after), LONGEST) if retry_after and retry_after.isdigit() else None
