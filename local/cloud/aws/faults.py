# SPDX-License-Identifier: Apache-2.0
"""Faults of the local AWS on demand, in functions, S3's events, tasks and answers; see `docs/faults.md`."""

import contextvars
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

from ministack import app
from ministack.services import eventbridge, lambda_svc, stepfunctions
from personalize_local.resources.rules import Rule, Rules

from local.cloud.aws import DOORS, executions
from local.cloud.aws.patching import Answer, Function, Json, wrapping

ERRORS: Final = {
    "throttle": (400, "ThrottlingException", "Rate exceeded"),
    "internalFailure": (500, "InternalServerError", "An internal failure, on demand."),
    "serviceUnavailable": (503, "ServiceUnavailable", "The service is unavailable, on demand."),
    "invalidInput": (400, "ValidationException", "The input is invalid, on demand."),
}
"""HTTP status, code and message of each error."""
EVENTS: Final = frozenset({"repeatEvent", "holdEvent", "loseEvent"})
KILL: Final = "killFunction"
BUSY: Final = "throttleFunction"
LOST: Final = "loseConnection"
CLIENTS: Final = {"events": "EventBridge", "personalize": "Personalize", "states": "StepFunctions"}
"""What Step Functions puts before the errors of a service that tasks ask directly."""
_LONGEST = 300
"""The length of a text from which it is not taken for the name of a resource."""
_input: contextvars.ContextVar[object] = contextvars.ContextVar("input", default=None)
"""The input of the execution whose expression is evaluated."""


@dataclass
class CloudFaults:
    """The rules of this local AWS, and how far the clocks of executions were moved; used by many threads."""

    rules: Rules = field(default_factory=lambda: Rules({*ERRORS, *EVENTS, KILL, BUSY, LOST}))
    moved: list[tuple[str, float]] = field(default_factory=list)
    """(pattern of a text in the execution's input, seconds)."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def first(self, actions: Iterable[str], operation: str, subject: object) -> Rule | None:
        """Return the rule that makes an operation fail; `subject` is a JSON value with texts that rules may name."""
        if not self.rules.rules:
            return None
        with self.lock:
            return self.rules.first(frozenset(actions), operation, texts(subject))

    def ahead(self, subject: object) -> float:
        """Return the seconds by which the clock of an execution with this input is ahead."""
        if not self.moved:
            return 0.0
        subject_texts = list(texts(subject))
        return sum(
            seconds for pattern, seconds in self.moved if any(fnmatchcase(text, pattern) for text in subject_texts)
        )

    async def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        door, _, number = path.removeprefix(DOORS).partition("/")
        try:
            with self.lock:
                if door == "faults":
                    return 200, self._faults(method, number, body)
                if path == f"{DOORS}clock":
                    return 200, self._clock(method, body)
                if path == f"{DOORS}slots":
                    return 200, _slots(method, body)
        except ValueError as error:
            return 400, {"message": str(error)}
        return 404, {"message": f"there is no door {path}"}

    def _faults(self, method: str, number: str, body: bytes) -> dict[str, object]:
        if method == "POST":
            return {"rules": [rule.shown() for rule in self.rules.add(json.loads(body))]}
        if method == "DELETE":
            self.rules.remove(int(number) if number else None)
        return {"rules": [rule.shown() for rule in self.rules.rules]}

    def _clock(self, method: str, body: bytes) -> dict[str, object]:
        if method == "POST":
            given = json.loads(body)
            if not isinstance(given, dict):
                raise ValueError('The clock is moved by {"advanceSeconds": N, "resource": PATTERN}.')
            if "advanceSeconds" in given:
                self.moved.append((str(given.get("resource", "*")), float(given["advanceSeconds"])))
            if "waitScale" in given:
                stepfunctions._SFN_WAIT_SCALE = max(0.0, float(given["waitScale"]))
        moved = [{"resource": pattern, "ahead": seconds} for pattern, seconds in self.moved]
        return {"now": time.time(), "moved": moved, "waitScale": stepfunctions._SFN_WAIT_SCALE}


def _slots(method: str, body: bytes) -> dict[str, object]:
    """Answer how many functions may run at the same time, 0 for any number; change it before."""
    if method == "POST":
        lambda_svc._ACCOUNT_CONCURRENCY_CAP = max(0, int(json.loads(body)["slots"]))
    return {"slots": lambda_svc._ACCOUNT_CONCURRENCY_CAP}


def install() -> CloudFaults:
    """Apply rules, none at first, to functions, events, tasks, clocks and answers."""
    faults = CloudFaults()
    _functions(faults)
    _events(faults)
    _tasks(faults)
    _clock(faults)
    for service in app.SERVICE_HANDLERS.keys() - {"personalize"}:
        _service(faults, service)
    return faults


def texts(value: object) -> Iterator[str]:
    """Yield every short text in a JSON value, and its parts between slashes."""
    if isinstance(value, str):
        if len(value) <= _LONGEST:
            yield value
            yield from value.split("/") if "/" in value else ()
    elif isinstance(value, dict):
        for member in value.values():
            yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)


def _service(faults: CloudFaults, service: str) -> None:
    """Fail a service's answers to SDKs."""

    @wrapping(app.SERVICE_HANDLERS, service)
    async def handle(
        stock: Function, method: str, path: str, headers: dict[str, str], body: bytes | str, query: Json
    ) -> Answer:
        operation = headers.get("x-amz-target", "").rpartition(".")[2] or method
        rule = faults.first(ERRORS, operation, [path, _json(body)]) if faults.rules.rules else None
        if rule is None or rule.performed:
            answer: Answer = await stock(method, path, headers, body, query)
            if rule is None:
                return answer
        status, code, message = ERRORS[rule.action]
        error = {"__type": code, "message": rule.reason or message}
        return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(error)


