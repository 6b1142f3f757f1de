# SPDX-License-Identifier: Apache-2.0
"""The keys of the histories that a fit reads: a copy of each imported file, until a whole history replaces it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from table_intake import DataKind, Mode
from table_intake.write import dialect

from personalization.core.errors import Rejected
from personalization.runs.claims import Claim, ClaimKind

KINDS: tuple[DataKind, ...] = ("users", "items", "interactions")
LIVE = "live"
"""The run in the keys of files of live events."""
OVERLAP_SECONDS = 3600
"""Seconds at the end of the newest file of live events whose events are read again."""
BEFORE_WHOLE_SECONDS = 90 * 86_400
"""Seconds before the drop of a whole history whose live events are still read: the history may be older than its
drop."""
_ROWS = 1_000
_TIME = 15
"""Digits of the time in a key."""
_MARK = "e"
"""The version of the files' form, behind the number in a key: those of before 0.1.0 have none."""

Outcome = Literal["imported", "open", "failed"]
"""The outcome of a run's import of one kind; "open" while a run works on it."""


def folder(shop: str) -> str:
    """Return the folder of a shop's inputs, with its slash."""
    return f"likelihood/{shop}/inputs/"


def snapshots(shop: str) -> str:
    """Return the folder of a shop's snapshots, with its slash."""
    return f"likelihood/{shop}/snapshots/"


def key(shop: str, kind: DataKind, mode: Mode, milliseconds: int, run: str, part: int | tuple[int, int] = 0) -> str:
    """Return the key of a part of a run's copy, or of a piece of it: the part and its number, which keep their order.

    Keys of one kind sort by the time of acceptance (Unix milliseconds).
    """
    number = f"{part:03d}" if isinstance(part, int) else f"{part[0]:03d}.{part[1]:05d}"
    return f"{folder(shop)}{kind}/{milliseconds:0{_TIME}d}-{number}{_MARK}-{mode}-{run}.csv"


def check_version(key: str) -> None:
    """Raise Rejected if a file has the form of before 0.1.0."""
    if not key.rpartition("/")[2].split("-", 2)[1].endswith(_MARK):
        kind = key.removeprefix("likelihood/").split("/")[2]
        raise Rejected(key, f"the file is from before version 0.1.0: delete it, and drop the whole history of {kind}")


@dataclass(frozen=True, slots=True)
class Selection:
    """The keys that a fit reads, by kind, and the keys that no fit reads any more."""

    read: Mapping[DataKind, list[str]]
    replaced: list[str]


def import_outcomes(claims: Iterable[Claim]) -> dict[tuple[ClaimKind, str], Outcome]:
    """Return the outcome of each import, by kind and run, from the claims."""
    by_import: dict[tuple[ClaimKind, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        for run in claim.runs:
            by_import[claim.kind, run].append(claim)
    return {which: _outcome(import_claims) for which, import_claims in by_import.items()}


def _outcome(claims: Iterable[Claim]) -> Outcome:
    states = {"done" if claim.loaded else claim.state for claim in claims}
    # A drop joined to a file that Personalize refused is held as well, but is not in the dataset.
    if "done" in states or ("held" in states and "refused" not in states):
        return "imported"
    return "open" if states & {"taken", "pending"} else "failed"


def choose(keys: Iterable[str], outcomes: Mapping[tuple[ClaimKind, str], Outcome], run: str, oldest: int) -> Selection:
    """Select what a fit reads: each kind from its newest whole history on, and live events.

    A failed import replaces nothing and is not read; neither is that of a later, unfinished run. Replaced
    files are deleted only when the claim of the whole history confirms its import.

    Args:
        keys: all inputs of a shop.
        outcomes: of imports; a missing one was imported, and its claim has expired.
        run: the run that promoted; its imports are done although its claims may still be open.
        oldest: epoch seconds; a fit ignores older files of live events.

    Raises:
        Rejected: a file to read is from before 0.1.0.
    """
    ordered = sorted(keys)
    read: dict[DataKind, list[str]] = {}
    replaced: list[str] = []
    for kind in KINDS:
        of_kind = [key for key in ordered if f"/inputs/{kind}/" in key]
        state = {key: outcomes.get((kind, _mode_and_run(key)[1]), "imported") for key in of_kind}
        readable = [
            key for key in of_kind if state[key] == "imported" or (state[key], _mode_and_run(key)[1]) == ("open", run)
        ]
        read[kind] = _from_newest_whole(readable, readable, oldest)
        for chosen in read[kind]:
            check_version(chosen)
        used = {*read[kind], *_from_newest_whole(of_kind, [key for key in of_kind if state[key] == "imported"], oldest)}
        replaced += [key for key in of_kind if key not in used]
    return Selection(read, replaced)


def _from_newest_whole(keys: list[str], imported: Iterable[str], oldest: int) -> list[str]:
    """Return the keys from the newest imported whole history on, and live events from shortly before it."""
    newest = max((key for key in imported if _mode_and_run(key)[0] == "FULL"), default="")
    # All pieces of a history have its time.
    whole = newest[: newest.rindex("/") + 1 + _TIME] if newest else ""
    since = max(oldest, _seconds(whole) - BEFORE_WHOLE_SECONDS if whole else 0)
    return [key for key in keys if (_seconds(key) >= since if _mode_and_run(key)[1] == LIVE else key >= whole)]


def after_whole(keys: Iterable[str]) -> tuple[int, int]:
    """Return the epoch seconds of the newest whole history among keys of one kind, and how many incremental imports
    follow it; 0 for the time where there is none.
    """
    imports = {(_seconds(key), *_mode_and_run(key)) for key in keys}
    whole = max((seconds for seconds, mode, _ in imports if mode == "FULL"), default=0)
    return whole, sum(mode == "INCREMENTAL" and run != LIVE for _, mode, run in imports)


def live_until(keys: Iterable[str]) -> int | None:
    """Return the epoch seconds up to which files have the shop's live events; None without such a file."""
    return max((_seconds(key) for key in keys if _mode_and_run(key)[1] == LIVE), default=None)


def _mode_and_run(key: str) -> tuple[str, str]:
    """Return the mode and the run of an input."""
    _, _, mode, run = key.rpartition("/")[2].removesuffix(".csv").split("-", 3)
    return mode, run


def _seconds(key: str) -> int:
    """Return the time at which an input was accepted, in epoch seconds."""
    return int(key.rpartition("/")[2].split("-", 1)[0]) // 1_000


def run_of(key: str) -> str:
    """Return the run of a file of counters; "" for inputs and snapshots."""
    run = key.split("/")[2]
    return "" if run in {"inputs", "snapshots"} else run


def events_csv(events: Iterable[tuple[str, str, str, int]]) -> Iterator[bytes]:
    """Yield live events (user, item, type, epoch seconds) as a CSV of interactions in parts; nothing without events."""
    rows = ((user, item, kind, str(seconds)) for user, item, kind, seconds in events)
    header = [("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP")]
    while part := list(islice(rows, _ROWS)):
        yield "".join(map(dialect.record, header + part)).encode()
        header = []
