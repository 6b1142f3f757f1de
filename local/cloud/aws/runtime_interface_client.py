# SPDX-License-Identifier: Apache-2.0
"""A runtime interface client in Python alone, for machines for which AWS's own (awslambdaric) has no wheel.

It is the process of a function, and nothing else of this project is on its path: ``python -m runtime_interface_client
module.function`` in the folder of the function's code. What it sends is what awslambdaric sends, which a test compares:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

Left out: SnapStart, several calls at a time, logs in JSON by AWS_LAMBDA_LOG_FORMAT, and `context.w3c()`.
"""

import decimal
import http.client
import importlib
import io
import logging
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from email.message import Message
from types import SimpleNamespace
from typing import Any

import simplejson

API = "/2018-06-01/runtime"
HEADER = "Lambda-Runtime-"
XRAY_BYTES = 2**20
"""A larger cause is not sent, since it is a header."""
Handler = Callable[[Any, "Context"], Any]


class FaultError(Exception):
    """An error in how a function is put together, by AWS's name of its `kind`, such as ``Runtime.HandlerNotFound``."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind, self.trace = kind, trace or []


class Context:
    """The second argument of a handler: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""

    def __init__(self, headers: Message) -> None:
        self.aws_request_id = headers[f"{HEADER}Aws-Request-Id"]
        self.invoked_function_arn = headers.get(f"{HEADER}Invoked-Function-Arn")
        self.tenant_id = headers.get(f"{HEADER}Aws-Tenant-Id")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.client_context = client_context(parsed(headers, "Client-Context", "Client Context"))
        identity = parsed(headers, "Cognito-Identity", "Cognito Identity") or {}
        self.identity = SimpleNamespace(
            cognito_identity_id=identity.get("cognitoIdentityId"),
            cognito_identity_pool_id=identity.get("cognitoIdentityPoolId"),
        )
        self._deadline = int(headers.get(f"{HEADER}Deadline-Ms") or 0)

    def get_remaining_time_in_millis(self) -> int:
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))


def client_context(sent: dict[str, Any] | None) -> SimpleNamespace | None:
    """Return what a mobile application said about itself in its call."""
    if sent is None:
        return None
    names = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
    client = sent.get("client")
    made = None if client is None else SimpleNamespace(**{name: client.get(name) for name in names})
    return SimpleNamespace(custom=sent.get("custom"), env=sent.get("env"), client=made)


def parsed(headers: Message, name: str, called: str) -> dict[str, Any] | None:
    text = headers.get(HEADER + name)
    if not text:
        return None
    try:
        document: dict[str, Any] = simplejson.loads(text)
    except ValueError as error:
        message = f"Unable to parse {called} JSON: {error}"
        raise FaultError("Runtime.LambdaContextUnmarshalError", message) from None
    return document


class Encoder(simplejson.JSONEncoder):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(use_decimal=False, ensure_ascii=False, allow_nan=True)

    def default(self, value: object) -> object:
        if isinstance(value, decimal.Decimal):
            return math.nan if value.is_nan() else simplejson.RawJSON(str(value))
        return super().default(value)


def to_json(value: object) -> str:
    return str(Encoder().encode(value))


