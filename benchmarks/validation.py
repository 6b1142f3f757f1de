# SPDX-License-Identifier: Apache-2.0
"""Checking a drop of interactions: rows a second on one core and resident memory, beside the csv module's.

Protocol: generated purchases (five columns, shoppers and items with a long tail), once clean, once with one row in
a thousand and once with one in 33 damaged (no user, milliseconds, no time, an id of 300 characters, no number, a value
too many). Each measurement is a process of its own, on one processor, with the same file. Ours reads, checks, counts
exactly, writes the import copy (and throws it away) and keeps the refused rows. The peer is the plain oracle of the
tests, which checks the same rules with the csv module and counts the same. Both must find the same, else nothing is
printed.

The same rows as a Parquet file are checked as well, and both files are only read. Floors are ratios to what else is
measured in the same run. The one to the csv module still depends on the machine: the same code checked clean rows 13.3
times as fast where that module took 3.8 seconds for a million rows, and 9.6 times where it took 5.9. The floors are
below the lower; they do not stand for 3.5 million clean rows a second, which only the faster machine had.

Before that, good rows of every shape that costs time (dates, quotes, line breaks in quotes, descriptions of items). The
slowest tells whether the largest drop that is taken is checked within the time of its function, on a processor half as
fast as this one.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from table_intake import Table

NOW = 1_900_000_000
FLOORS = {"clean": 9.0, "one row in 1,000 damaged": 7.6}
"""Rows a second beside the csv module's, at least, on the slowest machine so far."""
QUOTED = 0.32
"""Bytes a second with line breaks in quotes beside those of plain rows, at least."""
PARQUET = 1.2
"""Rows a second from Parquet beside those from CSV, where they are only read, at least."""
MOST_MEGABYTES = 512
"""Resident memory, whatever the number of rows."""
HEADER = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE")
PIECE = 500_000
FUNCTION_SECONDS = 900
"""What ValidateDropFunction may take."""
SLOWER = 2
"""Times that a Lambda's processor, with its reading and writing, is slower than the one here, at most."""


