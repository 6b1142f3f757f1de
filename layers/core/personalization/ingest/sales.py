# SPDX-License-Identifier: Apache-2.0
"""What a shop has sold, counted while interactions are checked: one small file for each drop, added up at a promotion.

An incremental drop adds to what was there; a whole history replaces it. A file counts once its drop is imported, which
the claims tell, so that a drop that is checked twice, or whose import fails, neither counts twice nor counts at all.
"""

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from personalization.runs.claims import Claim
from personalization.shop.keys import Mode

MOST = 20_000
"""Items that one count names: forty times what a list needs, so that what a drop adds can still change the list."""
_ALL = "all"
"""Stands for the drop in the name of a file that adds up others."""


@dataclass(frozen=True, slots=True)
class Sold:
    """How often items were bought, and how often anything happened with them; the most frequent of each."""

    rows: int = 0
    bought: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """A file of counts, as its key tells."""

    key: str
    mode: Mode
    rows: int
    drop: str
    """The drop's identity."""


def folder(shop: str) -> str:
    """The folder of a shop's counts, with its slash."""
    return f"catalogue/{shop}/sold/"


def identity(key: str, version_id: str | None) -> str:
    """A drop by its object: the same for every run that checks it."""
    return hashlib.sha256(f"{key}\0{version_id or ''}".encode()).hexdigest()[:16]


def key(shop: str, mode: Mode, milliseconds: int, rows: int, drop: str = _ALL) -> str:
    """The key of a count; keys are in the order in which drops came.

    Args:
        shop, mode: of the drop. milliseconds: when it was checked, since 1970. rows: interactions of it.
        drop: its identity.
    """
    return f"{folder(shop)}{milliseconds:015d}-{mode}-{rows:012d}-{drop}.json.gz"


def files(keys: Iterable[str]) -> list[File]:
    """Files by their keys, oldest first; of a drop that was checked again, the newest."""
    newest: dict[str, File] = {}
    for each in sorted(keys):
        _, mode, rows, drop = each.rpartition("/")[2].removesuffix(".json.gz").split("-")
        newest[drop] = File(each, "FULL" if mode == "FULL" else "INCREMENTAL", int(rows), drop)
    return sorted(newest.values(), key=lambda each: each.key)


def history(keys: Iterable[str]) -> int:
    """Interactions of a shop, as far as its files tell."""
    return sum(each.rows for each in _since_whole(files(keys)))


def chosen(keys: Sequence[str], claims: Iterable[Claim], run: str) -> list[File]:
    """The files that a list is made from; none where no whole history was counted.

    The sum of them replaces every file: what a later run still has to import is checked and counted again by it.

    Args:
        keys: the shop's files.
        claims: the shop's; one that is not there any more was imported.
        run: the run that promotes: its own imports are through although its claims are open.
    """
    became = {identity(each.key, each.version_id): each for each in claims}
    there = files(keys)
    read = _since_whole([each for each in there if _imported(became.get(each.drop), run)])
    return read if read and read[0].mode == "FULL" else []


def _imported(claim: Claim | None, run: str) -> bool:
    return claim is None or claim.state == "done" or claim.loaded or (claim.state == "taken" and claim.run == run)


def _since_whole(there: Sequence[File]) -> list[File]:
    whole = max((place for place, each in enumerate(there) if each.mode == "FULL"), default=0)
    return list(there[whole:])


def add(counts: Iterable[Sold]) -> Sold:
    """All counts as one."""
    rows, bought, seen = 0, Counter[str](), Counter[str]()
    for each in counts:
        rows += each.rows
        bought.update(each.bought)
        seen.update(each.seen)
        if max(len(bought), len(seen)) > 8 * MOST:
            bought, seen = _most(bought), _most(seen)
    return Sold(rows, _most(bought), _most(seen))


def best(sold: Sold, most: int) -> list[str]:
    """The ids of the items that were bought most; after them those with which most happened."""
    ranked = [item for item, _ in sorted(sold.bought.items(), key=lambda each: (-each[1], each[0]))][:most]
    if len(ranked) < most:
        rest = sorted(sold.seen.items(), key=lambda each: (-each[1], each[0]))
        ranked += [item for item, _ in rest if item not in sold.bought][: most - len(ranked)]
    return ranked


def pack(sold: Sold) -> bytes:
    """A count as a file."""
    text = json.dumps({"rows": sold.rows, "bought": sold.bought, "seen": sold.seen}, ensure_ascii=False)
    return gzip.compress(text.encode(), mtime=0)


def unpack(data: bytes) -> Sold:
    """A count from its file."""
    told = json.loads(gzip.decompress(data))
    return Sold(told["rows"], told["bought"], told["seen"])


def _most(counts: Counter[str]) -> Counter[str]:
    return Counter(dict(sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST]))
