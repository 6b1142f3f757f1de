# SPDX-License-Identifier: Apache-2.0
"""100,000 events of a shop on the engine while all functions that touch them are killed: what is lost, what is doubled.

Protocol: a local cloud of its own with one small shop and `backend: engine`. Requests of twenty events each come over
the HTTP API from four threads; the first of each user is a stranger's, whom the second one logs in. A front end
repeats what was not accepted, with the same ids. Meanwhile the processes of functions are killed (SIGKILL) at random,
wherever they are: every half second in the mean one of those that record, deliver, count, copy, answer, import and
train. DynamoDB throttles some transactions, so that events wait in the queue. When half of the users are done a
training begins, which is asked for again if it fails. When all is accepted and at rest, another one follows. Then
every event is looked up: in its user's partition of the live table, in what a container counts that read all the
time, in what a new one counts, in the copy in S3, in what the first training knew with what is counted after it, and
in what the second one knew.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
from personalization.engine import live
from personalization.engine.counting import Learned
from personalization.engine.feeds import Counts
from personalization.engine.live import LiveTable
from personalize_local import library

from benchmarks import shops
from benchmarks.burst import rows_under, send_until_accepted, wait, waiting
from local.cloud.client import Client
from local.cloud.environments import LocalError
from local.cloud.faults import FaultDoor
from local.cloud.home import State, access

SETTINGS = "domain: custom\nbackend: engine\nrecipes: [popularity-count]\ncampaigns: {popularity-count: {}}\n"
TAKING = ("RecordEvents", "DeliverEvents", "CountEvents", "CopyEvents", "GetRecommendations")
"""Functions that take events and answer."""
TRAINING = ("ImportData", "TrainSolution")
"""Functions of which a run has a few calls."""
PER_REQUEST, REQUESTS, THREADS = 20, 5, 4
"""Events of a request, requests of a user, and threads."""
THROTTLED = 0.01
"""Of DynamoDB's transactions."""
PAUSE_SECONDS, TRAINING_PAUSE = 0.5, 10.0
"""Between two kills in the mean, of functions that take events and of those that train."""
HIDDEN_SECONDS = 30
"""How long the queue hides the messages of a delivery that was killed, in place of the template's six minutes."""
START = 1_700_600_000
"""Epoch seconds of the first event; each later one is a second after it."""

What = tuple[str, str, float | None]


@dataclass
class Outcome:
    """What became of the events."""

    shop: str
    events: int
    seconds: float = 0.0
    """From the first request until everything was at rest."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Events by what the API said of them: delivered or queued."""
    repeated: int = 0
    """Requests that were sent again, whole or in part."""
    kills: Counter[str] = field(default_factory=Counter)
    """By function."""
    wrong: dict[str, Counter[object]] = field(default_factory=dict)
    """By where it was looked up: what is there too often (positive) or too rarely (negative)."""

    @property
    def group(self) -> str:
        return f"retail-{self.shop}"

    @property
    def lost(self) -> int:
        return -sum(number for counts in self.wrong.values() for number in counts.values() if number < 0)

    @property
    def doubled(self) -> int:
        return sum(number for counts in self.wrong.values() for number in counts.values() if number > 0)

    def truth(self) -> Counter[What]:
        """What was sent."""
        return Counter(what(number) for number in range(self.events))


def identity(number: int) -> str:
    return f"kills-{number:06d}"


def what(number: int) -> What:
    """The item, type and value of an event."""
    return f"garden-{number % 30:02d}", "Purchase" if number % 4 == 0 else "View", None


def user(number: int) -> str:
    """The user of an event."""
    return f"kills-{number // (PER_REQUEST * REQUESTS)}"


