# SPDX-License-Identifier: Apache-2.0
"""The engine as a command: `personalize-local`, or `python -m personalize_local`."""

import errno
import logging
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

# Read when numpy is imported. The matrices of one answer are small: threads for them cost more than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

try:
    import_module("personalize_local.platforms")
except ImportError as unfit:
    raise SystemExit(f"personalize-local: {unfit}") from None

from personalize_local.command import options
from personalize_local.jobs.threads import NEEDED, installed
from personalize_local.resources import open_files
from personalize_local.resources.store import DirectoryRefused
from personalize_local.server import request_log
from personalize_local.server.running import Server


class _Ending:
    """Ends the server at a signal. It raises nothing: Python drops what is raised in a destructor or a callback."""

    def __init__(self) -> None:
        self._signalled = False
        self._server: Server | None = None

    def __call__(self, *_: object) -> None:
        self._signalled = True
        if self._server:
            self._server.stop()

    def ends(self, server: Server) -> None:
        """Have this server end at a signal; at once if one came before."""
        self._server = server
        if self._signalled:
            server.stop()


def main(arguments: list[str] | None = None, program: str = "") -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit status."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # a daemon's, say
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - until the end
    called = Path(sys.argv[0]).name
    program = program or ("python -m personalize_local" if called == "__main__.py" else called)
    chosen = options.read(program, sys.argv[1:] if arguments is None else arguments, os.environ)
    if problem := chosen.s3.problem():
        return _complain(program, f"{problem}; give another --profile, or --s3-root")
    ending = _Ending()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ending)
    request_log.configure(sys.stderr, quiet=chosen.quiet, as_json=chosen.json_log)
    most = open_files.raise_limit()
    if most < open_files.LEAST:
        return _complain(program, open_files.complaint(most))
    if few := open_files.complaint(most):
        logging.getLogger("personalize").warning(few)
    if not installed():
        logging.getLogger("personalize").warning(NEEDED)
    chosen.open_files = open_files.room(most)
    try:
        server = Server(chosen, chosen.directory, host=chosen.host, port=chosen.port, names=chosen.name)
    except DirectoryRefused as error:
        return _complain(program, str(error))
    except OSError as error:
        return _complain(program, _reason(error, chosen))
    with suppress(OSError):  # nobody has to read it
        sys.stdout.write(_greeting(server, chosen))
        sys.stdout.flush()
    ending.ends(server)
    server.run()
    return 0


def _greeting(server: Server, chosen: options.Arguments) -> str:
    """Return what is said at the start: the address in the first line, for programs; then what to paste."""
    first = f"Personalize answers at {server.url}\n"
    if chosen.quiet:
        return first
    data = f"{server.directory}{', until it ends' if chosen.in_memory else ''}"
    services = ("", "_RUNTIME", "_EVENTS")
    exports = "".join(f"  export AWS_ENDPOINT_URL_PERSONALIZE{service}={server.url}\n" for service in services)
    return f"{first}  data  {data}\n  S3    {chosen.s3.within(server.directory)}\n\n{exports}\n"


def _reason(error: OSError, chosen: options.Arguments) -> str:
    """Say why the engine cannot listen, and what helps."""
    address = f"{chosen.host}:{chosen.port}"
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {address}: another program does; give another --port, or --port 0 for any free one"
    return f"cannot listen on {address}: {error.strerror}"


def _complain(program: str, reason: str) -> int:
    sys.stderr.write(f"{program}: {reason}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
