# SPDX-License-Identifier: Apache-2.0
"""Our runtime interface client against a Runtime API in this process, beside AWS's, which sends the same."""

import ast
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.cloud.environments import LOCAL, cloud_python
from tests.app.waiting import BOUND

FOLDER = Path(__file__).resolve().parents[2] / "local" / "cloud" / "aws"
AWS, PYTHON = "awslambdaric", "runtime_interface_client"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"

pytestmark = pytest.mark.skipif(not cloud_python().exists(), reason="no .local/cloud: make setup")

HANDLERS = """
import decimal, logging, os
class Rejected(Exception): pass
class Bad:
    pass
def handler(event, context):
    what = event.get("what")
    if what == "raise": raise Rejected("7행: é")
    if what == "deep": return deep()
    if what == "unknown": return Bad()
    if what == "numbers": return [decimal.Decimal(each) for each in ("1.10", "12345678901234567890.5", "NaN")]
    if what == "bytes": return b"\\x00\\xff"
    if what == "log":
        print("printed")
        logging.getLogger().warning("logged %s", 1)
        return None
    return {
        "event": event, "trace": os.environ.get("_X_AMZN_TRACE_ID"), "id": context.aws_request_id,
        "arn": context.invoked_function_arn, "name": context.function_name, "version": context.function_version,
        "memory": context.memory_limit_in_mb, "group": context.log_group_name, "stream": context.log_stream_name,
        "time": 0 < context.get_remaining_time_in_millis() <= 60_000, "identity": context.identity.cognito_identity_id,
        "client": context.client_context and [context.client_context.custom, context.client_context.client.app_title],
        "tenant": context.tenant_id,
    }
def deep(): return handler({"what": "raise"}, None)
"""
LEFT_OUT = re.compile(r"\d{4}-[\d-]+T[\d:.]+Z|^.*LAMBDA_WARNING: Unhandled exception.*\n", re.MULTILINE)
"""Times, and a paragraph on updates of AWS's runtimes."""
Call = tuple[bytes, Mapping[str, str]]
CALLS: list[Call] = [
    (b'{"what": "echo", "text": "\xc3\xa9"}', {}),
    (b'{"what": "echo"}', {
        "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
        "Lambda-Runtime-Client-Context": '{"custom": {"a": 1}, "client": {"app_title": "shop"}}',
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "me"}',
        "Lambda-Runtime-Aws-Tenant-Id": "t1",
    }),
    (b'{"what": "echo"}', {"Lambda-Runtime-Client-Context": "no json"}),
    (b'{"what": "raise"}', {}),
    (b'{"what": "deep"}', {}),
    (b'{"what": "unknown"}', {}),
    (b'{"what": "numbers"}', {}),
    (b'{"what": "bytes"}', {}),
    (b'{"what": "log"}', {}),
    (b"not json", {}),
]  # fmt: skip


