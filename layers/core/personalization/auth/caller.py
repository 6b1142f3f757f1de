# SPDX-License-Identifier: Apache-2.0
"""Who asks, and what they may name: a shop's server everything, a browser what is its own user's.

The authorizer says whom a token names. API Gateway asks it once for many requests, so what one request may name is
decided here, for each of them, and not by the policy that the authorizer returned.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from personalization.core.problems import Problem

BROWSERS = "browsers"
"""What the stage variable `callers` says at the API whose requests all carry a token."""
READS_AND_WRITES = ("GET", "POST")
"""The methods that browsers have: only servers write users and items."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token names.

    Attributes:
        user: the user who is logged in; "" for an anonymous one.
        session: the session that the token proves; "" where it proves none.
        shop: the only shop that the token is for; "" for any of the stack.
        expires: epoch seconds from which on the token is worth nothing.
    """

    user: str
    session: str
    shop: str
    expires: int

    @property
    def own(self) -> str:
        """The id under which the caller is recommended to: an anonymous user's is the session's."""
        return self.user or self.session

    def context(self) -> dict[str, str | int]:
        """As API Gateway passes it on from the authorizer: plain ASCII."""
        texts = {"user": self.user, "session": self.session, "shop": self.shop}
        return {**{name: quote(text, safe="") for name, text in texts.items()}, "expires": self.expires}


def of(event: Mapping[str, Any]) -> Caller | None:
    """The caller of a request of API Gateway; None for a server, which the gateway knows by its key.

    Raises:
        Problem: 401 where a browser's request comes without what the authorizer says.
    """
    named = (event.get("requestContext") or {}).get("authorizer") or {}
    if "expires" in named:
        user, session, shop = (unquote(str(named.get(name) or "")) for name in ("user", "session", "shop"))
        if user or session:
            return Caller(user, session, shop, int(named["expires"]))
    if named or (event.get("stageVariables") or {}).get("callers") == BROWSERS:
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
    """Let a list be made for a user, whatever it was that named them.

    Raises:
        Problem: 403 where they are not the caller.
    """
    if caller is not None and user not in {None, caller.own}:
        raise Problem(403, "The token is not that user's.")


def of_events(caller: Caller | None, user: str | None, session: str) -> tuple[str | None, str]:
    """Return the user and the session of a caller's events: of no other user, and in no session that is another's.

    A session that the token does not prove is kept apart by the user's name, so that nobody can tie to their own what
    an anonymous user did.

    Args:
        caller: who asks.
        user: whom the events name.
        session: the session that they name.

    Raises:
        Problem: 403 where they name another user or session.
    """
    if caller is None:
        return user, session
    if user not in {None, caller.user or None}:
        raise Problem(403, "The token is not that user's.")
    if caller.session and session != caller.session:
        raise Problem(403, "The token is for another session.")
    return caller.user or None, caller.session or "u-" + _hash(caller.user, session)[:40]


def event_id(session: str, event: str) -> str:
    """Return the id under which a browser's event is kept: a hash that no server and no other session can send.

    Of several events with one id Personalize keeps the first, and anybody can name an order.
    """
    return _hash(BROWSERS, session, event)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
