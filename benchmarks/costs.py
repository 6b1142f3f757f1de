# SPDX-License-Identifier: Apache-2.0
"""What one full run costs in Step Functions and Lambda, how late it notices an end, and how often it asks Personalize.

Protocol. A shop's first run (users, items and interactions dropped together; four recipes, three of them with a
campaign, a filter, an event tracker) is made on a local cloud of its own, and its executions' histories are counted,
those that it waits for among them: states entered, Lambda calls and their seconds, times the function's memory. (The
local AWS does not tell what happens inside a Map: there the way of success through the definition is counted for each
item.) Waiting is the one thing that a laptop does not do as AWS does, so the looks at each resource are replaced by
those that the machine's own pauses make of AWS's durations (`AWS_MINUTES`).
Every state entered is a transition; none of ours was a retry. An execution of the machine that waits has three for each
time that it asks: the task, the question, and the pause or the end; and each is a call.

Beside it, the state machine of aws-solutions/maintaining-personalized-experiences-with-machine-learning (commit
010fbdf, `source/infrastructure/personalize/`): a Lambda raises `ResourcePending` until the resource is ready and the
retry policy is the clock (60 s x 1.02^n, 100 times, for imports, trainings and campaigns; 8 s x 1.25^n for filter and
tracker; 5 s x 1.02^n for the group), so that each look is a state transition and a Lambda call. Its states are counted
by reading (`THEIR_LOOKS`), for the same scenario. Its seconds a call are an assumption in its favour: those of our own
quickest step.
"""

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import boto3
import yaml

from benchmarks.polling import AWS_MINUTES, ML_OPS, RETRIES, Pace, asks, longest_pause, pace_of, twenty
from local.cloud import lifecycle
from local.cloud.client import Client
from local.cloud.home import Home, State, access
from local.cloud.runs import events