class RuntimeApi(ThreadingHTTPServer):
    """Lambda's side: gives out calls in order, then 500, and notes what it is sent."""

    daemon_threads = True

    def __init__(self, calls: list[Call]) -> None:
        self.calls = list(enumerate(calls))
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        self.waiting, self.endless = threading.Event(), False
        super().__init__(("127.0.0.1", 0), Side)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Side(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: RuntimeApi

    def log_message(self, *_: object) -> None:
        pass

    def give(self, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        if not self.server.calls and self.server.endless:
            self.server.waiting.set()
            self.rfile.read(1)  # until the client ends
            return
        if not self.server.calls:
            self.give(500)
            return
        number, (body, headers) = self.server.calls.pop(0)
        deadline = str(int(time.time() * 1000) + 60_000)
        always = {"Aws-Request-Id": f"r{number}", "Deadline-Ms": deadline, "Invoked-Function-Arn": ARN}
        named = {f"Lambda-Runtime-{name}": value for name, value in always.items()}
        self.give(200, body, {"Content-Type": "application/json", **named, **headers})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.sent.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.give(202)


def begin(client: str, api: RuntimeApi, folder: Path, handler: str) -> subprocess.Popen[str]:
    environment = {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "3",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "PYTHONPATH": str(FOLDER),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    line = [str(cloud_python()), "-m", client, handler]
    return subprocess.Popen(
        line, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def played(client: str, calls: list[Call], folder: Path, handler: str = "app.handler") -> tuple[list[Any], list[str]]:
    """Return what a client sent, and the lines that it wrote."""
    with RuntimeApi(calls) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        out, _ = begin(client, server, folder, handler).communicate(timeout=BOUND)
        server.shutdown()
        return [comparable(*request) for request in server.sent], LEFT_OUT.sub("", out).split("\n")


def comparable(path: str, headers: dict[str, str], body: bytes) -> tuple[Any, ...]:
    cause = headers.get("lambda-runtime-function-xray-error-cause")
    values = [headers.get(name) for name in ("content-type", "lambda-runtime-function-error-type")]
    return path, body, *values, json.loads(cause.encode("latin-1")) if cause else cause


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLERS)
    (tmp_path / "broken.py").write_text("def handler(:\n")
    (tmp_path / "missing.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "raising.py").write_text("raise KeyError('SETTING')\n")
    return tmp_path


def test_a_function_gets_what_lambda_documents(code: Path) -> None:
    sent, _ = played(PYTHON, CALLS[:2], code)
    plain, rich = (json.loads(body) for _, body, *_ in sent)
    assert plain == {
        "event": {"what": "echo", "text": "é"}, "id": "r0", "arn": ARN, "name": "f", "version": "3", "memory": "512",
        "group": "/aws/lambda/f", "stream": "s", "time": True, "trace": None, "identity": None, "client": None,
        "tenant": None,
    }  # fmt: skip
    assert rich["trace"].startswith("Root=1-")
    assert (rich["identity"], rich["client"], rich["tenant"]) == ("me", [{"a": 1}, "shop"], "t1")


def test_an_error_names_its_class_and_its_lines(code: Path) -> None:
    ((path, body, _, _, cause),), lines = played(PYTHON, [(b'{"what": "raise"}', {})], code)
    error = json.loads(body)
    assert path == "/2018-06-01/runtime/invocation/r0/error"
    assert (error["errorType"], error["errorMessage"], error["requestId"]) == ("Rejected", "7행: é", "r0")
    assert "app.py" in error["stackTrace"][0]
    assert cause["exceptions"][0]["type"] == "Rejected"
    assert lines[0] == "[ERROR] Rejected: 7행: é"


@pytest.mark.parametrize(("handler", "kind"), [
    ("broken.handler", "Runtime.UserCodeSyntaxError"),
    ("missing.handler", "Runtime.ImportModuleError"),
    ("raising.handler", "KeyError"),
    ("app.nothing", "Runtime.HandlerNotFound"),
    ("handler", "Runtime.MalformedHandlerName"),
    ("sys.exit", "Runtime.BuiltInModuleConflict"),
])  # fmt: skip
def test_a_function_that_cannot_start_says_why(handler: str, kind: str, code: Path) -> None:
    ((path, body, _, told, _),), _ = played(PYTHON, [], code, handler)
    assert path == "/2018-06-01/runtime/init/error"
    assert (json.loads(body)["errorType"], told) == (kind, kind)


@pytest.mark.skipif(not any(LOCAL.glob("cloud/lib/*/site-packages/awslambdaric")), reason="AWS's has no wheel here")
@pytest.mark.parametrize("handler", ["app.handler", "missing.handler", "broken.handler", "raising.handler"])
def test_aws_s_client_sends_and_writes_the_same(handler: str, code: Path) -> None:
    calls = CALLS if handler == "app.handler" else []
    assert played(PYTHON, calls, code, handler) == played(AWS, calls, code, handler)


def test_sigterm_ends_a_function_that_waits(code: Path) -> None:
    with RuntimeApi([]) as server:
        server.endless = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        process = begin(PYTHON, server, code, "app.handler")
        assert server.waiting.wait(BOUND)
        process.send_signal(signal.SIGTERM)
        _, written = process.communicate(timeout=BOUND)
        server.shutdown()
    assert (process.returncode, written) == (0, "")


def test_sigterm_lets_a_call_clean_up(code: Path) -> None:
    (code / "tidy.py").write_text(
        "import os, signal\n"
        "def handler(event, _):\n"
        "    try: os.kill(os.getpid(), signal.SIGTERM); signal.pause()\n"
        "    finally: print('cleaned up')\n"
    )
    assert played(PYTHON, CALLS[:1], code, "tidy.handler") == ([], ["cleaned up", ""])


def test_it_imports_nothing_of_this_project() -> None:
    tree = ast.parse((FOLDER / f"{PYTHON}.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {"simplejson"}