class Killer:
    """Kills processes of functions at random."""

    def __init__(self, outcome: Outcome, seed: int) -> None:
        self._outcome, self._chance = outcome, random.Random(seed)
        self._stop = threading.Event()

    @contextmanager
    def during(self, state: State, pause: float) -> Iterator[None]:
        """Kill while the block runs."""
        (cloud,) = [process for process in state.processes if process.name == "cloud"]
        self._stop.clear()
        with ThreadPoolExecutor(2) as pool:
            killing = [
                pool.submit(self._run, psutil.Process(cloud.pid), names, pause)
                for names, pause in ((TAKING, pause), (TRAINING, TRAINING_PAUSE))
            ]
            try:
                yield
            finally:
                self._stop.set()
            for thread in killing:
                thread.result()

    def _run(self, cloud: psutil.Process, names: Sequence[str], pause: float) -> None:
        while not self._stop.wait(self._chance.expovariate(1 / pause)):
            alive = [
                (name, process) for process in cloud.children(recursive=True) if (name := _function(process, names))
            ]
            if alive:
                name, process = self._chance.choice(alive)
                # It may just have ended by itself.
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                    self._outcome.kills[name] += 1


def _function(process: psutil.Process, names: Sequence[str]) -> str:
    """Return which of some functions a process is; empty for any other."""
    try:
        function = process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
    except psutil.Error:
        return ""
    return next((name for name in names if f"-{name}Function" in function), "")


class Following:
    """A container that reads the counts all the time, as one that answers does."""

    def __init__(self, state: State, group: str) -> None:
        self._table, self._group = LiveTable(boto3.client("dynamodb", **access(state)), live_table(state)), group
        self._counts = Counts(group, Learned(0, {}))

    def read(self, learned: Learned | None = None) -> Counter[What]:
        """What it counts; with what a training knew, what a new container counts after it, and that."""
        counts = Counts(self._group, learned) if learned else self._counts
        while True:
            counts.read(self._table, time.time(), 0.0)
            if counts.feed.whole:
                break
        total: Counter[What] = Counter()
        for part in counts.counted:
            total[part.item_id, part.event_type or "", part.event_value] += part.interactions
        return total + learned_counts(learned) if learned else total


def learned_counts(learned: Learned) -> Counter[What]:
    """What a training knew."""
    return Counter(
        {(what.item_id, what.event_type, what.event_value): number for what, number in learned.counts.items()}
    )


def live_table(state: State) -> str:
    names = boto3.client("dynamodb", **access(state)).get_paginator("list_tables").paginate()
    return next(name for page in names for name in page["TableNames"] if "LiveTable" in name)


def send(client: Client, outcome: Outcome, numbers: Sequence[int], lock: threading.Lock) -> None:
    """Send the requests of a user, and again what of them was not accepted."""
    person = user(numbers[0])
    for start in range(0, len(numbers), PER_REQUEST):
        events = [
            {"eventType": kind, "itemId": item, "eventId": identity(number), "sentAt": START + number}
            for number in numbers[start : start + PER_REQUEST]
            for item, kind, _ in [what(number)]
        ]
        who = {"sessionId": f"s-{person}"} | ({"userId": person} if start else {})
        send_until_accepted(client, outcome.shop, who, events, (outcome, lock))
    with suppress(LocalError):
        client.call("GET", f"/shops/{outcome.shop}/popular")


def trained(client: Client, shop: str) -> None:
    """Train, and again if that failed."""
    for _ in range(10):
        run = client.runs.start(shop, "retrain")
        for _ in client.runs.follow(run.arn):
            pass
        ended = client.runs.describe(run.arn)
        if ended.status == "SUCCEEDED":
            return
    sys.exit(f"no training succeeds: {ended.reason}")


def newest(state: State, shop: str) -> Learned:
    """What the newest model's training knew."""
    s3, bucket = boto3.client("s3", **access(state)), state.outputs["BucketName"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"engine/{shop}/models/")
    files = [content for page in pages for content in page.get("Contents", [])]
    folder = max(files, key=lambda file: file["LastModified"])["Key"].rpartition("/")[0]
    with tempfile.TemporaryDirectory() as target:
        for file in files:
            if file["Key"].startswith(f"{folder}/"):
                path = Path(target, file["Key"].removeprefix(f"{folder}/"))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(s3.get_object(Bucket=bucket, Key=file["Key"])["Body"].read())
        return Learned.from_json(library.open_model(Path(target)).notes)


def partitions(state: State, outcome: Outcome) -> Counter[object]:
    """Events in their users' partitions, by their numbers; others by their partitions."""
    pages = boto3.client("dynamodb", **access(state)).get_paginator("scan").paginate(TableName=live_table(state))
    stored: Counter[object] = Counter()
    for item in (item for page in pages for item in page["Items"]):
        name = item["s"]["S"].partition("#")[2]
        if live.is_event(item) and "item" in item and name.startswith("kills-"):
            number = int(name.removeprefix("kills-"))
            is_there = item["p"]["S"] == live.person(outcome.group, user(number)) and "nobody" not in item
            stored[number if is_there else item["p"]["S"]] += 1
    return stored


