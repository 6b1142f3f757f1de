# SPDX-License-Identifier: Apache-2.0
"""Who gets which variant: what a shop's users got by an earlier version, they get by this one."""

from dataclasses import replace
from hashlib import blake2b, sha256
from itertools import pairwise

from personalization.api import variants
from personalization.experiments.assignment import Unit, unit_digest, variant_of
from personalization.experiments.experiment import Experiment, Slice, Variant
from personalization.shop.records.release import Release

NAMES = [f"user-{number}" for number in range(300)] + ["김하늘", "", "a\ud800b"]
EXPERIMENT = Experiment(
    name="own-list",
    hypothesis="",
    owner="",
    placements=("home",),
    control="own",
    variants=(Variant(name="own"), Variant(name="best", serves="bestsellers"), Variant(name="none", serves="off")),
    goal="orders",
    seed="own-list",
    slices=(
        Slice("own", 6_000, 8_000, 10),
        Slice("best", 0, 2_000, 10),
        Slice("none", 3_000, 4_000, 10),
        Slice("best", 8_000, 9_500, 40),
    ),
    starts_at=10,
    ends_at=90,
    definition="",
)


def number(seed: str, unit: str) -> int:
    digest = sha256(f"{seed}\0{unit}".encode(errors="replace")).digest()
    return int.from_bytes(digest[:8], "big") * 10_000 >> 64


def test_a_variant_is_drawn_by_a_hash_of_the_seed_and_the_unit() -> None:
    for name in NAMES:
        drawn, variant = number("own-list", name), variant_of(EXPERIMENT, name)
        names = [part.variant for part in EXPERIMENT.slices if part.start <= drawn < part.end]
        assert [variant.name if variant else ""] == (names or [""])


def test_the_variant_in_a_namespace_is_drawn_by_the_shares_of_its_beginning() -> None:
    experiment = replace(EXPERIMENT, seed="namespace/home")
    edges = list(pairwise((0, 2_000, 4_000, 5_000)))
    for name in NAMES:
        drawn, variant = number(experiment.seed, name), variant_of(experiment, name)
        is_in = any(part.start <= drawn < part.end for part in experiment.slices)
        again = number("own-list", name) * 5_000 // 10_000
        side = next(index for index, (start, end) in enumerate(edges) if start <= again < end)
        assert (variant.name if variant else None) == (("own", "best", "none")[side] if is_in else None)


def test_a_digest_is_keyed_by_the_tracker() -> None:
    for key in ("tracker", "x" * 100):
        for name in NAMES:
            said = name.encode(errors="replace")
            assert unit_digest(key, name) == blake2b(said, key=key.encode()[:64], digest_size=16).hexdigest()


def test_an_experiment_begins_and_ends_while_nothing_else_changes() -> None:
    home = {"home": {"recipe": "user-personalization"}}
    release = Release(shop="demo", tracking_id="t", dataset_group_arn="arn:group", campaigns={}, placements=home)
    live = (EXPERIMENT, replace(EXPERIMENT, name="later", seed="later", starts_at=90, ends_at=120))
    named = set()
    for now in (9, 10, 89.9, 90, 119, 120, 50, 9):
        told: list[str] = []
        every = [
            variants.assigned(live, release, lambda name=name: Unit(name, name), ["home"], now=now, tell=told.append)  # type: ignore[misc]
            for name in NAMES
        ]
        names = {chosen.variants["home"][0] for chosen in every if chosen.variants}
        assert names == ({"own-list"} if 10 <= now < 90 else {"later"} if 90 <= now < 120 else set())
        assert len(told) == sum(bool(chosen.variants) for chosen in every)
        named |= {chosen.variant("home") for chosen in every}
    assert {"own-list.own", "own-list.best", "own-list.none", "later.own", ""} <= named
