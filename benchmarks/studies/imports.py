# SPDX-License-Identifier: Apache-2.0
"""How an import grows with its rows: the job's seconds, its processor seconds, and the memory of engine and workers.

Protocol: generated interactions (20 a user, a long tail of items, random times), imported through boto3 by an engine of
each size's own; the job reads and checks the CSV, writes its own form, and publishes it to answers. The floor is polars
reading the same CSV as text and writing Parquet, in a process of its own. The exponent is the slope of log seconds over
log rows. Memory is the highest sum of resident sizes, looked at every 20 ms.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from benchmarks.harness import Engine, Shop

_FLOOR = "import polars as pl, sys; pl.read_csv(sys.argv[1], infer_schema=False).write_parquet(sys.argv[2])"


def write_csv(rows: int, path: Path) -> None:
    random = np.random.default_rng(7)
    users = max(rows // 20, 1)
    items = min(max(users // 40, 2_000), 100_000)
    tail = np.minimum(random.pareto(0.8, rows) * items / 500, items - 1).astype(np.int64)
    columns = {"user": np.sort(random.integers(0, users, rows)), "item": tail}
    frame = pl.DataFrame(columns | {"TIMESTAMP": 1_600_000_000 + random.integers(0, 10**8, rows)})
    frame.select(
        ("u" + pl.col("user").cast(pl.String).str.zfill(8)).alias("USER_ID"),
        ("i" + pl.col("item").cast(pl.String).str.zfill(6)).alias("ITEM_ID"),
        pl.lit("Purchase").alias("EVENT_TYPE"),
        "TIMESTAMP",
    ).write_csv(path)


class Usage:
    """What an engine and its workers take while the `with` block runs."""

    def __init__(self, engine: Engine) -> None:
        self._process = psutil.Process(engine.pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.memory = 0
        """Bytes at the highest."""
        self._seconds: dict[int, float] = {}

    @property
    def processor_seconds(self) -> float:
        return sum(self._seconds.values())

    def __enter__(self) -> "Usage":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            total = 0
            for process in [self._process, *self._process.children()]:
                try:
                    total += process.memory_info().rss
                    times = process.cpu_times()
                    self._seconds[process.pid] = times.user + times.system
                except psutil.NoSuchProcess:
                    continue
            self.memory = max(self.memory, total)


def measured(rows: int) -> float:
    """Import so many rows and print what it took; returns the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "s3"
        with Engine(Path(folder) / "state", s3_root=root) as engine:
            shop = Shop(engine, root)
            write_csv(rows, shop.interactions)
            with Usage(engine) as usage:
                _, seconds = shop.load()
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", _FLOOR, str(shop.interactions), f"{folder}/floor"], check=True)
            floor = time.perf_counter() - began
    took = f"{seconds:7.1f} s ({usage.processor_seconds:.1f} of a processor), {seconds / floor:4.1f} times the floor"
    print(f"{rows:>12,} interactions  {took} of {floor:.1f} s  {usage.memory / 1e9:5.2f} GB", flush=True)
    return seconds


def main() -> None:
    """Print a line for each size, and the exponent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e5, 1e6, 1e7])
    sizes = [int(rows) for rows in parser.parse_args().rows]
    seconds = [measured(rows) for rows in sizes]
    if len(sizes) > 1:
        slope, _ = np.polyfit([math.log(rows) for rows in sizes], [math.log(second) for second in seconds], 1)
        print(f"seconds grow with rows to the power of {slope:.2f}")


if __name__ == "__main__":
    main()
