# SPDX-License-Identifier: Apache-2.0
"""Who a request comes from, and what it may name: a shop's server everything, a browser what is its shopper's own.

The authorizer tells whom a token names; it is asked once for many requests, so what one request may name is decided
here, for each of them, and not by the policy that it returned.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from personalization.auth.identity import Caller
from personalization.core.problems import Problem

if TYPE_CHECKING:
    from personalization.events.models import Call, Events

BROWSERS = "browsers"
"""What the stage variable `callers` says at the API whose requests all carry a token."""
READS_AND_WRITES = ("GET", "POST")
"""The methods that browsers have: what is known of users and items is told by servers."""


def of(event: Mapping[str, Any]) -> Caller | None:
    """The caller of a request of API Gateway; None for a server, which the gateway knows by its key.

    Raises:
        Problem: 401 where a browser's request comes without what the authorizer says.
    """
    told = (event.get("requestContext") or {}).get("authorizer") or {}
    if "expires" in told:
        user, session, shop = (unquote(str(told.get(name) or "")) for name in ("user", "session", "shop"))
        if user or session:
            return Caller(user, session, shop, int(told["expires"]))
    if told or (event.get("stageVariables") or {}).get("callers") == BROWSERS:
        raise Problem(401, "Send a token: Authorization: Bearer …")
    return None


def admit(
    caller: Caller | None, method: str, path: Mapping[str, str], query: Mapping[str, str] | None, now: float
) -> None:
    """Let a request through whose path and query name nobody but the caller.

    Args:
        caller: who asks.
        method: HTTP's.
        path: the parameters of the path, decoded.
        query: those of the query, decoded.
        now: epoch seconds.

    Raises:
        Problem: 401 for a token that has expired since it was looked at, 403 for what is not the caller's.
    """
    if caller is None:
        return
    if now >= caller.expires:
        raise Problem(401, "The token has expired.")
    if method not in READS_AND_WRITES:
        raise Problem(403, "This is for the shop's servers.")
    if caller.shop and path.get("shop") != caller.shop:
        raise Problem(403, "The token is for another shop.")
    for each in (path, query or {}):
        own(caller, each.get("userId"))


def own(caller: Caller | None, user: str | None) -> None:
    """Let a list be made for a user, whatever it was that named her.

    Raises:
        Problem: 403 where she is not the caller.
    """
    if caller is not None and user not in {None, caller.own}:
        raise Problem(403, "The token is not that user's.")


def bound(caller: Caller | None, asked: "Events") -> "Events":
    """Events as the caller's own: of no other user, and in no session that is another's.

    A session that the token does not prove is kept apart by the user's name, so that nobody can tie to herself what
    a stranger did.

    Raises:
        Problem: 403 where they name another user or session.
    """
    if caller is None:
        return asked
    if asked.user_id not in {None, caller.user or None}:
        raise Problem(403, "The token is not that user's.")
    if caller.session and asked.session_id != caller.session:
        raise Problem(403, "The token is for another session.")
    session = caller.session or _apart(caller.user, asked.session_id)
    return asked.model_copy(update={"user_id": caller.user or None, "session_id": session})


def sent_on(caller: Caller | None, calls: Sequence["Call"]) -> Sequence["Call"]:
    """The calls as Personalize, the queue and the table get them: a server's as they are, a browser's under own ids.

    Of several events with one id Personalize keeps the first. Anybody can name an order; so the id of a browser's
    event becomes a hash of its session and the id, which no server and no other session can send.

    Args:
        caller: who asks.
        calls: what `bound` let through, split.
    """
    if caller is None:
        return calls
    return [
        replace(
            call,
            events=[{**event, "eventId": _own_id(call.session_id, str(event["eventId"]))} for event in call.events],
        )
        for call in calls
    ]


def _own_id(session: str, event: str) -> str:
    return _hash(BROWSERS, session, event)


def _apart(user: str, session: str) -> str:
    return "u-" + _hash(user, session)[:40]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
