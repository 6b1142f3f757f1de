# SPDX-License-Identifier: Apache-2.0
"""Have a function's steps taken by a child process, and stop it where a file would end the function.

Whoever reads a stranger's file with a library has a process that may abort, take all memory or never end, whatever
the guards before it. AWS then ends the whole function, and nobody learns which file it was. So a container has a child
that reads, and a parent that imports none of those libraries and outlives it. A request and its answer are a line of
JSON each, over pipes: Lambda has no /dev/shm, which the locks and queues of multiprocessing need.
"""

import atexit
import json
import os
import select
import shutil
import signal
import subprocess  # nosec B404 - the child is this interpreter
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from table_intake.wording import Text

from personalization.core import errors
from personalization.core.environment import Environment
from personalization.core.errors import Broken, Rejected, RetryLater

Json = dict[str, Any]
Answer = dict[str, object]
Handler = Callable[[Json, Any], Answer]
MEMORY_SHARE: Final = 0.8
"""The share of the function's memory that parent and child may hold together: what is accepted leaves a fifth free."""
RESERVE_SECONDS: Final = 20.0
"""What a stopped child leaves of the function's time, to report on the file."""
LOOK_SECONDS: Final = 0.02
"""The time between two looks at the memory, in which a processor fills some 40 MB."""
PS_SECONDS: Final = 0.5
"""The same where there is no /proc, and each look starts a process."""
STOP_SECONDS: Final = 1.0
"""How long a child that was asked to end may take, to leave nothing behind."""
_STRANGERS: Final = "drops/"
"""The folder of the bucket in which files are the shop's."""
_CHILD: Final = "from personalization.core.bounded import child; child.main()"
Cause = Literal["memory", "time", "depth", "crash", "stopped"]


class Context(Protocol):
    """What is used of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the call."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What parent and child may use together."""

    megabytes: float
    seconds: float


