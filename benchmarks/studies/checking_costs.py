# SPDX-License-Identifier: Apache-2.0
"""What checking a drop costs in Lambda, Step Functions and S3, by its rows.

Computed, not billed: the processor time of a row as `benchmarks.studies.distributed` measures it on this machine, times
`SLOWER`, in functions of the template's memory; transitions along the machine's way of success, of which a Distributed
Map has one for each child and those of the child; and requests of S3 as the steps of the check make them. Prices are
those of `costs` and `REQUESTS`; free tiers and the storage of a week's work files are left out. A drop up to the bound
of one function is checked by one.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from table_intake.ranges import cutting

from benchmarks.costs import Bill
from benchmarks.validation import SLOWER

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = {"get": 0.0004 / 1_000, "put": 0.005 / 1_000}
"""Dollars of an S3 request in us-east-1, as secondary sources had AWS's price page in 2026."""
ROW_BYTES = 35
"""Bytes of a row of `benchmarks.validation`."""
PART_BYTES = 10**9
"""The template's CheckPartBytes."""
UPLOAD_BYTES = 16 << 20
"""Bytes of a part of an upload."""
START = 1.0
"""Seconds that a call takes beside its rows, a cold start among them."""
SIZES = (10_000_000, 100_000_000, 1_000_000_000)


@dataclass(frozen=True, slots=True)
class Measured:
    """What `benchmarks.studies.distributed` prints: nanoseconds of processor time for a row."""

    whole: float
    ranges: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What checking a drop uses."""

    rows: int
    bill: Bill
    gets: int
    puts: int

    @property
    def dollars(self) -> float:
        return self.bill.dollars + self.gets * REQUESTS["get"] + self.puts * REQUESTS["put"]


def cost(rows: int, measured: Measured, machine: Mapping[str, Any], gigabytes: float) -> Cost:
    """Compute the cost of a drop.

    Args:
        rows: of the drop, each of `ROW_BYTES` bytes.
        measured: the processor time of a row.
        machine: the definition of the machine that checks ranges.
        gigabytes: the memory of a function.
    """
    size = rows * ROW_BYTES
    uploads = -(-size // UPLOAD_BYTES)
    if size <= PART_BYTES:
        seconds = START + SLOWER * measured.whole * rows / 1e9
        # The machine's two states around the check: the check itself, and the question that follows.
        return Cost(rows, Bill(2, 1, seconds * gigabytes), gets=4, puts=4 + uploads)
    ranges, partitions = -(-size // PART_BYTES), cutting.partitions(size)
    # The function that checks small drops begins the check, and adds up what the ranges left.
    calls = 2 + ranges + 1 + partitions
    seconds = calls * START + SLOWER * measured.ranges * rows / 1e9
    transitions = 6 + along(machine) + children(machine, "Check each range") * ranges
    transitions += children(machine, "Count each partition") * partitions
    # A range: context, tasks, its result, its bytes and those before it. A partition: the results and hashes of all
    # ranges. In the end: results and states of all ranges, and the counts of all partitions.
    gets = 5 * ranges + ranges + partitions * (3 + 2 * ranges) + 3 * ranges + partitions
    puts = 5 * ranges + uploads + partitions + 12
    return Cost(rows, Bill(transitions, calls, seconds * gigabytes), gets, puts)


def along(machine: Mapping[str, Any]) -> int:
    """Return the states of a machine that does not fail and begins no second round."""
    apart = {"Say why a part failed", "The check failed"}
    return len(set(machine["States"]) - apart)


def children(machine: Mapping[str, Any], name: str) -> int:
    """Return the transitions of a child of a Distributed Map: its start, and its states."""
    return 1 + len(machine["States"][name]["ItemProcessor"]["States"])


def main() -> None:
    """Print the cost of drops of several sizes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--one", type=float, required=True, help="nanoseconds of a row in one function")
    parser.add_argument("--ranges", type=float, required=True, help="nanoseconds of a row in ranges")
    options = parser.parse_args()
    machine = yaml.safe_load((ROOT / "statemachines" / "check.asl.yaml").read_text())
    gigabytes = 1769 / 1024
    for rows in SIZES:
        drop_cost = cost(rows, Measured(options.one, options.ranges), machine, gigabytes)
        bill = drop_cost.bill
        print(
            f"{rows:13,} rows: ${drop_cost.dollars:7.4f}; {bill.gigabyte_seconds:9,.1f} GB-s, {bill.calls:5,} calls,"
            f" {bill.transitions:6,} transitions, {drop_cost.gets:7,} reads and {drop_cost.puts:6,} writes of S3"
        )


if __name__ == "__main__":
    main()
