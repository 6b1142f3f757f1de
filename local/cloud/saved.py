# SPDX-License-Identifier: Apache-2.0
"""The saved state of the local AWS, as files: `up` reads them before anything starts, the local AWS writes them.

In one folder::

    state.N     everything at one moment: a header, a line for each service, and a checksum
    journal.N   what came after that moment: a line for each change, in order
    code/       functions and layers by their SHA-256, to which states refer

A state appears whole, by one rename. `journal.N` follows `state.N` until the next state: a session that `down` stopped
leaves no journal after its state. The state before the newest stays with its journal: where the newest is damaged, both
lead to the same place. A damaged line of a journal is left out. What cannot be read is named, never deleted.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from local.cloud.environments import LocalError

FORMAT: Final = 1
CODE: Final = "code"
Json = dict[str, Any]


ASIDE: Final = (
    "Nothing was deleted. `python -m local up --fresh` starts without it, and puts the shops, the files and the"
    " engine's data of this cloud aside."
)


class UnreadableError(LocalError):
    """The saved state cannot be used: the message names the file, the reason and the way out."""

    def __init__(self, path: Path, reason: str, way_out: str = ASIDE) -> None:
        self.reason = reason
        super().__init__(f"the saved state of the local AWS cannot be used: {path}: {reason}\n{way_out}")


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
    damage: Mapping[Path, str] = field(default_factory=dict)
    """Files that cannot be read as they are: what is wrong, and how the session begins nevertheless."""

    @property
    def empty(self) -> bool:
        return self.number < 0


def state(folder: Path, number: int) -> Path:
    return folder / f"state.{number}"


def journal(folder: Path, number: int) -> Path:
    return folder / f"journal.{number}"


def numbers(folder: Path, kind: str) -> list[int]:
    """Return the numbers of the files of a kind, ascending."""
    suffixes = [path.name.removeprefix(f"{kind}.") for path in folder.glob(f"{kind}.*")]
    return sorted(int(number) for number in suffixes if number.isdecimal())


def read(folder: Path) -> Saved:
    """Read what the last session left. Raises UnreadableError where there are states and none can be read."""
    states, journals = numbers(folder, "state"), numbers(folder, "journal")
    newest, damage, unreadable = Saved(), dict[Path, str](), list[UnreadableError]()
    for number in reversed(states):
        try:
            header, services = _checked(state(folder, number))
            newest = Saved(number, header=header, services=services, at=float(header["at"]))
            break
        except UnreadableError as error:
            unreadable.append(error)
            damage[state(folder, number)] = f"{error.reason}; the state before it and the journal stand in for it"
    if unreadable and newest.empty:
        raise unreadable[0]
    after = [journal(folder, number) for number in journals if number >= newest.number]
    entries: list[Json] = []
    for path in after:
        changes, lines = _entries(path)
        entries += changes
        if lines:
            damage[path] = f"damaged at line {', '.join(map(str, lines))}; what stood there is lost, all else is there"
    clean, last = not after and not damage, max([-1, *states, *journals])
    return replace(newest, last=last, journal=tuple(entries), clean=clean, damage=damage)


def put_aside(path: Path) -> Path:
    """Give a damaged file a second name, which nothing removes; return it."""
    aside = path.with_name(f"damaged-{path.name}")
    aside.unlink(missing_ok=True)
    aside.hardlink_to(path)
    return aside


def closed(folder: Path) -> bool:
    """Tell whether the last session saved its state at its end."""
    states, journals = numbers(folder, "state"), numbers(folder, "journal")
    return not journals or (bool(states) and states[-1] > journals[-1])


def _checked(path: Path) -> tuple[Json, dict[str, bytes]]:
    header, services = _parsed(path)
    for sha in header["code"]:
        if not (path.parent / CODE / f"{sha}.zip").is_file():
            raise UnreadableError(path, f"a function's code is missing: {CODE}/{sha}.zip")
    return header, services


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


def _entries(path: Path) -> tuple[list[Json], list[int]]:
    """Return the changes of a journal, and its damaged lines; an unfinished last line was never answered."""
    *lines, _unfinished = path.read_bytes().split(b"\n")
    entries, damaged = [], []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            _ = entry["account"]
            entries.append(entry)
        except (ValueError, TypeError, KeyError):
            damaged.append(number)
    return entries, damaged


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
    """Remove what the newest state has replaced, but for the state before it, its journal, and the code of both."""
    before = max((old for old in numbers(folder, "state") if old < number), default=number)
    needed = {f"{sha}.zip" for sha in (*code, *_code(state(folder, before)))}
    for kind in ("state", "journal"):
        for old in numbers(folder, kind):
            if old < before:
                (folder / f"{kind}.{old}").unlink(missing_ok=True)
    for path in (folder / CODE).glob("*.zip"):
        if path.name not in needed:
            path.unlink(missing_ok=True)


def _code(path: Path) -> Iterable[str]:
    """Return the code that a state refers to; none where its header is damaged."""
    with path.open("rb") as file:
        header = file.readline()
    try:
        return list(json.loads(header)["code"])
    except (ValueError, TypeError, KeyError):
        return []