class Ended(Exception):
    """The child has ended in the midst of a request."""

    def __init__(self, cause: Cause, detail: str, file: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause: Cause = cause
        self.detail = detail
        self.file = file
        """The key that it read last; empty if it had read none."""

    def error(self, limits: Limits) -> errors.PersonalizationError:
        """Return the end as one of our errors: a shop's file is refused."""
        if self.file.startswith(_STRANGERS):
            reason, way = self._reason(limits), _WAY[self.cause]
            return Rejected(self.file, Text("bounded", "{reason}: {way}", reason=reason, way=way))
        if self.cause == "stopped":
            return RetryLater(self.file or "the function", "its child process was stopped")
        return Broken(self.file or "the function", self._reason(limits))

    def _reason(self, limits: Limits) -> Text:
        if self.cause == "time":
            text = "reading it takes longer than {seconds:,.0f} seconds, which is the most"
            return Text("bounded.time", text, seconds=limits.seconds)
        if self.cause in {"memory", "stopped"}:
            text = "reading it takes more than {megabytes:,.0f} MB of memory, which is the most"
            return Text("bounded.memory", text, megabytes=limits.megabytes)
        if self.cause == "depth":
            return Text("bounded.depth", "its contents are nested too deeply")
        text = (
            "its reader failed ({detail}), as it does where a file is damaged or asks for more than {megabytes:,.0f} "
            "MB of memory"
        )
        return Text("bounded.crash", text, detail=self.detail, megabytes=limits.megabytes)


_SMALLER: Final = Text("bounded.smaller", "save it as CSV, leave out columns, or cut it into several files")
_WAY: Final[Mapping[Cause, Text]] = {
    "memory": _SMALLER,
    "stopped": _SMALLER,
    "time": Text("bounded.shorter", "leave out columns or old rows, or cut it into several files"),
    "depth": Text("bounded.plain", "write it as plain rows"),
    "crash": Text("bounded.anew", "save it anew, best as CSV"),
}


class Child:
    """The child process of a container; it serves request after request, and after an end a new one is started.

    Args:
        steps: the module that it imports, whose `handler` takes the requests.
    """

    def __init__(self, steps: str) -> None:
        self._steps = steps
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1
        self._folder = ""

    def start(self) -> None:
        """Start the process, unless it is there. It imports while the parent goes on."""
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        # A child that is killed leaves its temporary files.
        self._folder = tempfile.mkdtemp(prefix="child-")
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)  # noqa: PTH100 - also of zips
        self._answers, answers = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 # nosec B603 - this interpreter and this package
                [sys.executable, "-S", "-c", _CHILD, self._steps, str(answers)],
                env=os.environ | {"PYTHONPATH": path, "TMPDIR": self._folder},
                stdin=subprocess.PIPE,
                pass_fds=(answers,),
            )
        finally:
            os.close(answers)

    def ask(self, event: Json, limits: Limits) -> Answer:
        """Have a request handled, and return its answer.

        Raises:
            Ended: the child aborted, or was stopped at a limit.
            PersonalizationError: as the steps raised it; of other errors, one with the same class name.
        """
        deadline = time.monotonic() + limits.seconds
        self.start()
        try:
            message = self._message(event, limits, deadline)
        except BaseException:
            self.stop()
            raise
        if "answer" in message:
            answer: Answer = message["answer"]
            return answer
        raise _error(message)

    def stop(self) -> None:
        """End the process, and remove what it left."""
        process, self._process = self._process, None
        if process is None:
            return
        # So that it aborts its uploads; one that was killed is gone already.
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()
        os.close(self._answers)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _message(self, event: Json, limits: Limits, deadline: float) -> Json:
        """Send a request and return the child's last message about it, while its memory and time are watched."""
        process, held, file = self._process, b"", ""
        if process is None or process.stdin is None:
            raise Broken("the function", "its child process does not run")
        try:
            process.stdin.write(json.dumps({"event": event, "trace": os.environ.get("_X_AMZN_TRACE_ID")}).encode())
            process.stdin.write(b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._ended(process, file) from None
        coming = select.poll()
        coming.register(self._answers, select.POLLIN)
        pause, weigh = (LOOK_SECONDS, _resident) if Path("/proc/self/statm").exists() else (PS_SECONDS, _resident_by_ps)
        while True:
            if coming.poll(pause * 1000):
                data = os.read(self._answers, 1 << 20)
                if not data:
                    raise self._ended(process, file)
                *lines, held = (held + data).split(b"\n")
                for message in map(json.loads, lines):
                    if "reads" not in message:
                        kind = message.get("kind")
                        if kind in _ENDS:
                            raise Ended(*_ENDS[kind], file)
                        return dict(message)
                    file = message["reads"]
                continue
            if time.monotonic() > deadline:
                raise self._killed(process, Ended("time", f"{limits.seconds:.0f} s", file))
            held_memory = sum(map(weigh, (process.pid, os.getpid())))
            if held_memory > limits.megabytes * 1e6:
                raise self._killed(process, Ended("memory", f"{held_memory / 1e6:.0f} MB", file))

    @staticmethod
    def _killed(process: "subprocess.Popen[bytes]", ended: Ended) -> Ended:
        process.kill()
        process.wait()
        return ended

    @staticmethod
    def _ended(process: "subprocess.Popen[bytes]", file: str) -> Ended:
        """Return how a process ended by itself, or by another's hand."""
        code = process.wait()
        # The kernel kills the process that takes most where memory is short.
        if code == -signal.SIGKILL:
            return Ended("stopped", "SIGKILL", file)
        return Ended("crash", signal.Signals(-code).name if code < 0 else f"exit code {code}", file)


_ENDS: Final[Mapping[str, tuple[Cause, str]]] = {
    "MemoryError": ("memory", "MemoryError"),
    "RecursionError": ("depth", "RecursionError"),
    "PanicException": ("crash", "PanicException"),
}
"""Errors after which a child is not used any more."""


def handler(app: str, *, again: bool = False, share: Callable[[Json], float] = lambda _: 1.0) -> Handler:
    """Return the handler of a function whose `steps` module, beside its `app`, runs in a child process.

    The child is started at once, in Lambda's init phase. Outside of Lambda the steps run in this process.

    Args:
        app: the name of the function's module.
        again: whether the steps are taken once more after a file ended the child, with its refusal in the request's
            `unreadable`, the text of a reason for each key. So they report on it, and go on with others. Otherwise it
            is raised.
        share: returns the share of the time left that reading may take before the steps are taken once more.
    """
    steps = f"{app.rpartition('.')[0]}.steps".lstrip(".")
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        inner: Handler = import_module(steps).handler
        return inner
    child = Child(steps)
    child.start()
    atexit.register(child.stop)

    def handle(event: Json, context: Context) -> Answer:
        megabytes = MEMORY_SHARE * Environment().megabytes * (1 << 20) / 1e6
        while True:
            left = context.get_remaining_time_in_millis() / 1000
            limits = Limits(megabytes, max(left * share(event) - min(RESERVE_SECONDS, left / 4), left / 4))
            try:
                return child.ask(event, limits)
            except Ended as ended:
                error = ended.error(limits)
                _log(ended, error)
                refused = event.get("unreadable") or {}
                if not again or not isinstance(error, Rejected) or ended.file in refused:
                    raise error from None
                event = {**event, "unreadable": {**refused, ended.file: _as_json(error.reason)}}

    return handle


def _as_json(reason: str) -> Json:
    """Return the text of a reason, so that the steps can tell it in the language of the shop."""
    return (reason if isinstance(reason, Text) else Text.joined("", [reason])).as_json()


def _error(message: Json) -> Exception:
    """Return an error that the steps raised."""
    kind = str(message["kind"])
    ours = getattr(errors, kind, None)
    if ours is not None and "resource" in message:
        error: Exception = ours(message["resource"], message["reason"])
        return error
    return type(kind, (Exception,), {})(message["message"])  # type: ignore[no-any-return]


def _log(ended: Ended, error: errors.PersonalizationError) -> None:
    from personalization.core import observability  # noqa: PLC0415 - a tenth of a second, which an end alone needs

    log = observability.logger()
    log.warning("The child process ended", cause=ended.cause, detail=ended.detail, file=ended.file, error=str(error))


def _resident(pid: int) -> int:
    """Return the bytes of a process in memory, without files that are mapped there; 0 of one that is gone."""
    try:
        _, resident, mapped, *_ = Path(f"/proc/{pid}/statm").read_bytes().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(mapped)) * os.sysconf("SC_PAGE_SIZE")


def _resident_by_ps(pid: int) -> int:
    """Return the same where there is no /proc."""
    command = ["/bin/ps", "-o", "rss=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 # nosec B603 - of the system
    return int(answer) * 1024 if answer.strip() else 0
