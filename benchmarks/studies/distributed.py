# SPDX-License-Identifier: Apache-2.0
"""A large drop checked in ranges by a Distributed Map, beside the same drop checked by one function.

Protocol. A local cloud of its own, whose bound for one function is a share of the file; generated purchases, one row in
a thousand damaged (`benchmarks.validation`). The same object is checked three times: by one function, in ranges, and in
ranges while functions are killed: by SIGKILL at random times, until a number of them died in the middle of a call. Each
time the plan, the report and the SHA-256 of all imported rows, in order, must be the same; else it says what differs.
Processor time is that of the functions' processes; the checks without kills are compared.
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
from local.cloud import deploy, lifecycle
from local.cloud.home import Home, State, access

SHOP = "vast"
KEY = f"drops/{SHOP}/interactions/all.csv"
FUNCTIONS = ("ValidateDropFunction", "CheckPartFunction")
KILLED_EVERY = (0.5, 3.0)
"""Seconds between two kills."""
LOOK_SECONDS = 0.2
"""Between two looks at the processes: one that ends is missing so much, at most."""


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
        names = [function["FunctionName"] for function in self._lambda.list_functions(MaxItems=1000)["Functions"]]
        (self._function,) = [name for name in names if "ValidateDropFunction" in name]

    def whole(self) -> Checked:
        """Have one function check the drop."""
        return self._measured("one", divided=False, kills=0)

    def divided(self, kills: int) -> Checked:
        """Have it checked in ranges, and kill functions meanwhile."""
        return self._measured(f"divided-{kills}", divided=True, kills=kills)

    def _measured(self, run: str, *, divided: bool, kills: int) -> Checked:
        began, parts = time.monotonic(), 0
        with Watch(self, kills) as watch:
            self._divide(self.state.part_bytes if divided else 10**12)
            plan = self._ask(run)
            if divided:
                if "work" not in plan:
                    sys.exit(f"the drop is not too large for one function: {plan}")
                parts = self._ranges(plan["work"])
                plan = self._ask(run)
        seconds = time.monotonic() - began
        report = self._json(plan["report"].replace(".html", ".json"))
        return Checked(plan, report, self._rows(plan), seconds, watch.cpu, parts, watch.deaths)

    def _divide(self, above: int) -> None:
        """Have the function divide what has more bytes."""
        now = self._lambda.get_function_configuration(FunctionName=self._function)["Environment"]["Variables"]
        variables = {**now, "CHECK_PART_BYTES": str(above)}
        self._lambda.update_function_configuration(FunctionName=self._function, Environment={"Variables": variables})

    def _ask(self, run: str) -> Any:  # noqa: ANN401 - a plan
        payload = json.dumps({"bucket": self.bucket, "key": KEY, "run": run})
        answer = self._lambda.invoke(FunctionName=self._function, Payload=payload)
        plan = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            sys.exit(f"the check failed: {plan}")
        return plan

    def _ranges(self, work: str) -> int:
        machines = self._steps.list_state_machines(maxResults=1000)["stateMachines"]
        (machine,) = [machine["stateMachineArn"] for machine in machines if "heck" in machine["name"]]
        arn = self._steps.start_execution(stateMachineArn=machine, input=json.dumps({"work": work}))["executionArn"]
        while (execution := self._steps.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.2)
        if execution["status"] != "SUCCEEDED":
            sys.exit(f"the ranges failed: {execution}")
        runs = [
            self._steps.describe_map_run(mapRunArn=map_run["mapRunArn"])
            for map_run in self._steps.list_map_runs(executionArn=arn)["mapRuns"]
        ]
        return sum(run["executionCounts"]["succeeded"] for run in runs)

    def functions(self) -> list[psutil.Process]:
        """The processes that run functions."""
        (cloud,) = [process for process in self.state.processes if process.name == "cloud"]
        processes = []
        for process in psutil.Process(cloud.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                function_name = process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
                if any(function in function_name for function in FUNCTIONS):
                    processes.append(process)
        return processes

    def _rows(self, plan: Mapping[str, Any]) -> str:
        digest = hashlib.sha256()
        for location in locations(plan):
            prefix = location.removeprefix(f"s3://{self.bucket}/")
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            for key in sorted(content["Key"] for page in pages for content in page.get("Contents", [])):
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


class Watch:
    """Adds up the functions' processor time, and kills some that check ranges."""

    def __init__(self, cloud: Cloud, kills: int) -> None:
        self._cloud = cloud
        self._kills = kills
        self._seconds: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._before = 0.0
        self.deaths = 0

    def __enter__(self) -> "Watch":
        self._busy()
        self._before = self.cpu
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def cpu(self) -> float:
        """Seconds of all processes since the beginning."""
        return sum(self._seconds.values()) - self._before

    def _look(self) -> None:
        chance = random.Random(7)
        due = time.monotonic() + chance.uniform(*KILLED_EVERY)
        while not self._ended.wait(LOOK_SECONDS):
            busy = self._busy()
            if self.deaths < self._kills and time.monotonic() > due and busy:
                chance.choice(busy).kill()
                self.deaths += 1
                due = time.monotonic() + chance.uniform(*KILLED_EVERY)

    def _busy(self) -> list[psutil.Process]:
        """Look at all processes; return those that checked a range since the last look."""
        findings = []
        for process in self._cloud.functions():
            with contextlib.suppress(psutil.NoSuchProcess):
                before, now = self._seconds.get(process.pid, 0.0), sum(process.cpu_times()[:2])
                self._seconds[process.pid] = now
                if now - before > LOOK_SECONDS / 4 and "CheckPart" in process.environ()["AWS_LAMBDA_FUNCTION_NAME"]:
                    findings.append(process)
        return findings


