# SPDX-License-Identifier: Apache-2.0
"""The engine as a command: `personalize-local`, or `python -m personalize_local`."""

import argparse
import errno
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

# Read when numpy is imported. The matrices of one answer are small: threads for them cost more than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from platformdirs import user_data_dir

from personalize_local.engine import Options
from personalize_local.resources import open_files
from personalize_local.resources.store import DirectoryRefused
from personalize_local.server import request_log
from personalize_local.server.running import Server


def main(arguments: list[str] | None = None, program: str = "python -m personalize_local") -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit status."""
    options = _parser(program).parse_args(arguments, _Arguments())
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _end)
    request_log.configure(quiet=options.quiet, as_json=options.json_log)
    most = open_files.raise_limit()
    if most < open_files.LEAST:
        return _complain(program, open_files.complaint(most))
    if few := open_files.complaint(most):
        logging.getLogger("personalize").warning(few)
    options.open_files = open_files.room(most)
    directory = None if options.in_memory else options.data_dir or default_folder()
    try:
        server = Server(options, directory, host=options.host, port=options.port, names=options.name)
    except DirectoryRefused as error:
        return _complain(program, str(error))
    except OSError as error:
        return _complain(program, _reason(error, options))
    sys.stdout.write(f"Personalize answers at {server.url}\n")
    sys.stdout.flush()
    server.run()
    return 0


@dataclass
class _Arguments(Options):
    """Everything that the command takes; the parser leaves the defaults to the fields."""

    port: int = 8090
    data_dir: Path | None = None
    in_memory: bool = False
    host: str = "127.0.0.1"
    name: list[str] = field(default_factory=list)
    quiet: bool = False
    json_log: bool = False


def _end(*_: object) -> None:
    """Exit with success: uvicorn stops serving first, then raises the signal again."""
    raise SystemExit(0)


def default_folder() -> Path:
    """Return the data folder of an engine that is given none."""
    return Path(user_data_dir("personalize-local", appauthor=False))


def _reason(error: OSError, options: "_Arguments") -> str:
    """Say why the engine cannot start, and what helps."""
    address = f"{options.host}:{options.port}"
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {address}: another program does; give another --port, or --port 0 for any free one"
    return f"cannot listen on {address}: {error.strerror}"


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description="Serve Amazon Personalize's three APIs on one port.")
    parser.add_argument("--version", action="version", version=f"personalize-local {version('personalize-local')}")
    parser.add_argument("--port", type=int, help="where to listen; default 8090; 0 chooses a free port and prints it")
    parser.add_argument("--data-dir", type=Path, help="where everything is kept; default: the user's data folder")
    parser.add_argument(
        "--in-memory", action="store_true", help="keep nothing: data are in a temporary folder, and go with the engine"
    )
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
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="most processes of imports, trainings and other jobs; trainings leave one free; default: one for each "
        "processor, from 2 to 4",
    )
    parser.add_argument(
        "--memory",
        type=int,
        metavar="BYTES",
        help="memory that all jobs may take together: they wait for each other, and one that takes more fails; "
        "default: three quarters of the machine's",
    )
    parser.add_argument("--quiet", action="store_true", help="log only what goes wrong here, not every request")
    parser.add_argument("--json-log", action="store_true", help="log a JSON object a line")
    parser.add_argument("--rights", metavar="URL", help="where the local AWS says what the roles of callers allow")
    return parser


def _complain(program: str, reason: str) -> int:
    sys.stderr.write(f"{program}: {reason}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
