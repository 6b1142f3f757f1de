# SPDX-License-Identifier: Apache-2.0
"""The engine as a command: `python -m personalize_local --port N --data-dir DIR`."""

import argparse
import logging
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from personalize_local.engine import Options
from personalize_local.resources import open_files
from personalize_local.resources.store import DirectoryInUse, Store
from personalize_local.server import origins
from personalize_local.server.app import Application
from personalize_local.wire.protocol import Wire


def main(arguments: list[str] | None = None, program: str = "python -m personalize_local") -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit status."""
    options = _parser(program).parse_args(arguments, _Arguments())
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _end)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    most = open_files.raise_limit()
    if most < open_files.LEAST:
        return _complain(program, open_files.complaint(most))
    if few := open_files.complaint(most):
        logging.getLogger("personalize").warning(few)
    try:
        listener = _listen(options.host, options.port)
    except OSError as error:
        return _complain(program, f"cannot listen on {options.host}:{options.port}: {error.strerror}")
    with listener:
        try:
            store = Store(options.data_dir)
        except DirectoryInUse as error:
            return _complain(program, str(error))
        options.open_files = open_files.room(most)
        application = Application(options, store, Wire(), origins.names_of(options.host, options.name))
        config = uvicorn.Config(
            application,
            loop="asyncio",
            http="httptools",
            ws="none",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
        sys.stdout.write(f"Personalize answers at http://{options.host}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            store.close()
    return 0


@dataclass
class _Arguments(Options):
    """Everything that the command takes; the parser leaves the defaults to the fields."""

    port: int = 0
    data_dir: Path = Path()
    host: str = "127.0.0.1"
    name: list[str] = field(default_factory=list)


def _end(*_: object) -> None:
    """Exit with success: uvicorn stops serving first, then raises the signal again."""
    raise SystemExit(0)


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. It names its protocol, or asyncio leaves Nagle's algorithm on: 40 ms an answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description="Serve Amazon Personalize's three APIs on one port.")
    parser.add_argument("--port", type=int, required=True, help="where to listen; 0 chooses a free port and prints it")
    parser.add_argument("--data-dir", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--host", help="address to listen on; default 127.0.0.1")
    parser.add_argument(
        "--name",
        action="append",
        metavar="NAME",
        help="a name by which clients call this host, beside 127.0.0.1, localhost and --host; may be repeated",
    )
    parser.add_argument(
        "--s3-root", type=Path, help="folder in which s3://bucket/key is bucket/key, without AWS_ENDPOINT_URL_S3"
    )
    parser.add_argument("--account-id", help="account in ARNs")
    parser.add_argument("--region", help="region in ARNs where a request does not say")
    parser.add_argument("--step-seconds", type=float, help="how long PENDING, and IN_PROGRESS without work, last")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="solutions, event trackers and filters are CREATE PENDING first, as AWS's API reference says; without it, "
        "they can be used as soon as their create call returns",
    )
    parser.add_argument(
        "--faults", action="store_true", help="open /faults and /clock, by which tests make calls and jobs go wrong"
    )
    parser.add_argument(
        "--dataset-groups",
        type=int,
        metavar="N",
        help="quota of dataset groups a region; default 5, as AWS's",
    )
    parser.add_argument(
        "--incremental-bytes",
        type=int,
        metavar="N",
        help="quota of the bytes of an INCREMENTAL import; default 1,000,000,000, as AWS's",
    )
    parser.add_argument("--rights", metavar="URL", help="where the local AWS says what the roles of callers allow")
    return parser


def _complain(program: str, reason: str) -> int:
    sys.stderr.write(f"{program}: {reason}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
