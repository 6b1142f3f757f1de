# SPDX-License-Identifier: Apache-2.0
"""Send the requests to a local cloud, and make their answers comparable: ids, times and scores are replaced."""

import http.client
import json
import re
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tests.app.replay.requests import GOOD, LIKELIHOOD, LISTINGS, PLACEMENT, SENT_AT, Request
from tests.app.replay.shop import Command
from tests.app.waiting import BOUND, SLOW, until

Answer = dict[str, Any]
"""The `status`, the `headers` and the `body` of an answer, comparable."""
UNCOMPARED = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
"""Headers that belong to the connection, or to what is replaced in the body."""
STAND_INS: Mapping[str, str] = {
    **dict.fromkeys(("recommendationId", "requestId", "token", "sessionId", "userId", "next", "run"), "<id>"),
    **dict.fromkeys(("expiresAt", "asOf", "calibratedAt", "calibratedOn"), "<time>"),
    **dict.fromkeys(("score", "probability", "baseRate"), "<score>"),
    "verdict": "<verdict>",
    **dict.fromkeys(("NAME", "PRICE", "CATEGORY_L1"), "<value>"),
}
"""What stands for the values of these members."""
ADDED = {"listId"}
"""Members of answers that the release before did not have."""
TEXTS: Mapping[str, str] = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<uuid>",
    r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)": "<time>",
    r"\b[0-9a-f]{16,}\b": "<hex>",
}


class Player:
    """Sends requests in order, with what earlier answers gave.

    Args:
        command: of the local cloud that has the shop.
    """

    def __init__(self, command: Command, shop: str) -> None:
        status = command("status")
        self._shop, self._engine, self._key = shop, status["engine"], status["api"]["key"]
        self._servers, self._browsers = status["api"]["url"], status["browserApi"]["url"]
        self._user = command("token", shop, "u1")["token"]
        self._last = {"token": self._user}
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def play(self, requests: Iterable[Request]) -> Iterator[tuple[str, Answer]]:
        """Return each request's name and its answer.

        Before, the items' names are waited for, which a function that has just started may not have read, and the
        purchase likelihood, which comes some seconds after the release.
        """
        for path in (*LISTINGS, PLACEMENT):
            until(partial(self._named, path), "every item has a name")
        likelihood = Request("POST", LIKELIHOOD, GOOD["POST", LIKELIHOOD])
        until(lambda: self._send(likelihood)["status"] == 200, "the purchase likelihood is there")
        try:
            for request in requests:
                yield request.name, self._send(request)
        finally:
            for connection in self._connections.values():
                connection.close()

    def _named(self, path: str) -> bool:
        items = self._send(Request("GET", f"{path}?limit=50"))["body"]["items"]
        return "metadata" in str(items) and len(items) == 1

    def _send(self, request: Request) -> Answer:
        """Send a request, and again while the answer is slow; none of those that were recorded is."""
        answers: list[tuple[http.client.HTTPResponse, bytes]] = []

        def in_time() -> bool:
            answers.append(self._sent(request))
            return not SLOW.search(answers[-1][1].decode(errors="replace"))

        until(in_time, f"{request.name} is answered in time")
        return self._remembered(*answers[-1])

    def _sent(self, request: Request) -> tuple[http.client.HTTPResponse, bytes]:
        fault = self._fault(request.fault) if request.fault else None
        address, proof = self._proof(request.caller)
        headers = {"Content-Type": "application/json"} if request.body is not None else {}
        headers |= proof | {name: self._filled(value) for name, value in request.headers.items()}
        body = request.body
        if body is not None and not isinstance(body, bytes):
            body = self._filled(json.dumps(body)).encode()
        target = self._filled(request.target)
        below = f"/shops/{self._shop}{target}" if target[:1] in {"", "/", "?"} else f"/{target}"
        response, content = self._exchange(address, request.method, below, body, headers)
        if fault is not None:
            self._engine_door("DELETE", f"/faults/{fault}")
        return response, content

    def _exchange(
        self, address: SplitResult, method: str, below: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connections.setdefault(
            address.netloc, http.client.HTTPConnection(address.netloc, timeout=BOUND)
        )
        connection.request(method, address.path + below, body, dict(headers))
        response = connection.getresponse()
        return response, response.read()

    def _proof(self, caller: str) -> tuple[SplitResult, dict[str, str]]:
        kind, _, who = caller.rpartition(" ")
        if not kind:
            keys = {"server": {"x-api-key": self._key}, "stranger": {"x-api-key": "wrong-key-wrong-key-wrong-key"}}
            return urlsplit(self._servers), keys.get(who, {})
        tokens = {"user": self._user, "session": self._last["token"], "stranger": "e30.e30.e30"}
        return urlsplit(self._browsers), {"Authorization": f"Bearer {tokens[who]}"} if who in tokens else {}

    def _fault(self, action: str) -> int:
        rule = {"action": action, "operation": "Get*", "resource": f"*-{self._shop}-*", "times": 1}
        return int(self._engine_door("POST", "/faults", rule)["rules"][0]["id"])

    def _engine_door(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self._engine + path, content, method=method)) as answer:
            document: dict[str, Any] = json.load(answer)
            return document

    def _filled(self, text: str) -> str:
        for name, value in self._last.items():
            text = text.replace(f"<{name}>", value)
        return text.replace(str(SENT_AT), str(int(time.time())))

    def _remembered(self, response: http.client.HTTPResponse, content: bytes) -> Answer:
        headers = {name.lower(): value for name, value in response.getheaders()}
        if "etag" in headers:
            self._last["etag"] = headers["etag"]
        try:
            body = json.loads(content)
        except ValueError:
            return comparable(response.status, headers, content.decode(errors="backslashreplace"))
        if isinstance(body, dict):
            given = ("next", "token", "sessionId", "userId")
            self._last.update({name: body[name] for name in given if isinstance(body.get(name), str)})
        return comparable(response.status, headers, body)


