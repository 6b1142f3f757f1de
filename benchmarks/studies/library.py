# SPDX-License-Identifier: Apache-2.0
"""What imports, trainings and answers by the engine's library take in one function: processor seconds and memory.

Protocol: the generated interactions of `benchmarks.growth` as a CSV file (ids of 9 characters, an event type, a time),
imported by a process without numpy, then trained by a process for each recipe without polars, in the standard tier, by
one thread.
Another process for each model answers 300 random users with 25 items, without polars and scipy. Memory is the highest
resident size (with the files that are mapped, which the system may take back), and beside it the highest of what is not
mapped, looked at every 10 ms. `--millions 1 10` is the whole range; `--parts` cuts the file.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

RECIPES = ("aws-user-personalization", "aws-similar-items", "aws-popularity-count", "aws-personalized-ranking")
ANSWERS, REQUESTS = "answers of ", 300
COLUMNS = {"USER_ID": "string", "ITEM_ID": "string", "EVENT_TYPE": "string", "TIMESTAMP": "long"}
SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Interactions",
        "namespace": "com.amazonaws.personalize.schema",
        "version": "1.0",
        "fields": [{"name": name, "type": kind} for name, kind in COLUMNS.items()],
    }
)


def write_files(rows: int, items: int, folder: Path, parts: int) -> list[Path]:
    """Write the interactions in an order of their own."""
    import numpy as np  # noqa: PLC0415 - a measured process has no more than it needs
    import polars as pl  # noqa: PLC0415

    from benchmarks.growth import made  # noqa: PLC0415

    snapshot = made(rows, items)
    (folder / "users").write_text(str(len(snapshot.users)))
    order = np.random.default_rng(1).permutation(rows)
    frame = pl.DataFrame(
        {
            "user": snapshot.user_index[order],
            "item": snapshot.item_index[order],
            "TIMESTAMP": snapshot.timestamps[order],
        }
    ).select(
        ("u" + pl.col("user").cast(pl.String).str.zfill(8)).alias("USER_ID"),
        ("i" + pl.col("item").cast(pl.String).str.zfill(8)).alias("ITEM_ID"),
        pl.lit("Purchase").alias("EVENT_TYPE"),
        "TIMESTAMP",
    )
    files = []
    for number, part in enumerate(frame.iter_slices(-(-rows // parts))):
        files.append(folder / f"part-{number}.csv")
        part.write_csv(files[-1])
    return files


class Memory:
    """The highest of what a process holds besides mapped files."""

    def __init__(self) -> None:
        self.anonymous = 0
        self._ended = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self._ended.wait(0.01):
            self.anonymous = max(self.anonymous, status_bytes("RssAnon"))


def status_bytes(name: str) -> int:
    """Return bytes that the system tells of this process alone: resource.getrusage tells what its parent had, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def measure(what: str, folder: Path) -> None:
    """Do one job in this process, and print what it took."""
    from personalize_local import library  # noqa: PLC0415

    memory, began = Memory(), time.process_time()
    if what == "import":
        sys.modules["numpy"] = sys.modules["scipy"] = None  # type: ignore[assignment]
        library.import_table(sorted(folder.glob("part-*.csv")), SCHEMA, folder / "table")
        size = sum(path.stat().st_size for path in (folder / "table").iterdir())
    elif what.startswith(ANSWERS):
        sys.modules["polars"] = sys.modules["scipy"] = None  # type: ignore[assignment]
        model = library.open_model(folder / what.removeprefix(ANSWERS))
        recommender = library.Recommender(model, library.open_tables({"INTERACTIONS": folder / "table"}), arn="next")
        draw, users = random.Random(5), int((folder / "users").read_text())
        for _ in range(REQUESTS):
            user = f"u{draw.randrange(users):08d}"
            recommender.get_recommendations({"userId": user, "itemId": f"i{draw.randrange(1_000):08d}"})
        size = 0
    else:
        sys.modules["polars"] = None  # type: ignore[assignment]
        solution = {"recipeArn": f"arn:aws:personalize:::recipe/{what}"}
        library.train({"INTERACTIONS": folder / "table"}, solution, folder / what)
        size = sum(path.stat().st_size for path in (folder / what).iterdir())
    print(json.dumps([time.process_time() - began, status_bytes("VmHWM"), memory.anonymous, size]))


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=[1.0])
    parser.add_argument("--items", type=int, default=0, help="default: 100,000 at most")
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    parser.add_argument("--one", nargs=2, metavar=("JOB", "FOLDER"), help="do one job in this process")
    options = parser.parse_args()
    if options.one:
        measure(options.one[0], Path(options.one[1]))
        return
    for millions in options.millions:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            files = write_files(int(millions * 1e6), options.items, folder, options.parts)
            print(
                f"{millions:g} million interactions, {sum(path.stat().st_size for path in files) / 1e6:,.0f} MB of CSV"
            )
            answers = [f"{ANSWERS}{recipe}" for recipe in options.recipes]
            for what in ("import", *options.recipes, *answers):
                command = [sys.executable, "-m", "benchmarks.studies.library", "--one", what, name]
                alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # on a busy machine its threads wait for each other
                done = subprocess.run(command, check=False, capture_output=True, text=True, env=alone)
                if done.returncode:
                    print(f"| {what} | ended with {done.returncode}: {done.stderr[-300:]} |", flush=True)
                    continue
                seconds, resident, anonymous, size = json.loads(done.stdout)
                figures = (
                    f"{seconds:.1f} s | {resident / 2**20:,.0f} MB | {anonymous / 2**20:,.0f} MB | {size / 1e6:,.0f} MB"
                )
                print(f"| {what} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
