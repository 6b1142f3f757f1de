# SPDX-License-Identifier: Apache-2.0
"""The two environments beside the project's own: ``.local/cloud`` (the local AWS) and ``.local/sam`` (SAM CLI).

Each holds exactly its lock file and a note of what it was made from, written last: an interrupted making is done again.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
LOCAL = REPOSITORY / ".local"
PREFERRED = ("3.13", "3.12", "3.11")
"""Lambda runtimes that the template allows, best first: 3.13 is what runs on AWS."""

WAY_OUT = (
    "Nothing was deleted. `python -m local up --fresh` starts without it, and deletes the shops, the files and the"
    " engine's data of this cloud."
)
"""What can always be done about a cloud that cannot go on."""

Step = Callable[[str], AbstractContextManager[object]]
"""Shows one piece of work from its start to its end: ``with step("building the functions"): …``"""


class Interpreter(NamedTuple):
    """A Python on this machine: its `path` and its `version`, such as ``3.13``."""

    path: str
    version: str


class LocalError(Exception):
    """Something the operator can act on: the message says what happened and what to do. `code`: the exit code."""

    code = 1


def quiet(_text: str) -> AbstractContextManager[object]:
    """A :data:`Step` that shows nothing."""
    return nullcontext()


def cloud_python() -> Path:
    """The interpreter of the local AWS and of the local functions."""
    return LOCAL / "cloud" / "bin" / "python"


def python_runtime() -> str:
    """The Lambda runtime that the cloud environment's Python is, such as ``python3.13``.

    Raises:
        LocalError: the environment has not been made.
    """
    try:
        version: str = json.loads((LOCAL / "cloud" / ".made.json").read_text())["python"]
    except FileNotFoundError:
        raise LocalError("the environments have not been made: make setup") from None
    return f"python{version}"


def ensure(step: Step = quiet) -> list[str]:
    """Make or refresh both environments where their lock file has changed; returns what the operator should know.

    Raises:
        LocalError: uv failed; its own words are in the message.
    """
    python, notes = find_python()
    for name in ("cloud", "sam"):
        refresh(name, python, step)
    return notes


def refresh(name: str, python: Interpreter, step: Step = quiet) -> None:
    """Make or refresh one environment where its lock file or the Python has changed.

    Raises:
        LocalError: uv failed; its own words are in the message.
    """
    made = {"lock": hashlib.sha256(lock_file(name).read_bytes()).hexdigest(), "python": python.version}
    if read_note(name) != made:
        with step(f"making .local/{name} (Python {python.version})"):
            make(name, python.path, made)


def make(name: str, python: str, made: dict[str, str]) -> None:
    """Build the environment `name` from its lock file on the interpreter `python`; note what it was `made` from."""
    folder = LOCAL / name
    note = folder / ".made.json"
    note.unlink(missing_ok=True)
    if version_of(folder / "bin" / "python") != made["python"]:
        uv("venv", "--clear", "--python", python, str(folder))
    uv("pip", "sync", "--require-hashes", "--python", str(folder / "bin" / "python"), str(lock_file(name)))
    note.write_text(json.dumps(made))


def lock_file(name: str) -> Path:
    """The lock file of the environment `name`."""
    return REPOSITORY / "locks" / f"{name}.txt"


def read_note(name: str) -> dict[str, str] | None:
    """What the environment `name` was made from; None where it is absent or half made."""
    try:
        note: dict[str, str] = json.loads((LOCAL / name / ".made.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return note


def find_python() -> tuple[Interpreter, list[str]]:
    """The best interpreter of this machine for the local functions, and a note where it is not AWS's version."""
    for version in PREFERRED:
        search = ("python", "find", "--system", "--no-python-downloads", "--no-project", version)
        found = subprocess.run([uv_path(), *search], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            break
    else:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        found = subprocess.CompletedProcess([], 0, stdout=sys.executable)
    if version == PREFERRED[0]:
        return Interpreter(found.stdout.strip(), version), []
    note = f"Python {PREFERRED[0]} is not on this machine: the local functions run on Python {version}; on AWS on 3.13"
    return Interpreter(found.stdout.strip(), version), [note]


def version_of(python: Path) -> str:
    """The ``major.minor`` of an interpreter; "" where there is none."""
    if not python.exists():
        return ""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def uv_path() -> str:
    """The uv of the project's own environment."""
    return str(Path(sys.prefix) / "bin" / "uv")


def uv(*arguments: str) -> None:
    """Run uv, quietly unless it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    command = [uv_path(), *arguments, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=REPOSITORY)
    if done.returncode:
        raise LocalError(f"uv {' '.join(arguments[:2])} failed:\n{done.stderr.strip()}")
