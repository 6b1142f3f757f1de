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

from personalization import observability, problems
from personalization.environment import Environment
from personalization.errors import PersonalizationError
from personalization.problems import Problem

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

    Attributes:
        routes: the resolver that the routes are registered with, by its `get`, `post` and `put`.
    """

    def __init__(self) -> None:
        self.routes = APIGatewayRestResolver(enable_validation=False, serializer=compact)
        self._event: Mapping[str, Any] = {}
        self._trouble: dict[str, object] = {}
        self.routes.exception_handler(Problem)(self._response)
        self.routes.exception_handler(PersonalizationError)(self._failed)
        self.routes.exception_handler(Exception)(self._unexpected)
        self.routes.not_found(self._no_route)

    def answer(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        """Answer one request of API Gateway, and write its log line."""
        started, environment = time.perf_counter(), Environment()
        self._event, self._trouble = event, {}
        resource = str(event.get("resource") or "")
        answered: dict[str, Any] = self.routes.resolve(
            {**event, "path": _path(event, resource)}, cast("LambdaContext", context)
        )
        answered["multiValueHeaders"]["Access-Control-Allow-Origin"] = [environment.allowed_origin]
        keys = {"status": answered["statusCode"], "timestamp": int(time.time() * 1000), **self._trouble}
        dimensions = {"service": environment.service, "route": f"{event.get('httpMethod')} {resource}"}
        times = {"AnswerTime": round((time.perf_counter() - started) * 1000, 2)}
        observability.write(observability.emf(environment.namespace, dimensions, times, **keys))
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
        """The answer to the request at hand is not the one that was asked for; counted as DegradedAnswers."""
        self._trouble["degraded"] = reason
        environment = Environment()
        dimensions, keys = {"service": environment.service}, {"timestamp": int(time.time() * 1000)}
        counts = {"DegradedAnswers": 1.0}
        observability.write(observability.emf(environment.namespace, dimensions, counts, "Count", **keys))

    def query(self) -> Mapping[str, str] | None:
        """The query parameters of the request at hand, decoded by API Gateway; the last of several of one name."""
        found: Mapping[str, str] | None = self._event.get("queryStringParameters")
        return found

    def _failed(self, error: PersonalizationError) -> Response[str]:
        problem = problems.of_error(error)
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


def _path(event: Mapping[str, Any], resource: str) -> str:
    """The path with every parameter encoded: API Gateway leaves them as they came, other gateways decode them."""
    path = resource if "{" in resource else str(event.get("path") or resource)
    for name, value in (event.get("pathParameters") or {}).items():
        path = path.replace("{" + name + "}", quote(unquote(value), safe=""))
    return path


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(400, "The body is not base64.") from None


def _too_large() -> Problem:
    return Problem(413, "The body may have 256 KiB.")
