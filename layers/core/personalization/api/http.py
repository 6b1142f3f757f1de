# SPDX-License-Identifier: Apache-2.0
"""What the functions behind API Gateway share: requests, dispatch, problems for what goes wrong, and one log line.

API Gateway has matched the route and names it in `resource`, so dispatch is a look-up in the table of routes. Nothing
here knows AWS.
"""

import base64
import binascii
import hashlib
import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from personalization.api.metrics import Count
from personalization.api.routes import OPERATIONS, Route
from personalization.auth import caller
from personalization.auth.caller import Caller
from personalization.core import observability, problems
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError
from personalization.core.problems import Problem

if TYPE_CHECKING:
    from pydantic import BaseModel

MOST_BYTES = 256 * 1024
"""The largest body that is read."""
NEVER = "private, no-store"
"""The Cache-Control of what is one user's, and of every refusal."""
SHARED_SECONDS = 60
"""How long a client may keep a list that is the same for everybody."""
JSON = "application/json"
_GROUPS = ("filterValues", "context")
"""Query parameters that come as `filterValues.NAME` and `context.NAME`."""
_REPEATED = "excludeItemIds"
"""The query parameter that may come several times."""

M = TypeVar("M", bound="BaseModel")


def compact(value: object) -> str:
    """The JSON of an answer."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that is more than a JSON object with the status of its route."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON


class Request:
    """One request of API Gateway (REST, proxy integration).

    Attributes:
        path: the parameters of its path by name, decoded.
        caller: the browser that asks; None for a server.
        counts: what is counted of it.
        notes: further keys of its log line: counts and words, never what a user sent.
    """

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        # Half a character, which a path may name and no id has, becomes what UTF-8 can say.
        given: Mapping[str, str] = event.get("pathParameters") or {}
        self.path = {name: unquote(value).encode(errors="replace").decode() for name, value in given.items()}
        self.query: Mapping[str, str] = event.get("queryStringParameters") or {}
        self.headers: Mapping[str, str] = event.get("headers") or {}
        self.caller: Caller | None = None
        self.counts: list[Count] = []
        self.notes: dict[str, object] = {}

    def asked(self, model: type[M], **known: object) -> M:
        """Read the query and the path's parameters as a model; `known` fields win.

        Raises:
            Problem: 400, naming each field that is not as it must be.
        """
        return problems.validate(model, self.fields() | known)

    def fields(self) -> dict[str, object]:
        """Return what the query and the path say, as the fields of a model; what the path says wins."""
        found: dict[str, object] = {}
        groups: dict[str, dict[str, str]] = {}
        for name, value in self.query.items():
            group, dot, key = name.partition(".")
            if group not in _GROUPS:
                found[name] = value
            elif dot:
                groups.setdefault(group, {})[key] = value
        if several := (self._event.get("multiValueQueryStringParameters") or {}).get(_REPEATED):
            found[_REPEATED] = tuple(several)
        elif _REPEATED in found:
            found[_REPEATED] = (found[_REPEATED],)
        return {**found, **groups, **self.path}

    def json(self, model: type[M]) -> M:
        """Read the body as a model.

        Raises:
            Problem: 400, naming each field that is not as it must be; else as `body` says.
        """
        return problems.validate_json(model, self.body())

    def body(self) -> bytes:
        """Return the body.

        Raises:
            Problem: 413 where it is larger than 256 KiB, 400 where it is not the base64 that it should be.
        """
        text = self._event.get("body") or ""
        encoded = bool(self._event.get("isBase64Encoded"))
        if len(text) > MOST_BYTES * (2 if encoded else 1):
            raise Problem(413, "The body may have 256 KiB.")
        try:
            content = base64.b64decode(text, validate=True) if encoded else text.encode(errors="replace")
        except (binascii.Error, ValueError):
            raise Problem(400, "The body is not base64.") from None
        if len(content) > MOST_BYTES:
            raise Problem(413, "The body may have 256 KiB.")
        return content

    def header(self, wanted: str) -> str:
        """Return the value of a header by its name in small letters; "" where it was not sent."""
        return next((str(value) for name, value in self.headers.items() if name.lower() == wanted), "")

    def shared(self, answer: Mapping[str, object], *, personal: bool) -> Response:
        """Let the client keep a list for a while, unless it is one user's or not what was asked for.

        Each answer has a recommendationId of its own; with the same items it is as good as the one before.
        """
        if personal or "degraded" in answer:
            return Response(200, compact(answer))
        return self.kept(compact(answer), SHARED_SECONDS, _tag(compact(answer["items"]), "W/"))

    def kept(self, content: str, seconds: int, tag: str = "") -> Response:
        """Let the client keep an answer; only confirm one that it has (RFC 9110 and 9111).

        Args:
            content: the JSON.
            seconds: how long it is good without asking again. Only the client keeps it: a proxy knows no keys.
            tag: its entity tag, where that is not a hash of all of it.
        """
        tag = tag or _tag(content)
        headers = {"ETag": tag, "Cache-Control": f"private, max-age={seconds}"}
        # Compared weakly, as If-None-Match has to be.
        sent = {each.strip().removeprefix("W/") for each in self.header("if-none-match").split(",")}
        if sent == {"*"} or tag.removeprefix("W/") in sent:
            return Response(304, "", headers)
        return Response(200, content, headers)


Handler = Callable[[Request], Mapping[str, object] | Response]
"""Answers an operation: a JSON object with the status of the route, or a whole response."""


class Api:
    """One function behind API Gateway: what answers its routes, and how every request ends.

    Args:
        public: whether its routes are for callers without a token as well.
        busy: what a caller reads where the same request may work later.
    """

    def __init__(self, *, public: bool = False, busy: str = problems.BUSY) -> None:
        self._public = public
        self._busy = busy
        self.handlers: dict[tuple[str, str], tuple[Route, Handler]] = {}

    def operation(self, name: str) -> Callable[[Handler], Handler]:
        """Register what answers an operation of the table of routes."""
        route = OPERATIONS[name]

        def register(handler: Handler) -> Handler:
            self.handlers[route.method, route.path] = (route, handler)
            return handler

        return register

    def answer(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """Answer one request, and write its log line."""
        started, request = time.perf_counter(), Request(event)
        method, resource = str(event.get("httpMethod")), str(event.get("resource") or "")
        response = self._respond(request, event, method, resource)
        headers = {"Content-Type": response.content_type, "Cache-Control": NEVER, **response.headers}
        answered = {
            "statusCode": response.status,
            "body": response.body,
            "isBase64Encoded": False,
            "multiValueHeaders": {name: [value] for name, value in headers.items()} | _cors(event, request),
        }
        metrics = {"AnswerTime": round((time.perf_counter() - started) * 1000, 2)}
        if response.status >= 500:
            metrics["FailedAnswers"] = 1.0
        _log(request, metrics, f"{method} {resource}", response.status)
        return answered

    def _found(self, method: str, resource: str, request: Request) -> tuple[Route, Handler]:
        found = self.handlers.get((method, resource))
        if found is None or not all(request.path.values()):
            raise Problem(404, "There is no such route.")
        return found

    def _respond(self, request: Request, event: Mapping[str, Any], method: str, resource: str) -> Response:
        try:
            if not self._public:
                request.caller = caller.of(event)
                caller.admit(request.caller, method, request.path, request.query, time.time())
            route, handler = self._found(method, resource, request)
            answer = handler(request)
            return answer if isinstance(answer, Response) else Response(route.status, compact(answer))
        except Problem as problem:
            return _refusal(problem, event)
        except PersonalizationError as error:
            found = problems.of_error(error, self._busy)
            if found.status >= 500:
                request.notes["reason"] = f"{type(error).__name__}: {error}"
            return _refusal(found, event)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            # Never the message: it may repeat what a user sent.
            request.notes["reason"] = type(error).__name__
            request.notes["frames"] = "".join(traceback.format_tb(error.__traceback__))
            return _refusal(Problem(500, "Something went wrong on our side."), event)


def _refusal(problem: Problem, event: Mapping[str, Any]) -> Response:
    request_id = (event.get("requestContext") or {}).get("requestId")
    headers = {"Retry-After": str(problems.RETRY_SECONDS)} if problem.status == 503 else {}
    return Response(problem.status, compact(problem.body(str(request_id or ""))), headers, problems.CONTENT_TYPE)


def _log(request: Request, own: Mapping[str, float], route: str, status: int) -> None:
    """Write the request's line with what is counted of it; what has other dimensions is in further lines."""
    environment = Environment()
    namespace, stamp, service = environment.namespace, int(time.time() * 1000), environment.service
    metrics, about = request.counts[0] if request.counts else ({}, {})
    keys = {"service": service, "route": route, "status": status, **request.notes, **about}
    observability.write(observability.emf(namespace, {**own, **metrics}, stamp, **keys))
    for metrics, about in request.counts[1:]:
        observability.write(observability.emf(namespace, metrics, stamp, service=service, **about))


def _cors(event: Mapping[str, Any], request: Request) -> dict[str, list[str]]:
    """Name the pages that may read the answer: those of the request's origin, where it is one of several that may.

    The stage says which may, any where it says nothing: so other origins need no other version of a function.
    """
    allowed = str((event.get("stageVariables") or {}).get("origins") or "*").split(",")
    if len(allowed) == 1:
        return {"Access-Control-Allow-Origin": allowed}
    sent = request.header("origin")
    return {"Vary": ["Origin"], **({"Access-Control-Allow-Origin": [sent]} if sent in allowed else {})}


def _tag(text: str, weak: str = "") -> str:
    """Return the entity tag of a text; a weak one says that what matters is the same."""
    return f'{weak}"{hashlib.sha256(text.encode(errors="replace")).hexdigest()[:22]}"'
