# SPDX-License-Identifier: Apache-2.0
"""What histories that no shop should have cost each recipe: a million items of which a thousand sold, a robot's events.

``python -m benchmarks.studies.histories [--recipe …] [HISTORY…]``. Each training is a process of its own, which may
take MEGABYTES of memory. Prints processor seconds, the peak, milliseconds of an answer, or why the training was
refused.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from personalize_local.data.records import Interaction
from personalize_local.recipes.base import Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.segments import AffinityModel
from personalize_local.recipes.training import train
from personalize_local.wire.errors import TrainingRefused

from engine.tests.planted import BEGIN, Row, snapshot

MEGABYTES = 6_000
ROBOT = 100_000
"""Events of one user."""
CATALOGUE = 1_000_000
World = tuple[Iterable[Row], Iterable[Row]]
"""Interactions and items."""


def usual(items: int) -> list[Row]:
    """20,000 interactions of 2,000 users with so many items, some of them popular."""
    random = np.random.default_rng(1)
    user, item = random.integers(2_000, size=20_000), (items * random.random(20_000) ** 2).astype(int)
    types = ("View", "View", "Purchase")
    return [(f"u{user[n]}", f"i{item[n]}", BEGIN + 900 * n, types[n % 3], 1.0) for n in range(20_000)]


def robot(items: int) -> list[Row]:
    """Events of one user, one every three minutes."""
    item = (items * np.random.default_rng(2).random(ROBOT) ** 2).astype(int)
    return [("robot", f"i{item[n]}", BEGIN + 180 * n, "View", 1.0) for n in range(ROBOT)]


WORLDS: dict[str, Callable[[], World]] = {
    "usual": lambda: (usual(1_000), ()),
    "robot": lambda: ([*usual(1_000), *robot(1_000)], ()),
    "robot-everything": lambda: ([*usual(1_000), *robot(30_000)], ()),
    "million": lambda: (usual(1_000), ((f"i{n}", f"kind-{n % 500}", n % 90) for n in range(CATALOGUE))),
    "million-kinds": lambda: (usual(1_000), ((f"i{n}", f"kind-{n}", n) for n in range(CATALOGUE))),
}
RECIPES: dict[str, tuple[str, dict[str, str]]] = {
    "fast": ("aws-user-personalization", {"tier": "fast"}),
    "standard": ("aws-user-personalization", {"tier": "standard"}),
    "ranking": ("aws-personalized-ranking", {"tier": "standard"}),
    "similar": ("aws-similar-items", {}),
    "sims": ("aws-sims", {}),
    "popular": ("aws-popularity-count", {}),
    "trending": ("aws-trending-now", {}),
    "item-affinity": ("aws-item-affinity", {}),
    "attribute-affinity": ("aws-item-attribute-affinity", {}),
    "next-best-action": ("aws-next-best-action", {}),
}


def measured(world: str, recipe: str) -> str:
    """Train one recipe on one history; returns a line."""
    rows, items = WORLDS[world]()
    name, options = RECIPES[recipe]
    if recipe == "next-best-action":
        rows = [(*row[:3], "TAKEN" if n % 3 else "VIEWED") for n, row in enumerate(rows)]
    history = [Interaction(f"i{n % 997}", BEGIN + n) for n in range(ROBOT if "robot" in world else 20)]
    with tempfile.TemporaryDirectory(prefix="history-") as folder:
        data = snapshot(Path(folder), rows, items=items)
        del rows, items
        began, before = time.process_time(), _peak()
        try:
            model = train(name, data, TrainingConfig(hyperparameters=options)).model
        except TrainingRefused as refused:
            return f"refused: {refused}"
        seconds, peak = time.process_time() - began, _peak()
    began = time.process_time()
    if isinstance(model, AffinityModel):
        answer: list[str] = model.segment(model.of_item("i1"), None, 10)
    else:
        answer = [
            scored.item_id for scored in model.recommend(Query("robot", "i1", history, now=BEGIN + 1e8), None, 10)
        ]
    milliseconds = 1000 * (time.process_time() - began)
    return (
        f"{seconds:7.1f} s, peak {peak:5.0f} MB ({before:.0f} with the data), {milliseconds:6.1f} ms for {len(answer)}"
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _child(world: str, recipe: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES << 20, MEGABYTES << 20))
    try:
        print(f"{world:18} {recipe:20} {measured(world, recipe)}", flush=True)
    except MemoryError:
        print(f"{world:18} {recipe:20} more than {MEGABYTES:,} MB", flush=True)
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("histories", nargs="*", metavar="HISTORY", help=f"of {', '.join(WORLDS)}; all without one")
    parser.add_argument("--recipe", nargs="+", choices=RECIPES, default=[*RECIPES])
    given = parser.parse_args()
    if strange := set(given.histories) - WORLDS.keys():
        parser.error(f"no such history: {', '.join(sorted(strange))}")
    broken, processes = 0, multiprocessing.get_context("spawn")
    for world in given.histories or WORLDS:
        for recipe in given.recipe:
            child = processes.Process(target=_child, args=(world, recipe))
            child.start()
            child.join()
            broken += child.exitcode != 0
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
