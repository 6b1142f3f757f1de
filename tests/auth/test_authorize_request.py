# SPDX-License-Identifier: Apache-2.0
"""The authorizer's handler against an issuer and a secret that rotate."""

import json
from collections.abc import Iterator

import boto3
import pytest
from personalization.auth import caller as callers
from personalization.auth import keys
from personalization.auth.caller import Caller
from personalization.core.errors import RetryLater

from functions.authorize_request.app import handler
from functions.issue_session.app import handler as issue
from tests.handlers.issuer import AUDIENCE, Issuer
from tests.handlers.samples import Event, body, load

pytestmark = pytest.mark.usefixtures("aws", "table")


@pytest.fixture(scope="module")
def _issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


@pytest.fixture
def issuer(_issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """What the template would tell, and no key known yet."""
    secret = boto3.client("secretsmanager").create_secret(Name="session-keys", SecretString="1" * 64)["ARN"]
    told = {
        "TOKEN_ISSUER": _issuer.url, "TOKEN_AUDIENCE": AUDIENCE, "TOKEN_ALGORITHMS": "RS256", "TOKEN_USER_CLAIM": "sub",
        "SESSION_KEYS": secret, "SESSION_MINUTES": "60", "SHOPPER_KEY": "shopper-key", "VISITOR_KEY": "visitor-key",
    }  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    keys.forget()
    _issuer.down = False
    _issuer.paths.clear()
    yield _issuer
    boto3.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    keys.forget()


def asking(*values: str) -> Event:
    event = load("authorize_request")
    event["multiValueHeaders"] = {**event["multiValueHeaders"], "Authorization": list(values)}
    return event


def verdict(token: str) -> Event:
    answer = handler(asking(f"Bearer {token}"), None)
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Resource"] == "arn:aws:execute-api:us-east-1:123456789012:b9r8o7w6s5/v1/*"
    assert statement["Action"] == "execute-api:Invoke"
    return {**answer, "effect": statement["Effect"]}


def caller(answer: Event) -> Caller | None:
    return callers.of({"requestContext": {"authorizer": {k: str(v) for k, v in answer["context"].items()}}})


def session(**fields: str) -> Event:
    answer = issue({**load("api_sessions"), "body": json.dumps(fields)}, None)
    assert answer["statusCode"] == 201, answer["body"]
    told: Event = body(answer)
    return told


def test_a_user_is_named_with_their_plan(issuer: Issuer) -> None:
    answer = verdict(issuer.token("Jörg/1"))
    assert (answer["effect"], answer["principalId"], answer["usageIdentifierKey"]) == (
        "Allow", "shopper", "shopper-key",
    )  # fmt: skip
    admitted = caller(answer)
    assert admitted is not None
    assert (admitted.user, admitted.session, admitted.shop) == ("Jörg/1", "", "")


def test_an_anonymous_user_is_named_with_theirs(issuer: Issuer) -> None:
    told = session()
    answer = verdict(told["token"])
    assert (answer["effect"], answer["principalId"], answer["usageIdentifierKey"]) == (
        "Allow", "visitor", "visitor-key",
    )  # fmt: skip
    admitted = caller(answer)
    assert admitted is not None
    assert (admitted.user_id, admitted.session, admitted.shop) == (told["userId"], told["sessionId"], "demo")
    assert issuer.paths == []


def test_a_session_becomes_the_user_s_at_the_login(issuer: Issuer) -> None:
    visitor = session()
    joined = session(sessionToken=visitor["token"], userToken=issuer.token("u1"))
    assert (joined["sessionId"], joined["userId"]) == (visitor["sessionId"], "u1")
    answer = verdict(joined["token"])
    assert (answer["principalId"], answer["usageIdentifierKey"]) == ("shopper", "shopper-key")
    admitted = caller(answer)
    assert admitted is not None
    assert (admitted.user, admitted.session) == ("u1", visitor["sessionId"])


@pytest.mark.parametrize(
    "values",
    [[], [""], ["Bearer"], ["Bearer "], ["Basic dTpw"], ["bearer x.y.z"], ["Bearer a", "Bearer b"], ["Bearer  a.b.c"],
     ["Token a.b.c"], ["Bearer \ud800"], ["Bearer " + "a" * 9000]],
)  # fmt: skip
def test_a_request_without_a_good_token_is_denied(values: list[str], issuer: Issuer) -> None:
    answer = handler(asking(*values), None)
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert not {"context", "usageIdentifierKey"} & set(answer)
    assert issuer.paths == []


def test_tokens_for_others_of_others_and_of_yesterday_are_denied(issuer: Issuer) -> None:
    for changes in ({"aud": "other"}, {"iss": "https://evil.example"}, {"exp": 1}, {"sub": None}):
        assert verdict(issuer.token(**changes))["effect"] == "Deny"


def test_keys_are_looked_up_once_and_again_for_a_new_one(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        assert verdict(issuer.token())["effect"] == "Allow"
    assert issuer.paths == ["/realm/.well-known/openid-configuration", "/realm/keys"]
    issuer.rotate()
    monkeypatch.setattr(keys.issuer_keys(issuer.url), "pause", 0)
    assert verdict(issuer.token())["effect"] == "Allow"
    assert len(issuer.paths) == 4


def test_while_the_issuer_is_away_known_keys_hold_and_unknown_ones_are_no_verdict(issuer: Issuer) -> None:
    good = issuer.token()
    issuer.down = True
    with pytest.raises(RetryLater):
        verdict(good)
    issuer.down = False
    assert verdict(good)["effect"] == "Allow"
    issuer.down = True
    assert verdict(good)["effect"] == "Allow"


@pytest.mark.usefixtures("issuer")
def test_a_session_outlives_one_change_of_the_secret_and_not_two() -> None:
    token, secrets = session()["token"], boto3.client("secretsmanager")
    for value, effect in (("2" * 64, "Allow"), ("3" * 64, "Deny")):
        secrets.put_secret_value(SecretId="session-keys", SecretString=value)
        keys.forget()
        assert verdict(token)["effect"] == effect
        assert verdict(session()["token"])["effect"] == "Allow"


def test_nothing_of_a_token_or_its_user_is_logged(issuer: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    name = "shopper-whom-no-log-names"
    good, visitor = issuer.token(name), session()
    for token in (good, good[:-5] + "AAAAA", visitor["token"], issuer.token(name, aud="x"), name):
        verdict(token)
    session(sessionToken=visitor["token"], userToken=good)
    logged = "".join(capsys.readouterr())
    assert '"outcome":"refused"' in logged
    assert '"outcome":"admitted"' in logged
    for secret in (name, visitor["sessionId"], *good.split("."), *visitor["token"].split(".")):
        assert secret not in logged


def test_without_an_issuer_only_sessions_are_taken(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_ISSUER", "")
    assert verdict(issuer.token())["effect"] == "Deny"
    assert verdict(session()["token"])["effect"] == "Allow"