def copies(state: State, outcome: Outcome) -> Counter[object]:
    """Events in the copy in S3, by their numbers."""
    ids = (row["EVENT_ID"] for row in rows_under(state, f"events/{outcome.shop}/"))
    return Counter(int(name.removeprefix("kills-")) for name in ids if name.startswith("kills-"))


def difference(there: Mapping[Any, int], truth: Mapping[Any, int]) -> Counter[object]:
    """What is there too often (positive) or too rarely (negative)."""
    result: Counter[object] = Counter(there)
    result.subtract(truth)
    return Counter({name: number for name, number in result.items() if number})


def play(state: State, shop: str, events: int, seed: int = 1, pause: float = PAUSE_SECONDS) -> Outcome:
    """Send the events while functions are killed, train twice, and look every event up.

    `pause`: the seconds between two kills, in the mean.
    """
    outcome, lock, client = Outcome(shop, events), threading.Lock(), Client(state)
    killer, following, truth = Killer(outcome, seed), Following(state, outcome.group), outcome.truth()
    door = FaultDoor(f"{state.endpoint}/_local")
    per_user = PER_REQUEST * REQUESTS
    users = [range(start, min(start + per_user, events)) for start in range(0, events, per_user)]
    started = time.monotonic()
    boto3.client("sqs", **access(state)).set_queue_attributes(
        QueueUrl=state.outputs["EventsQueueUrl"], Attributes={"VisibilityTimeout": str(HIDDEN_SECONDS)}
    )
    door.add("throttle", "TransactWriteItems", probability=THROTTLED, seed=seed)
    with (
        killer.during(state, pause),
        ThreadPoolExecutor(THREADS) as pool,
        ThreadPoolExecutor(1) as trainer,
    ):
        sent = [pool.submit(send, client, outcome, numbers, lock) for numbers in users]
        wait(lambda: sum(request.done() for request in sent) >= len(sent) // 2, "half of the users are done")
        training = trainer.submit(trained, client, shop)
        while not all(request.done() for request in [*sent, training]):
            following.read()
            time.sleep(0.5)
        for request in [*sent, training]:
            request.result()
    door.clear()
    wait(lambda: waiting(state) == 0, "the queue is empty")
    wait(lambda: copies(state, outcome).total() >= events, "every event is in the copy")
    wait(lambda: following.read().total() >= events, "every event is counted")
    middle = newest(state, shop)
    numbers = dict.fromkeys(range(events), 1)
    outcome.wrong["partition"] = difference(partitions(state, outcome), numbers)
    outcome.wrong["copy"] = difference(copies(state, outcome), numbers)
    outcome.wrong["count of a container"] = difference(following.read(), truth)
    outcome.wrong["count of a new container"] = difference(Following(state, outcome.group).read(), truth)
    outcome.wrong["training in the middle, and counts"] = difference(following.read(middle), truth)
    trained(client, shop)
    last = newest(state, shop)
    outcome.wrong["next training"] = difference(learned_counts(last), truth)
    outcome.wrong["next training, and counts"] = difference(following.read(last), truth)
    outcome.seconds = time.monotonic() - started
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with shops.trained("kills", SETTINGS) as (_, state):
        outcome = play(state, "kills", options.events, options.seed)
    told = ", ".join(f"{number:,} {status}" for status, number in outcome.statuses.items())
    kills = ", ".join(f"{number} {name}" for name, number in sorted(outcome.kills.items()))
    print(f"{outcome.events:,} events ({told}; {outcome.repeated} requests repeated) in {outcome.seconds:.0f} s")
    print(f"killed: {kills}")
    for view, counts in outcome.wrong.items():
        print(f"{view}: {dict(list(counts.items())[:5]) or 'as sent'}")
    print(f"{outcome.lost} lost, {outcome.doubled} doubled")
    if outcome.lost or outcome.doubled:
        sys.exit("not as it should be")


if __name__ == "__main__":
    main()