History = Sequence[Mapping[str, Any]]
ASKS = "Ask the function"
"""The state of the machine that waits which invokes a function."""
ROOT = Path(__file__).resolve().parent.parent
POLL_SECONDS = 60
PRICES = {"transition": 0.025 / 1_000, "call": 0.20 / 1_000_000, "gigabyte-second": 0.0000133334}
"""Dollars in us-east-1 (arm64), as secondary sources had AWS's price pages in 2026; free tiers left out."""
THEIR_LOOKS = {
    "the dataset group": ("group", 1),
    "the dataset": ("long", 3),
    "the import job": ("long", 3),
    "the event tracker": ("short", 1),
    "the filter": ("short", 1),
    "the solution version": ("long", 4),
    "the campaign": ("long", 4),
}
"""By what is waited for: which of the retry policies, and how many of them in this scenario."""
THEIR_OTHERS = 3 + 3 * 3 + 2 + 1 + 3 + 5 + 4 * 21 + 1
"""Their states besides: the outer Parallel, the input and the imports' Parallel; of each dataset a question, its
schema, and the import by prefix that is not there (a Lambda); the import's schedule that is not asked for; the
tracker's question; three around the filter and five around the solutions; of each solution 21, two of them Lambdas; the
message."""
THEIR_OTHER_CALLS = 1 + 1 + 3 * 2 + 4 * 2 + 1
"""Their Lambda calls besides the looks: S3's event, the input, schemas and imports by prefix, solutions and first
versions, the message."""
THEIR_GIGABYTES = 0.125
"""What a function has that sets no memory; the seconds of a call are taken to be those of ours."""
MAKES = {
    ("datasetGroup",): ("the dataset group",),
    ("schema", "dataset", "importJob"): ("the dataset", "the import job"),
    ("eventTracker",): ("the event tracker",),
    ("filter",): ("the filter",),
    ("solution", "solutionVersion"): ("the solution", "the solution version"),
    ("campaign",): ("the campaign",),
}
"""What takes time of what the machine that waits is asked for, by its steps."""
ITEMS = {
    "Check each drop": 3,
    "Import each file": 3,
    "Ensure each filter": 1,
    "Start each recommender": 0,
    "Train each recipe": 4,
    "Wait for each recommender": 0,
    "Promote each approved recipe": 3,
}
"""What each Map of ours has to do in the run."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run uses."""

    transitions: int
    calls: int
    gigabyte_seconds: float

    @property
    def dollars(self) -> float:
        """At PRICES."""
        return (
            self.transitions * PRICES["transition"]
            + self.calls * PRICES["call"]
            + self.gigabyte_seconds * PRICES["gigabyte-second"]
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """One full run on the local cloud."""

    steps: int
    """States entered besides those of the waits."""
    waits: Mapping[tuple[str, ...], int]
    """How many waits there were for each sequence of resources."""
    calls: int
    """Lambda calls besides those of the waits."""
    gigabyte_seconds: float
    """Of these calls."""
    look: float
    """GB-seconds of a call of a wait."""
    quickest: float
    """Seconds of the quickest Lambda call."""


def main() -> None:
    """Print the figures of cost and waiting that the documentation claims."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.parse_args()
    pace = pace_of(yaml.safe_load((ROOT / "statemachines" / "ensure.asl.yaml").read_text()), POLL_SECONDS)
    counted = local_run()
    print(f"one full run, the first of its shop; trainings of {AWS_MINUTES['the solution version']:.0f} minutes")
    for who, bill in (("ours", ours(counted, pace)), ("AWS solution", their_run(counted.quickest))):
        used = (
            f"{bill.transitions:5,} state transitions, {bill.calls:4,} Lambda calls, {bill.gigabyte_seconds:6.1f} GB-s"
        )
        print(f"  {who:13} {used}: {100 * bill.dollars:.2f} cents")
    print("a training's end is noticed later by, at most (and of how many looks)")
    for minutes in (20, 60, 180):
        print(f"  {minutes:4} min of training: " + "; ".join(_delays(minutes, pace)))
    print("20 shops begin a run in the same second: looks at Personalize, of all shops")
    for name, spread in (("as the machine waits", True), ("were nothing left to chance", False)):
        times = twenty(pace, spread=spread)
        busiest = Counter(int(time) for time in times).most_common(1)[0][1]
        minute = Counter(int(time / 60) for time in times).most_common(1)[0][1]
        told = f"{len(times):,} in {max(times) / 3600:.1f} hours, at most {busiest} in one second"
        print(f"  {name:28} {told} and {minute} in one minute")


def local_run() -> Counted:
    """Make the run and count it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "cloud")
        try:
            state, _ = lifecycle.up(home)
            client = Client(state)
            uploads = [client.drop("bench", kind, file) for kind, file in files(Path(folder))]
            runs = [client.runs.started_by(upload.key, upload.before) for upload in uploads]
            for run in runs:
                for _ in client.runs.follow(run.arn):
                    pass
            if client.runs.describe(runs[-1].arn).output.get("outcome") != "promoted":
                sys.exit(f"the run was not promoted: {client.runs.describe(runs[-1].arn)}")
            return counted_from(state)
        finally:
            lifecycle.down(home, wipe=True)


def counted_from(state: State) -> Counted:
    """What the runs of a local cloud used."""
    runs = Client(state).runs
    functions = boto3.client("lambda", **access(state))
    machine = json.loads(runs.client.describe_state_machine(stateMachineArn=runs.machine)["definition"])
    pages = runs.client.get_paginator("list_executions").paginate(
        stateMachineArn=state.outputs["EnsureStateMachineArn"]
    )
    arns = [execution["executionArn"] for page in pages for execution in page["executions"]]
    inputs = [json.loads(runs.client.describe_execution(executionArn=arn)["input"]) for arn in arns]
    scopes = [machine, *(machine["States"][owner]["ItemProcessor"] for owner in ITEMS)]
    called = {function for scope in scopes for _, function in _lambdas(scope)} | {
        request["function"] for request in inputs
    }
    memory = {arn: functions.get_function_configuration(FunctionName=arn)["MemorySize"] / 1024 for arn in called}
    waits = [(request, events(runs.client, arn)) for arn, request in zip(arns, inputs, strict=True)]
    return count(machine, memory, [events(runs.client, arn) for arn in runs.arns()], waits)


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """A shop of 60 users and 60 items."""
    rows = [f"u{n % 60},i{(n * n) % 60},{1_700_000_000 + n},Purchase" for n in range(1500)]
    contents = {
        "users": ["USER_ID,AGE", *(f"u{n},{n % 5}" for n in range(60))],
        "items": ["ITEM_ID,PRICE,CATEGORY_L1", *(f"i{n},{n}.5,c{n % 3}" for n in range(60))],
        "interactions": ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", *rows],
    }
    for kind, lines in contents.items():
        file = folder / f"{kind}.csv"
        file.write_text("\n".join(lines) + "\n")
        yield kind, file


