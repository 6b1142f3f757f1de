# SPDX-License-Identifier: Apache-2.0
"""What a caller may name: a server everybody, a browser nobody but its own user."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.auth import caller as callers
from personalization.auth.caller import Caller
from personalization.core.problems import Problem

NOW = 1_795_000_000
USER = Caller("u1", "", "", NOW + 60)
ANONYMOUS = Caller("", "s-1", "demo", NOW + 60)
JOINED = Caller("u1", "s-1", "demo", NOW + 60)
EVERYBODY = pytest.mark.parametrize("caller", [USER, ANONYMOUS, JOINED])


def status(act: Callable[[], object]) -> int:
    with pytest.raises(Problem) as caught:
        act()
    return caught.value.status


def request(authorizer: object, variables: object = None) -> dict[str, object]:
    return {"requestContext": {"authorizer": authorizer}, "stageVariables": variables}


@given(st.builds(Caller, st.text(min_size=1), st.text(), st.text(), st.integers(0, 10**10)))
def test_the_functions_know_whom_the_authorizer_named(caller: Caller) -> None:
    passed = {name: str(value) for name, value in caller.context().items()}
    assert all(value.isascii() for value in passed.values())
    assert callers.of(request(passed | {"principalId": "shopper"})) == caller


def test_a_request_that_no_authorizer_saw_is_a_server_s_at_the_servers_api_alone() -> None:
    assert callers.of({"requestContext": {}}) is None
    assert callers.of(request(None, {"other": "1"})) is None
    for bare in (request(None, {"callers": "browsers"}), request({"principalId": "x"}), request({"expires": "9"})):
        assert status(partial(callers.of, bare)) == 401


def test_a_server_may_name_anybody() -> None:
    callers.admit(None, "PUT", {"shop": "demo", "userId": "u2"}, {"userId": "u3"}, NOW)


@EVERYBODY
def test_a_browser_may_name_its_own_user(caller: Caller) -> None:
    callers.admit(caller, "GET", {"shop": "demo", "userId": caller.user_id}, {"userId": caller.user_id}, NOW)
    callers.admit(caller, "POST", {"shop": "demo"}, None, NOW)


@EVERYBODY
@pytest.mark.parametrize(
    ("path", "query"),
    [
        ({"userId": "u2"}, None),
        ({"userId": ""}, None),
        ({"userId": "U1"}, None),
        ({"userId": "u1 "}, None),
        ({"userId": "*"}, None),
        ({}, {"userId": "u2"}),
        ({"userId": "u1"}, {"userId": "u2"}),
    ],
)
def test_a_browser_may_name_nobody_else(caller: Caller, path: dict[str, str], query: dict[str, str] | None) -> None:
    assert status(lambda: callers.admit(caller, "GET", {"shop": "demo", **path}, query, NOW)) == 403


@EVERYBODY
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_what_is_known_of_users_and_items_is_told_by_servers(caller: Caller, method: str) -> None:
    assert status(lambda: callers.admit(caller, method, {"shop": "demo", "userId": caller.user_id}, None, NOW)) == 403


def test_a_session_is_for_its_shop_and_a_token_for_its_time() -> None:
    assert status(lambda: callers.admit(ANONYMOUS, "GET", {"shop": "other"}, None, NOW)) == 403
    assert status(lambda: callers.admit(ANONYMOUS, "GET", {"shop": "demo"}, None, NOW + 60)) == 401


def test_events_are_the_caller_s_whoever_they_name() -> None:
    assert callers.of_events(ANONYMOUS, None, "s-1") == (None, "s-1")
    for user in (None, "u1"):
        assert callers.of_events(JOINED, user, "s-1") == ("u1", "s-1")
    assert callers.of_events(None, "u2", "s-2") == ("u2", "s-2")


@pytest.mark.parametrize(
    ("caller", "user", "session"),
    [(ANONYMOUS, "u1", "s-1"), (ANONYMOUS, "s-1", "s-1"), (ANONYMOUS, None, "s-2"), (JOINED, "u2", "s-1"),
     (JOINED, "u1", "s-2"), (JOINED, None, "s-2"), (USER, "u2", "s-1")],
)  # fmt: skip
def test_events_of_others_are_refused(caller: Caller, user: str | None, session: str) -> None:
    assert status(lambda: callers.of_events(caller, user, session)) == 403


def test_a_session_that_nobody_proves_is_nobody_else_s() -> None:
    first, again = (callers.of_events(USER, None, "s-1") for _ in range(2))
    other = callers.of_events(Caller("u2", "", "", NOW + 60), None, "s-1")
    assert first == again
    assert first[0] == "u1"
    assert len({first[1], other[1], "s-1"}) == 3
