# SPDX-License-Identifier: Apache-2.0
"""A large drop checked in ranges by a Distributed Map, beside the same drop checked by one function.

Protocol. A local cloud of its own, whose bound for one function is a share of the file; generated purchases, one row in
a thousand damaged (`benchmarks.validation`). The same object is checked three times: by one function, in ranges, and in
ranges while functions are killed (SIGKILL of their processes, at random times, until a number of them died in the
middle of a call). Each time the plan, the report and the SHA-256 of all imported rows, in order, must be the same, else
nothing is printed. Processor time is that of the functions' processes, what they need to start included; the two
without kills are compared.
"""

import argparse
import contextlib
import hashlib
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

from benchmarks import validation
from local.cloud import lifecycle
from local.cloud.home import Home, State, access

SHOP = "vast"
KEY = f"drops/{SHOP}/interactions/all.csv"
FUNCTIONS = ("ValidateDropFunction", "CheckPartFunction")
KILLED_EVERY = (0.5, 3.0)
"""Seconds between two kills."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check."""

    plan: Mapping[str, Any]
    report: Mapping[str, Any]
    rows: str
    """SHA-256 of the imported rows, in order."""
    seconds: float
    cpu: float
    """Seconds of the functions' processes."""
    parts: int
    """Children of the map runs."""
    deaths: int


