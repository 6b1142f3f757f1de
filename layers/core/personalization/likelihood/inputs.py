# SPDX-License-Identifier: Apache-2.0
"""Where the histories that a fit reads are kept: a copy of every imported file, until a whole history replaces it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from personalization.core import csv_dialect
from personalization.runs.claims import Claim, ClaimKind
from personalization.shop.keys import DataKind, Mode

KINDS: tuple[DataKind, ...] = ("users", "items", "interactions")
LIVE = "live"
"""The run in the names of files of live events."""
OVERLAP_SECONDS = 3600
"""How much of what the newest file of live events covers is read again."""
BEFORE_WHOLE_SECONDS = 90 * 86_400
"""How long before a whole history live events are kept all the same: it may have been written before them."""
_ROWS = 1_000
_MARK = "e"
"""Stands behind the number of a copy whose backslashes are escaped (`dialect.record`); earlier copies have none."""

Came = Literal["imported", "open", "failed"]
"""What became of the import of a kind by a run; "open" where a run is at work on it."""


def folder(shop: str) -> str:
    """The folder of a shop's inputs, with its slash."""
    return f"likelihood/{shop}/inputs/"


def snapshots(shop: str) -> str:
    """The folder of a shop's snapshots, with its slash."""
    return f"likelihood/{shop}/snapshots/"


def key(shop: str, kind: DataKind, mode: Mode, milliseconds: int, run: str, part: int = 0) -> str:
    """The key of a copy; keys of one kind are in the order in which they came.

    Args:
        shop, kind, mode: of the drop. milliseconds: when it was accepted, since 1970. run, part: of its import copy.
    """
    return f"{folder(shop)}{kind}/{milliseconds:015d}-{part:03d}{_MARK}-{mode}-{run}.csv"


def form(key: str) -> csv_dialect.Form:
    """How a copy is read: earlier versions wrote live events in the standard form, and import copies in their own."""
    if key.rpartition("/")[2].split("-", 2)[1].endswith(_MARK):
        return csv_dialect.PERSONALIZE
    return csv_dialect.STANDARD if _named(key)[1] == LIVE else csv_dialect.OLDER


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of the keys of all inputs, those that a fit reads, by kind; and those that no fit reads any more."""

    read: Mapping[DataKind, list[str]]
    replaced: list[str]


def came(claims: Iterable[Claim]) -> dict[tuple[ClaimKind, str], Came]:
    """What became of each import, by kind and run, as the claims tell."""
    found: dict[tuple[ClaimKind, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        for run in claim.runs:
            found[claim.kind, run].append(claim)
    return {which: _came(each) for which, each in found.items()}


def _came(claims: Iterable[Claim]) -> Came:
    states = {"done" if each.loaded else each.state for each in claims}
    # What was joined to a file that Personalize refused is held too, and is not in the dataset.
    if "done" in states or ("held" in states and "refused" not in states):
        return "imported"
    return "open" if states & {"taken", "pending"} else "failed"


def chosen(keys: Iterable[str], became: Mapping[tuple[ClaimKind, str], Came], run: str, oldest: int) -> Chosen:
    """What a fit reads: from the newest whole history of each kind on, and live events.

    An import that failed replaces nothing and is not read; nor is one of a later run that is still at work. What a
    whole history replaces is deleted only when its claim says that it was imported.

    Args:
        keys: all inputs of a shop.
        became: what became of imports; one that is not there was imported: its claim has expired.
        run: the run that promoted, whose imports are through although its claims may still be open.
        oldest: epoch seconds; files of live events of before are of no use to a fit.
    """
    every = sorted(keys)
    read: dict[DataKind, list[str]] = {}
    replaced: list[str] = []
    for kind in KINDS:
        mine = [each for each in every if f"/inputs/{kind}/" in each]
        state = {each: became.get((kind, _named(each)[1]), "imported") for each in mine}
        good = [each for each in mine if state[each] == "imported" or (state[each], _named(each)[1]) == ("open", run)]
        read[kind] = _kept(good, good, oldest)
        kept = {*read[kind], *_kept(mine, [each for each in mine if state[each] == "imported"], oldest)}
        replaced += [each for each in mine if each not in kept]
    return Chosen(read, replaced)


def _kept(keys: list[str], imported: Iterable[str], oldest: int) -> list[str]:
    """The keys from the newest imported whole history on, and live events of not long before it."""
    whole = max((each for each in imported if _named(each)[0] == "FULL"), default="")
    since = max(oldest, _seconds(whole) - BEFORE_WHOLE_SECONDS if whole else 0)
    return [each for each in keys if (_seconds(each) >= since if _named(each)[1] == LIVE else each >= whole)]


def covered(keys: Iterable[str]) -> int | None:
    """Epoch seconds up to which files have the live events of a shop; None where there is no such file."""
    return max((_seconds(each) for each in keys if _named(each)[1] == LIVE), default=None)


def _named(key: str) -> tuple[str, str]:
    """The mode and the run of an input."""
    _, _, mode, run = key.rpartition("/")[2].removesuffix(".csv").split("-", 3)
    return mode, run


def _seconds(key: str) -> int:
    """When an input was accepted, in epoch seconds."""
    return int(key.rpartition("/")[2].split("-", 1)[0]) // 1_000


def run_of(key: str) -> str:
    """The run that a file of counters belongs to; "" for inputs and snapshots."""
    run = key.split("/")[2]
    return "" if run in {"inputs", "snapshots"} else run


def events_csv(events: Iterable[tuple[str, str, str, int]]) -> Iterator[bytes]:
    """Live events (user, item, type, epoch seconds) as interactions, some rows at a time; none without events."""
    rows: list[str] = []
    for number, (user, item, kind, seconds) in enumerate(events):
        if number == 0:
            rows.append(csv_dialect.record(("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP")))
        rows.append(csv_dialect.record((user, item, kind, str(seconds))))
        if number % _ROWS == _ROWS - 1:
            yield "".join(rows).encode()
            rows.clear()
    if rows:
        yield "".join(rows).encode()
