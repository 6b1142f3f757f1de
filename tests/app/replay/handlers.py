# SPDX-License-Identifier: Apache-2.0
"""Events that no gateway of this machine makes, played on the handlers: `python -m tests.app.replay.handlers`.

Prints each case's name and its answer as JSON, with what Personalize was asked.
"""

import base64
import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "layers" / "core"))

from functions.get_recommendations import app as recommend  # noqa: E402 - the layer is no package of the environment
from tests.app.replay.play import NEW, Answer, comparable, replaced  # noqa: E402
from tests.app.replay.requests import SENT_AT  # noqa: E402
from tests.handlers.samples import RECOMMENDED, Event, load  # noqa: E402
from tests.hostile.world import HANDLERS, world  # noqa: E402

ROUTES = sorted({file.stem for file in (REPOSITORY / "events").glob("api_*.json")} - set(NEW))
ERRORS = ("ThrottlingException", "ResourceNotFoundException", "InvalidInputException", "InternalFailure", "Strange")
ORIGINS = {"origins": "https://a.example,https://b.example"}
CHANGES: Mapping[str, Event] = {
    "as it is": {},
    "no body": {"body": None},
    "an empty body": {"body": ""},
    "no JSON": {"body": "{"},
    "no base64": {"body": "???", "isBase64Encoded": True},
    "a large body": {"body": json.dumps({"padding": "x" * 300_000})},
    "no query": {"queryStringParameters": None, "multiValueQueryStringParameters": None},
    "an empty query": {"queryStringParameters": {}, "multiValueQueryStringParameters": {}},
    "no headers": {"headers": None, "multiValueHeaders": None},
    "no context": {"requestContext": {}},
    "another resource": {"resource": "/nothing", "path": "/nothing"},
    "another method": {"httpMethod": "PATCH"},
    "no stage variables": {"stageVariables": None},
    "an origin that may": {"stageVariables": ORIGINS, "headers": {"Origin": "https://b.example"}},
    "an origin that may not": {"stageVariables": ORIGINS, "headers": {"origin": "https://c.example"}},
    "a browser without a token": {"stageVariables": {"callers": "browsers"}},
    "a browser of the user": {
        "stageVariables": {"callers": "browsers"},
        "requestContext": {"authorizer": {"user": "2375", "session": "", "shop": "", "expires": "4000000000"}},
    },
    "a browser of a session": {
        "stageVariables": {"callers": "browsers"},
        "requestContext": {
            "authorizer": {"user": "", "session": "s-" + "A" * 22, "shop": "demo", "expires": "4000000000"}
        },
    },
}
PATHS: Mapping[str, tuple[str, ...]] = {
    "shop": ("nobody", "UPPER", "", "demo%20", "../demo"),
    "userId": ("", " ", "a/b", "a%2Fb", "%252F", "a%0Ab", "é", "%ED%A0%80", "x" * 257),
    "itemId": ("", " ", "a/b", "a%2Fb", "%252F", "a%0Ab", "é", "%ED%A0%80", "x" * 257),
    "placement": ("nowhere", "", "HOME", "a%2Fb"),
}


def cases() -> Iterator[tuple[str, str, Event]]:
    """Return the name, the route and the event of each case."""
    for route in ROUTES:
        good = load(route)
        for name, change in CHANGES.items():
            yield f"{route} {name}", route, good | change
        encoded = base64.b64encode((good["body"] or "").encode()).decode()
        yield f"{route} base64", route, good | {"body": encoded, "isBase64Encoded": True}
        for parameter in good["pathParameters"] or {}:
            for value in PATHS[parameter]:
                changed = good["pathParameters"] | {parameter: value}
                yield f"{route} {parameter} {value[:20]!r}", route, good | {"pathParameters": changed}


def play() -> Iterator[tuple[str, Answer]]:
    """Return the name and the answer of each case; then of each route while Personalize fails once."""
    # A browser's events may be a week late, and those of the samples are not younger.
    with world() as made, patch("time.time", return_value=SENT_AT + 60.0):
        personalize = made._personalize
        # What is asked once more depends on how long the first call took.
        recommend.FALLBACK.now = lambda: 0.0
        for name, route, event in cases():
            yield name, answer(route, event, personalize.calls)
        for error in ERRORS:
            # Of a page, the placements are asked at the same time: either may fail.
            for route in (route for route in ROUTES if route != "api_placements"):
                personalize.reset()
                for operation in ("GetRecommendations", "GetPersonalizedRanking", "PutEvents", "PutUsers", "PutItems"):
                    personalize.fails(operation, error)
                    personalize.says(operation, RECOMMENDED | {"personalizedRanking": [{"itemId": "i1"}]})
                yield f"{route} {error}", answer(route, load(route), personalize.calls)


def answer(route: str, event: Event, calls: list[tuple[str, dict[str, Any]]]) -> Answer:
    """Return what a handler answers to an event, and what Personalize was asked for it."""
    calls.clear()
    with redirect_stdout(io.StringIO()):
        told = HANDLERS.get(route, recommend.handler)(event, None)
    headers = {name.lower(): ", ".join(values) for name, values in told["multiValueHeaders"].items()}
    body = json.loads(told["body"]) if told["body"] else ""
    calls_made = sorted(([operation, replaced(body, {})] for operation, body in calls), key=str)
    return comparable(told["statusCode"], headers, body) | {"asked": calls_made}


if __name__ == "__main__":
    # Whatever the handlers log is in lines before.
    sys.stdout.write(json.dumps(list(play()), ensure_ascii=False))
