# SPDX-License-Identifier: Apache-2.0
"""The functions behind API Gateway: parse requests, dispatch them, answer errors as problems, and log one line each.

API Gateway has matched the route and names it in `resource`, so dispatch is a look-up in the table of routes. Nothing
here knows AWS.
"""

import base64
import binascii
import hashlib
import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import unquote

from pydantic_core import PydanticSerializationError, to_json

from personalization.api.routes import OPERATIONS, Route
from personalization.auth import caller
from personalization.auth.caller import Caller
from personalization.core import observability, problems
from personalization.core.errors import PersonalizationError
from personalization.core.observability import Count
from personalization.core.problems import FieldError, Problem

if TYPE_CHECKING:
    from pydantic import BaseModel

MOST_BYTES = 256 * 1024
"""The largest body."""
NEVER = "private, no-store"
"""The Cache-Control of personal answers and of problems."""
SHARED_SECONDS = 30
"""How long a client may cache a list that is the same for all users: new prices are shown within a minute."""
JSON = "application/json"
_GROUPS = ("filterValues", "context")
"""Query parameters that come as `filterValues.NAME` and `context.NAME`."""
_REPEATED = "excludeItemIds"
"""The query parameter that may be repeated."""
_LONGEST_NAME = 50
"""Characters of an unknown parameter's name that a problem repeats."""

M = TypeVar("M", bound="BaseModel")


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def compact(answer: Mapping[str, object] | Sequence[object]) -> str:
    """Return the JSON of an answer."""
    try:
        # Less than half the time of Python's own, which is most of ours in a long list.
        return to_json(answer).decode()
    except PydanticSerializationError:
        # A lone surrogate, which a request may contain and a problem repeats.
        return _encode(answer)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with its own status or headers."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON


