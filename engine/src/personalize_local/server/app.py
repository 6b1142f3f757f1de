# SPDX-License-Identifier: Apache-2.0
"""The ASGI application: it reads requests, calls operations, and turns every outcome into an answer."""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from inspect import isawaitable
from typing import Any, Final

from personalize_local import page
from personalize_local.engine import Call, Engine, Handler, Json, Options
from personalize_local.operations import HANDLERS, scheduling
from personalize_local.resources.faults import DropConnection, strike
from personalize_local.resources.rules import Rule
from personalize_local.resources.shortages import shortage
from personalize_local.resources.store import Store
from personalize_local.server import origins, request_log
from personalize_local.server.callers import require_own, signed_by
from personalize_local.server.controls import CONTROLS, control
from personalize_local.server.rights import Rights
from personalize_local.wire.errors import (
    AccessDenied,
    BodyTooLarge,
    InternalFailure,
    InvalidInput,
    MissingToken,
    NotBuilt,
    ServiceError,
)
from personalize_local.wire.protocol import MAX_BODY, Operation, Wire, error_answer

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_HEALTH: Final = json.dumps({"status": "ok", "service": "personalize"}).encode()
_MOST_ASKED: Final = 100
"""Characters of an unknown path in the log."""
LOGGER: Final = logging.getLogger("personalize")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    content_type: str
    body: bytes
    error: ServiceError | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers, by names in lower case."""
    operation: str = ""
    """What was asked, for the log; empty: nothing that is logged."""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Application:
    """The engine behind HTTP, for any ASGI server."""

    def __init__(
        self, options: Options, store: Store, wire: Wire, is_own: origins.IsOwn = origins.OWN_NAMES.__contains__
    ) -> None:
        """`is_own` tells whether a host name is one of this server's."""
        self._is_own = is_own
        self._options = options
        self._store = store
        self._wire = wire
        self._rights = Rights(options.rights)
        self._engine: Engine
        """From the start on, before the first request."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            began = time.perf_counter()
            try:
                answer = await self._answer(scope, receive)
            except DropConnection:
                await _drop(receive)
            else:
                await _respond(send, answer)
                if answer.operation:
                    error = f"{answer.error.code}: {answer.error.logged}" if answer.error else ""
                    took = time.perf_counter() - began
                    request_log.record(answer.operation, answer.status, took, answer.request_id, error)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._engine = Engine(self._options, self._store)
        self._engine.start(*([] if self._options.at_once else scheduling.schedules(self._engine)))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._engine.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        method, path = scope["method"], scope["path"]
        headers = _headers(scope)
        foreign = origins.refusal(
            headers.get("host"), headers.get("origin"), headers.get("sec-fetch-site"), self._is_own
        )
        request_line = f"{method} {path}"
        if foreign:
            return _failure(AccessDenied(foreign), request_line)
        operation: Operation | None = None
        try:
            body = await _body(receive)
            asks = "GET" if method == "HEAD" else method  # the server leaves out the body
            if path == page.PEOPLE:
                await self._rights.check_reading(self._call(headers), headers.get("authorization", ""))
            if beside := await self._beside(asks, path, headers.get("accept", ""), body):
                return beside
            operation = self._wire.route(method, path, headers.get("x-amz-target", ""))
            return await self._perform(operation, headers, body, receive)
        except ServiceError as error:
            if isinstance(error, NotBuilt) and not self._options.strict:
                error = InvalidInput(error.message)
            return _failure(error, request_line, operation, headers)
        except DropConnection:
            raise
        except Exception as error:
            reason = shortage(error)
            LOGGER.exception("internal failure at %s %s%s", method, path, f": {reason}" if reason else "")
            failure = InternalFailure(reason or "The engine has a bug here; its log says more.")
            return _failure(failure, request_line, operation, headers)

    async def _beside(self, method: str, path: str, accept: str, body: bytes) -> Answer | None:
        """Answer what is no operation: the health check, the page for browsers, and the controls; None for others."""
        if (method, path) == ("GET", "/") and "text/html" not in accept:
            return Answer(200, "application/json", _HEALTH)
        if path.startswith(page.DOOR) or (method, path) == ("GET", "/"):
            shown = await page.answer(self._engine, method, path, body)
            return Answer(200, shown.content_type, shown.body, headers=page.HEADERS)
        if path.startswith(CONTROLS):
            told = control(self._engine, method, path, body)
            if self._options.at_once:
                await scheduling.catch_up(self._engine)
            return Answer(200, "application/json", told)
        return None

    async def _perform(self, operation: Operation, headers: dict[str, str], body: bytes, receive: Receive) -> Answer:
        authorization = headers.get("authorization", "")
        if not authorization:
            raise MissingToken("The request is not signed: Authorization is missing.")
        handler = HANDLERS.get(operation.name)
        if handler is None:
            raise NotBuilt(f"{operation.name} is newer than this engine: COVERAGE.md lists what it performs.")
        request = operation.parse(body)
        engine = self._engine
        call = self._call(headers)
        require_own(operation.name, request, call)
        await self._rights.check(operation.name, request, call, authorization)
        began, status = time.perf_counter(), 500
        try:
            answer = await self._carry_out(operation, handler, call, request, receive)
            status = answer.status
        except ServiceError as error:
            status = error.status
            raise
        finally:
            engine.meter.count(operation.name, request, status, time.perf_counter() - began)
        return answer

    def _call(self, headers: Mapping[str, str]) -> Call:
        options = self._options
        authorization = headers.get("authorization", "")
        return signed_by(authorization, options.account_id, options.region, self._engine.clock.now())

    async def _carry_out(
        self, operation: Operation, handler: Handler, call: Call, request: Json, receive: Receive
    ) -> Answer:
        engine = self._engine
        rule = engine.faults.request(operation.name, request)
        if rule and not rule.performed:
            await _strike(rule, receive)
        outcome = handler(engine, replace(call, now=engine.clock.now()), request)
        answer = await outcome if isawaitable(outcome) else outcome
        if self._options.at_once and not operation.rest:
            await engine.lifecycle.rest()
        if rule and rule.performed:
            await _strike(rule, receive)
        return Answer(200, operation.content_type, operation.serialise(answer or {}), operation=operation.name)


def _headers(scope: Message) -> dict[str, str]:
    """Return headers by lower-case name; a repeated one has all its values."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def _strike(rule: Rule, receive: Receive) -> None:
    """Apply a rule to a request; one that hangs goes on at the end, unless its client is gone."""
    strike(rule)
    left = asyncio.create_task(_disconnected(receive))
    done, _ = await asyncio.wait([left], timeout=rule.seconds)
    left.cancel()
    if done:
        raise DropConnection


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _drop(receive: Receive) -> None:
    """Close the connection without an answer: uvicorn's transport is behind `receive`."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()
    await _disconnected(receive)


def _failure(
    error: ServiceError, request_line: str, operation: Operation | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    rest = operation.rest if operation else "x-amz-target" not in (headers or {})
    status, body = error_answer(error, rest=rest)
    content_type = "application/json" if rest else "application/x-amz-json-1.1"
    return Answer(
        status, content_type, body, error, operation=operation.name if operation else request_line[:_MOST_ASKED]
    )


async def _body(receive: Receive) -> bytes:
    """Return the request's body. Raises BodyTooLarge."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
    if size > MAX_BODY:
        raise BodyTooLarge(f"A request has at most {MAX_BODY} bytes: this one has {size}.")
    return b"".join(parts)


async def _respond(send: Send, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-amzn-requestid", answer.request_id.encode()),
    ]
    if answer.error:
        headers.append((b"x-amzn-errortype", answer.error.code.encode()))
    headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
