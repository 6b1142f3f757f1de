# SPDX-License-Identifier: Apache-2.0
"""The two environments beside the project's own: ``.local/cloud`` (the local AWS) and ``.local/sam`` (SAM CLI).

Each notes its lock file and its Python when it is complete, so that an interrupted build starts again.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
LOCAL = REPOSITORY / ".local"
UV = str(Path(sys.prefix) / "bin" / "uv")
"""The uv of the project's own environment."""
PREFERRED = ("3.13", "3.12", "3.11")
"""Lambda runtimes that the template allows, best first: 3.13 is what runs on AWS."""
WITH_ENGINE = ("cloud",)
"""Environments that have the engine too, without its dependencies: its guard against foreign web pages needs none."""

WAY_OUT = (
    "Nothing was deleted. `python -m local up --fresh` starts without it, and deletes the shops, the files and the"
    " engine's data of this cloud."
)
"""How to recover a cloud that cannot go on."""

Step = Callable[[str], AbstractContextManager[object]]
"""Shows a piece of work from its start to its end: ``with step("building the functions"): …``"""


class Interpreter(NamedTuple):
    """A Python on this machine: its `path` and its `version`, such as ``3.13``."""

    path: str
    version: str


class LocalError(Exception):
    """An error that the operator can act on: the message says what happened and what to do. `code`: the exit code."""

    code = 1
    details: Mapping[str, object] = MappingProxyType({})
    """What the JSON output has besides the message."""

    @property
    def said(self) -> str:
        """The message, which stays a `Text` where it was one."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else str(self)


def cloud_python() -> Path:
    return LOCAL / "cloud" / "bin" / "python"


def python_runtime() -> str:
    """Return the cloud environment's Python as a Lambda runtime, such as ``python3.13``."""
    try:
        version: str = json.loads((LOCAL / "cloud" / ".made.json").read_text())["python"]
    except FileNotFoundError:
        raise LocalError("the environments have not been made: make setup") from None
    return f"python{version}"


def ensure(step: Step = nullcontext) -> list[str]:
    """Make or refresh both environments; return notes for the operator."""
    python, best = find_python(), PREFERRED[0]
    for name in ("cloud", "sam"):
        refresh(name, python, step)
    if python.version == best:
        return []
    from table_intake.wording import Text  # noqa: PLC0415 - as below

    text = "this machine has no Python {best}, which is AWS's: the local functions run on Python {version}"
    return [Text("cloud.other-python", text, best=best, version=python.version)]


def refresh(name: str, python: Interpreter, step: Step = nullcontext) -> None:
    """Make or refresh an environment if its lock file or the Python has changed."""
    lock, folder = REPOSITORY / "locks" / f"{name}.txt", LOCAL / name
    note, interpreter = folder / ".made.json", folder / "bin" / "python"
    made = {"lock": hashlib.sha256(lock.read_bytes()).hexdigest(), "python": python.version}
    made |= {"engine": "editable"} if name in WITH_ENGINE else {}
    with suppress(FileNotFoundError, ValueError):
        if json.loads(note.read_text()) == made:
            return
    from table_intake.wording import Text  # noqa: PLC0415 - the local AWS's environment imports this module without it

    text = "making .local/{name} (Python {version})"
    with step(Text("cloud.making", text, name=name, version=python.version)):
        note.unlink(missing_ok=True)
        ask = [str(interpreter), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        there = subprocess.run(ask, capture_output=True, text=True, check=False).stdout if interpreter.exists() else ""
        if there.strip() != python.version:
            uv("venv", "--clear", "--python", python.path, str(folder))
        uv("pip", "sync", "--require-hashes", "--python", str(interpreter), str(lock))
        if name in WITH_ENGINE:
            engine = ("--no-deps", "--offline", "--python", str(interpreter), "--editable", "engine")
            uv("pip", "install", *engine)
        note.write_text(json.dumps(made))


def find_python() -> Interpreter:
    """Return this machine's best interpreter for the local functions. Raises LocalError if it has none of Lambda's."""
    for version in PREFERRED:
        search = ("python", "find", "--system", "--no-python-downloads", "--no-project", version)
        process = subprocess.run([UV, *search], capture_output=True, text=True, check=False)
        if process.returncode == 0:
            return Interpreter(process.stdout.strip(), version)
    raise LocalError(
        f"the local functions run on Python {', '.join(PREFERRED[:-1])} or {PREFERRED[-1]}, and this machine has none:"
        " `brew install python@3.13` on a Mac, `sudo apt-get install python3.13` on Debian and Ubuntu"
    )


def uv(*arguments: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    command = [UV, *arguments, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=REPOSITORY)
    if done.returncode:
        raise LocalError(f"uv {' '.join(arguments[:2])} failed:\n{done.stderr.strip()}")
