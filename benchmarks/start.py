# SPDX-License-Identifier: Apache-2.0
"""Time `local start` on an export of 400,000 order lines: `python -m benchmarks.start`.

Orders, their lines, products and customers are drawn from a seed. The command joins them, starts a cloud of its own,
trains, and prints the first list; then the cloud is removed.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import psutil

ROOT = Path(__file__).resolve().parent.parent
CUSTOMERS, PRODUCTS, KINDS = 20_000, 5_000, 40
LINES_AN_ORDER = 3.0
DAYS, BEGIN = 400, 1_735_689_600
"""Days that orders come from, and the first one's midnight: 1 January 2025."""


def export(folder: Path, lines: int, seed: int = 7) -> list[Path]:
    """Write a shop's export of so many order lines, and return its files."""
    rng = np.random.default_rng(seed)
    orders = round(lines / LINES_AN_ORDER)
    customers = rng.choice(CUSTOMERS, orders, p=_skewed(rng, CUSTOMERS))
    times = BEGIN + np.sort(rng.integers(DAYS * 86_400, size=orders))
    kinds = rng.integers(KINDS, size=PRODUCTS)
    tastes = rng.integers(KINDS, size=(CUSTOMERS, 3))
    of_line = np.sort(rng.integers(orders, size=lines))
    wanted = tastes[customers[of_line], rng.integers(3, size=lines)]
    weights = _skewed(rng, PRODUCTS)
    products = np.empty(lines, np.int64)
    for kind in range(KINDS):
        rows, goods = np.flatnonzero(wanted == kind), np.flatnonzero(kinds == kind)
        products[rows] = rng.choice(goods, len(rows), p=weights[goods] / weights[goods].sum())
    prices = np.round(rng.lognormal(2.5, 0.8, PRODUCTS), 2)
    tables: Mapping[str, pl.DataFrame] = {
        "orders.csv": pl.DataFrame({
            "id": np.arange(orders) + 100_001,
            "customer_id": customers + 1,
            "created_at": pl.from_epoch(pl.Series(times), time_unit="s").dt.strftime("%Y-%m-%d %H:%M:%S"),
            "status": rng.choice(["paid", "cancelled"], orders, p=[0.93, 0.07]),
        }),
        "order_lines.csv": pl.DataFrame({
            "id": np.arange(lines) + 1,
            "order_id": of_line + 100_001,
            "product_id": products + 1,
            "quantity": rng.integers(1, 4, size=lines),
            "price": prices[products],
        }),
        "products.csv": pl.DataFrame({
            "id": np.arange(PRODUCTS) + 1,
            "name": [f"Product {number}" for number in range(PRODUCTS)],
            "category": [f"Kind {kind}" for kind in kinds],
            "price": prices,
        }),
        "customers.csv": pl.DataFrame({
            "id": np.arange(CUSTOMERS) + 1,
            "city": rng.choice(["Seoul", "Busan", "Daegu"], CUSTOMERS),
            "age_group": rng.choice(["18-24", "25-34", "35-54", "55+"], CUSTOMERS),
        }),
    }  # fmt: skip
    for name, table in tables.items():
        table.write_csv(folder / name)
    return [folder / name for name in tables]


def _skewed(rng: np.random.Generator, count: int) -> np.ndarray:
    weights = rng.lognormal(0.0, 1.0, count)
    return np.asarray(weights / weights.sum())


def taken(run: Path) -> float:
    """Return the seconds of the processor that the cloud's processes have taken, with those that have ended."""
    total = 0.0
    for process in json.loads((run / "state.json").read_text())["processes"]:
        times = psutil.Process(process["pid"]).cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
        for child in psutil.Process(process["pid"]).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(child.cpu_times()[:4])
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=400_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="start-") as scratch:
        folder, run = Path(scratch) / "myshop", Path(scratch) / "run"
        folder.mkdir()
        files = export(folder, options.lines)
        local = [sys.executable, "-m", "local"]
        cloud = ["--run-dir", str(run)]
        command = [*local, "start", *map(str, files), "--yes", "--no-open", *cloud]
        try:
            # Progress goes to this terminal: it says what each stage takes.
            began, before = time.perf_counter(), os.times()
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
            seconds, after = time.perf_counter() - began, os.times()
            if done.returncode:
                sys.exit(done.stdout)
            processor = after.children_user + after.children_system - before.children_user - before.children_system
            listed = subprocess.run(
                [*local, "runs", "myshop", "--json", *cloud], cwd=ROOT, capture_output=True, check=True
            )
            trained = max(entry["seconds"] for entry in json.loads(listed.stdout))
            print(
                f"{options.lines:,} order lines to the first list: {seconds:.1f} s, {trained:.1f} s of them in the run"
            )
            print(f"the command itself: {processor:.1f} s of the processor; all of the cloud: {taken(run):.1f} s")
        finally:
            down = [sys.executable, "-m", "local", "down", "--wipe", "--run-dir", str(run)]
            subprocess.run(down, cwd=ROOT, capture_output=True, check=False)


if __name__ == "__main__":
    main()
