# SPDX-License-Identifier: Apache-2.0
"""Record what these sources answer, for the releases after them: `python -m tests.app.replay.record`.

Run it in a checkout of a release, on a machine with nothing else to do; it starts a local cloud of its own. Requests
that are new since then come along when this folder is copied into the checkout.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.app.replay import shop
from tests.app.replay.play import Answer, Player
from tests.app.replay.requests import requests

REPOSITORY = Path(__file__).resolve().parents[3]
Played = Sequence[tuple[str, Answer]]
"""The names of requests, and their answers."""
HTTP, HANDLERS = (Path(__file__).with_name(f"{name}.json") for name in ("http", "handlers"))
"""Where the two recordings are."""


def write(file: Path, played: Played) -> None:
    """Write a recording: equal answers once, and each request with its answer's number, a line each."""
    numbers: dict[str, int] = {}
    lines = []
    for name, answer in played:
        number = numbers.setdefault(json.dumps(answer, ensure_ascii=False), len(numbers))
        lines.append(json.dumps([name, number], ensure_ascii=False))
    file.write_text("\n".join(('{"answers": [', ",\n".join(numbers), '], "requests": [', ",\n".join(lines), "]}", "")))


def read(file: Path) -> Played:
    """Return a recording."""
    recording = json.loads(file.read_text())
    return [(name, recording["answers"][number]) for name, number in recording["requests"]]


def played_by_handlers() -> Played:
    """Return what the handlers answer, in a process of their own."""
    line = [sys.executable, "-m", "tests.app.replay.handlers"]
    done = subprocess.run(line, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return [(name, answer) for name, answer in json.loads(done.stdout.splitlines()[-1])]


def differences(before: Played, now: Played) -> Mapping[str, tuple[Answer, Answer]]:
    """Return each request that is answered otherwise, with the recorded answer and the one now."""
    assert [name for name, _ in now] == [name for name, _ in before], "record the new requests from the release before"
    return {name: (old, new) for (name, old), (_, new) in zip(before, now, strict=True) if old != new}


def main() -> None:
    write(HANDLERS, played_by_handlers())
    with tempfile.TemporaryDirectory() as folder:
        home, files = Path(folder, "run"), Path(folder)

        def command(*arguments: str) -> Any:  # noqa: ANN401 - each command has a shape of its own
            line = [sys.executable, "-m", "local", *arguments, "--json", "--run-dir", str(home)]
            done = subprocess.run(line, cwd=REPOSITORY, check=True, capture_output=True, text=True)
            return json.loads(done.stdout)

        command("up", "--faults")
        try:
            shop.drop(command, "replayed", files)
            write(HTTP, list(Player(command, "replayed").play(requests())))
        finally:
            command("down", "--wipe")


if __name__ == "__main__":
    main()
