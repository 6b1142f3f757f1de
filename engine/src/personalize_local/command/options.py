# SPDX-License-Identifier: Apache-2.0
"""The options of the command, their help, and what they mean for the engine."""

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from personalize_local.command.parser import Once, Parser
from personalize_local.data.s3 import S3
from personalize_local.engine import Options
from personalize_local.recipes.definitions import TIERS
from personalize_local.resources import quotas

PREFIX: Final = "PERSONALIZE_LOCAL_"
"""Of the variables that stand for options."""
_DESCRIPTION: Final = "An Amazon Personalize on this machine: its three APIs on one port."
_EPILOG: Final = f"""\
Each option is a variable too: {PREFIX}PORT=8091 is --port 8091.

example: for a test suite, on a free port, with nothing left behind
  personalize-local --port 0 --in-memory --step-seconds 0
"""


@dataclass
class Arguments(Options, argparse.Namespace):
    """Everything that the command takes; the parser leaves the defaults to the fields."""

    port: int = 8090
    host: str = "127.0.0.1"
    name: list[str] = field(default_factory=list)
    data_dir: Path | None = None
    in_memory: bool = False
    s3_root: Path | None = None
    profile: str = ""
    quota: list[str] = field(default_factory=list)
    dataset_groups: int | None = None
    incremental_bytes: int | None = None
    quiet: bool = False
    json_log: bool = False

    @property
    def directory(self) -> Path | None:
        """The data folder; None: a temporary one."""
        if self.in_memory or self.data_dir:
            return None if self.in_memory else self.data_dir
        from platformdirs import user_data_path  # noqa: PLC0415 — only this needs it

        return user_data_path("personalize-local", appauthor=False)


def read(program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Arguments:
    """Return the options of a command line; ends the program where they cannot be read."""
    parser = _parser(program)
    chosen = Arguments()
    parser.read(arguments, environment, chosen)
    chosen.s3 = S3.chosen(chosen.s3_root, chosen.profile, environment)
    if _is_own(chosen.s3.endpoint, chosen):
        parser.error(f"S3 would be this engine itself: {chosen.s3.endpoint} is not for S3, so give --s3-root")
    shorts = {"dataset-groups": chosen.dataset_groups, "incremental-bytes": chosen.incremental_bytes}
    settings = [f"{name}={number}" for name, number in shorts.items() if number is not None]
    try:
        chosen.quotas = quotas.AWS.changed([*settings, *chosen.quota])
    except ValueError as error:
        parser.error(f"--quota: {error}")
    return chosen


def _parser(program: str) -> Parser:
    parser = Parser(program, _DESCRIPTION, _EPILOG, PREFIX)
    address = parser.add_argument_group("where it answers, and where its data are").add_argument
    address("--port", type=_number(0, 65_535), metavar="N", help="default 8090; 0: any free port, which is printed")
    address("--host", help="address to listen on; default 127.0.0.1")
    address("--name", action="append", help="a name by which clients call this host; may be repeated")
    address("--data-dir", type=Path, metavar="DIR", help="data folder; default: in the user's data directory")
    address("--in-memory", action="store_true", help="keep nothing, and wait for no disk")
    address("--s3-root", type=Path, metavar="DIR", help="S3 is this folder: s3://bucket/key is DIR/bucket/key")
    address("--profile", metavar="NAME", help="S3 is AWS's, by this profile; also AWS_PROFILE")

    like = parser.add_argument_group("how it is like AWS").add_argument
    like("--strict", action="store_true", help="whatever is created is CREATE PENDING first")
    like("--step-seconds", type=_seconds, metavar="S", help="how long statuses last without work; default 0.2")
    like("--account-id", type=_matching(r"\d{12}"), metavar="ID", help="default 123456789012")
    like("--region", type=_matching(r"[a-z0-9-]+"), help="where a signature has none; default us-east-1")
    like("--quota", action="append", metavar="NAME=N", help="set a quota; may be repeated")
    like("--quotas", action=Once, nargs=0, text=lambda *_: quotas.table(), help="list the quotas and AWS's numbers")
    like("--dataset-groups", type=_number(1), metavar="N", help="short for --quota dataset-groups=N")
    like("--incremental-bytes", type=_number(1), metavar="N", help="short for --quota incremental-bytes=N")

    work = parser.add_argument_group("what it may take, and what it says").add_argument
    work("--workers", type=_number(1), metavar="N", help="processes for jobs; default: the processors, 2 to 4")
    work(
        "--memory",
        type=_number(1),
        metavar="BYTES",
        help="of all jobs together; default: 3/4 of the machine's",
    )
    work("--tier", choices=TIERS, help="how much trainings learn that name no tier; default standard")
    work("--quiet", action="store_true", help="log only what goes wrong in the engine")
    work("--json-log", action="store_true", help="log a JSON object a line")

    more = parser.add_argument_group("for tests and tools").add_argument
    more("--faults", action="store_true", help="open /faults and /clock: calls and jobs go wrong on demand")
    more("--rights", metavar="URL", help="who says what the roles of callers allow")
    more(
        "--completion",
        action=Once,
        choices=("bash", "zsh", "tcsh"),
        metavar="SHELL",
        text=_completion,
        help="print the completion of bash, zsh or tcsh",
    )
    more("--version", action=Once, nargs=0, text=_version, help="print the version")
    more("-h", "--help", action="help", help="print this")
    return parser


def _is_own(endpoint: str, arguments: Arguments) -> bool:
    """Tell whether an address is where the engine will listen."""
    address = urlsplit(endpoint)
    return address.port == arguments.port and address.hostname in {arguments.host, "localhost", "127.0.0.1"}


def _number(least: int, most: int | None = None) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
            bounds = f"from {least} to {most}" if most is not None else f"from {least} on"
            raise argparse.ArgumentTypeError(f"a whole number {bounds}, not {text!r}")
        return int(text)

    return read


def _seconds(text: str) -> float:
    """Read a number of seconds; argparse says what is wrong with a ValueError's text."""
    if not 0 <= (seconds := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"a number of seconds from 0 on, not {text!r}")
    return seconds


def _matching(pattern: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise argparse.ArgumentTypeError(f"{text!r} is none")
        return text

    return read


def _version(*_: object) -> str:
    from importlib.metadata import version  # noqa: PLC0415 — only this needs it

    return f"personalize-local {version('personalize-local')}"


def _completion(parser: Parser, shell: str) -> str:
    import shtab  # noqa: PLC0415 — only this needs it

    parser.complete_folders(shtab.DIRECTORY)
    completed: str = shtab.complete(parser, shell)
    return completed
