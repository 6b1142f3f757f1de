# SPDX-License-Identifier: Apache-2.0
"""Which variant of an experiment a user is in: a function of the experiment and the user's id, without any store."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from personalization.experiments.experiment import SCALE, Experiment, Variant
from personalization.shop.records.release import BASELINE, Release, Value

_UNIT_BYTES = 16


def number(seed: str, unit: str) -> int:
    """Return the number of a unit, 0 to SCALE - 1: the first 8 bytes of a SHA-256 as a fraction.

    The numbers of a unit by two seeds are independent, so that an experiment does not repeat the groups of another.
    """
    digest = hashlib.sha256(f"{seed}\0{unit}".encode(errors="replace")).digest()
    return int.from_bytes(digest[:8], "big") * SCALE >> 64


def variant_of(experiment: Experiment, unit: str) -> Variant | None:
    """Return the variant of a unit; None if it is outside of the experiment.

    A namespace says which experiment a unit is in, and the experiment which variant: the groups of one experiment
    would otherwise be those of the next one, and carry over what the first one did to them.
    """
    drawn = number(experiment.seed, unit)
    part = next((part for part in experiment.slices if part.start <= drawn < part.end), None)
    if part is None:
        return None
    return experiment.variant(_redrawn(experiment, unit) if experiment.is_in_namespace else part.variant)


def _redrawn(experiment: Experiment, unit: str) -> str:
    """Return the variant of a unit by the shares that the experiment began with: all of them grow alike."""
    begun = min(part.since for part in experiment.slices)
    shares = [part for part in experiment.slices if part.since == begun]
    left = number(experiment.name, unit) * sum(part.end - part.start for part in shares) // SCALE
    for part in shares:
        left -= part.end - part.start
        if left < 0:
            return part.variant
    return shares[-1].variant


def unit_digest(tracking_id: str, user_id: str) -> str:
    """Return what stands for a user in exposures: 32 hexadecimal digits, keyed by what no answer shows."""
    key = tracking_id.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(user_id.encode(errors="replace"), key=key, digest_size=_UNIT_BYTES).hexdigest()


def with_variant(release: Release, variant: Variant, placements: Iterable[str]) -> Release:
    """Return a release whose placements are as a variant shows them; `off` and `as-is` change nothing here."""
    if variant.serves == "placement":
        changed: Mapping[str, Mapping[str, Value]] = {name: variant.entries[name] for name in placements}
    elif variant.serves == "bestsellers":
        changed = {name: bestsellers(release.placements[name]) for name in placements}
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
