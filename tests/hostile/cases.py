# SPDX-License-Identifier: Apache-2.0
"""Hostile requests as API Gateway hands them to the functions, of servers and of browsers."""

import base64
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from personalization.auth.caller import Caller

from tests.handlers.samples import load
from tests.hostile.values import CANARY, body, text

FAR = 4_000_000_000
"""Epoch seconds at which the tokens of the tests end."""
EVENT = {
    "eventType": "View",
    "itemId": "i1",
    "eventValue": 1.5,
    "sentAt": 1_795_594_813,
    "properties": {"STORE": CANARY},
}
DEED = {"eventType": "Not_Taken", "actionId": CANARY, "recommendationId": CANARY}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "api_events": {
        "userId": CANARY,
        "sessionId": CANARY,
        "events": [EVENT, {**EVENT, "impression": ["i1", "i2"]}, DEED],
    },
    "api_ranking": {"itemIds": ["i1", "i2", CANARY]},
    "api_placements": {"placements": ["home", "goes-with"], "itemId": CANARY, "excludeItemIds": ["i1", CANARY]},
    "api_put_user": {"properties": {"AGE": "25-34", "NOTE": CANARY}},
    "api_put_item": {"properties": {"PRICE": 2.19, "NOTE": CANARY}},
    "api_sessions": {"sessionToken": CANARY, "userToken": CANARY},
}
QUERIED = (
    "api_recommendations",
    "api_similar",
    "api_popular",
    "api_ranking",
    "api_actions",
    "api_placement",
    "api_placements",
)
CALLERS = (
    Caller("u1", "", "", FAR),
    Caller("", "s-" + "A" * 22, "demo", FAR),
    Caller("u1", "s-" + "A" * 22, "demo", FAR),
)


@dataclass(frozen=True)
class Case:
    """One request: a sentence that says what it is, the event, and who the caller really is (None: a server)."""

    kind: str
    route: str
    event: dict[str, Any]
    caller: Caller | None = None


def request(random: Random) -> Case:
    """A hostile request to one of the routes."""
    route = random.choice((*QUERIED, *DOCUMENTS, "api_events", "api_ranking"))
    event, kinds = load(route), []
    for chance, kind, change in (
        (0.75, "body", _body),
        (0.5, "path", _path),
        (0.5, "query", _query),
        (0.3, "headers", _headers),
    ):
        if random.random() < chance:
            change(random, route, event)
            kinds.append(kind)
    caller = random.choice(CALLERS) if random.random() < 0.6 else None
    event["stageVariables"] = {"origins": "https://a.example,https://b.example"}
    if caller is not None:
        event["stageVariables"]["callers"] = "browsers"
        told = {name: str(value) for name, value in caller.context().items()}
        event["requestContext"] = {**event["requestContext"], "authorizer": {**told, "principalId": "visitor"}}
        if random.random() < 0.4:
            _impersonate(random, route, event, caller)
            kinds.append("another's id")
    return Case(" and ".join(kinds) or "nothing", route, event, caller)


def _body(random: Random, route: str, event: dict[str, Any]) -> None:
    if route in DOCUMENTS:
        event["body"] = body(random, DOCUMENTS[route])
    else:
        event["body"] = random.choice((None, "", "{}", text(random)))
    act = random.random()
    if act < 0.1:
        content = (event["body"] or "").encode(errors="surrogatepass")
        event |= {
            "body": base64.b64encode(content + random.choice((b"", b"\xff\xfe"))).decode(),
            "isBase64Encoded": True,
        }
    elif act < 0.15:
        event["isBase64Encoded"] = True


def _path(random: Random, _route: str, event: dict[str, Any]) -> None:
    names = list(event["pathParameters"] or {})
    changed = {name: _spelled(random, text(random)) for name in names if random.random() < 0.6}
    event["pathParameters"] = {**(event["pathParameters"] or {}), **changed}
    if random.random() < 0.5 and names:
        event["pathParameters"]["shop"] = "demo"
    event["path"] = "/" + "/".join(text(random) for _ in range(3))


def _spelled(random: Random, part: str) -> str:
    act = random.random()
    if act < 0.5:
        return part
    encoded = quote(part, safe="", errors="replace")
    return encoded if act < 0.8 else quote(encoded, safe="")


def _query(random: Random, route: str, event: dict[str, Any]) -> None:
    names = [
        "limit",
        "filter",
        "filterValues.A",
        "context.A",
        *USER_ID,
        "itemId",
        "item_id",
        "exclude_item_ids",
        "excludeItemIds",
        "next",
        "context." + text(random),
        text(random),
    ]
    if route not in QUERIED and random.random() < 0.7:
        return
    chosen = {random.choice(names): text(random) for _ in range(random.randrange(1, 5))}
    if random.random() < 0.02:
        chosen |= {f"context.{number}": text(random) for number in range(500)}
    event["queryStringParameters"] = random.choice((None, {}, chosen, chosen, chosen))
    event["multiValueQueryStringParameters"] = {name: [value] for name, value in chosen.items()}


def _headers(random: Random, _route: str, event: dict[str, Any]) -> None:
    names = (
        "Origin",
        "origin",
        "Host",
        "X-Forwarded-For",
        "Content-Type",
        "If-None-Match",
        "X-Time-Zone",
        "CloudFront-Viewer-Country",
        "Accept-Encoding",
        "Cookie",
        text(random),
    )
    sent = {random.choice(names): text(random) for _ in range(3)}
    event["headers"] = random.choice((None, {}, {**event["headers"], **sent}))
    event["multiValueHeaders"] = random.choice((None, {name: [value] for name, value in sent.items()}))


ALIKE = (
    "u2", "U1", "u1 ", " u1", "u1\x00", "u1%00", "u%31%00", "u1/", "u1/../u2", "../u2", "*", "u1*", "u?", "{userId}",
    "\uff55\uff11", "u1\u200b", "u1,u2", "u1&userId=u2", '["u2"]', "u2\r\n", "null", "", "s-" + "B" * 22,
    "S-" + "A" * 22,
)  # fmt: skip
"""Ids that somebody might take for the caller's."""
USER_ID = ("userId", "user_id", "userid", "UserId", "USER_ID", "user-id", "userId[]", "user.id", "userId ")
"""Names that somebody might take for the parameter's."""


def _impersonate(random: Random, route: str, event: dict[str, Any], caller: Caller) -> None:
    other = random.choice(ALIKE)
    if "userId" in (event["pathParameters"] or {}):
        event["pathParameters"]["userId"] = _spelled(random, other)
        event["pathParameters"]["shop"] = random.choice(("demo", "demo", "demo2", "DEMO", "demo/", "..", "demo%00"))
    if route == "api_events":
        ids = {
            "userId": random.choice((other, caller.user)),
            "sessionId": random.choice((other, caller.session or "s")),
        }
        event |= {"body": body(random, {**ids, "events": [EVENT, DEED]}), "isBase64Encoded": False}
    elif random.random() < 0.5:
        event["queryStringParameters"] = {random.choice(USER_ID): other}