class Request:
    """One request of API Gateway (REST, proxy integration).

    Attributes:
        route: the matched route.
        path: its path parameters by name, decoded.
        caller: the user of a browser's token; None for a server.
        is_anonymous: whether somebody who objects to personalization asks, whom nothing names any more.
        counts: its metrics.
        notes: more keys of its log line: counts and words, never a user's input.
    """

    route: Route

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        # A lone surrogate, which a path may contain and no id has, is replaced.
        given: Mapping[str, str] = event.get("pathParameters") or {}
        self.path = {
            name: value if value.isascii() and "%" not in value else unquote(value).encode(errors="replace").decode()
            for name, value in given.items()
        }
        self.query: Mapping[str, str] = event.get("queryStringParameters") or {}
        self.headers: Mapping[str, str] = event.get("headers") or {}
        self.caller: Caller | None = None
        self.is_anonymous = False
        self.counts: list[Count] = []
        self.notes: dict[str, object] = {}

    def name_user_by(self, hashed: Callable[[str], str]) -> None:
        """Put hashes in place of the user whom path, query and caller name, before anything else reads them.

        Raises:
            Problem: 400, no hash can be made of the user's id.
        """
        if "userId" in self.path:
            self.path["userId"] = problems.named("userId", hashed(self.path["userId"]))
        if "userId" in self.query:
            self.query = {**self.query, "userId": problems.named("userId", hashed(self.query["userId"]))}
        if self.caller is not None:
            self.caller = replace(self.caller, user=hashed(self.caller.user), session=hashed(self.caller.session))

    @property
    def user_id(self) -> str | None:
        """The user whom the path or the query names."""
        return self.path.get("userId") or self.query.get("userId")

    def forget_user(self, substitute: str) -> None:
        """Put an id that everybody shares in place of the user's, before anything else reads it."""
        self.is_anonymous = True
        if "userId" in self.path:
            self.path["userId"] = substitute
        if "userId" in self.query:
            self.query = {**self.query, "userId": substitute}

    def parsed(self, model: type[M], **fixed: object) -> M:
        """Parse the query and path parameters as a model; `fixed` fields take precedence.

        Raises:
            Problem: 400, naming each invalid field.
        """
        try:
            return model.model_validate(self.fields() | fixed)
        except ValueError as error:
            raise problems.of_fields(error) from None

    def fields(self) -> dict[str, object]:
        """Return the query and path parameters as a model's fields; path parameters take precedence."""
        fields: dict[str, object] = {}
        groups: dict[str, dict[str, str]] = {}
        for name, value in self.query.items():
            group, dot, key = name.partition(".")
            if group not in _GROUPS:
                fields[name] = value
            elif dot:
                groups.setdefault(group, {})[key] = value
        if several := (self._event.get("multiValueQueryStringParameters") or {}).get(_REPEATED):
            fields[_REPEATED] = tuple(several)
        elif _REPEATED in fields:
            fields[_REPEATED] = (fields[_REPEATED],)
        return {**fields, **groups, **self.path}

    def json(self, model: type[M]) -> M:
        """Parse the body as a model.

        Raises:
            Problem: 400, naming each invalid field; or see `body`.
        """
        body = self.body()
        try:
            return model.model_validate_json(body)
        except ValueError as error:
            raise problems.of_fields(error) from None

    def body(self) -> bytes:
        """Return the body.

        Raises:
            Problem: 413 if it is larger than 256 KiB, 400 if it is announced as base64 and is not.
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
        """Return the value of a header by its lower-case name; empty if it is missing."""
        return next((str(value) for name, value in self.headers.items() if name.lower() == wanted), "")

    def count_list(self, name: str, answer: Mapping[str, Any]) -> None:
        """Count an answered list; its source is that of its first item, or the method of a purchase likelihood.

        Args:
            name: the alias of a recipe, or placement/NAME.
            answer: the answer's JSON.
        """
        items, metrics = answer["items"], {"Lists": 1.0}
        source = items[0].get("source") or answer.get("method") or "none" if items else "none"
        if answer.get("degraded"):
            metrics["DegradedAnswers"] = 1.0
            self.notes["degraded"] = answer.get("degradedReason")
        self.counts.append((metrics, {"shop": self.path["shop"], "list": name, "source": source}))

    def shared(self, answer: Mapping[str, object], *, personal: bool) -> Response:
        """Let the client cache a list, unless it is personal or degraded.

        The weak entity tag ignores the recommendationId, which differs in each answer.
        """
        if personal or "degraded" in answer:
            return Response(200, compact(answer))
        return self.cacheable(
            compact(answer), SHARED_SECONDS, _tag(compact(cast("Sequence[object]", answer["items"])), "W/")
        )

    def cacheable(self, content: str, seconds: int, tag: str = "") -> Response:
        """Let the client cache an answer; answer 304 if it has the current one (RFC 9110 and 9111).

        Args:
            content: the JSON.
            seconds: how long it is fresh, for the client only: a proxy does not check keys.
            tag: its entity tag; a hash of the content by default.
        """
        tag = tag or _tag(content)
        headers = {"ETag": tag, "Cache-Control": f"private, max-age={seconds}"}
        # If-None-Match requires the weak comparison.
        sent = {part.strip().removeprefix("W/") for part in self.header("if-none-match").split(",")}
        if sent == {"*"} or tag.removeprefix("W/") in sent:
            return Response(304, "", headers)
        return Response(200, content, headers)


Handler = Callable[[Request], Mapping[str, object] | Response]
"""Answers an operation by a JSON object, with the status of the route, or by a response."""


class Api:
    """One function behind API Gateway, with the handlers of its routes.

    Args:
        metrics: returns the namespace and the service of metrics.
        public: whether callers need no token.
        busy: the detail of a problem if the same request may succeed later.
    """

    def __init__(
        self, metrics: Callable[[], tuple[str, str]], *, public: bool = False, busy: str = problems.BUSY
    ) -> None:
        self._metrics = metrics
        self._public = public
        self._busy = busy
        self.handlers: dict[tuple[str, str], tuple[Route, Handler]] = {}

    def operation(self, *names: str) -> Callable[[Handler], Handler]:
        """Register the handler of operations of the table of routes."""

        def register(handler: Handler) -> Handler:
            for route in (OPERATIONS[name] for name in names):
                self.handlers[route.method, route.path] = (route, handler)
            return handler

        return register

    def answer(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """Answer a request, and write its log line."""
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
        self._log(request, metrics, f"{method} {resource}", response.status)
        return answered

    def _log(self, request: Request, request_metrics: Mapping[str, float], route: str, status: int) -> None:
        """Write the request's line with its metrics; each further set of dimensions gets a line of its own."""
        (namespace, service), stamp = self._metrics(), int(time.time() * 1000)
        metrics, dimensions = request.counts[0] if request.counts else ({}, {})
        keys = {"service": service, "route": route, "status": status, **request.notes, **dimensions}
        observability.write(observability.emf(namespace, {**request_metrics, **metrics}, stamp, **keys))
        for metrics, dimensions in request.counts[1:]:
            observability.write(observability.emf(namespace, metrics, stamp, service=service, **dimensions))

    def _respond(self, request: Request, event: Mapping[str, Any], method: str, resource: str) -> Response:
        try:
            routed = self.handlers.get((method, resource))
            if not self._public:
                request.caller = caller.of(event)
                is_open = routed is not None and routed[0].callers == "browsers too"
                caller.admit(request.caller, method, request.path, request.query, time.time(), is_open=is_open)
            if routed is None or not all(request.path.values()):
                return _refusal(Problem(404, "There is no such route."), event)
            request.route, handler = routed
            allowed = request.route.query
            # Here, and not in a function: every request passes this, and nearly all have nothing to say.
            strange = [
                name
                for name in request.query
                if allowed
                and (name.partition(".")[0] not in allowed or ("." in name) != (name.partition(".")[0] in _GROUPS))
            ]
            if strange:
                return _refusal(_unknown(strange, allowed), event)
            answer = handler(request)
            return answer if isinstance(answer, Response) else Response(request.route.status, compact(answer))
        except Problem as problem:
            return _refusal(problem, event)
        except PersonalizationError as error:
            busy = problems.of_error(error, self._busy)
            if busy.status >= 500:
                request.notes["reason"] = f"{type(error).__name__}: {error}"
            return _refusal(busy, event)
        except Exception as error:  # noqa: BLE001 - every caller gets an answer
            # Never the message: it may repeat a user's input.
            request.notes["reason"] = type(error).__name__
            request.notes["frames"] = "".join(traceback.format_tb(error.__traceback__))
            return _refusal(Problem(500, "Something went wrong on our side."), event)


