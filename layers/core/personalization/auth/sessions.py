# SPDX-License-Identifier: Apache-2.0
"""Sessions of browsers: an anonymous user begins one, and a login ties it to a user."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

from personalization.auth import tokens
from personalization.auth.keys import Trust
from personalization.auth.tokens import Refused, Session
from personalization.core.problems import Problem
from personalization.shop.keys import SHOP_RULE, is_shop

LONGEST = 30 * 86_400
"""The longest session in seconds; afterwards the next token begins a new one."""
Token = Annotated[str, StringConstraints(min_length=1, max_length=tokens.MOST_CHARACTERS)]


class SessionRequest(BaseModel):
    """The tokens that a session continues from; none for a new anonymous user."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    session_token: Token | None = None
    """The current session's token; the session keeps its id."""
    user_token: Token | None = None
    """The user's token of the shop's OIDC issuer, after a login; it ties the session to the user."""


def new_id() -> str:
    """Return a session id of 128 random bits."""
    return "s-" + secrets.token_urlsafe(16)


def next_session(
    request: SessionRequest, shop: str, trust: Trust, seconds: int, now: int, hashed: Callable[[str], str] = str
) -> Session:
    """Continue a browser's session, or begin a new one.

    A login keeps the session's id, so that the anonymous user's events count for the user; but a session of another
    user stays theirs, and a new one begins.

    Args:
        request, shop, trust: the request, its shop, and the trust for its tokens.
        seconds: the lifetime of the session's token, which ends no later than the login.
        now: epoch seconds.
        hashed: returns what a user's id is in the shop: the id, or its hash.

    Raises:
        Problem: 401, a token is invalid; 403, it is another shop's; 404, there is no such shop.
        PersonalizationError: keys cannot be fetched.
    """
    if not is_shop(shop):
        raise Problem(404, f"A shop's name has {SHOP_RULE}.")
    try:
        old = tokens.session(request.session_token, trust.secret, now) if request.session_token else None
        user, until = trust.login(request.user_token, now) if request.user_token else ("", 0)
        user = hashed(user) if user else user
    except Refused:
        raise Problem(401, "A token is not valid, or not any more; begin a session without it.") from None
    if old and old.shop != shop:
        raise Problem(403, "The token is for another shop.")
    if old and not request.user_token:
        user, until = old.user, old.until
    session_id, begun = new_id(), now
    if old and old.user in {"", user} and now - old.begun < LONGEST:
        session_id, begun = old.id, old.begun
    expires = min(now + seconds, begun + LONGEST, until or now + seconds)
    return Session(id=session_id, shop=shop, user=user, until=until, begun=begun, expires=expires)


def answer(session: Session, token: str) -> dict[str, object]:
    """Return the answer's body, described by `models.SessionBegun`."""
    body = {"token": token, "sessionId": session.id, "userId": session.user or session.id}
    return {**body, "expiresAt": datetime.fromtimestamp(session.expires, UTC).isoformat().replace("+00:00", "Z")}
