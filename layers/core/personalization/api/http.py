# SPDX-License-Identifier: Apache-2.0
"""What the functions behind API Gateway share: the resolver, problems for everything that goes wrong, and one log line.

Powertools' resolver finds the route; its validation and tracing stay off, because they cost more than everything else
that an answer needs (docs/decisions). Nothing here knows AWS.
"""

import base64
import binascii
import json
import sys
import time
import traceback
from collections.abc import Mapping
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

from personalization.api import caching, callers
from personalization.api.metrics import Tally
from personalization.auth.identity import Caller
from personalization.core import observability, problems
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError
from personalization.core.problems import Problem

# The package's own __init__ imports every resolver that Powertools has, and asyncio for one of them: a tenth of the
# time in which a function starts. So its place is taken while the one resolver that we use is imported.
_PACKAGE = "aws_lambda_powertools.event_handler"
_stand_in = module_from_spec(cast("ModuleSpec", find_spec(_PACKAGE))) if _PACKAGE not in sys.modules else None
if _stand_in is not None:
    sys.modules[_PACKAGE] = _stand_in

from aws_lambda_powertools.event_handler.api_gateway import APIGatewayRestResolver, Response  # noqa: E402
from aws_lambda_powertools.event_handler.exceptions import NotFoundError  # noqa: E402

if _stand_in is not None:
    del sys.modules[_PACKAGE]

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from aws_lambda_powertools.utilities.typing import LambdaContext

MOST_BYTES = 256 * 1024
"""The largest body that is read."""
JSON = "application/json"
__all__ = ["JSON", "MOST_BYTES", "Api", "Response", "compact", "part"]


