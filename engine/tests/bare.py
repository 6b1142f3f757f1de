# SPDX-License-Identifier: Apache-2.0
"""Requests without an SDK, which sends nothing that a model rules out."""

import http.client
import json
import time
from collections.abc import Mapping
from typing import Final, Self

from engine.tests.calls import MODELS, Json, Refused
from engine.tests.harness import SECONDS, Engine

IDLE: Final = 30.0
"""Seconds after which a connection is made anew: the engine closes idle ones."""


class Bare:
    """Signed requests over one connection, hundreds a second."""

    def __init__(self, engine: Engine, region: str, key: str = "t") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=SECONDS)
        signature = f"AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/personalize/aws4_request"
        self._headers = {"Authorization": signature}
        self._used = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def ask(self, operation: str, request: Json) -> tuple[int, Json]:
        """Send a request of an operation; returns status and body."""
        model = MODELS[operation]
        target = model.metadata.get("targetPrefix")
        headers = {"X-Amz-Target": f"{target}.{operation}"} if target else {}
        status, text = self.send(model.http["method"], model.http["requestUri"], json.dumps(request).encode(), headers)
        answer: Json = json.loads(text) if text else {}
        return status, answer

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send anything; headers may replace the signature."""
        if time.monotonic() - self._used > IDLE:
            self._connection.close()
        self._used = time.monotonic()
        try:
            return self._send(method, path, body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()  # the server closes connections that were idle for seconds
            return self._send(method, path, body, headers)

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self._connection.request(method, path, body, self._headers | dict(headers))
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def perform(self, operation: str, request: Json) -> Json:
        """Send a request; returns the answer's members. Raises Refused."""
        status, answer = self.ask(operation, request)
        if status != 200:
            raise Refused(str(answer.get("__type")), str(answer.get("message")))
        return answer
