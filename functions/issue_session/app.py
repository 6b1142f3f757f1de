# SPDX-License-Identifier: Apache-2.0
"""POST sessions: issue a browser's token, for an anonymous or a logged-in user."""

import time
from functools import partial

# Disables the cycle collector before the other imports, until the end of this module.
from personalization.core import cold_start

# isort: split
from personalization.api.http import Api, Request, Response, compact
from personalization.auth import keys, sessions, tokens
from personalization.auth.hash_key import HashKey
from personalization.auth.sessions import SessionRequest
from personalization.core import environment, problems
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.problems import Problem
from personalization.shop.records import release_store

API = Api(environment.metrics, public=True, busy="Tokens cannot be checked or signed right now; try again.")
RELEASES = release_store.Releases(release_store.fetch_release(clients.dynamodb_once, environment.table))
HASH_KEY = HashKey(clients.secretsmanager, environment.hash_key)
clients.make_ahead(clients.secretsmanager)


@API.operation("beginSession")
def begin(request: Request) -> Response:
    """Begin or continue a session, or tie it to a user."""
    session_request = problems.validate_json(SessionRequest, request.body() or b"{}")
    variables, now, shop = Environment(), int(time.time()), request.path["shop"]
    trust, hashed = keys.trust(variables, clients.secretsmanager), partial(_user_id, shop)
    session = sessions.next_session(
        session_request, shop, trust, seconds=variables.session_seconds, now=now, hashed=hashed
    )
    # The newest version of the secret signs.
    kid, secret = next(iter(keys.session_keys(clients.secretsmanager, variables.session_keys).all().items()))
    answer = sessions.answer(session, tokens.signed(session, kid, secret, now))
    return Response(201, compact(answer), {"Cache-Control": "no-store"})


def _user_id(shop: str, user: str) -> str:
    """Return what a user who logs in is called in a shop: by a hash, where its release says so."""
    try:
        release = RELEASES.get(shop, time.monotonic())
    except Problem:
        # Nothing answers for such a shop yet, and the API hashes ids by itself.
        return user
    return HASH_KEY.of(shop)(user) if release.hashed else user


handler = API.answer
"""Answers one request of API Gateway (REST, proxy integration)."""


cold_start.end()