def compact(value: object) -> str:
    """The JSON of an answer."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Api:
    """One function behind API Gateway: its routes, and how every request to them ends.

    Args:
        public: whether its routes are for callers without a token as well.
        busy: what a caller is told where the same request may work later.

    Attributes:
        routes: the resolver that the routes are registered with, by its `get`, `post` and `put`.
        caller: who asks, in the request at hand; None for a server.
    """

    def __init__(self, *, public: bool = False, busy: str = problems.BUSY) -> None:
        self._public = public
        self._busy = busy
        self.routes = APIGatewayRestResolver(enable_validation=False, serializer=compact)
        self.caller: Caller | None = None
        self._event: Mapping[str, Any] = {}
        self._trouble: dict[str, object] = {}
        self._tallies: list[Tally] = []
        self.routes.exception_handler(Problem)(self._response)
        self.routes.exception_handler(PersonalizationError)(self._failed)
        self.routes.exception_handler(Exception)(self._unexpected)
        self.routes.not_found(self._no_route)

    def answer(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        """Answer one request of API Gateway, and write its log line."""
        started, environment = time.perf_counter(), Environment()
        self._event, self._trouble, self._tallies = event, {}, []
        resource = str(event.get("resource") or "")
        answered = self._answer(event, resource, context)
        answered["multiValueHeaders"] |= _cors(event)
        answered["multiValueHeaders"].setdefault("Cache-Control", [caching.NEVER])
        metrics = {"AnswerTime": round((time.perf_counter() - started) * 1000, 2)}
        if answered["statusCode"] >= 500:
            metrics["FailedAnswers"] = 1.0
        self._log(environment, metrics, f"{event.get('httpMethod')} {resource}", answered)
        return answered

    def _log(
        self, environment: Environment, own: Mapping[str, float], route: str, answered: Mapping[str, object]
    ) -> None:
        """Write the request's line; what it counts is in it, and what has other dimensions in further lines."""
        namespace, stamp, service = environment.namespace, int(time.time() * 1000), environment.service
        metrics, about = self._tallies[0] if self._tallies else ({}, {})
        keys = {"service": service, "route": route, "status": answered["statusCode"], **self._trouble, **about}
        observability.write(observability.emf(namespace, {**own, **metrics}, stamp, **keys))
        for metrics, about in self._tallies[1:]:
            observability.write(observability.emf(namespace, metrics, stamp, service=service, **about))

    def _answer(self, event: dict[str, Any], resource: str, context: object) -> dict[str, Any]:
        parameters = {name: _text(unquote(value)) for name, value in (event.get("pathParameters") or {}).items()}
        try:
            self.caller = None if self._public else callers.of(event)
            callers.admit(self.caller, str(event.get("httpMethod")), parameters, self.query(), time.time())
        except Problem as problem:
            return self._refusal(problem)
        asked = {**event, "path": _path(event, resource, parameters)}
        answered: dict[str, Any] = self.routes.resolve(asked, cast("LambdaContext", context))
        return answered

    def body(self) -> bytes:
        """The body of the request at hand.

        Raises:
            Problem: 413 where it is larger than 256 KiB, 400 where it is not the base64 that it should be.
        """
        text = self._event.get("body") or ""
        encoded = bool(self._event.get("isBase64Encoded"))
        if len(text) > MOST_BYTES * (2 if encoded else 1):
            raise _too_large()
        content = _decoded(text) if encoded else text.encode(errors="replace")
        if len(content) > MOST_BYTES:
            raise _too_large()
        return content

    def note(self, **keys: object) -> None:
        """Add keys to the log line of the request at hand: counts and words, never what a shopper sent."""
        self._trouble.update(keys)

    def degraded(self, reason: str) -> None:
        """The answer to the request at hand is not the one that was asked for."""
        self._trouble["degraded"] = reason

    def count(self, *tallies: Tally) -> None:
        """Count what is answered or accepted in the request at hand."""
        self._tallies.extend(tallies)

    def query(self) -> Mapping[str, str] | None:
        """The query parameters of the request at hand, decoded by API Gateway; the last of several of one name."""
        found: Mapping[str, str] | None = self._event.get("queryStringParameters")
        return found

    def queries(self, name: str) -> tuple[str, ...]:
        """All values of a query parameter that may come several times."""
        found = (self._event.get("multiValueQueryStringParameters") or {}).get(name)
        one = (self.query() or {}).get(name)
        return tuple(found) if found else () if one is None else (one,)

    def headers(self) -> Mapping[str, str]:
        """The headers of the request at hand, under names in any case."""
        return self._event.get("headers") or {}

    def shared(self, answer: Mapping[str, object], *, personal: bool) -> Response[str]:
        """A list that its client may keep for a while, unless it is one shopper's or not what was asked for.

        Each answer has a recommendationId of its own; with the same items it is as good as the one before.
        """
        content = compact(answer)
        if personal or "degraded" in answer:
            return Response(200, JSON, content)
        return self.kept(content, caching.tag(compact(answer["items"]), weak=True), caching.SHARED_SECONDS)

    def kept(self, content: str, tag: str, seconds: int) -> Response[str]:
        """An answer that its client may keep; one that it has kept already is only confirmed.

        Args:
            content: the JSON.
            tag: its entity tag.
            seconds: how long it is good without asking again.
        """
        headers: dict[str, str | list[str]] = {"ETag": tag, "Cache-Control": caching.keep(seconds)}
        if caching.matches(self._header("if-none-match"), tag):
            return Response(304, JSON, "", headers)
        return Response(200, JSON, content, headers)

    def _header(self, wanted: str) -> str:
        return next((str(value) for name, value in self.headers().items() if name.lower() == wanted), "")

    def _failed(self, error: PersonalizationError) -> Response[str]:
        problem = problems.of_error(error, self._busy)
        if problem.status >= 500:
            self._trouble["reason"] = f"{type(error).__name__}: {error}"
        return self._response(problem)

    def _unexpected(self, error: Exception) -> Response[str]:
        # Never the message: it may repeat what a shopper sent.
        self._trouble["reason"] = type(error).__name__
        self._trouble["frames"] = "".join(traceback.format_tb(error.__traceback__))
        return self._response(Problem(500, "Something went wrong on our side."))

    def _no_route(self, _error: NotFoundError) -> Response[str]:
        return self._response(Problem(404, "There is no such route."))

    def _refusal(self, problem: Problem) -> dict[str, Any]:
        told = self._response(problem)
        headers = {"Content-Type": [problems.CONTENT_TYPE]}
        return {
            "statusCode": problem.status, "body": told.body, "isBase64Encoded": False, "multiValueHeaders": headers
        }  # fmt: skip

    def _response(self, problem: Problem) -> Response[str]:
        request_id = (self._event.get("requestContext") or {}).get("requestId")
        headers: dict[str, str | list[str]] = {}
        if problem.status == 503:
            headers["Retry-After"] = str(problems.RETRY_SECONDS)
        content = compact(problem.body(str(request_id or "")))
        return Response(problem.status, problems.CONTENT_TYPE, content, headers)


def part(value: str) -> str:
    """A path parameter that the resolver found, decoded."""
    return unquote(value)


def _path(event: Mapping[str, Any], resource: str, parameters: Mapping[str, str]) -> str:
    """The path with every parameter encoded: API Gateway leaves them as they came, other gateways decode them."""
    path = resource if "{" in resource else str(event.get("path") or resource)
    for name, value in parameters.items():
        path = path.replace("{" + name + "}", quote(value, safe=""))
    return path


def _text(value: str) -> str:
    """What UTF-8 can say of a text: a path may name half a character, which no id is."""
    return value.encode(errors="replace").decode()


def _cors(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """Which pages may read the answer: those of the request's origin, where it is one of several that may.

    The stage says which may, any where it says nothing: so other origins need no other version of a function.
    """
    allowed = str((event.get("stageVariables") or {}).get("origins") or "*").split(",")
    if len(allowed) == 1:
        return {"Access-Control-Allow-Origin": list(allowed)}
    sent = next((str(value) for name, value in (event.get("headers") or {}).items() if name.lower() == "origin"), "")
    found = {"Access-Control-Allow-Origin": [sent]} if sent in allowed else {}
    return {"Vary": ["Origin"], **found}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(400, "The body is not base64.") from None


def _too_large() -> Problem:
    return Problem(413, "The body may have 256 KiB.")