def _unknown(names: Sequence[str], allowed: Sequence[str]) -> Problem:
    """Return the problem of misspelt query parameters: ignored, they would change nothing, silently."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a misspelt request needs it

    errors = []
    for name in names:
        meant = get_close_matches(name.partition(".")[0], allowed, 1)
        written = [f"{parameter}.NAME" if parameter in _GROUPS else parameter for parameter in meant or allowed]
        hint = f"Did you mean {written[0]}?" if meant else f"There are {', '.join(written)}."
        # A lone surrogate cannot be sent.
        shown = name[:_LONGEST_NAME].encode(errors="replace").decode()
        errors.append(FieldError(shown, f"There is no such query parameter. {hint}"))
    return Problem(400, "The query has a parameter that this route does not have.", errors)


def _refusal(problem: Problem, event: Mapping[str, Any]) -> Response:
    request_id = (event.get("requestContext") or {}).get("requestId")
    headers = {"Retry-After": str(problems.RETRY_SECONDS)} if problem.status == 503 else {}
    return Response(problem.status, compact(problem.body(str(request_id or ""))), headers, problems.CONTENT_TYPE)


def _cors(event: Mapping[str, Any], request: Request) -> dict[str, list[str]]:
    """Return the CORS headers: the request's origin if it is allowed.

    A stage variable lists the allowed origins (all by default), so new origins need no new version of a function.
    """
    allowed = str((event.get("stageVariables") or {}).get("origins") or "*").split(",")
    if len(allowed) == 1:
        return {"Access-Control-Allow-Origin": allowed}
    sent = request.header("origin")
    return {"Vary": ["Origin"], **({"Access-Control-Allow-Origin": [sent]} if sent in allowed else {})}


def _tag(text: str, weak: str = "") -> str:
    """Return the entity tag of a text; `weak` is its prefix W/."""
    return f'{weak}"{hashlib.sha256(text.encode(errors="replace")).hexdigest()[:22]}"'
