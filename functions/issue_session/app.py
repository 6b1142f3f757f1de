# SPDX-License-Identifier: Apache-2.0
"""POST sessions: the token with which a browser asks and tells, for a visitor and from her login on."""

import time

from personalization.api.http import JSON, Api, Response, compact, part
from personalization.auth import secrets, sessions, tokens, trust
from personalization.auth.sessions import SessionRequest
from personalization.core import cold_start, problems
from personalization.core.aws import clients
from personalization.core.environment import Environment

API = Api(public=True, busy="Tokens cannot be checked or signed right now; try again.")
clients.make_ahead(clients.secretsmanager)


@API.routes.post("/shops/<shop>/sessions")
def begin(shop: str) -> Response[str]:
    """A session that begins, goes on, or becomes a shopper's."""
    asked = problems.validate_json(SessionRequest, API.body() or b"{}")
    environment, now = Environment(), int(time.time())
    session = sessions.next_session(asked, part(shop), trust.trust(), environment.session_seconds, now)
    kid, secret = secrets.current(trust.session_keys(environment.session_keys).all())
    told = sessions.answer(session, tokens.signed(session, kid, secret, now))
    return Response(201, JSON, compact(told), {"Cache-Control": "no-store"})


handler = cold_start.start(API.answer)
"""Answers one request of API Gateway (REST, proxy integration)."""
