# SPDX-License-Identifier: Apache-2.0
"""What the tier `auto` announces of its network beside what users then gain by it, and what it costs.

``python -m benchmarks.studies.network [--data DIR] [--seed N …] [SET…]``. Protocol: sets and seeds of
`benchmarks.questions`, one cut back as with its `--validation`. Both tiers learn from the same past. Users of the half
that may be looked at are asked for their next item or basket, 2,000 at most; `users gain` is the difference of NDCG@10,
paired by user, with its standard error. `announced` is what DescribeSolutionVersion tells. `cost` is the processor time
of `auto` by that of `standard`, and `told after` how much of it was over when the decision was told, beside a tenth of
the budget.

The last line adds up what was announced and what users gained: the difference may be a quarter.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from personalization.releases.ranking_metrics import discounted_gain
from personalize_local.recipes import training
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.user_personalization.training import SharedCounts, budget

from benchmarks.questions import sets
from benchmarks.questions.cases import BUILDERS, Case
from benchmarks.questions.lists import K, by_model
from benchmarks.questions.shop import Half, Shop

RECIPE = "aws-user-personalization"
SETS = ("kinds", "films", "sessions", "positions")
VERDICT = "The network is "


@dataclass(frozen=True, slots=True)
class Trained:
    """One training, and NDCG@10 of each user who was asked."""

    gains: npt.NDArray[np.float64]
    seconds: float
    told: float
    """Processor seconds until the decision was told; those of the whole training where nothing was."""
    why: str
    """What the version says of its tier."""


def trained(case: Case, event_type: str | None, tier: str) -> Trained:
    begun, told = time.process_time(), list[float]()

    def enter(phase: str) -> None:
        if phase.startswith(VERDICT):
            told.append(time.process_time() - begun)

    config = TrainingConfig(event_type=event_type, hyperparameters={"tier": tier}, minimum_users=1)
    made = training.train(RECIPE, case.past.snapshot, config, SharedCounts(), enter)
    seconds = time.process_time() - begun
    gains = np.array([discounted_gain(answer, K) for answer in by_model(case, made.model)])
    return Trained(gains, seconds, told[0] if told else seconds, (made.tuned or {}).get("tier_reason", ""))


def announced(why: str) -> float:
    """Return the gain that a version expects; 0 where it left the network out."""
    words = why.split()
    return float(words[1]) if "expected" in words else 0.0


def row(name: str, seed: int, data: Path | None) -> tuple[float, float] | None:
    """Print a line; return what was announced and what users gained."""
    spec = sets.SETS[name]
    tables = sets.load(spec, data, seed)
    if tables is None:
        print(f"{name}: left out; it needs --data DIR with a folder {spec.folder}")
        return None
    shop = Shop(spec, tables, Half(), first=1)
    question = next(question_name for question_name in spec.questions if question_name in {"next-item", "next-basket"})
    case = BUILDERS[question](shop, 0)[0]
    plain, auto = (trained(case, spec.event_type, tier) for tier in ("standard", "auto"))
    more = auto.gains - plain.gains
    rows = len(case.past.snapshot.user_index)
    print(
        f"{name:16} {rows:>9,} rows  {auto.why.removeprefix('deep: '):65} users gain {more.mean():+.4f} ±"
        f" {more.std() / len(more) ** 0.5:.4f} ({len(more):,})  cost {auto.seconds / plain.seconds:.1f}"
        f"  told after {auto.told:.0f} s of {6 * budget(rows):.0f}",
        flush=True,
    )
    return announced(auto.why), float(more.mean())


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.network", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("sets", nargs="*", metavar="SET", default=SETS, help=f"default: {' '.join(SETS)}")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the sets that cannot be shipped")
    parser.add_argument("--seed", type=int, nargs="+", default=[sets.SEED], help="of the planted worlds")
    options = parser.parse_args(given)
    if unknown := set(options.sets) - sets.SETS.keys():
        parser.error(f"no such set: {', '.join(sorted(unknown))}; there are {', '.join(sets.SETS)}")
    rows = [row(name, seed, options.data) for name in options.sets for seed in options.seed]
    told, gained = (sum(column) for column in zip(*filter(None, rows), strict=True)) if any(rows) else (0.0, 0.0)
    print(f"announced {told:+.4f} in all, users gained {gained:+.4f}")


if __name__ == "__main__":
    main()
