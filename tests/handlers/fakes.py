# SPDX-License-Identifier: Apache-2.0
"""A Personalize that says what a test tells it to, over HTTP: all three services on one port."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ARN = "arn:aws:personalize:us-east-1:123456789012"
_PATHS = {
    "/recommendations": "GetRecommendations",
    "/personalize-ranking": "GetPersonalizedRanking",
    "/action-recommendations": "GetActionRecommendations",
    "/action-interactions": "PutActionInteractions",
    "/events": "PutEvents",
    "/users": "PutUsers",
    "/items": "PutItems",
}
_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "ListCampaigns": {"campaigns": []},
    "ListDatasets": {"datasets": []},
    "ListEventTrackers": {"eventTrackers": []},
    "ListFilters": {"Filters": []},
    "ListMetricAttributionMetrics": {"metrics": []},
    "ListMetricAttributions": {"metricAttributions": []},
    "ListRecommenders": {"recommenders": []},
    "ListSchemas": {"schemas": []},
    "ListSolutions": {"solutions": []},
    "ListSolutionVersions": {"solutionVersions": []},
    "GetRecommendations": {"recommendationId": "RID-0", "itemList": []},
    "CreateEventTracker": {"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "trackingId": "t-1"},
    "CreateMetricAttribution": {"metricAttributionArn": f"{ARN}:metric-attribution/retail-demo-metrics"},
    "CreateSolutionVersion": {"solutionVersionArn": f"{ARN}:solution/retail-demo-user-personalization/1f2e3d4c"},
}


class FakePersonalize:
    """Answers in turn what `says` and `fails` were told, the last of them again and again.

    What a test says nothing about: describe finds nothing, list is empty, everything else succeeds.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._answers: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Forget what tests said and did."""
        self.calls.clear()
        self._answers.clear()

    def hangs_up(self, operation: str) -> None:
        """The connection of the next call of an operation ends without an answer."""
        self._answers.setdefault(operation, []).append((0, {}))

    def says(self, operation: str, answer: Mapping[str, object]) -> None:
        """The next answer of an operation."""
        self._answers.setdefault(operation, []).append((200, dict(answer)))

    def fails(self, operation: str, code: str, message: str = "no", status: int = 400) -> None:
        """The next answer of an operation is an error."""
        self._answers.setdefault(operation, []).append((status, {"__type": code, "message": message}))

    def operations(self) -> list[str]:
        """The operations that were called, in order."""
        return [operation for operation, _ in self.calls]

    def body_of(self, operation: str) -> dict[str, Any]:
        """The body of the last call of an operation."""
        return [body for called, body in self.calls if called == operation][-1]

    def answer(self, operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What the server answers."""
        self.calls.append((operation, body))
        told = self._answers.get(operation)
        if told:
            return told.pop(0) if len(told) > 1 else told[0]
        if operation.startswith("Describe"):
            return 400, {"__type": "ResourceNotFoundException", "message": "Resource Arn does not exist."}
        return 200, dict(_DEFAULTS.get(operation, {}))

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    fake: FakePersonalize
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer one call."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        target = self.headers.get("X-Amz-Target", "")
        operation = _PATHS.get(self.path) or target.rpartition(".")[2]
        status, answer = self.fake.answer(operation, body)
        if not status:
            self.close_connection = True
            return
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1" if target else "application/json")
        if "__type" in answer:
            self.send_header("x-amzn-ErrorType", answer["__type"])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""
