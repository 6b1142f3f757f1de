# SPDX-License-Identifier: Apache-2.0
"""Count the operations of Personalize that local emulators of AWS perform: `python -m benchmarks.studies.emulators`.

Each emulator gets the same valid calls, one of every operation at least, in an order in which each finds what it needs
(`engine/tests/calls.py`). An operation is answered if its first call succeeds. It is performed if, besides, what it
asks about exists, and its answer has something in it: a list shows what was made. `--page` writes the table into
`engine/docs/emulators.md`.

Each emulator runs from its package on PyPI, in an environment of its own under `.local/emulators`. Some others are not
here: fakecloud's package is a client only, local-web-services plays CDK applications without Personalize, and
aws-local-run's package lacks what it imports.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
from botocore import xform_name
from botocore.config import Config

from benchmarks.harness import REPOSITORY, free_port
from engine.tests.calls import BUCKET, MODELS, Call, Json, play, write_files

ENVIRONMENTS: Final = REPOSITORY / ".local/emulators"
PAGE: Final = REPOSITORY / "engine/docs/emulators.md"
SERVICES: Final = ("personalize", "personalize-runtime", "personalize-events")
START_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Emulator:
    """How to install and start one emulator; `{bin}`, `{port}` and `{folder}` stand for its own."""

    name: str
    requirement: str
    """On PyPI; empty: it is ours."""
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def title(self) -> str:
        return f"{self.name} {self.requirement.partition('==')[2]}".strip()


OURS: Final = Emulator(
    "Personalize Local",
    "",
    (
        sys.executable,
        "-m",
        "personalize_local",
        "--port",
        "{port}",
        "--data-dir",
        "{folder}/data",
        "--s3-root",
        "{folder}/s3",
    ),
)
OTHERS: Final = (
    Emulator("moto", "moto[server]==5.2.5", ("{bin}/moto_server", "--port", "{port}")),
    Emulator("LocalEmu", "localemu==1.3.2", ("{bin}/localemu", "start", "--host", "127.0.0.1", "--port", "{port}")),
    Emulator("MiniStack", "ministack==1.5.33", ("{bin}/ministack",), {"GATEWAY_PORT": "{port}"}),
    Emulator(
        "LocalStack",
        "localstack-core[runtime]==2026.3.0",
        ("{bin}/python", "-m", "localstack.runtime.main"),
        {"GATEWAY_LISTEN": "127.0.0.1:{port}"},
    ),
)


@dataclass
class Count:
    """What an emulator did with the calls, by operation."""

    started: bool = True
    answered: set[str] = field(default_factory=set)
    performed: set[str] = field(default_factory=set)
    errors: dict[str, str] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", action="store_true", help="write the table into engine/docs/emulators.md")
    parser.add_argument("--only", help="the name of one emulator")
    options = parser.parse_args()
    chosen = [emulator for emulator in (OURS, *OTHERS) if options.only in {None, emulator.name}]
    counts = {emulator: count(emulator) for emulator in chosen}
    table = "\n".join(_table(counts))
    print(table)
    for emulator, tally in counts.items():
        for operation, error in tally.errors.items() if emulator is OURS or options.only else ():
            print(f"{emulator.name}: {operation}: {error}")
    if options.page:
        PAGE.write_text(_page(table, counts[OURS]), encoding="utf-8")
    return 0 if OURS not in counts or counts[OURS].performed == set(MODELS) else 1


def count(emulator: Emulator) -> Count:
    """Run an emulator and make the calls."""
    tally = Count()
    with tempfile.TemporaryDirectory() as folder, _running(emulator, Path(folder)) as url:
        if not url:
            return Count(started=False)
        write_files(Path(folder) / "s3" / BUCKET)
        config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
        keys = {"aws_access_key_id": "t", "aws_secret_access_key": "t", "region_name": "us-east-1"}
        clients = {name: boto3.client(name, endpoint_url=url, config=config, **keys) for name in SERVICES}  # type: ignore[call-overload]

        def perform(operation: str, request: Json) -> Json:
            client = clients[MODELS[operation].service_model.service_name]
            answer: Json = getattr(client, xform_name(operation))(**request)
            return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

        seen, references = set[str](), set[str]()
        for call, answer in play(perform, seconds=30):
            first, missing = call.operation not in seen, _references(call.request) - references
            seen.add(call.operation)
            if "error" in answer:
                tally.errors.setdefault(call.operation, str(answer["error"]).splitlines()[0][:160])
                continue
            references |= set(call.keeps.values())
            if first:
                tally.answered.add(call.operation)
            if first and not missing and _full(call, answer):
                tally.performed.add(call.operation)
    return tally


def _references(request: Any) -> set[str]:  # noqa: ANN401
    """Return the names of what a request needs from earlier calls."""
    if isinstance(request, dict):
        return {name for member in request.values() for name in _references(member)}
    if isinstance(request, list):
        return {name for member in request for name in _references(member)}
    return {request[1:]} if isinstance(request, str) and request.startswith("$") else set()


def _full(call: Call, answer: Json) -> bool:
    """Tell whether an answer has something in it, where its model has members."""
    shape = MODELS[call.operation].output_shape
    return not (shape and shape.members) or any(answer.values())


@contextlib.contextmanager
def _running(emulator: Emulator, folder: Path) -> Iterator[str]:
    """Start an emulator; yields its address, or nothing if it does not start."""
    location = {"bin": str(_environment(emulator)), "port": str(free_port()), "folder": str(folder)}
    environment = {name: value.format(**location) for name, value in emulator.environment.items()}
    url = f"http://127.0.0.1:{location['port']}"
    process = subprocess.Popen(
        [part.format(**location) for part in emulator.command],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield url if _answers(process, url) else ""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def _environment(emulator: Emulator) -> Path:
    """Install an emulator where it is not installed; returns the folder of its programs."""
    folder = ENVIRONMENTS / emulator.title.replace(" ", "-").lower()
    if emulator.requirement and not (folder / ".ready").exists():
        uv = shutil.which("uv", path=str(REPOSITORY / ".venv/bin")) or "uv"
        subprocess.run([uv, "venv", "-q", "--clear", "--python", "3.13", str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(folder), emulator.requirement], check=True)
        (folder / ".ready").touch()
    return folder / "bin"


def _table(counts: dict[Emulator, Count]) -> Iterator[str]:
    yield f"| emulator | operations answered, of {len(MODELS)} | performed |"
    yield "|---|---|---|"
    for emulator, tally in counts.items():
        if tally.started:
            yield f"| {emulator.title} | {len(tally.answered)} | {len(tally.performed)} |"
        else:
            yield f"| {emulator.title} | does not start from its package on PyPI | |"


def _page(table: str, ours: Count) -> str:
    return f"""# Other emulators

How many operations of Amazon Personalize does an emulator on PyPI perform? Each gets the same valid calls, of
{len(ours.performed)} operations, in an order in which each finds what it needs. This table comes from
`python -m benchmarks.studies.emulators --page`.

*Answered*: the call succeeds. *Performed*: besides, what it asks about exists, and a list shows what was made.

{table}

None of the others trains a model or recommends an item.
"""


if __name__ == "__main__":
    raise SystemExit(main())
