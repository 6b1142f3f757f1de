# SPDX-License-Identifier: Apache-2.0
"""POST sessions: the token with which a browser asks and tells, for a visitor and from her login on."""

import time

from personalization import cold, problems, sessions, tokens
from personalization.aws import clients, secrets, trusting
from personalization.environment import Environment
from personalization.sessions import SessionRequest
from personalization.web import JSON, Api, Response, compact, part

API = Api(public=True, busy="Tokens cannot be checked or signed right now; try again.")
clients.make_ahead(clients.secretsmanager)


@API.routes.post("/shops/<shop>/sessions")
def begin(shop: str) -> Response[str]:
    """A session that begins, goes on, or becomes a shopper's."""
    asked = problems.checked_json(SessionRequest, API.body() or b"{}")
    environment, now = Environment(), int(time.time())
    session = sessions.next_session(asked, part(shop), trusting.trust(), environment.session_seconds, now)
    kid, secret = secrets.current(trusting.session_keys(environment.session_keys).all())
    told = sessions.answer(session, tokens.signed(session, kid, secret, now))
    return Response(201, JSON, compact(told), {"Cache-Control": "no-store"})


handler = cold.start(API.answer)
"""Answers one request of API Gateway (REST, proxy integration)."""
