# SPDX-License-Identifier: Apache-2.0
"""Callers and their permissions: a shop's server may name every user, a browser only its own.

API Gateway caches the authorizer's policy for many requests, so each request is checked here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from personalization.core.problems import Problem

BROWSERS = "browsers"
"""The stage variable `callers` of the browsers' API, whose requests all carry a token."""
READS_AND_WRITES = ("GET", "POST")
"""The methods of browsers, beside the routes that are open to them by name."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller that a token names."""

    user: str
    """The logged-in user; empty for an anonymous one."""
    session: str
    """The session that the token proves; may be empty."""
    shop: str
    """The only shop of the token; empty for all shops of the stack."""
    expires: int
    """Epoch seconds at which the token expires."""

    @property
    def user_id(self) -> str:
        """The caller's user id in recommendations: an anonymous user's is the session's."""
        return self.user or self.session

    def context(self) -> dict[str, str | int]:
        """Return the authorizer's context for API Gateway, in ASCII."""
        texts = {"user": self.user, "session": self.session, "shop": self.shop}
        return {**{name: quote(text, safe="") for name, text in texts.items()}, "expires": self.expires}


def of(event: Mapping[str, Any]) -> Caller | None:
    """Return the caller of a request of API Gateway; None for a server, whose key the gateway has checked.

    Raises:
        Problem: 401, a browser's request lacks the authorizer's context.
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
    caller: Caller | None,
    method: str,
    path: Mapping[str, str],
    query: Mapping[str, str] | None,
    now: float,
    *,
    is_open: bool = False,
) -> None:
    """Check that a request's path and query parameters, decoded, name no user but the caller.

    `is_open` says whether the route is one of browsers, whatever its method.

    Raises:
        Problem: 401, the token has expired (`now` is in epoch seconds) since it was checked; 403, see the detail.
    """
    if caller is None:
        return
    if now >= caller.expires:
        raise Problem(401, "The token has expired.")
    if method not in READS_AND_WRITES and not is_open:
        raise Problem(403, "This is for the shop's servers.")
    if caller.shop and path.get("shop") != caller.shop:
        raise Problem(403, "The token is for another shop.")
    for parameters in (path, query or {}):
        require_own(caller, parameters.get("userId"))


def require_own(caller: Caller | None, user: str | None) -> None:
    """Raise 403 if a request names a user who is not the caller."""
    if caller is not None and user not in {None, caller.user_id}:
        raise Problem(403, "The token is not that user's.")


def of_events(caller: Caller | None, user: str | None, session: str) -> tuple[str | None, str]:
    """Return the user and the session of a caller's events.

    A session that the token does not prove gets an id derived from the user's, so that no caller can claim an anonymous
    user's events.

    Raises:
        Problem: 403, the events name another user or session.
    """
    if caller is None:
        return user, session
    if user not in {None, caller.user or None}:
        raise Problem(403, "The token is not that user's.")
    if caller.session and session != caller.session:
        raise Problem(403, "The token is for another session.")
    return caller.user or None, caller.session or "u-" + _hash(caller.user, session)[:40]


def event_id(session: str, event: str) -> str:
    """Return the id of a browser's event: a hash that no server and no other session can send.

    Of several events with one id Personalize keeps the first, so a browser could suppress a server's purchase.
    """
    return _hash(BROWSERS, session, event)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
