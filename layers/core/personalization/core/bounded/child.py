# SPDX-License-Identifier: Apache-2.0
"""The child process of `parent`: imports a function's steps, and takes calls until its parent ends."""

import io
import json
import os
import resource
import shutil
import signal
import sys
import threading
import traceback
from importlib import import_module
from queue import SimpleQueue
from typing import Any

from personalization.core import errors
from personalization.core.errors import PersonalizationError


def main() -> None:
    """Handle calls, one after the other; the arguments are the module and the file descriptor for messages."""
    steps, messages = sys.argv[1], int(sys.argv[2])
    calls: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(calls,), daemon=True).start()
    # As Lambda's own client: what a request logs comes before its answer.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    # One that aborts leaves no image of its memory on the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Unwinds what is under way, so that uploads are aborted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from personalization.core.aws import objects  # noqa: PLC0415 - the thread above listens meanwhile

    def tell(message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(messages, data) :]

    objects.OBSERVERS.append(lambda key: tell({"reads": key}))
    handler = import_module(steps).handler
    while True:
        call = json.loads(calls.get())
        os.environ.pop("_X_AMZN_TRACE_ID", None)
        if call["trace"]:
            os.environ["_X_AMZN_TRACE_ID"] = call["trace"]
        try:
            message = {"answer": handler(call["event"], None)}
        except SystemExit:
            raise
        # A panic of polars is no Exception.
        except BaseException as error:  # noqa: BLE001 - it is the parent's
            message = _described(error)
        tell(message)


def _listen(calls: "SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        calls.put(line)
    # The parent is gone, and with it whoever watches this process and removes what it leaves.
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os._exit(0)


def _described(error: BaseException) -> dict[str, Any]:
    if isinstance(error, PersonalizationError):
        kind = next(ancestor.__name__ for ancestor in type(error).__mro__ if ancestor.__module__ == errors.__name__)
        return {"kind": kind, "resource": error.resource, "reason": error.reason}
    # In one entry of the log, as Lambda's own client writes it.
    sys.stderr.write("\r".join(traceback.format_exception(error)).replace("\n", "\r") + "\n")
    return {"kind": type(error).__name__, "message": str(error)}