class Cloud:
    """A local cloud with the drop in its bucket, of which nothing starts by itself."""

    def __init__(self, state: State, file: Path) -> None:
        self.state = state
        patient = Config(read_timeout=3600, retries={"max_attempts": 0})
        arguments = access(state)
        arguments["config"] = arguments["config"].merge(patient)
        self._lambda = boto3.client("lambda", **arguments)
        self._steps = boto3.client("stepfunctions", **access(state))
        self._s3 = boto3.client("s3", **access(state))
        self.bucket = state.outputs["BucketName"]
        events = boto3.client("events", **access(state))
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
        self._s3.upload_file(str(file), self.bucket, KEY)
        names = [each["FunctionName"] for each in self._lambda.list_functions(MaxItems=1000)["Functions"]]
        (self._function,) = [name for name in names if "ValidateDropFunction" in name]

    def one(self) -> Checked:
        """Have one function check the drop."""
        return self._measured("one", divided=False, kills=0)

    def divided(self, kills: int) -> Checked:
        """Have it checked in ranges, and kill functions meanwhile."""
        return self._measured(f"divided-{kills}", divided=True, kills=kills)

    def _measured(self, run: str, *, divided: bool, kills: int) -> Checked:
        self._end_functions()
        began, parts, deaths = time.monotonic(), 0, [0]
        plan = self._ask(run, divided=divided)
        if divided:
            with killing(self, kills, deaths):
                parts = self._ranges(plan["work"])
            plan = self._ask(run, divided=True)
        seconds = time.monotonic() - began
        cpu = sum(sum(process.cpu_times()[:2]) for process in self.functions())
        report = self._json(plan["report"].replace(".html", ".json"))
        return Checked(plan, report, self._rows(plan), seconds, cpu, parts, deaths[0])

    def _ask(self, run: str, *, divided: bool) -> Any:  # noqa: ANN401 - a plan
        request = {"bucket": self.bucket, "key": KEY, "run": run, "inParts": True, "maySkip": True}
        payload = json.dumps(request | {"mayDivide": divided})
        answer = self._lambda.invoke(FunctionName=self._function, Payload=payload)
        plan = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            sys.exit(f"the check failed: {plan}")
        return plan

    def _ranges(self, work: str) -> int:
        machines = self._steps.list_state_machines(maxResults=1000)["stateMachines"]
        (machine,) = [each["stateMachineArn"] for each in machines if "heck" in each["name"]]
        arn = self._steps.start_execution(stateMachineArn=machine, input=json.dumps({"work": work}))["executionArn"]
        while (found := self._steps.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.2)
        if found["status"] != "SUCCEEDED":
            sys.exit(f"the ranges failed: {found}")
        runs = [
            self._steps.describe_map_run(mapRunArn=each["mapRunArn"])
            for each in self._steps.list_map_runs(executionArn=arn)["mapRuns"]
        ]
        return sum(run["executionCounts"]["succeeded"] for run in runs)

    def functions(self, name: str = "") -> list[psutil.Process]:
        """The processes that run functions."""
        (cloud,) = [process for process in self.state.processes if process.name == "cloud"]
        found = []
        for process in psutil.Process(cloud.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                own = process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
                if any(each in own for each in FUNCTIONS) and name in own:
                    found.append(process)
        return found

    def _end_functions(self) -> None:
        """End all, so that each measurement begins with none."""
        for process in self.functions():
            process.kill()
        psutil.wait_procs(self.functions(), timeout=10)

    def _rows(self, plan: Mapping[str, Any]) -> str:
        digest = hashlib.sha256()
        for location in locations(plan):
            prefix = location.removeprefix(f"s3://{self.bucket}/")
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            for key in sorted(each["Key"] for page in pages for each in page.get("Contents", [])):
                body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"]
                body.readline()
                for chunk in body.iter_chunks(1 << 20):
                    digest.update(chunk)
                self._s3.delete_object(Bucket=self.bucket, Key=key)
        return digest.hexdigest()

    def _json(self, key: str) -> Any:  # noqa: ANN401 - a report
        return json.loads(self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())


def locations(plan: Mapping[str, Any]) -> list[str]:
    """Where a plan's import jobs read from."""
    jobs = [plan["importJob"], *plan.get("importJobs", [])]
    return list(dict.fromkeys(job["dataLocation"] for job in jobs if job))


@contextlib.contextmanager
def killing(cloud: Cloud, kills: int, deaths: list[int]) -> Iterator[None]:
    """Kill functions that check ranges, until so many died."""
    ended, chance = threading.Event(), random.Random(7)

    def kill() -> None:
        while deaths[0] < kills and not ended.wait(chance.uniform(*KILLED_EVERY)):
            busy = [process for process in cloud.functions("CheckPart") if process.cpu_percent(0.05) > 20]
            if busy:
                chance.choice(busy).kill()
                deaths[0] += 1

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def cloud_of(folder: Path, rows: int, ranges: int) -> Iterator[Cloud]:
    """Start a cloud whose functions read a share of a file of so many rows."""
    file, home = folder / "all.csv", Home(folder / "cloud")
    validation.write(file, rows, every=1000)
    try:
        state = lifecycle.start(home)
        lifecycle.wait_ready(home, state)
        home.write(replace(state, part_bytes=-(-file.stat().st_size // ranges)))
        state, _ = lifecycle.up(home)
        yield Cloud(state, file)
    finally:
        lifecycle.down(home, wipe=True)


def same(one: Checked, other: Checked) -> bool:
    """Tell whether two checks came to the same, whatever their runs are called."""

    def told(checked: Checked) -> str:
        text = json.dumps([_without(checked.plan), _without(checked.report), checked.rows], sort_keys=True)
        return text.replace(str(checked.plan["run"]), "RUN")

    return told(one) == told(other)


def _without(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document without what tells how it was made: times, names of jobs, and what a run before had found."""
    apart = {"importJob", "importJobs", "outcome", "changes", "last", "createdAt", "at", "sales", "notes"}
    return {name: value for name, value in document.items() if name not in apart}


def main() -> None:
    """Print what a check in ranges takes beside one in one piece."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--ranges", type=int, default=64)
    parser.add_argument("--kills", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, cloud_of(Path(folder), options.rows, options.ranges) as cloud:
        one, divided, killed = cloud.one(), cloud.divided(0), cloud.divided(options.kills)
    for other in (divided, killed):
        if not same(one, other):
            sys.exit(f"the results differ:\n{json.dumps(one.report)}\n{json.dumps(other.report)}")
    for label, found in (("one function", one), ("in ranges", divided), ("in ranges, killed", killed)):
        per_row = 1e9 * found.cpu / options.rows
        print(
            f"{label:18} {found.seconds:6.1f} s, processor {found.cpu:6.1f} s ({per_row:,.0f} ns a row),"
            f" {found.parts} children, {found.deaths} killed"
        )
    print(f"processor time in ranges: {divided.cpu / one.cpu:.2f} of that in one piece")
    print(f"the same plan, report and {one.plan['rows']:,} rows each time")


if __name__ == "__main__":
    main()
