# SPDX-License-Identifier: Apache-2.0
"""A burst of events at ten times the quota, with the engine killed in the middle: what was lost, what counted twice.

Protocol: a local cloud of its own with one small shop. Shoppers' requests of a hundred events each come over the HTTP
API from eight threads, as fast as it takes them, while the engine throttles nine of ten PutEvents. When a third of the
requests is answered, the engine is killed (SIGKILL) and started again two seconds later; the throttling goes on. A
front end repeats what was not accepted, with the same ids. When all is accepted, the throttling ends, and the queue
drains. Then every accepted event is looked up in the engine's store, by its id, in an export of the dataset, by its
second, and in the raw copy in S3. Like Personalize, the engine takes an event's id once.
"""

import argparse
import csv
import io
import json
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

import boto3
import psutil

from benchmarks import shops
from local.cloud import lifecycle
from local.cloud.client import Client
from local.cloud.environments import LocalError
from local.cloud.faults import FaultDoor
from local.cloud.home import ACCOUNT, REGION, Home, State, access

SETTINGS = "domain: custom\nrecipes: [popularity-count]\n"
"""Of the shop whose events are sent."""

PER_REQUEST, THREADS = 100, 8
SHARE = 0.9
"""Of PutEvents that are throttled: what comes is ten times what is taken."""
AWAY_SECONDS = 2.0
PATIENCE_SECONDS = 1_200.0
START = 1_700_600_000
"""Epoch seconds of the first event; each later one is a second after it."""


@dataclass
class Outcome:
    """What became of a burst."""

    events: int
    seconds: float = 0.0
    """From the first request to the last one accepted."""
    drain_seconds: float = 0.0
    """From there until the queue was empty."""
    repeated: int = 0
    """Requests that were sent again, whole or in part."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Events by what the API said of them: delivered or queued."""
    lost: int = 0
    """Accepted events that the engine does not have."""
    doubled: int = 0
    """Events that its dataset has more than once."""
    changed: int = 0
    """Events that it has at another time than they were sent with."""
    foreign: int = 0
    """Events that it has under ids that nobody sent."""
    copied: int = 0
    """Events that are in the raw copy."""
    copied_twice: int = 0

    @property
    def good(self) -> bool:
        """Whether every event is there once, as it was sent."""
        wrong = self.lost + self.doubled + self.changed + self.foreign + self.copied_twice
        return wrong == 0 and self.copied == self.events


def identity(number: int) -> str:
    """The id of an event."""
    return f"burst-{number:06d}"


class Answered(Protocol):
    """What the API said of events, and how many requests were sent again; see `Outcome`."""

    statuses: Counter[str]
    repeated: int


def send_until_accepted(
    client: Client,
    shop: str,
    who: Mapping[str, object],
    events: Sequence[Mapping[str, object]],
    outcome: tuple[Answered, threading.Lock],
) -> None:
    """Send one request, and again what of it was not accepted; count in an outcome under its lock."""
    (answered, lock), left = outcome, events
    while left:
        try:
            answer = client.call("POST", f"/shops/{shop}/events", body={**who, "events": left})
        except LocalError:
            answer = None
        accepted = answer.body["events"] if answer and answer.status == 202 else []
        with lock:
            answered.statuses.update(event["status"] for event in accepted)
            answered.repeated += len(accepted) < len(left)
        left = left[len(accepted) :]
        if left:
            time.sleep(0.2)


def send(client: Client, shop: str, numbers: Sequence[int], outcome: Outcome, lock: threading.Lock) -> None:
    """Send the events of a user in one request."""
    view = {"eventType": "View", "itemId": "garden-03"}
    events = [{**view, "eventId": identity(number), "sentAt": START + number} for number in numbers]
    person = f"burst-{numbers[0]}"
    send_until_accepted(client, shop, {"userId": person, "sessionId": f"s-{person}"}, events, (outcome, lock))


def kill_and_restart(home: Home, state: State, away: float = AWAY_SECONDS) -> State:
    """Kill the engine and start it again on its port and its data."""
    (engine,) = [process for process in state.processes if process.name == "engine"]
    process = psutil.Process(engine.pid)
    command, environment, family = process.cmdline(), process.environ(), process.children(recursive=True)
    for member in (process, *family):
        lifecycle.signalled(member, signal.SIGKILL)
    psutil.wait_procs([process, *family], timeout=PATIENCE_SECONDS)
    time.sleep(away)
    started = lifecycle.spawn("engine", command, environment, home)
    state = replace(state, processes=tuple(started if process == engine else process for process in state.processes))
    home.write(state)
    lifecycle.wait_ready(home, state)
    return state


