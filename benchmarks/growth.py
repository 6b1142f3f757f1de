# SPDX-License-Identifier: Apache-2.0
"""How training grows with the data, and what one event's update costs.

Protocol: generated interactions of one shape (20 a user; a long tail of items, one for each 40 users up to 100,000;
half of the steps go to the previous item's fixed companion); each size is trained in a process of its own, in the
standard tier unless --tier says otherwise. CPU seconds are those of that process (reading files is not in them),
memory is its highest resident size. The exponent is the slope of log seconds over log interactions.
`--millions 0.2 2 20` is the whole range. An event's update: 20,000 events of 2,000 users are added one by one to
counts over 100,000 items.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time

import numpy as np
from personalize_local.data.records import Interaction, OwnedEvent
from personalize_local.data.snapshots import Snapshot, Strings
from personalize_local.recipes.common.online_counts import OnlineCounts
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.training import train

PER_USER = 20
DAY = 86_400


def made(interactions: int, items: int = 0) -> Snapshot:
    """Interactions with a long tail and with habits; 0 items are as many as such a shop usually has."""
    random = np.random.default_rng(7)
    users = interactions // PER_USER
    items = items or min(max(users // 40, 2_000), 100_000)
    companion = random.integers(0, items, items)
    item = np.empty((users, PER_USER), np.int32)
    tail = np.minimum(random.pareto(0.8, (users, PER_USER)) * items / 500, items - 1).astype(np.int32)
    item[:, 0] = tail[:, 0]
    follows = random.random((users, PER_USER)) < 0.5
    for step in range(1, PER_USER):
        item[:, step] = np.where(follows[:, step], companion[item[:, step - 1]], tail[:, step])
    begin = random.integers(0, 300 * DAY, users)
    moments = begin[:, None] + np.cumsum(random.integers(600, 6 * DAY, (users, PER_USER)), axis=1)
    return Snapshot(
        users=_names("u", users),
        items=_names("i", items),
        user_index=np.repeat(np.arange(users, dtype=np.int32), PER_USER),
        item_index=item.ravel(),
        timestamps=1_700_000_000 + moments.ravel(),
        event_type=np.zeros(users * PER_USER, np.int16),
        event_types=("Purchase",),
        event_values=np.full(users * PER_USER, np.nan, np.float32),
    )


def _names(kind: str, count: int) -> Strings:
    names = np.empty(count, object)
    names[:] = [f"{kind}{number:08d}" for number in range(count)]
    return names


def measured(interactions: int, tier: str) -> tuple[float, float]:
    """CPU seconds of a training and GB of memory at its highest; call it in a process of its own."""
    snapshot = made(interactions)
    began = time.process_time()
    train("aws-user-personalization", snapshot, TrainingConfig(hyperparameters={"tier": tier}))
    return time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def update(items: int = 100_000, events: int = 20_000) -> float:
    """Microseconds of one event."""
    random = np.random.default_rng(3)
    online = OnlineCounts(lambda ids: [int(id_) for id_ in ids], items, ())
    rows = [
        OwnedEvent(number, f"u{user}", Interaction(str(item), float(number)))
        for number, (user, item) in enumerate(
            zip(random.integers(0, 2_000, events).tolist(), random.integers(0, items, events).tolist(), strict=True)
        )
    ]
    began = time.process_time()
    for row in rows:
        online.add([row], lambda _: [])
    return (time.process_time() - began) / events * 1e6


def main() -> None:
    """Print a line for each size, the exponent, and an event's cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=[0.2, 0.6, 2.0])
    parser.add_argument("--tier", choices=("fast", "standard", "deep"), default="standard")
    parser.add_argument("--one", type=int, help="measure this many interactions in this process and print JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options.tier)))
        return
    rows = []
    for millions in options.millions:
        size = int(millions * 1_000_000)
        command = [sys.executable, "-m", "benchmarks.growth", "--tier", options.tier, "--one", str(size)]
        seconds, memory = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append((math.log(size), math.log(seconds)))
        print(f"{size:>12,} interactions  {seconds:8.1f} CPU-s  {memory:6.2f} GB", flush=True)
    if len(rows) > 1:
        sizes, seconds_of = np.array(rows).T
        exponent = float(np.cov(sizes, seconds_of)[0, 1] / np.var(sizes, ddof=1))
        print(f"seconds grow with interactions to the power of {exponent:.2f}")
    print(f"one event's update at 100,000 items  {update():6.1f} µs")


if __name__ == "__main__":
    main()
