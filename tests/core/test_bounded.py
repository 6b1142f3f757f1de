# SPDX-License-Identifier: Apache-2.0
"""A function whose steps run in a child process outlives whatever a file does to that process."""

import atexit
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from personalization.core.bounded import parent
from personalization.core.errors import Broken, Rejected, RetryLater, TooManyRejects
from personalization.reports import pages
from table_intake.wording import Text

Handler = Callable[..., Any]

STEPS = """
import ctypes, json, os, signal, sys, tempfile, time
from personalization.core import errors
from personalization.core.aws import objects

def handler(event, _context):
    if "say" in event:
        return {"said": event["say"], "pid": os.getpid(), "trace": os.environ.get("_X_AMZN_TRACE_ID"),
                "polars": "polars" in sys.modules}
    for key in event.get("reads", ()):
        for observe in objects.OBSERVERS:
            observe(key)
        if key in (event.get("unreadable") or {}):
            return {"refused": event["unreadable"]}
    for act in event["does"]:
        tempfile.mkdtemp()
        exec(act)
    return {"done": True}
"""
FILLS = "held = [bytearray(b'x' * (1 << 20)) for _ in range(4000)]"
FILE = "drops/shop/items/odd.xlsx"


@pytest.fixture
def handle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Handler]]:
    """Makes the handler of a function of 512 MB beside this process, as Lambda does; its children end with the test."""
    (tmp_path / "fn").mkdir()
    (tmp_path / "fn/__init__.py").touch()
    (tmp_path / "fn/steps.py").write_text(STEPS)
    (tmp_path / "tmp").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "fn")
    megabytes = 512 + int(psutil.Process().memory_info().rss / 0.8 / (1 << 20))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str(megabytes))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    children: list[Any] = []
    monkeypatch.setattr(atexit, "register", lambda stop: children.append(stop.__self__))
    yield lambda **how: parent.handler("fn.app", **how)
    for child in children:
        child.stop()
    assert not any((tmp_path / "tmp").iterdir()), "an ended child leaves no temporary file"


def context(seconds: float = 900) -> SimpleNamespace:
    ends = time.monotonic() + seconds
    return SimpleNamespace(get_remaining_time_in_millis=lambda: int((ends - time.monotonic()) * 1000))


def test_one_child_takes_request_after_request(handle: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch) -> None:
    handler = handle()
    first = handler({"say": "상점\n"}, context())
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2")
    second = handler({"say": "x" * 3_000_000}, context())
    assert first["said"] == "상점\n"
    assert second["said"] == "x" * 3_000_000
    assert (first["trace"], second["trace"]) == (None, "Root=1-2")
    assert first["pid"] == second["pid"] != os.getpid()


@pytest.mark.parametrize(
    ("does", "told"),
    [
        (FILLS, r"takes more than [\d,]+ MB of memory, which is the most: save it as CSV"),
        ("raise MemoryError", r"takes more than [\d,]+ MB of memory"),
        (
            "os.abort()",
            r"its reader failed \(SIGABRT\), as .* more than [\d,]+ MB of memory: save it anew, best as CSV",
        ),
        ("os.kill(os.getpid(), signal.SIGKILL)", "takes more than "),
        ("ctypes.string_at(0)", r"its reader failed \(SIGSEGV\)"),
        ("json.loads('[' * 100000)", "nested too deeply: write it as plain rows"),
        ("raise type('PanicException', (BaseException,), {})", r"its reader failed \(PanicException\)"),
    ],
)
def test_a_file_that_ends_the_child_is_refused_by_its_name(
    does: str, told: str, handle: Callable[..., Handler]
) -> None:
    handler = handle()
    with pytest.raises(Rejected, match=told) as refused:
        handler({"reads": [FILE], "does": [does]}, context())
    assert refused.value.resource == FILE
    assert handler({"say": "next"}, context())["said"] == "next"


def test_a_file_that_takes_too_long_leaves_time_to_say_so(handle: Callable[..., Handler]) -> None:
    handler = handle()
    handler({"say": "ready"}, context())
    event = {"reads": ["drops/shop/items/a.csv", FILE], "does": ["time.sleep(600)"]}
    four_seconds = SimpleNamespace(get_remaining_time_in_millis=lambda: 4_000)
    with pytest.raises(Rejected, match="takes longer than 3 seconds, which is the most: leave out columns") as refused:
        handler(event, four_seconds)
    assert refused.value.resource == FILE


def test_steps_that_report_are_taken_once_more(handle: Callable[..., Handler]) -> None:
    handler = handle(again=True, share=lambda _: 0.5)
    answer = handler({"reads": [FILE], "does": ["os.abort()"]}, context())
    assert answer == {"refused": {FILE: answer["refused"][FILE]}}
    assert pages.said(Text.read(answer["refused"][FILE]), "ko").endswith("CSV로 다시 저장하는 것이 가장 좋습니다")
    stubborn = "[observe('drops/b') for observe in objects.OBSERVERS]; os.abort()"
    with pytest.raises(Rejected, match="drops/b: its reader failed"):
        handler({"does": [stubborn]}, context())


def test_our_own_faults_are_not_the_shops(handle: Callable[..., Handler]) -> None:
    handler = handle()
    with pytest.raises(Broken, match=r"the function: reading it takes more"):
        handler({"does": [FILLS]}, context())
    with pytest.raises(Broken, match=r"likelihood/shop/x.csv: its reader failed"):
        handler({"reads": ["likelihood/shop/x.csv"], "does": ["os.abort()"]}, context())
    with pytest.raises(RetryLater, match="its child process was stopped"):
        handler({"does": ["os.kill(os.getpid(), signal.SIGKILL)"]}, context())


def test_errors_keep_their_names(handle: Callable[..., Handler], capfd: pytest.CaptureFixture[str]) -> None:
    handler = handle()
    for does, kind in (("errors.TooManyRejects('a', 'b')", TooManyRejects), ("errors.NoRoom('a', 'b')", RetryLater)):
        with pytest.raises(kind, match="a: b"):
            handler({"does": [f"raise {does}"]}, context())
    with pytest.raises(Exception, match="x") as unforeseen:
        handler({"does": ["{}['x']"]}, context())
    assert type(unforeseen.value).__name__ == "KeyError"
    assert "KeyError" in capfd.readouterr().err


@pytest.mark.parametrize("folder", ["validate_drop", "check_part", "split_history", "run_batch"])
def test_the_parent_of_a_function_imports_no_reader(folder: str) -> None:
    heavy = ("polars", "pydantic", "botocore", "aws_lambda_powertools")
    code = f"import sys, functions.{folder}.app; print([name for name in {heavy} if name in sys.modules])"
    path = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"AWS_LAMBDA_FUNCTION_NAME": folder, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"
