# SPDX-License-Identifier: Apache-2.0
"""Where hostile requests are sent without a gateway: the handlers, a Personalize, tables, a secret and an issuer."""

import io
import json
import os
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from random import Random
from typing import Any

import boto3
from moto import mock_aws
from personalization.auth import keys
from personalization.auth.caller import Caller
from personalization.core.aws import clients
from personalization.shop.records import release_store

from functions.authorize_request import app as authorize
from functions.get_recommendations import app as recommend
from functions.issue_session import app as sessions
from functions.record_events import app as record
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.issuer import AUDIENCE, Issuer
from tests.handlers.samples import RECOMMENDED, RELEASE, TABLE, load, served
from tests.handlers.variables import VARIABLES as SAMPLE_VARIABLES
from tests.hostile.cases import Case, request
from tests.hostile.forgeries import Forge
from tests.hostile.values import CANARY

VARIABLES = {
    **SAMPLE_VARIABLES, "SHOPS_TABLE": TABLE,
    "TOKEN_AUDIENCE": AUDIENCE, "TOKEN_ALGORITHMS": "RS256", "TOKEN_USER_CLAIM": "sub", "SESSION_KEYS": "session-keys",
    "SESSION_MINUTES": "60", "SHOPPER_KEY": "shopper-key", "VISITOR_KEY": "visitor-key",
    "SHOPPER_EVENTS_TABLE": "shopper-events",
}  # fmt: skip
HANDLERS = {
    "api_events": record.handler, "api_put_user": record.handler, "api_put_item": record.handler,
    "api_sessions": sessions.handler,
}  # fmt: skip
"""The handlers of the routes; all others are the recommending function's."""
CONTENT = {"application/json", "application/problem+json"}
SECRETS = re.compile(r'Traceback|File \\?"|\.py\b|joserfc|pydantic|botocore|arn:aws:[a-z]+:us-east-1:\d|session-keys')
"""What an answer never shows of its insides."""


class World:
    """Sends hostile requests, and counts and holds what comes of them.

    Attributes:
        statuses: how often each status was answered, by kind of request.
        broken: what must not be, each with the request it came from.
    """

    def __init__(self, personalize: FakePersonalize, issuer: Issuer) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.broken: list[str] = []
        self._personalize, self._issuer = personalize, issuer
        session = json.loads(sessions.handler(load("api_sessions"), None)["body"])["token"]
        claims = issuer.claims("u1", note=CANARY, exp=int(time.time()) + 86_400)
        self._forge = Forge(issuer.keys[-1], claims, session)

    def request(self, random: Random) -> None:
        """One hostile request to a route."""
        case = request(random)
        self._personalize.calls.clear()
        output = io.StringIO()
        with redirect_stdout(output):
            try:
                answer = HANDLERS.get(case.route, recommend.handler)(case.event, None)
            except Exception as error:  # noqa: BLE001 - whatever it is, a handler never raises
                return self._break(case, f"raised {type(error).__name__}: {error}")
        self.statuses[case.kind, answer["statusCode"]] += 1
        for problem in (*wrong(answer), *self._reached(case)):
            self._break(case, problem)
        if CANARY in output.getvalue():
            self._break(case, f"is in the log: {output.getvalue()}")
        return None

    def token(self, random: Random) -> None:
        """One forged token to the authorizer."""
        kind = random.choice(list(self._forge.kinds))
        token = self._forge.kinds[kind](random)
        event = load("authorize_request")
        event["multiValueHeaders"] = {random.choice(("Authorization", "authorization")): [f"Bearer {token}"]}
        output = io.StringIO()
        with redirect_stdout(output):
            try:
                answer = authorize.handler(event, None)
            except Exception as error:  # noqa: BLE001 - a forged token is denied, whatever it is
                self.broken.append(f"{kind} {token!r} raised {type(error).__name__}: {error}")
                return
        effect = answer["policyDocument"]["Statement"][0]["Effect"]
        self.statuses[f"token: {kind}", 401 if effect == "Deny" else 200] += 1
        if effect != "Deny" or "context" in answer:
            self.broken.append(f"{kind} {token!r} was let in")
        if CANARY in output.getvalue() or (len(token) > 40 and token[:60] in output.getvalue()):
            self.broken.append(f"{kind} {token!r} is in the log: {output.getvalue()}")

    def good_tokens_are_good(self) -> bool:
        """Whether the tokens that the forgeries are made of are let in: else nothing was tried."""
        for token in (self._forge.good, self._forge.session):
            event = load("authorize_request")
            event["multiValueHeaders"] = {"Authorization": [f"Bearer {token}"]}
            with redirect_stdout(io.StringIO()):
                if authorize.handler(event, None)["policyDocument"]["Statement"][0]["Effect"] != "Allow":
                    return False
        return True

    def _break(self, case: Case, problem: str) -> None:
        self.broken.append(f"{case.route} with {case.kind} {problem}: {json.dumps(case.event)[:2000]}")

    def _reached(self, case: Case) -> Iterator[str]:
        """What of others a browser's request reached."""
        if case.caller is None:
            return
        for operation, body in self._personalize.calls:
            user, session = body.get("userId"), body.get("sessionId")
            if operation in {"PutUsers", "PutItems", "GetActionRecommendations"}:
                yield f"reached {operation}"
            for deed in body.get("actionInteractions", ()):
                if not own_events(case.caller, deed.get("userId"), deed["sessionId"]):
                    yield f"acted as {deed.get('userId')!r} in {deed['sessionId']!r}"
            if operation == "PutEvents" and not own_events(case.caller, user, session):
                yield f"wrote as {user!r} in {session!r}"
            if operation != "PutEvents" and user not in {"nobody-in-particular", None, case.caller.user_id}:
                yield f"read of {user!r}"