NEW: Mapping[str, str] = {
    "api_actions": "/shops/{shop}/users/{userId}/actions",
    "api_impressions": "/shops/{shop}/impressions",
    "api_put_personalization": "/shops/{shop}/users/{userId}/personalization",
}
"""Routes that the release before does not have, by their sample events."""


def comparable(status: int, headers: Mapping[str, str], body: object) -> Answer:
    """Return an answer without what differs each time."""
    comparables = {name: value for name, value in sorted(headers.items()) if name not in UNCOMPARED}
    if "etag" in comparables:
        comparables["etag"] = re.sub('"[^"]*"', '"<tag>"', comparables["etag"])
    comparables = {
        name: "<id>" if name.startswith(("x-amz", "apigw")) else text(value) for name, value in comparables.items()
    }
    if isinstance(body, dict) and "openapi" in body:
        body = {
            path: {
                method: sorted(operation["responses"])
                for method, operation in operations.items()
                if "responses" in operation
            }
            for path, operations in body["paths"].items()
            if path not in NEW.values()
        }
    return {"status": status, "headers": comparables, "body": replaced(body)}


def replaced(value: object, stand_ins: Mapping[str, str] = STAND_INS) -> object:
    """Return JSON with ids, times, scores and what belongs to the recommended items replaced; null stays null.

    Of a long list, elements that are then equal are one beside their number.
    """
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        elements = [replaced(element, stand_ins) for element in value]
        runs = [[len(list(run)), element] for element, run in groupby(elements)]
        return elements if len(value) < 6 else runs
    if not isinstance(value, dict):
        return value
    names = dict(stand_ins)
    if "itemId" in value and {"source", "probability"} & value.keys():
        names["itemId"] = "<item>"
    return {
        name: names[name] if name in names and member is not None else replaced(member, stand_ins)
        for name, member in value.items()
        if name not in ADDED
    }


def text(value: str) -> str:
    """Return a text with what differs each time replaced."""
    for pattern, stands_for in TEXTS.items():
        value = re.sub(pattern, stands_for, value)
    return value
