# SPDX-License-Identifier: Apache-2.0
"""The saved state of the local AWS, as files: `up` reads them before anything starts, the local AWS writes them.

In one folder::

    state.N     everything at one moment: a header, a line for each service, and a checksum
    journal.N   what was answered after that moment: a line for each change, in order
    code/       functions and layers by their SHA-256, to which states refer

A state appears whole, by one rename. `journal.N` follows `state.N` until the next state: a session that `down` stopped
leaves no journal. What cannot be read is refused, never deleted.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local.cloud.environments import WAY_OUT, LocalError

FORMAT: Final = 1
CODE: Final = "code"
Json = dict[str, Any]


class UnreadableError(LocalError):
    """The saved state cannot be used: the message names the file, the reason and the way out."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"the saved state of the local AWS cannot be used: {path}: {reason}\n{WAY_OUT}")


@dataclass(frozen=True, slots=True)
class Saved:
    """What the last session left: the newest state, and what was answered after it."""

    number: int = -1
    """The number of the state; -1 where there is none."""
    last: int = -1
    """The highest number of any file."""
    header: Mapping[str, Any] = field(default_factory=dict)
    services: Mapping[str, bytes] = field(default_factory=dict)
    journal: tuple[Json, ...] = ()
    clean: bool = True
    """Whether the session was stopped by `down`."""
    at: float = 0.0
    """When the state was saved, in seconds since 1970; 0 where there is none."""

    @property
    def empty(self) -> bool:
        return self.number < 0


def state(folder: Path, number: int) -> Path:
    return folder / f"state.{number}"


def journal(folder: Path, number: int) -> Path:
    return folder / f"journal.{number}"


def numbers(folder: Path, kind: str) -> list[int]:
    """Return the numbers of the files of a kind, ascending."""
    found = [path.name.removeprefix(f"{kind}.") for path in folder.glob(f"{kind}.*")]
    return sorted(int(number) for number in found if number.isdecimal())


def read(folder: Path) -> Saved:
    """Read what the last session left. Raises UnreadableError."""
    states, journals = numbers(folder, "state"), numbers(folder, "journal")
    newest = states[-1] if states else -1
    after = [number for number in journals if number >= newest]
    entries = tuple(entry for number in after for entry in _entries(journal(folder, number)))
    last = max([-1, *states, *journals])
    if newest >= 0:
        path = state(folder, newest)
        header, services = _parsed(path)
        for sha in header["code"]:
            if not (folder / CODE / f"{sha}.zip").is_file():
                raise UnreadableError(path, f"a function's code is missing: {CODE}/{sha}.zip")
        return Saved(newest, last, header, services, entries, clean=not after, at=float(header["at"]))
    return Saved(last=last, journal=entries, clean=not after)


def closed(folder: Path) -> bool:
    """Tell whether the last session saved its state at its end."""
    states, journals = numbers(folder, "state"), numbers(folder, "journal")
    return not journals or (bool(states) and states[-1] > journals[-1])


def _parsed(path: Path) -> tuple[Json, dict[str, bytes]]:
    *lines, end = path.read_bytes().split(b"\n")
    if end or len(lines) < 2:
        raise UnreadableError(path, "it is cut off")
    *content, checksum = lines
    if _sum(content) != checksum:
        raise UnreadableError(path, "its checksum is wrong")
    header = json.loads(content[0])
    if header.get("format") != FORMAT:
        raise UnreadableError(path, f"its format is {header.get('format')!r}, and this release knows {FORMAT}")
    return header, dict(zip(header["services"], content[1:], strict=True))


def _sum(lines: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line + b"\n")
    return digest.hexdigest().encode()


def _entries(path: Path) -> Iterable[Json]:
    """Yield the changes of a journal; an unfinished last line was never answered."""
    *lines, _unfinished = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except ValueError:
            raise UnreadableError(path, f"line {number} is damaged") from None


def write(folder: Path, number: int, header: Json, services: Mapping[str, bytes]) -> None:
    """Write a state whole: it appears by a rename once all of it is on the disk."""
    scratch = folder / f"state.{number}.part"
    header = {"format": FORMAT, **header, "services": [*services]}
    content = [json.dumps(header).encode(), *services.values()]
    try:
        write_whole(scratch, b"\n".join([*content, _sum(content), b""]))
        scratch.rename(state(folder, number))
    except OSError:
        if scratch.is_file():
            scratch.unlink()
        raise
    synced(folder)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file for its owner alone, down to the disk."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def synced(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def prune(folder: Path, number: int, code: Iterable[str]) -> None:
    """Remove what a newer state has replaced: older states and journals, and code that it does not refer to."""
    kept = {f"{sha}.zip" for sha in code}
    for kind in ("state", "journal"):
        for old in numbers(folder, kind):
            if old < number:
                (folder / f"{kind}.{old}").unlink(missing_ok=True)
    for path in (folder / CODE).glob("*.zip"):
        if path.name not in kept:
            path.unlink(missing_ok=True)
