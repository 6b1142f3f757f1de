# SPDX-License-Identifier: Apache-2.0
"""What an experiment adds to an answer: `PYTHONPATH=layers/core python -m benchmarks.assignments`.

A user's variant, their digest and the line that tells the exposure, for a placement with one experiment; the same
beside a holdout; and for the visitor whom a user first was. The floor in the same run is one SHA-256, by which a
variant is drawn. All are taken in turns.
"""

import hashlib
import statistics
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from personalization.api.variants import assigned
from personalization.experiments import assignment
from personalization.experiments.experiment import HOLDOUT_SEED, Experiment, Slice, Variant
from personalization.shop.records.release import Release

ROUNDS = 20_000
MOST_MICROSECONDS = 15.0
NOW = 1_790_000_000.0
ENTRY = {"recipe": "user-personalization", "limit": 12, "filterValues": {}, "context": {}, "promotions": []}
RELEASE = Release(
    shop="demo",
    tracking_id="5d2f1b1e-6c1d-4a39-9a67-3a3b1f0e7c11",
    dataset_group_arn="arn:aws:personalize:us-east-1:123456789012:dataset-group/retail-demo",
    campaigns={},
    placements={"home": ENTRY},
)
OTHER = replace(RELEASE, shop="held-out")
"""Of another shop: what is made once is made for each shop."""


def experiment(name: str, seed: str, shares: tuple[int, int]) -> Experiment:
    return Experiment(
        name=name,
        hypothesis="",
        owner="",
        placements=("home",),
        control="own",
        variants=(Variant(name="own"), Variant(name="best", serves="bestsellers")),
        goal="orders",
        seed=seed,
        slices=(Slice("own", 0, shares[0], 0), Slice("best", shares[0], sum(shares), 0)),
        starts_at=0,
        ends_at=2_000_000_000,
        definition="",
    )


def visitor(user: str, visitor_id: str) -> assignment.Unit | None:
    digest = assignment.visitor_digest(RELEASE.tracking_id, visitor_id)
    return assignment.unit(RELEASE.tracking_id, user, digest, digest)


def main() -> None:
    alone = (experiment("own-list", "own-list", (5_000, 5_000)),)
    both = (experiment("holdout-2026-q4", f"{HOLDOUT_SEED}holdout-2026-q4", (9_500, 500)), *alone)
    taken: dict[str, list[float]] = {"the floor": [], "an experiment": [], "beside a holdout": [], "a visitor": []}
    with Path("/dev/null").open("w") as log:
        for number in range(ROUNDS):
            user = f"user-{number}"
            began = time.perf_counter()
            hashlib.sha256(f"own-list\0{user}".encode()).digest()
            taken["the floor"].append(time.perf_counter() - began)
            of_user = partial(assignment.unit, RELEASE.tracking_id, user, "", "")
            of_visitor = partial(visitor, user, f"{number:022d}")
            for name, live, release, unit_of in (
                ("an experiment", alone, RELEASE, of_user),
                ("beside a holdout", both, OTHER, of_user),
                ("a visitor", alone, RELEASE, of_visitor),
            ):
                began = time.perf_counter()
                chosen = assigned(live, release, unit_of, ["home"], now=NOW, tell=lambda line: log.write(f"{line}\n"))
                taken[name].append(time.perf_counter() - began)
                if not chosen.variants:
                    sys.exit(f"{user} is in no variant")
    for name, seconds in taken.items():
        half, most = statistics.median(seconds) * 1e6, statistics.quantiles(seconds, n=100)[-1] * 1e6
        print(f"{name}: {half:.1f} us at p50, {most:.1f} us at p99")
    added = {name: statistics.median(taken[name]) * 1e6 for name in ("an experiment", "a visitor")}
    dear = [f"{name}: {most:.1f} us" for name, most in added.items() if most > MOST_MICROSECONDS]
    print(f"added to an answer: {max(added.values()):.1f} us (at most {MOST_MICROSECONDS:.0f} us)")
    if dear:
        sys.exit(f"an experiment costs more than it may: {', '.join(dear)}")


if __name__ == "__main__":
    main()