@contextlib.contextmanager
def cloud_of(folder: Path, rows: int, ranges: int) -> Iterator[Cloud]:
    """Start a cloud whose functions read a share of a file of so many rows."""
    file, home = folder / "all.csv", Home(folder / "cloud")
    validation.write(file, rows, every=1000)
    try:
        state = lifecycle.start(home)
        lifecycle.wait_ready(home, state)
        state = replace(state, part_bytes=-(-file.stat().st_size // ranges))
        yield Cloud(deploy.deploy(home, state, contextlib.nullcontext), file)
    finally:
        lifecycle.down(home, wipe=True)


APART = {"importJob", "further", "recipes", "content", "checkedAt", "notes"}
"""Members that tell how and when a check was made: names with a hash of the run's, a digest of the bytes, times."""


def differences(left_check: Checked, right_check: Checked) -> list[str]:
    """Name what two checks did not come to alike, whatever their runs are called."""
    different = [] if left_check.rows == right_check.rows else ["the imported rows"]
    for left_document, right_document in ((left_check.plan, right_check.plan), (left_check.report, right_check.report)):
        names = sorted({*left_document, *right_document} - APART)
        told = [[_told(document, each_of) for each_of in names] for document in (left_document, right_document)]
        different += [
            f"{name}: {left[:500]} and {right[:500]}"
            for name, left, right in zip(names, *told, strict=True)
            if left != right
        ]
    return different


def _told(document: Mapping[str, Any], name: str) -> str:
    return json.dumps(document.get(name), sort_keys=True).replace(str(document["run"]), "RUN")


def main() -> None:
    """Print what a check in ranges takes beside one in one piece."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--ranges", type=int, default=64)
    parser.add_argument("--kills", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, cloud_of(Path(folder), options.rows, options.ranges) as cloud:
        whole, divided, killed = cloud.whole(), cloud.divided(0), cloud.divided(options.kills)
    for label, checked in (("one function", whole), ("in ranges", divided), ("in ranges, killed", killed)):
        per_row = 1e9 * checked.cpu / options.rows
        print(
            f"{label:18} {checked.seconds:6.1f} s, processor {checked.cpu:6.1f} s ({per_row:,.0f} ns a row),"
            f" {checked.parts} children, {checked.deaths} killed"
        )
    for other in (divided, killed):
        if unlike := differences(whole, other):
            sys.exit("\n".join(["the results differ in", *unlike]))
    print(f"processor time in ranges: {divided.cpu / whole.cpu:.2f} of that in one piece")
    print(f"the same plan, report and {whole.plan['rows']:,} rows each time")


if __name__ == "__main__":
    main()
