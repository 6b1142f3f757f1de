# SPDX-License-Identifier: Apache-2.0
"""How far a job is: a line in the log for each phase, and a small file, which is gone once the job has ended."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from personalize_local.wire.protocol import Json

IMPORT: Final = ("Fetching files", "Reading and checking rows")
TRAINING: Final = (
    "Reading the data",
    "Training without the held-out users",
    "Measuring on held-out users",
    "Training on everyone",
    "Saving the model",
)
LOGGER: Final = logging.getLogger("personalize")
listener: Callable[[str], None] = LOGGER.info
"""Takes each line of progress; that of a worker process sends it to its parent."""


@contextmanager
def phases(arn: str, target: Path, names: Sequence[str]) -> Iterator[Callable[[str], None]]:
    """Give a function that a job calls at the beginning of each phase.

    `arn` is the job's resource, `target` the file or folder that it makes.
    """
    file, step = _file(target), 0

    def enter(phase: str) -> None:
        """Note a phase; one beyond `names` is part of the step before."""
        nonlocal step
        step = names.index(phase) + 1 if phase in names else step
        new = file.with_name(f"{file.name}.new")
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps({"phase": phase, "step": step, "steps": len(names), "since": time.time()}))
        new.replace(file)
        listener(f"{arn}: {phase} (step {step} of {len(names)})")

    try:
        yield enter
    finally:
        file.unlink(missing_ok=True)


def read(target: Path) -> Json | None:
    """Return the phase of the job that makes `target`, its number and the number of all; None if none is known."""
    try:
        phase: Json = json.loads(_file(target).read_bytes())
    except (OSError, ValueError):
        return None
    return phase


def _file(target: Path) -> Path:
    return target.with_name(f"{target.name}.progress")
