# SPDX-License-Identifier: Apache-2.0
"""POST sessions, as a browser meets it."""

import json
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from personalization.auth import keys
from personalization.core.aws import clients

from functions.issue_session.app import handler
from tests.handlers.issuer import AUDIENCE, Issuer
from tests.handlers.samples import Event, body, described, fields, load

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture(autouse=True)
def _told(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    secret = boto3.client("secretsmanager").create_secret(Name="session-keys", SecretString="1" * 64)["ARN"]
    for name, value in {"SESSION_KEYS": secret, "SESSION_MINUTES": "60", "TOKEN_ISSUER": ""}.items():
        monkeypatch.setenv(name, value)
    keys.forget()
    yield
    boto3.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    keys.forget()


def event(content: object = None, **changes: object) -> Event:
    return {**load("api_sessions"), "body": None if content is None else json.dumps(content), **changes}


@pytest.mark.parametrize("content", [None, {}, {"sessionToken": None}])
def test_an_anonymous_user_gets_a_token_that_nobody_keeps(content: object) -> None:
    answer = handler(event(content), None)
    assert answer["statusCode"] == 201
    assert answer["multiValueHeaders"]["Cache-Control"] == ["no-store"]
    assert answer["multiValueHeaders"]["Access-Control-Allow-Origin"] == ["https://shop.example"]
    described("SessionBegun", answer)


def test_a_session_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    first = body(handler(event(), None))
    again = body(handler(event({"sessionToken": first["token"]}), None))
    assert again["sessionId"] == first["sessionId"]
    assert first["sessionId"] not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ({"sessionToken": ""}, 400),
        ({"sessionToken": "x" * 9000}, 400),
        ({"sessionToken": 1}, 400),
        ({"typo": 1}, 400),
        ([], 400),
        ({"sessionToken": "a.b.c"}, 401),
        ({"userToken": "a.b.c"}, 401),
    ],
)
def test_what_no_session_goes_on_from_is_a_problem(content: object, status: int) -> None:
    answer = handler(event(content), None)
    assert answer["statusCode"] == status
    assert status == 401 or fields(answer)


def test_a_name_that_no_shop_has_gets_no_session() -> None:
    assert handler(event({}, pathParameters={"shop": "No%20Shop"}), None)["statusCode"] == 404


def unanswered(**_: object) -> None:
    raise ReadTimeoutError(endpoint_url="secretsmanager")


def test_a_secret_that_does_not_answer_is_not_blamed_on_personalize(capsys: pytest.CaptureFixture[str]) -> None:
    events = clients.secretsmanager().meta.events
    events.register("provide-client-params.secretsmanager.GetSecretValue", unanswered)
    try:
        answer = handler(event(), None)
    finally:
        events.unregister("provide-client-params.secretsmanager.GetSecretValue", unanswered)
    assert (answer["statusCode"], answer["multiValueHeaders"]["Retry-After"]) == (503, ["1"])
    assert body(answer)["detail"] == "Tokens cannot be checked or signed right now; try again."
    assert "RetryLater" in json.loads(capsys.readouterr().out.splitlines()[0])["reason"]


def test_neither_is_an_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer()
    issuer.down = True
    told = {"ISSUER": issuer.url, "AUDIENCE": AUDIENCE, "ALGORITHMS": "RS256", "USER_CLAIM": "sub"}
    for name, value in told.items():
        monkeypatch.setenv(f"TOKEN_{name}", value)
    try:
        answer = handler(event({"userToken": issuer.token()}), None)
    finally:
        issuer.close()
    assert answer["statusCode"] == 503
    assert body(answer)["detail"] == "Tokens cannot be checked or signed right now; try again."


def test_a_secret_that_is_too_short_signs_nothing() -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="session-keys", SecretString="short")
    assert handler(event(), None)["statusCode"] == 503
