# SPDX-License-Identifier: Apache-2.0
"""What days cost that are too large for one function: `python -m benchmarks.studies.large_days`.

The events are those of `benchmarks.experiment_days`. Each step that the machine would have taken by a function is taken
in a process of its own, so that its memory is that of a function, one after the other. The cost is computed, not
billed: processor time times `SLOWER` in functions of the template's memory, transitions along the machine's way of
success, and requests of S3; prices are those of `costs` and `checking_costs`. What the round itself takes is not in it:
the last lines print that.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import yaml
from personalization.auth import list_columns, list_ids
from personalization.experiments import report
from personalization.experiments.days.large.plan import Plan, Shelves
from personalization.experiments.days.large.round import LargeDays
from personalization.experiments.days.large.steps import DaySteps
from personalization.experiments.lists import Lists
from personalization.experiments.shelves.files import first_day

from benchmarks import experiment_days
from benchmarks.costs import Bill
from benchmarks.experiment_days import SHOP, START, Folder
from benchmarks.studies.checking_costs import REQUESTS, ROOT, along, children
from benchmarks.validation import SLOWER

LARGE = 10**9
"""The template's LargeDayBytes."""
GIGABYTES = 1769 / 1024
LISTS = Lists(list_columns.variants, list_ids.variant_number, list_columns.facts)
BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class Taken:
    """What steps of a kind took."""

    calls: int
    seconds: float
    """Of processors, together."""
    longest: float
    megabytes: float
    """Of the largest."""

    def __str__(self) -> str:
        most = f"the longest {self.longest:.1f} s, {self.megabytes:,.0f} MB at most"
        return f"{self.calls:,} calls, {self.seconds:,.1f} s of processors, {most}"


def step(folder: Path, work: str, name: str, number: int) -> None:
    """Take a step, and print what it took."""
    client = Counted(folder)
    steps = DaySteps(cast("Any", client), BUCKET, work, LISTS.rules, LISTS.also)
    if name == "read":
        steps.read(number)
    elif name == "fit":
        steps.fit()
    else:
        steps.make(number, lambda: False)
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {"seconds": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1024}
    print(json.dumps({**told, "gets": client.gets, "puts": client.puts}))


class Counted(Folder):
    """A folder that counts requests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.gets = self.puts = 0

    def get_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as AWS has it
        self.gets += 1
        return super().get_object(**request)

    def put_object(self, **request: Any) -> None:  # noqa: ANN401
        self.puts += 1
        super().put_object(**request)


class Machines:
    """Step Functions, whose steps are taken here."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start_execution(self, *, input: str, **_: object) -> None:  # noqa: A002 - as AWS names it
        self.started.append(json.loads(input)["work"])

    def describe_execution(self, **_: object) -> dict[str, str]:
        return {"status": "SUCCEEDED"}


def take(folder: Path, work: str, name: str, numbers: Iterator[int] | range) -> tuple[Taken, dict[str, float]]:
    """Take steps one after the other, each in its own process."""
    taken = []
    for number in numbers:
        arguments = ["--folder", str(folder), "--work", work, "--step", name, "--number", str(number)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.studies.large_days", *arguments], check=True, capture_output=True
        )
        taken.append(json.loads(done.stdout.splitlines()[-1]))
    seconds = [step["seconds"] for step in taken]
    most = max(step["megabytes"] for step in taken)
    requests = {kind: sum(step[kind] for step in taken) for kind in ("gets", "puts")}
    return Taken(len(taken), sum(seconds), max(seconds), most), requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--folder", type=Path, required=True, help="where the made-up files are, or will be")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step(options.folder, options.work, options.step, options.number)
        return
    experiment_days.write(options.folder, options.events, options.days)
    analyse(options.folder, options.events, options.days)


def analyse(folder: Path, events: int, days: int) -> None:
    client = cast("Any", Folder(folder))
    experiment = experiment_days.made_up(days)
    now = START + timedelta(days=days, hours=1)
    names = {list_ids.variant_number(name): name for name in experiment.listed}
    plan = Plan(
        today=now.date(),
        tracking_id="benchmark",
        purchase="Purchase",
        currency=None,
        experiments=(experiment.as_record(),),
        shelves=Shelves(first=first_day(now.date()), variants=names, left_out=(), window=7),
    )
    large, machines = LargeDays(client, BUCKET, SHOP, LARGE), Machines()
    large.begun(plan, now, cast("Any", machines), "check")
    (work,) = machines.started
    parts = len(json.loads((folder / f"{work}items-0.json").read_text()))
    read, of_reading = take(folder, work, "read", range(parts))
    fit, of_fitting = take(folder, work, "fit", range(1))
    made, of_making = take(folder, work, "make", range(16))
    for name, taken in (("parts", read), ("fit", fit), ("shards", made)):
        print(f"{name}: {taken}")
    gets, puts = (sum(of[kind] for of in (of_reading, of_fitting, of_making)) for kind in ("gets", "puts"))
    print(f"{events:,} events: {told(read, fit, made, gets, puts)}")
    began = time.process_time()
    whole = large.begun(plan, now + timedelta(hours=1), cast("Any", machines), "check")
    judged = report.judge(experiment, whole, now)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"the round: {time.process_time() - began:.1f} s of processors, {most:,.0f} MB at most")
    print(f"{sum(sums.users for sums in judged.course.days[-1].sums.values()):,} exposed users in the sums")


def told(read: Taken, fit: Taken, made: Taken, gets: float, puts: float) -> str:
    """Return what steps cost."""
    machine = yaml.safe_load((ROOT / "statemachines" / "check.asl.yaml").read_text())
    calls = read.calls + fit.calls + made.calls
    transitions = along(machine) + children(machine, "Check each range") * read.calls
    transitions += children(machine, "Count each partition") * made.calls
    seconds = SLOWER * (read.seconds + fit.seconds + made.seconds)
    bill = Bill(transitions, calls, seconds * GIGABYTES)
    dollars = bill.dollars + gets * REQUESTS["get"] + puts * REQUESTS["put"]
    states = f"{calls:,} calls, {transitions:,} transitions"
    return f"${dollars:.3f}; {seconds * GIGABYTES:,.0f} GB-s, {states}, {gets:,.0f} reads"


if __name__ == "__main__":
    main()
