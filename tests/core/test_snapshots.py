# SPDX-License-Identifier: Apache-2.0
"""What many containers may share that start from one snapshot (SnapStart): nothing of the moment, nothing unique.

A snapshot is taken when a function has been imported. So its import asks for no time, draws nothing by chance and
opens no connection; what a client keeps of its credentials is renewed.
"""

import gc
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import reload
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from personalization.core import cold_start
from personalization.core.aws import clients

pytestmark = pytest.mark.usefixtures("aws")

ROOT = Path(__file__).resolve().parents[2]
WATCHED = """
import json, sys
told = []
def watch(frame, event, called):
    caller, module, name = frame, getattr(called, "__module__", None), getattr(called, "__name__", "")
    if event == "call":
        caller, module, name = frame.f_back, frame.f_globals.get("__name__"), frame.f_code.co_name
    ours = caller and str(caller.f_globals.get("__name__")).startswith(("personalization", "functions."))
    fleeting = module in ("time", "uuid", "secrets", "random") or (module, name) == ("posix", "urandom")
    if event in ("call", "c_call") and ours and fleeting:
        told.append(f"{module}.{name}")
sys.addaudithook(lambda event, _: told.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
sys.setprofile(watch)
exec(sys.argv[1], {"__name__": "functions.imported"})
sys.setprofile(None)
print(json.dumps(told))
"""
FUNCTIONS = ("get_recommendations", "record_events", "authorize_request", "issue_session")
Handed = list[str]


def told_by(source: str) -> list[str]:
    """What is noticed while `source` runs as a function's module, in a Lambda's environment."""
    variables = {
        **os.environ,
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "SHOPS_TABLE": "shops",
        "SHOPPER_EVENTS_TABLE": "events",
        "BUCKET": "bucket",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'layers/core'}",
    }
    command = [sys.executable, "-c", WATCHED, source]
    done = subprocess.run(command, env=variables, cwd=ROOT, check=True, capture_output=True, text=True)
    names: list[str] = json.loads(done.stdout)
    return names


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_snapshot_holds_no_moment_no_chance_and_no_connection(function: str) -> None:
    assert told_by(f"import functions.{function}.app") == []


@pytest.mark.parametrize(
    ("source", "noticed"),
    [
        ("import time; time.monotonic()", "time.monotonic"),
        ("import uuid; uuid.uuid4()", "uuid.uuid4"),
        ("import secrets; secrets.token_urlsafe(16)", "secrets.token_urlsafe"),
        ("import random; random.Random(1).choice([1, 2])", "random.choice"),
        ("import os; os.urandom(1)", "posix.urandom"),
        ("import socket; socket.socket().connect_ex(('127.0.0.1', 9))", "socket.connect"),
    ],
)
def test_it_would_be_noticed(source: str, noticed: str) -> None:
    assert noticed in told_by(source)


def test_each_container_draws_its_own_chance_after_its_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime: Any = ModuleType("snapshot_restore_py")
    restored: list[Callable[[], None]] = []
    runtime.register_after_restore = restored.append
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    reload(cold_start)
    cold_start.end()
    before = random.getstate()
    drawn = set()
    for _ in range(2):
        random.setstate(before)
        for hook in restored:
            hook()
        drawn.add(random.random())  # noqa: S311 - the chance itself is what is looked at
    assert (len(drawn), gc.isenabled()) == (2, True)
    gc.unfreeze()


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Handed]:
    """The access keys that Lambda's credentials endpoint has handed out; the first was old already."""
    keys: Handed = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(f"key-{len(keys)}")
            year = 2000 if len(keys) == 1 else 2100
            told = {
                "AccessKeyId": keys[-1],
                "SecretAccessKey": "s",
                "Token": "t",
                "Expiration": f"{year}-01-01T00:00:00Z",
            }
            data = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/")
    clients.forget()
    yield keys
    clients.forget()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_client_of_the_snapshot_signs_with_new_credentials(handed: Handed) -> None:
    client = clients.runtime_once()
    assert handed == ["key-0"]
    url = client.generate_presigned_url("get_recommendations", {"campaignArn": "arn:aws:personalize:::campaign/c"})
    assert "key-1" in url
    assert "key-0" not in url
