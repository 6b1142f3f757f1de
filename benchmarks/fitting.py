# SPDX-License-Identifier: Apache-2.0
"""What a fit of the purchase likelihood takes: memory and time by rows, of which its bound follows.

``.venv/bin/python -m benchmarks.fitting [ROWS…]`` makes histories that are hard on memory, where hardly a pair comes
twice, fits each in a process of its own, and prints megabytes and seconds.
"""

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from personalization.likelihood import serving_files, shards, training
from personalization.likelihood.histories import Reader
from personalization.likelihood.tables import tables

DAY, START = 86_400, 1_700_006_400
DAYS = 400
"""Less than the reach of a fit, so that every row is held."""
EACH = 20
"""Rows of a user."""
ITEMS = 50_000


def rows(many: int) -> Iterator[str]:
    """Interactions as an import copy has them, in the order of time."""
    chance = random.Random(1)
    yield "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n"
    users = many // EACH
    for number in range(many):
        user, item = int(users * chance.random()), int(ITEMS * chance.random() ** 2)
        kind = "Purchase" if number % 2 else "View"
        yield f"user-{user:08d},item-{item:06d},{kind},{START + number * DAYS * DAY // many}\n"


def people(many: int) -> Iterator[str]:
    """What is known of the users."""
    yield "USER_ID,AGE,GENDER,CITY\n"
    for user in range(many // EACH):
        yield f"user-{user:08d},{user % 60 // 10}0s,{'fm'[user % 2]},city-{user % 50}\n"


def goods() -> Iterator[str]:
    """What is known of the items."""
    yield "ITEM_ID,CATEGORY_L1,CATEGORY_L2,NAME\n"
    for item in range(ITEMS):
        yield f"item-{item:06d},c{item % 20},d{item % 400},The name of item {item}\n"


def fit(many: int) -> dict[str, float]:
    """Fit as the function does; megabytes at the most, and seconds."""
    began = time.monotonic()
    reader = Reader("Purchase", START + 2 * DAYS * DAY)
    reader.items(goods())
    reader.users(people(many))
    reader.interactions(rows(many))
    read = time.monotonic()
    past = training.without_stragglers(reader.history(), 7)
    fitted = training.fit(past, 7, past.end + 1)
    table = tables(past, past.end + 1)
    model = serving_files.model(table, fitted, "run", "2026-11-25T09:00:00Z", 7, "Purchase")
    for entries, files in ((serving_files.items, model.item_shards), (serving_files.users, model.shopper_shards)):
        for _ in shards.pack_shards(entries(table, files), files):
            pass
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "megabytes": round(used),
        "readSeconds": round(read - began, 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Fit histories of several sizes."""
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        print(json.dumps(fit(int(sys.argv[2]))))
        return
    for many in [int(each) for each in sys.argv[1:]] or [250_000, 1_000_000, 2_000_000]:
        line = [sys.executable, "-m", "benchmarks.fitting", "--one", str(many)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        print(f"{many:,} rows: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