def _json(body: bytes | str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _functions(faults: CloudFaults) -> None:
    """Kill functions before they begin or, with `performed`, before they answer; or have no slot free for them."""

    # Within what lets asynchronous calls wait for a slot, as the account's own limit is.
    @wrapping(lambda_svc, "_execute_function_dispatch")
    def admit(stock: Function, function: Json, config: Json, event: object, *more: object) -> Json:
        if faults.first({BUSY}, call_of(function, event), event):
            busy: Json = lambda_svc._throttle_response("ConcurrentInvocationLimitExceeded", "Rate Exceeded, on demand.")
            return busy
        answer: Json = stock(function, config, event, *more)
        return answer

    @wrapping(lambda_svc, "_execute_function_warm")
    def invoke(stock: Function, function: Json, event: object, request_id: str) -> Json:
        rule = faults.first({KILL}, call_of(function, event), event)
        if rule is None or rule.performed:
            answer: Json = stock(function, event, request_id)
            if rule is None:
                return answer
        message = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
        return {"error": True, "log": "", "body": {"errorType": "Runtime.ExitError", "errorMessage": message}}


def call_of(function: Json, event: object) -> str:
    """Return a function's name and, after a dot, the step that it is to perform, if there is one."""
    name, step = str((function.get("config") or function)["FunctionName"]), step_of(event)
    return f"{name}.{step}" if step else name


def step_of(event: object) -> str:
    """Return the step that a function is to perform; of several, the current one."""
    if not isinstance(event, dict):
        return ""
    steps = event.get("steps") or [event.get("step") or ""]
    stage = (event.get("made") or {}).get("stage", 0)
    return str(steps[min(stage, len(steps) - 1)])


def _events(faults: CloudFaults) -> None:
    """Deliver events of S3 twice or never, or hold one back until a later one of its rule is delivered."""
    held: list[tuple[Rule, Callable[[], None]]] = []

    def release(entry: tuple[Rule, Callable[[], None]]) -> None:
        with faults.lock:
            if entry not in held:
                return
            held.remove(entry)
        entry[1]()

    @wrapping(eventbridge, "_dispatch_event")
    def dispatch(stock: Function, event: Json, view: object = None) -> None:
        if event.get("Source") != "aws.s3":
            stock(event, view)
            return
        operation, detail = str(event["DetailType"]).replace(" ", ""), _json(event["Detail"])
        with faults.lock:
            waiting = [entry for entry in held if entry[0].matches(operation, texts(detail))]
        rule = faults.first(EVENTS, operation, detail)
        if rule and rule.action == "loseEvent":
            return
        if rule and rule.action == "holdEvent":
            late = (rule, partial(contextvars.copy_context().run, stock, event, view))
            with faults.lock:
                held.append(late)
            timer = threading.Timer(rule.seconds, release, [late])
            timer.daemon = True
            timer.start()
            return
        stock(event, view)
        if rule:
            # S3 repeats itself as two events to EventBridge, which delivers one event to an execution of its name.
            stock({**event, "EventId": stepfunctions.new_uuid()}, view)
        for entry in waiting:
            release(entry)


def _tasks(faults: CloudFaults) -> None:
    """Fail tasks that call a service directly, such as `putEvents`; Personalize's answers have a door of their own."""

    @wrapping(stepfunctions, "_invoke_resource")
    def invoke(stock: Function, resource: str, given: Any) -> object:  # noqa: ANN401 - whatever the arguments are
        service, _, operation = resource.partition(":::")[2].removeprefix("aws-sdk:").partition(":")
        operation = operation.partition(".")[0]
        actions = {LOST} if service == "personalize" else {LOST, *ERRORS}
        rule = faults.first(actions, operation, given) if service in CLIENTS else None
        if rule is None or rule.performed:
            answer: object = stock(resource, given)
            if rule is None:
                return answer
        if rule.action == LOST:
            code, message = f"{CLIENTS[service]}.SdkClientException", "Unable to execute HTTP request: Connection reset"
        else:
            _, code, message = ERRORS[rule.action]
        raise stepfunctions._ExecutionError(code, rule.reason or message)


def _clock(faults: CloudFaults) -> None:
    """Let `$millis()` return the moved time to the executions whose clock was moved."""

    @wrapping(stepfunctions, "_register_sfn_jsonata_functions")
    def registered(stock: Function, expression: Any) -> None:  # noqa: ANN401 - jsonata has no types
        stock(expression)
        if ahead := faults.ahead(_input.get()):
            expression.register_lambda("millis", lambda: int((time.time() + ahead) * 1000))

    @wrapping(stepfunctions, "_evaluate_jsonata")
    def evaluated(
        stock: Function, expression: str, raw: object, ctx: Json | None = None, *more: object, **named: object
    ) -> object:
        given = (ctx or {}).get("Execution", {}).get("Input")
        # What an execution waits for has the clock of that execution.
        token = _input.set([given, *(executions.waiting_for(given) if faults.moved else ())])
        try:
            return stock(expression, raw, ctx, *more, **named)
        finally:
            _input.reset(token)
