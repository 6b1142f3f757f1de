# SPDX-License-Identifier: Apache-2.0
"""How a session begins, goes on, and becomes a user's."""

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from personalization.auth import sessions, tokens
from personalization.auth.keys import Trust
from personalization.auth.sessions import SessionRequest, next_session
from personalization.auth.tokens import Policy, Session
from personalization.core.problems import Problem

LONGEST = 30 * 86_400

NOW = 1_795_000_000
RSA = RSAKey.generate_key(2048, {"kid": "a"})
SECRET = b"0" * 64
POLICY = Policy("https://login.example", "shop-front", ("RS256",))
TRUST = Trust(POLICY, {"a": RSA}.get, {"v1": SECRET}.get)


def login(user: str, seconds: int = 600) -> str:
    claims = {"iss": POLICY.issuer, "aud": POLICY.audience, "sub": user, "exp": NOW + seconds}
    return jwt.encode({"alg": "RS256", "kid": "a"}, claims, RSA, ["RS256"])


def request(session: Session | None = None, user: str | None = None) -> SessionRequest:
    token = tokens.signed(session, "v1", SECRET, NOW) if session else None
    return SessionRequest(sessionToken=token, userToken=login(user) if user else None)  # type: ignore[call-arg]


def following(request: SessionRequest, now: int = NOW, shop: str = "demo", trust: Trust = TRUST) -> Session:
    return next_session(request, shop, trust, 3600, now)


def test_an_anonymous_user_s_session_is_random_and_ends() -> None:
    first, two = (following(request()) for _ in range(2))
    assert first.id != two.id
    assert first == Session(id=first.id, shop="demo", user="", until=0, begun=NOW, expires=NOW + 3600)


def test_a_session_goes_on_under_its_id_until_it_is_too_old() -> None:
    first = following(request())
    later = following(request(first), NOW + 100)
    assert (later.id, later.begun, later.expires) == (first.id, NOW, NOW + 3700)
    old = Session(id=first.id, shop="demo", user="", until=0, begun=NOW - LONGEST + 10, expires=NOW + 10)
    assert following(request(old)).expires == NOW + 10
    past = Session(id=first.id, shop="demo", user="", until=0, begun=NOW - LONGEST, expires=NOW + 10)
    assert following(request(past)).id != first.id


def test_at_login_the_session_becomes_the_user_s_for_as_long_as_the_login() -> None:
    visitor = following(request())
    joined = following(request(visitor, "u1"))
    assert joined == Session(id=visitor.id, shop="demo", user="u1", until=NOW + 600, begun=NOW, expires=NOW + 600)
    assert following(request(joined), NOW + 300) == joined


def test_a_joined_session_is_left_to_its_user() -> None:
    joined = following(request(following(request()), "u1"))
    other = following(request(joined, "u2"))
    assert other.id != joined.id
    assert other.user == "u2"


def test_a_user_may_begin_without_a_session() -> None:
    assert following(request(user="u1")).user == "u1"


@pytest.mark.parametrize(
    ("request_", "shop", "status"),
    [
        (SessionRequest(sessionToken="forged"), "demo", 401),  # type: ignore[call-arg]
        (SessionRequest(userToken="a.b.c"), "demo", 401),  # type: ignore[call-arg]
        (request(Session(id="s-" + "A" * 22, shop="demo", user="", until=0, begun=NOW, expires=NOW)), "demo", 401),
        (
            request(Session(id="s-" + "A" * 22, shop="other", user="", until=0, begun=NOW, expires=NOW + 60)),
            "demo",
            403,
        ),
        (request(), "No Shop", 404),
    ],
)
def test_a_session_goes_on_from_nothing_false(request_: SessionRequest, shop: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        following(request_, shop=shop)
    assert caught.value.status == status


def test_without_an_issuer_nobody_logs_in() -> None:
    with pytest.raises(Problem) as caught:
        following(request(user="u1"), trust=Trust(None, TRUST.public, TRUST.secret))
    assert caught.value.status == 401


def test_the_browser_is_told_who_it_is_and_until_when() -> None:
    told = sessions.answer(Session(id="s-" + "A" * 22, shop="demo", user="", until=0, begun=NOW, expires=NOW), "t")
    assert told == {"token": "t", "sessionId": "s-" + "A" * 22, "userId": "s-" + "A" * 22,
                    "expiresAt": "2026-11-18T11:06:40Z"}  # fmt: skip
