# SPDX-License-Identifier: Apache-2.0
"""Which variant of an experiment a unit is in: a function of the experiment and of the unit, without any store.

The unit is a user, or a visitor: a browser that keeps a random id. A user stays in the variant of the visitor that they
first were, see `events.visitors`. No record and no line of a log has a visitor's id: a digest stands for it.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate
from struct import Struct
from typing import Any, NamedTuple

from personalization.experiments.experiment import SCALE, Experiment, Variant
from personalization.shop.records.release import BASELINE, Release, Value

_UNIT_BYTES = 16
_first = Struct(">Q8x16x").unpack


class Unit(NamedTuple):
    """Who is in experiments, by digests, see `unit_digest`."""

    drawn: str
    """That from which the numbers are drawn: a user's id, or a visitor's digest."""
    digest: str
    user: str = ""
    """The user's digest, where a visitor is the unit."""
    visitor: str = ""
    """The digest of the request's visitor, where another is the unit."""

    def drawn_bytes(self) -> bytes:
        """Return what `Draw` draws by."""
        return self.drawn.encode("utf-8", "replace")


class Draw:
    """How an experiment draws units' variants; what does not depend on the unit is made once.

    A unit's number, 0 to SCALE - 1, is the first 8 bytes of a SHA-256 as a fraction. The numbers of a unit by two seeds
    are independent, so that an experiment does not repeat the groups of another.

    A namespace says which experiment a unit is in, and the experiment which variant: the groups of one experiment
    would otherwise be those of the next one, and carry over what the first one did to them.
    """

    __slots__ = ("_cuts", "_redraw", "_seed", "_variants")

    def __init__(self, experiment: Experiment) -> None:
        self._seed = f"{experiment.seed}\0".encode()
        self._cuts = sorted({cut for part in experiment.slices for cut in (part.start, part.end)})
        names = [_name_at(experiment, start) for start in self._cuts]
        self._variants = [None, *(experiment.variant(name) if name else None for name in names)]
        self._redraw = _Redraw(experiment) if experiment.is_in_namespace and experiment.slices else None

    def variant(self, unit: bytes) -> Variant | None:
        """Return the variant of a unit, by the bytes of `Unit.drawn`; None if it is outside of the experiment."""
        variant = self._variants[bisect_right(self._cuts, _number(self._seed + unit))]
        return variant if variant is None or self._redraw is None else self._redraw.variant(unit)


class _Redraw:
    """Draws variants by the shares that an experiment began with: all of them grow alike."""

    __slots__ = ("_ends", "_seed", "_variants")

    def __init__(self, experiment: Experiment) -> None:
        begun = min(part.since for part in experiment.slices)
        shares = [part for part in experiment.slices if part.since == begun]
        self._seed = f"{experiment.name}\0".encode()
        self._ends = list(accumulate(part.end - part.start for part in shares))
        self._variants = [experiment.variant(part.variant) for part in shares]

    def variant(self, unit: bytes) -> Variant:
        return self._variants[bisect_right(self._ends, _number(self._seed + unit) * self._ends[-1] // SCALE)]


def _number(seeded: bytes) -> int:
    drawn: int = _first(sha256(seeded).digest())[0]
    return drawn * SCALE >> 64


def _name_at(experiment: Experiment, number: int) -> str:
    return next((part.variant for part in experiment.slices if part.start <= number < part.end), "")


def variant_of(experiment: Experiment, unit: str) -> Variant | None:
    """Return the variant of a unit; None if it is outside of the experiment."""
    return Draw(experiment).variant(unit.encode("utf-8", "replace"))


def unit_digest(tracking_id: str, user_id: str) -> str:
    """Return what stands for a user in exposures: 32 hexadecimal digits, keyed by what no answer shows."""
    digest = _keyed(tracking_id).copy()
    digest.update(user_id.encode("utf-8", "replace"))
    return digest.hexdigest()


@lru_cache(256)
def _keyed(tracking_id: str) -> hashlib.blake2b:
    key = tracking_id.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(key=key, digest_size=_UNIT_BYTES)


def visitor_digest(tracking_id: str, visitor_id: str) -> str:
    """Return what stands for a visitor; no user has it, whatever their id is."""
    return unit_digest(tracking_id, f"visitor\0{visitor_id}")


def unit(tracking_id: str, user_id: str | None, visitor: str, first: str) -> Unit | None:
    """Return the unit of a request; None for somebody without a lasting id.

    Args:
        tracking_id: see `unit_digest`.
        user_id: the user whom the request names.
        visitor: the digest of its visitor; empty without one.
        first: the digest of the visitor that the user first was; empty where that is not known.
    """
    digest = first or visitor
    if not digest:
        return None if user_id is None else Unit(user_id, unit_digest(tracking_id, user_id))
    user = "" if user_id is None else unit_digest(tracking_id, user_id)
    return Unit(digest, digest, user, visitor if visitor != digest else "")


def with_variant(release: Release, variant: Variant, placements: Iterable[str]) -> Release:
    """Return a release whose placements are as a variant shows them; `off` and `as-is` change nothing here."""
    if variant.serves == "placement":
        changed: Mapping[str, Mapping[str, Value]] = {name: variant.entries[name] for name in placements}
    elif variant.serves == "bestsellers":
        changed = {name: bestsellers(release.placements[name]) for name in placements}
    elif variant.serves == "campaign":
        changed = {name: {**release.placements[name], "campaign": variant.campaign} for name in placements}
        if not variant.metadata:
            release = replace(release, without_metadata=release.without_metadata | {variant.campaign})
    else:
        return release
    return replace(release, placements={**release.placements, **changed})


def is_servable(release: Release, variant: Variant, placement: str) -> bool:
    """Return whether a release has the filters of a variant, which settings or a return to an earlier release take."""
    return all(name in release.filters for name in filters_of(variant.entries.get(placement, {})))


def filters_of(entry: Mapping[str, Any]) -> set[str]:
    """Return the names of the filters of a placement and of its promotions."""
    names = {promotion["filter"] for promotion in entry.get("promotions", ())}
    return names | ({entry["filter"]} if entry.get("filter") else set())


def bestsellers(entry: Mapping[str, Value]) -> dict[str, Value]:
    """Return a placement that shows the shop's bestsellers to requests that suit the placement as it was.

    A request may still give values of the placement's filter, which bestsellers do not have.
    """
    left_out = {"recommender", "promotions", "because", "diversity"}
    rest = {name: value for name, value in entry.items() if name not in left_out}
    return {**rest, "recipe": BASELINE, "promotions": [], "unfiltered": True}


def free(slices: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what the slices leave of 0 to SCALE, in order."""
    left: list[tuple[int, int]] = []
    start = 0
    for taken_start, taken_end in sorted(slices):
        if taken_start > start:
            left.append((start, taken_start))
        start = max(start, taken_end)
    return [*left, (start, SCALE)] if start < SCALE else left