def write(path: Path, rows: int, every: int = 0) -> None:
    """A file of interactions, each so many-th of which is damaged; 0 for none."""
    import polars as pl  # noqa: PLC0415 - the peer's process does without

    def word(letter: str, number: pl.Expr) -> pl.Expr:
        return pl.format(f"{letter}{{}}", number.cast(pl.Int64))

    with path.open("wb") as file:
        file.write((",".join(HEADER) + "\n").encode())
        for start in range(0, rows, PIECE):
            row = pl.int_range(start, min(rows, start + PIECE))
            chance = (row.hash(1) % 1_000_000) / 1e6
            columns = [
                word("u", row.hash(2) % max(100, rows // 30)),
                word("i", (chance**3 * 20_000).floor()),
                (1_600_000_000 + row).cast(pl.String).alias("time"),
                pl.when(row % 4 == 0).then(pl.lit("Purchase")).otherwise(pl.lit("View")).alias("type"),
                pl.format("{}.5", row % 97).alias("value"),
            ]
            lines = pl.select(pl.concat_str(columns, separator=",")).to_series()
            if every:
                last = (row + 1) % every == 0
                lines = lines.set(pl.select(last).to_series(), None)
                places = range(start, start + len(lines))
                damaged = (_damage(number, number // every) for number in places if (number + 1) % every == 0)
                lines = pl.Series(line if line is not None else next(damaged) for line in lines)
            file.write(("\n".join(lines) + "\n").encode())


def _damage(number: int, turn: int) -> str:
    kinds = (
        f",i1,{1_600_000_000 + number},View,1",
        f"u1,i1,{1_600_000_000 + number}000,View,1",
        "u1,i1,yesterday,View,1",
        f"{'x' * 300},i1,{1_600_000_000 + number},View,1",
        f"u1,i1,{1_600_000_000 + number},View,a lot",
        f"u1,i1,{1_600_000_000 + number},View,1,more",
    )
    return kinds[turn % len(kinds)]


@contextmanager
def _opened(path: Path) -> Iterator["Table"]:
    from table_intake import FileSettings, open_table  # noqa: PLC0415
    from table_intake.read.archives import LocalFile  # noqa: PLC0415

    with path.open("rb") as file, open_table(path.name, LocalFile(file, path), FileSettings(), path.parent) as table:
        yield table


def read(path: Path) -> dict[str, object]:
    """How long it takes to read all rows of a file."""
    from table_intake.read import opening as formats  # noqa: F401, PLC0415 - before the clock runs

    started, used = time.perf_counter(), time.process_time()
    with _opened(path) as table:
        rows = sum(row.frame.height for row in table.rows())
    return _told((time.perf_counter() - started, time.process_time() - used), [rows])


def ours(path: Path) -> dict[str, object]:
    """What the validator finds, and how long it takes."""
    from personalization.shop.settings.settings import ShopSettings  # noqa: PLC0415
    from table_intake import Expected, check_table  # noqa: PLC0415
    from table_intake.read import opening as formats  # noqa: F401, PLC0415 - before the clock runs

    expected = Expected(path.name, "interactions", "FULL", ShopSettings(), now=NOW)
    started, used = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as scratch, _opened(path) as table:
        copied = check_table(table, expected, len, Path(scratch))
    findings = copied.findings
    seconds = (time.perf_counter() - started, time.process_time() - used)
    users, items = findings.users, findings.items
    assert users is not None  # noqa: S101
    assert items is not None  # noqa: S101
    counts = [
        findings.rows,
        findings.accepted,
        findings.duplicates,
        users.ids,
        users.at_least(2),
        items.ids,
        findings.first,
    ]
    return _told(seconds, [*counts, sorted(findings.event_types.items())])


def peer(path: Path) -> dict[str, object]:
    """The same from the csv module."""
    from benchmarks.csv_oracle import outcome_of  # noqa: PLC0415

    started, used = time.perf_counter(), time.process_time()
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file, strict=True)
        outcome = outcome_of(((reader.line_num, row) for row in reader), NOW, keep=False)
    seconds = (time.perf_counter() - started, time.process_time() - used)
    again = sum(count > 1 for count in outcome.users.values())
    counts = [
        outcome.rows,
        outcome.accepted,
        outcome.duplicates,
        len(outcome.users),
        again,
        len(outcome.items),
        outcome.first,
    ]
    return _told(seconds, [*counts, sorted(outcome.types.items())])


def shape(name: str, megabytes: int, *, held: bool = True) -> dict[str, object]:
    """How long the validator takes for good rows of a shape, which are held in memory or made while they are read."""
    from personalization.shop.settings.settings import ShopSettings  # noqa: PLC0415
    from table_intake import Expected, check_table  # noqa: PLC0415
    from table_intake.read import rows  # noqa: PLC0415

    from benchmarks import files  # noqa: PLC0415

    kind, made = files.honest(name, megabytes * 1_000_000)
    chunks = [*made] if held else made
    expected = Expected(f"{name}.csv", kind, "FULL", ShopSettings(), now=NOW)
    started, used = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        findings = check_table(rows.Table(name, chunks), expected, len, Path(scratch)).findings
    seconds = (time.perf_counter() - started, time.process_time() - used)
    return _told(seconds, [findings.rows, findings.accepted]) | {"read": made.given}


def peak() -> float:
    """The most memory that this process had, in MB."""
    # Not getrusage's peak: that begins with what the process before it had.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def _told(seconds: tuple[float, float], counts: list[object]) -> dict[str, object]:
    return {"seconds": seconds[0], "cpu": seconds[1], "megabytes": peak(), "counts": counts}


def shapes(megabytes: int) -> bool:
    """Measure all shapes; whether the largest drop is checked in time in each of them."""
    from table_intake.read.archives import LARGEST  # noqa: PLC0415

    from benchmarks.files import HONEST  # noqa: PLC0415

    print(f"good rows by their shape, {megabytes} MB each; a drop may have {LARGEST / 1e9:.0f} GB")
    held, rates = True, dict[str, float]()
    for name in HONEST:
        result = measured(name, Path(str(megabytes)))
        rate = rates[name] = _number(result, "read") / _number(result, "cpu")
        largest = LARGEST / rate
        held = held and SLOWER * largest <= FUNCTION_SECONDS
        told = f"{rate / 1e6:5.1f} MB/s by processor time, {1e9 / rate:5.1f} s a GB, the largest drop {largest:4.0f} s"
        print(f"  {name:31} {told}, peak {_number(result, 'megabytes'):.0f} MB resident")
    print(f"  {'all' if held else 'NOT all'} within {FUNCTION_SECONDS} s on a processor {SLOWER} times slower")
    return (
        _held("line breaks in quotes, beside plain rows", rates["line breaks in quotes"] / rates["plain rows"], QUOTED)
        and held
    )


def flat(megabytes: int) -> bool:
    """Measure the memory of a large file; whether it is bounded."""
    result = measured("flat", Path(str(megabytes)))
    rows, peak = result["counts"][0], _number(result, "megabytes")  # type: ignore[index]
    print(f"{rows:,} plain rows, {megabytes:,} MB: peak {peak:.0f} MB resident; {MOST_MEGABYTES} MB at most")
    return peak <= MOST_MEGABYTES


def _held(what: str, ratio: float, floor: float) -> bool:
    print(f"  {what}: {ratio:.2f}, {floor} at least{'' if ratio >= floor else ': NOT held'}")
    return ratio >= floor


def measured(who: str, path: Path) -> dict[str, object]:
    """One measurement in a process of its own, on one processor."""
    command = [sys.executable, "-m", "benchmarks.validation", "--measure", who, str(path)]
    environment = os.environ | {"POLARS_MAX_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    told: dict[str, object] = json.loads(done.stdout)
    return told


def main() -> None:
    """Print the figures of the validator that the README claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of each file; default 10 million")
    parser.add_argument("--megabytes", type=int, default=200, help="of each shape")
    parser.add_argument(
        "--flat", type=int, metavar="MB", help="only the memory of so many MB of plain rows; 4000 have 117 million"
    )
    parser.add_argument("--measure", nargs=2, metavar=("WHO", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        who, file = options.measure
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        readers = {"ours": ours, "peer": peer, "read": read}
        if who == "flat":
            print(json.dumps(shape("plain rows", int(file), held=False)))
        else:
            print(json.dumps(readers[who](Path(file)) if who in readers else shape(who, int(file))))
        return
    if options.flat:
        sys.exit(0 if flat(options.flat) else "the memory grows with the file")
    if not shapes(options.megabytes):
        sys.exit("the check of the slowest rows takes too long")
    held = True
    with tempfile.TemporaryDirectory() as folder:
        for name, every in (("clean", 0), ("one row in 1,000 damaged", 1_000), ("one row in 33 damaged", 33)):
            path = Path(folder) / "interactions.csv"
            write(path, options.rows, every)
            print(f"{options.rows:,} interactions, {path.stat().st_size / 1e6:.0f} MB, {name}")
            results = {who: measured(who, path) for who in ("ours", "peer")}
            if results["ours"]["counts"] != results["peer"]["counts"]:
                sys.exit(f"different findings: {results['ours']['counts']} and {results['peer']['counts']}")
            for who, label in (("ours", "validator"), ("peer", "csv module")):
                _line(label, results[who], options.rows)
            ratio = _number(results["peer"], "cpu") / _number(results["ours"], "cpu")
            print(f"  {ratio:.1f} times the csv module's rows by processor time")
            held = _held("beside the csv module", ratio, FLOORS[name]) and held if name in FLOORS else held
            if not every:
                held = parquet(path, options.rows) and held
    if not held:
        sys.exit("a floor is not held")


def parquet(path: Path, rows: int) -> bool:
    """Measure the same rows as Parquet; whether they are read fast enough."""
    import polars as pl  # noqa: PLC0415

    other = path.with_suffix(".parquet")
    pl.scan_csv(path).sink_parquet(other)
    told = {(who, file.suffix): measured(who, file) for who in ("ours", "read") for file in (path, other)}
    if told["ours", ".csv"]["counts"] != told["ours", ".parquet"]["counts"]:
        sys.exit("Parquet has other findings")
    _line("as Parquet", told["ours", ".parquet"], rows)
    ratios = {
        who: _number(told[who, ".csv"], "cpu") / _number(told[who, ".parquet"], "cpu") for who in ("ours", "read")
    }
    print(f"  Parquet beside CSV, checked: {ratios['ours']:.2f}")
    return _held("Parquet beside CSV, only read", ratios["read"], PARQUET)


def _number(result: dict[str, object], key: str) -> float:
    value = result[key]
    return float(value) if isinstance(value, int | float) else 0.0


def _line(label: str, result: dict[str, object], rows: int) -> None:
    wall, cpu = (rows / _number(result, key) / 1e6 for key in ("seconds", "cpu"))
    peak = _number(result, "megabytes")
    print(f"  {label:11} {wall:5.2f} million rows/s ({cpu:.2f} by processor time), peak {peak:.0f} MB resident")


if __name__ == "__main__":
    main()
