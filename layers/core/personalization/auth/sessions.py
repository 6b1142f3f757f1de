# SPDX-License-Identifier: Apache-2.0
"""Sessions of browsers: begun by an anonymous user, continued, and joined with a user at the login."""

import secrets
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
"""Seconds after which a session is not continued any more: its next token begins a new one."""
Token = Annotated[str, StringConstraints(min_length=1, max_length=tokens.MOST_CHARACTERS)]


class SessionRequest(BaseModel):
    """What a session goes on from; nothing for a new anonymous user."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    session_token: Token | None = None
    """The token of the session at hand, which goes on under its id."""
    user_token: Token | None = None
    """The user's token of the shop's OIDC issuer, at the login: from now on the session is theirs."""


def new_id() -> str:
    """The id of a new session: 128 random bits."""
    return "s-" + secrets.token_urlsafe(16)


def next_session(asked: SessionRequest, shop: str, trust: Trust, seconds: int, now: int) -> Session:
    """The session that a browser goes on with.

    What an anonymous user did counts for the user who logs in, because the session keeps its id; a session that was
    joined with another user before is left to them, and a new one begins.

    Args:
        asked: what it goes on from.
        shop: for whose shop.
        trust: what tokens are checked against.
        seconds: for how long its token is good. It is never good for longer than the login.
        now: epoch seconds.

    Raises:
        Problem: 401 for a token that is worth nothing, 403 for one of another shop, 404 for no shop.
        PersonalizationError: nobody tells the keys.
    """
    if not is_shop(shop):
        raise Problem(404, f"A shop's name has {SHOP_RULE}.")
    try:
        old = tokens.session(asked.session_token, trust.secret, now) if asked.session_token else None
        user, until = trust.login(asked.user_token, now) if asked.user_token else ("", 0)
    except Refused:
        raise Problem(401, "A token is not valid, or not any more; begin a session without it.") from None
    if old and old.shop != shop:
        raise Problem(403, "The token is for another shop.")
    if old and not asked.user_token:
        user, until = old.user, old.until
    known, begun = new_id(), now
    if old and old.user in {"", user} and now - old.begun < LONGEST:
        known, begun = old.id, old.begun
    expires = min(now + seconds, begun + LONGEST, until or now + seconds)
    return Session(known, shop, user, until, begun, expires)


def answer(session: Session, token: str) -> dict[str, object]:
    """The body of the answer; `models.SessionBegun` describes it."""
    body = {"token": token, "sessionId": session.id, "userId": session.user or session.id}
    return {**body, "expiresAt": datetime.fromtimestamp(session.expires, UTC).isoformat().replace("+00:00", "Z")}