class RuntimeApi:
    """Lambda's side, over one kept connection."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def next(self) -> tuple[Message, bytes]:
        """Wait for the next call; return its headers and its event."""
        return self._ask("GET", "/invocation/next")

    def respond(self, request: str, content: bytes, kind: str) -> None:
        self._ask("POST", f"/invocation/{request}/response", content, {"Content-Type": kind.encode()})

    def fail(self, request: str, error: Mapping[str, object], cause: str) -> None:
        fitting = cause.encode() if len(cause.encode()) < XRAY_BYTES else b""
        headers = {"Content-Type": b"application/json", f"{HEADER}Function-XRay-Error-Cause": fitting}
        self._ask("POST", f"/invocation/{request}/error", to_json(error).encode(), headers)

    def fail_to_start(self, error: Mapping[str, object]) -> None:
        headers = {f"{HEADER}Function-Error-Type": str(error["errorType"]).encode()}
        self._ask("POST", "/init/error", to_json(error).encode(), headers)

    def _ask(
        self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, bytes] | None = None
    ) -> tuple[Message, bytes]:
        sys.stdout.flush()  # what a call wrote comes before its answer
        self._connection.request(method, API + path, content, dict(headers or {}))
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status >= 300:
            # The environment is gone, or takes no answer to a call that it gave up: AWS's client ends here too.
            raise SystemExit(f"{method} {path}: {answer.status} {body.decode(errors='replace')}")
        return answer.headers, body


def find(name: str) -> Handler:
    """Import the handler. Raises FaultError as AWS calls the reason, and what the module itself raises."""
    module, dot, function = name.rpartition(".")
    if not dot:
        message = f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        raise FaultError("Runtime.MalformedHandlerName", message)
    if module.split(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {module} as a handler module"
        raise FaultError("Runtime.BuiltInModuleConflict", message)
    try:
        imported = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        raise FaultError("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}") from None
    except SyntaxError as error:
        position = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        message = f"Syntax error in module '{module}': {error}"
        raise FaultError("Runtime.UserCodeSyntaxError", message, position) from None
    handler: Handler | None = getattr(imported, function, None)
    if handler is None:
        raise FaultError("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'")
    return handler


def described(error: Exception, request: str = "") -> tuple[dict[str, Any], str]:
    """Return an error as Lambda's callers see it, and its cause for X-Ray."""
    if isinstance(error, FaultError):
        kind, frames, lines, seen_as = error.kind, [], error.trace, "LambdaValidationError"
    else:
        every = traceback.extract_tb(error.__traceback__)
        first = next((at for at, frame in enumerate(every) if frame.filename != __file__), 0)
        kind, frames = type(error).__name__, every[first:]
        # As AWS's: without the marks that Python has put below a line since 3.11.
        lines = traceback.format_list([(frame.filename, frame.lineno or 0, frame.name, frame.line) for frame in frames])
        seen_as = kind
    stack = [{"label": frame.name, "path": frame.filename, "line": frame.lineno} for frame in frames]
    cause = {
        "working_directory": os.getcwd(),  # noqa: PTH109 - as text
        "exceptions": [{"message": str(error), "type": seen_as, "stack": stack}],
        "paths": list({frame.filename for frame in frames}),
    }
    told = {"errorMessage": str(error), "errorType": kind, "requestId": request, "stackTrace": lines}
    return told, to_json(cause)


def log_error(error: Mapping[str, Any]) -> None:
    """Write an error as one entry of the log, which keeps its lines together by carriage returns."""
    headline = f"[ERROR] {error['errorType']}" + (f": {error['errorMessage']}" if error["errorMessage"] else "")
    lines = [line for entry in error["stackTrace"] for line in (entry.splitlines() or [""])]
    indented = ["\u00a0" * (len(line) - len(line.lstrip(" "))) + line.lstrip(" ") for line in lines]
    sys.stdout.write("\r".join([headline, "Traceback (most recent call last):", *indented]) + "\n")


class Logs(logging.Handler):
    """Writes what a function logs to standard output, with the id of the call at hand."""

    request = ""

    def __init__(self) -> None:
        super().__init__()
        layout = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        logging.Formatter.converter = time.gmtime
        self.setFormatter(logging.Formatter(layout, "%Y-%m-%dT%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        record.aws_request_id = self.request
        sys.stdout.write(self.format(record))


def answer(api: RuntimeApi, handler: Handler, headers: Message, body: bytes) -> None:
    """Have one call handled, and send its result or its error."""
    request = headers[f"{HEADER}Aws-Request-Id"]
    try:
        result = handled(handler, headers, body)
    except Exception as error:  # noqa: BLE001 - it is the caller's
        told, cause = described(error, request)
        log_error(told)
        api.fail(request, told, cause)
    else:
        kind = "application/unknown" if isinstance(result, bytes) else "application/json"
        api.respond(request, result if isinstance(result, bytes) else result.encode(), kind)


def handled(handler: Handler, headers: Message, body: bytes) -> str | bytes:
    context = Context(headers)
    event: Any = body
    if headers.get("Content-Type") == "application/json":
        try:
            event = simplejson.loads(body)
        except ValueError as error:
            raise FaultError("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
    result = handler(event, context)
    if isinstance(result, bytes):
        return result
    try:
        return to_json(result)
    except Exception as error:  # noqa: BLE001 - whatever a value's own code raises
        raise FaultError("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def main(name: str) -> None:
    """Handle calls until the environment ends or SIGTERM, which unwinds a call so that its clean-up is done."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    logs, api = Logs(), RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    logging.getLogger().addHandler(logs)
    try:
        handler = find(name)
    except Exception as error:  # noqa: BLE001 - it is the operator's
        told, _ = described(error)
        log_error(told)
        api.fail_to_start(told)
        sys.exit(1)
    while True:
        headers, body = api.next()
        logs.request = headers[f"{HEADER}Aws-Request-Id"]
        os.environ.pop("_X_AMZN_TRACE_ID", None)
        if trace := headers.get(f"{HEADER}Trace-Id"):
            os.environ["_X_AMZN_TRACE_ID"] = trace
        answer(api, handler, headers, body)


if __name__ == "__main__":
    main(sys.argv[1])