def own_events(caller: Caller, user: object, session: object) -> bool:
    """Whether events of that user and session are the caller's own."""
    apart = isinstance(session, str) and re.fullmatch(r"u-[0-9a-f]{40}", session) is not None
    return user == (caller.user or None) and (session == caller.session if caller.session else apart)


def wrong(answer: dict[str, Any]) -> Iterator[str]:
    """What is wrong with an answer, whatever was asked."""
    body, headers = str(answer["body"] or ""), answer["multiValueHeaders"]
    if answer["statusCode"] >= 500:
        yield f"answered {answer['statusCode']}: {body}"
    if SECRETS.search(body) and '"openapi"' not in body:
        yield f"shows its insides: {body}"
    if answer["statusCode"] == 304:
        if answer["body"]:
            yield f"has a body where none belongs: {body}"
    elif not isinstance(json.loads(body), dict) or headers["Content-Type"][0] not in CONTENT:
        yield f"is no JSON: {headers} {body}"
    values = [value for listed in headers.values() for value in listed]
    if any(unicodedata.category(letter) == "Cc" for value in (*headers, *values) for letter in value):
        yield f"has a header with a control character: {headers}"
    body.encode()  # what is not text could not be sent


@contextmanager
def world() -> Iterator[World]:
    """A world of its own, as long as the block runs."""
    before = dict(os.environ)
    personalize, issuer = FakePersonalize(), Issuer()
    try:
        with mock_aws():
            os.environ.update(VARIABLES, TOKEN_ISSUER=issuer.url)
            for service in ("PERSONALIZE", "PERSONALIZE_RUNTIME", "PERSONALIZE_EVENTS"):
                os.environ[f"AWS_ENDPOINT_URL_{service}"] = personalize.url
            clients.forget()
            keys.forget()
            # A test before may have left a table that does not answer.
            record.LEAVING.forget()
            furnish()
            personalize.says("GetRecommendations", RECOMMENDED)
            personalize.says(
                "GetPersonalizedRanking", {"recommendationId": "r", "personalizedRanking": [{"itemId": "i1"}]}
            )
            personalize.says("GetActionRecommendations", {"recommendationId": "r", "actionList": [{"actionId": "a"}]})
            yield World(personalize, issuer)
    finally:
        os.environ.clear()
        os.environ.update(before)
        clients.forget()
        keys.forget()
        personalize.close()
        issuer.close()


def furnish() -> None:
    """The table with one shop, the bucket, the queue, and the secret."""
    boto3.client("s3").create_bucket(Bucket=VARIABLES["BUCKET"])
    tables = boto3.client("dynamodb")
    for table, names in ((TABLE, ("shop", "record")), (VARIABLES["SHOPPER_EVENTS_TABLE"], ("shopper", "event"))):
        tables.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": names[0], "KeyType": "HASH"},
                {"AttributeName": names[1], "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            BillingMode="PAY_PER_REQUEST",
        )
    datasets = {kind: f"{ARN}:dataset/retail-demo/{kind}" for kind in ("ITEMS", "USERS")}
    actions = served(f"{ARN}:campaign/retail-demo-next-best-action", f"{ARN}:solution/x/1", "aws-next-best-action")
    campaigns: Any = RELEASE["campaigns"]
    campaigns = {**campaigns, "next-best-action": actions}
    release = {**RELEASE, "datasets": datasets, "campaigns": campaigns, "actionTrackingId": "of-actions"}
    release_store.put(tables, TABLE, release)
    os.environ["EVENTS_QUEUE_URL"] = boto3.client("sqs").create_queue(QueueName="events")["QueueUrl"]
    os.environ["IMPRESSIONS_QUEUE_URL"] = boto3.client("sqs").create_queue(QueueName="impressions")["QueueUrl"]
    boto3.client("secretsmanager").create_secret(Name="session-keys", SecretString="1" * 64)
    boto3.client("secretsmanager").create_secret(Name=VARIABLES["LIST_ID_KEYS"], SecretString="2" * 64)