def play(home: Home, state: State, shop: str, events: int) -> tuple[Outcome, State]:
    """The burst; returns what became of it, and the state of the cloud with its new engine."""
    door, client, outcome, lock = FaultDoor(state.engine), Client(state), Outcome(events), threading.Lock()
    door.add("throttle", "PutEvents", probability=SHARE, seed=1)
    requests = [range(start, min(start + PER_REQUEST, events)) for start in range(0, events, PER_REQUEST)]
    started = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        sent = [pool.submit(send, client, shop, numbers, outcome, lock) for numbers in requests]
        wait(lambda: sum(request.done() for request in sent) >= len(sent) // 3, "a third of the requests is answered")
        state = kill_and_restart(home, state)
        door.add("throttle", "PutEvents", probability=SHARE, seed=2)
        for request in sent:
            request.result()
    outcome.seconds = time.monotonic() - started
    door.clear()
    started = time.monotonic()
    wait(lambda: waiting(state) == 0, "the queue is empty")
    outcome.drain_seconds = time.monotonic() - started
    look_up(home, outcome)
    outcome.doubled = exported_twice(state, shop)
    wait(lambda: copied(state, shop, outcome).copied >= events, "every event is in the raw copy")
    return outcome, state


def wait(true: Callable[[], bool], what: str) -> None:
    """Return once something is true."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > until:
            sys.exit(f"never: {what}")
        time.sleep(0.1)


def waiting(state: State) -> int:
    """Messages in the queue of events, those under way and those put off included."""
    sqs = boto3.client("sqs", **access(state))
    url = state.outputs["EventsQueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return sum(int(number) for name, number in attributes.items() if name.startswith("ApproximateNumberOfMessages"))


def look_up(home: Home, outcome: Outcome) -> None:
    """Count in the engine's store what is missing, changed or unknown."""
    database = (home.data / "engine" / "engine.sqlite").absolute().as_uri()
    with closing(sqlite3.connect(f"{database}?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT event_id, body FROM events WHERE event_id LIKE 'burst-%'").fetchall()
    sent_at = {name: json.loads(body)["sent_at"] for name, body in rows}
    sent = {identity(number): START + number for number in range(outcome.events)}
    outcome.lost = len(set(sent) - set(sent_at))
    outcome.foreign = len(set(sent_at) - set(sent))
    outcome.changed = sum(sent_at.get(name, at) != at for name, at in sent.items())


def exported_twice(state: State, shop: str) -> int:
    """Events that an export of the dataset has more than once, each told by its second."""
    control, bucket = boto3.client("personalize", **access(state, engine=True)), state.outputs["BucketName"]
    made = control.create_dataset_export_job(
        jobName=f"burst-{int(time.time())}",
        datasetArn=f"arn:aws:personalize:{REGION}:{ACCOUNT}:dataset/retail-{shop}/INTERACTIONS",
        ingestionMode="PUT",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/personalize",
        jobOutput={"s3DataDestination": {"path": f"s3://{bucket}/reports/burst/"}},
    )["datasetExportJobArn"]
    describe = control.describe_dataset_export_job
    wait(lambda: describe(datasetExportJobArn=made)["datasetExportJob"]["status"] == "ACTIVE", "the export is made")
    seconds = Counter(row["TIMESTAMP"] for row in rows_under(state, "reports/burst/") if "burst-" in row["USER_ID"])
    return sum(copies - 1 for copies in seconds.values())


def rows_under(state: State, prefix: str) -> Iterator[dict[str, str]]:
    """The rows of all CSVs under a prefix of the bucket."""
    s3, bucket = boto3.client("s3", **access(state)), state.outputs["BucketName"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [content["Key"] for page in pages for content in page.get("Contents", []) if content["Key"].endswith(".csv")]
    for key in keys:
        yield from csv.DictReader(io.StringIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()))


def copied(state: State, shop: str, outcome: Outcome) -> Outcome:
    """Count the rows of the raw copy in S3."""
    ids = Counter(row["EVENT_ID"] for row in rows_under(state, f"events/{shop}/"))
    burst = {name: copies for name, copies in ids.items() if name.startswith("burst-")}
    outcome.copied, outcome.copied_twice = len(burst), sum(copies - 1 for copies in burst.values())
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    events: int = parser.parse_args().events
    with shops.trained("burst", SETTINGS) as (home, state):
        outcome, _ = play(home, state, "burst", events)
    told = ", ".join(f"{number:,} {status}" for status, number in outcome.statuses.items())
    print(
        f"burst: {events:,} events accepted in {outcome.seconds:.0f} s ({told}; {outcome.repeated} requests repeated)"
    )
    print(f"drained {outcome.drain_seconds:.0f} s after the last one was accepted")
    print(
        f"{outcome.lost} lost, {outcome.doubled} doubled, {outcome.changed} at another time, {outcome.foreign} foreign"
    )
    print(f"raw copy: {outcome.copied:,} events, {outcome.copied_twice} of them twice")
    if not outcome.good:
        sys.exit("not as it should be")


if __name__ == "__main__":
    main()