def count(
    machine: Mapping[str, Any],
    memory: Mapping[str, float],
    histories: Iterable[History],
    waits: Iterable[tuple[Mapping[str, Any], History]],
) -> Counted:
    """Count the histories of all executions.

    The local AWS does not tell what happens inside a Map; there the way of success is counted once for each item.

    Args:
        machine: the deployed definition.
        memory: GB of each function by its ARN.
        histories: the events of each execution, in their order.
        waits: input and events of each execution that one of these waited for.
    """
    entered: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for history in histories:
        _time(history, entered, seconds)
    lambdas = {name: memory[function] for name, function in _lambdas(machine) if entered[name]}
    mean = fmean(seconds[name] / entered[name] for name in lambdas)
    gigabyte_seconds = sum(seconds[name] * gigabytes for name, gigabytes in lambdas.items())
    calls = sum(entered[name] for name in lambdas)
    for owner, items in ITEMS.items():
        inner = machine["States"][owner]["ItemProcessor"]
        way = list(_way(inner))
        entered.update(dict.fromkeys(way, items))
        inside = [memory[function] for name, function in _lambdas(inner) if name in way]
        # Nothing but its Lambda takes time while drops are checked, one after the other.
        item_seconds = seconds[owner] / items if owner == "Check each drop" else mean
        calls += items * len(inside)
        gigabyte_seconds += items * item_seconds * sum(inside)
    kinds, looks, quickest = Counter[tuple[str, ...]](), list[float](), list[float]()
    for request, history in waits:
        times, took = Counter[str](), Counter[str]()
        _time(history, times, took)
        quickest.append(took[ASKS] / times[ASKS])
        looks.append(quickest[-1] * memory[request["function"]])
        steps = request["request"].get("steps") or [request["request"]["step"]]
        kinds[MAKES[tuple(steps)]] += 1
    return Counted(entered.total(), kinds, calls, gigabyte_seconds, fmean(looks), min(quickest))


def _time(history: History, entered: Counter[str], seconds: Counter[str]) -> None:
    """Count how often each state was entered, and how long it took in all."""
    began = history[0]["timestamp"]
    for event in history:
        passed = (event["timestamp"] - began).total_seconds()
        if details := event.get("stateEnteredEventDetails"):
            entered[details["name"]] += 1
            seconds[details["name"]] -= passed
        elif details := event.get("stateExitedEventDetails"):
            seconds[details["name"]] += passed


def _lambdas(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The states that call a function, and which; Maps apart."""
    for name, state in machine["States"].items():
        if ":function:" in state.get("Resource", ""):
            yield name, state["Resource"]


def _way(machine: Mapping[str, Any]) -> Iterator[str]:
    """The states of an item for which everything is good."""
    name = machine["StartAt"]
    while name:
        yield name
        state = machine["States"][name]
        name = state.get("Default", state.get("Next"))


def ours(counted: Counted, pace: Pace) -> Bill:
    """The run that was counted, with the looks that AWS's durations make of its waits."""
    chance = random.Random(0).random
    looks = sum(
        asks(pace, [60 * AWS_MINUTES[what] for what in kinds], chance)
        for kinds, number in counted.waits.items()
        for _ in range(number)
    )
    gigabyte_seconds = counted.gigabyte_seconds + looks * counted.look
    return Bill(counted.steps + 3 * looks, counted.calls + looks, gigabyte_seconds)


def their_run(seconds: float) -> Bill:
    """The AWS solution's run of the same shop; `seconds` is what a call of theirs is taken to last."""
    looks = 0
    for what, (policy, number) in THEIR_LOOKS.items():
        looks += number * len(RETRIES[policy].look_times(60 * AWS_MINUTES[what], lambda: 0.0))
    calls = looks + THEIR_OTHER_CALLS
    return Bill(looks + THEIR_OTHERS, calls, calls * seconds * THEIR_GIGABYTES)


def _delays(minutes: float, pace: Pace) -> Iterator[str]:
    chance = random.Random(0).random
    designs = {"ours": pace, "AWS solution": RETRIES["long"], "ml_ops": ML_OPS}
    for who, design in designs.items():
        # A job may end right after a look.
        times = design.look_times(60 * minutes + 1e-6, chance)
        late = longest_pause(times[-2:])
        yield f"{who} {late / 60:.1f} min of {len(times)}"


if __name__ == "__main__":
    main()
