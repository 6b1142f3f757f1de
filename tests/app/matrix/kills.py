# SPDX-License-Identifier: Apache-2.0
"""Processes of a laptop's cloud are killed at every stage of a shop's life, and `up` is called.

The cases have a cloud of their own, since all its shops are hit at once: a shop for each stage is brought there, a
process is killed, and after `up` every shop has to come to its end. Each process takes one such round.
"""

import csv
import io
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import boto3
import psutil
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from local.cloud import lifecycle
from local.cloud.home import access
from tests.app.laptop import ROOT, Laptop
from tests.app.matrix.case import Case, Fault
from tests.app.matrix.cases import DEPLOYING, STAGES
from tests.app.matrix.shop import ACCOUNT, Shop
from tests.app.matrix.world import World
from tests.app.waiting import BOUND, until

SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")

HOLDS: Final = {
    "importing": Fault("engine", "neverEnd", "CreateDatasetImportJob", times=None),
    "training": Fault("engine", "neverEnd", "CreateSolutionVersion", times=None),
    "judging": Fault("cloud", "killFunction", "*JudgeReleaseFunction*.judge", "*{shop}*", times=None),
    "promoting": Fault("engine", "neverEnd", "UpdateCampaign", times=None),
    "events": Fault("engine", "throttle", "PutEvents", "*", times=None),
    "erasing": Fault("engine", "neverEnd", "CreateDataDeletionJob", times=None),
}
"""What keeps a shop at a stage; the rules end with the processes."""
RUNS: Final = ("importing", "training", "judging", "promoting")
"""Stages of a run."""
START: Final = 1_700_500_000
REFUSED: Final = ("dropping", "events", "erasing")
"""Stages at which something is asked for that a full disk does not take."""
FULL: Final = "full"
"""The round in which the disk is full before the processes are killed."""


@dataclass
class Standstill:
    """A shop at a stage, and what was promised to it before the kill."""

    shop: Shop
    stage: str
    round: int
    versions: tuple[str, ...] = ()
    imports: int = 0
    done: int = 0
    receipts: list[str] = field(default_factory=list)

    def reach(self) -> None:
        """Bring the shop to its stage and keep it there."""
        shop, standing = self.shop, self.shop.standing()
        self.versions, self.imports, self.done = standing.versions, standing.imports, handled(shop)
        if self.stage == "events":
            shop.world.until(lambda: self._send(0, 3) == ["delivered"] * 3, "events are delivered at once")
        if self.stage in HOLDS:
            shop.inject(HOLDS[self.stage])
        if self.stage in RUNS:
            shop.put(shop.csv(26 + self.round))
        elif self.stage == "events":
            assert self._send(3, 6) == ["queued"] * 3
        elif self.stage == "erasing":
            self.receipts.append(shop.erase(f"u{2 * self.round}"))
            assert shop.erasing(self.receipts[0]) == "underWay"
        if self.stage in HOLDS:
            shop.world.until(lambda: shop.fired()[0] > 0, f"{shop.name} is held while {self.stage}")

    def act(self) -> None:
        """Do what is answered a moment before the kill."""
        if self.stage == "dropping":
            self.shop.put(self.shop.csv(26 + self.round))
        elif self.stage == "asking":
            self.shop.start("retrain")
        elif self.stage == "events":
            assert self._send(6, 9) in (["queued"] * 3, ["delivered"] * 3)
        elif self.stage == "erasing":
            self.receipts.append(self.shop.erase(f"u{2 * self.round + 1}"))

    def status(self) -> int:
        """Ask for what `act` does at a stage of :data:`REFUSED`; the HTTP status of the answer."""
        laptop, path = self.shop.world.laptop, f"/shops/{self.shop.name}"
        if self.stage == "dropping":
            key = f"drops/{self.shop.name}/interactions/data.csv"
            try:
                laptop.s3.put_object(Bucket=laptop.bucket, Key=key, Body=b"a,b\n")
            except ClientError as error:
                return error.response["ResponseMetadata"]["HTTPStatusCode"]
            return 200
        if self.stage == "events":
            return laptop.client.call("POST", f"{path}/events", body=self._events(6, 9)).status
        return laptop.client.call("DELETE", f"{path}/users/u{2 * self.round + 1}").status

    def end(self, case: Case) -> None:
        """Let the shop come to its end, and compare it with what the case promises."""
        shop = self.shop
        if self.stage == "events":
            self._each_event_once()
        for receipt in self.receipts:
            shop.world.until(partial(self._is_erased, receipt), f"{receipt} is deleted")
        assert all(deleted > 0 for deleted in shop.deletions()), shop.deletions()
        shop.rest()
        standing = shop.standing()
        made = [version for version in standing.versions if version not in self.versions]
        assert (len(made), standing.imports - self.imports) == (case.trained, case.done), "trained and imported"
        assert handled(shop) - self.done == case.done, "handled"
        assert standing.serving == standing.recorded == standing.versions[-1]

    def _is_erased(self, receipt: str) -> bool:
        return self.shop.erasing(receipt) == "deletedHere"

    def _send(self, first: int, last: int) -> list[str]:
        answer = self.shop.call("POST", "/events", self._events(first, last))
        return [str(event["status"]) for event in answer["events"]]

    def _events(self, first: int, last: int) -> dict[str, object]:
        begin = START + 100 * self.round
        events = [
            {"eventType": "View", "itemId": "garden-03", "eventId": f"{self.round}-{n}", "sentAt": begin + n}
            for n in range(first, last)
        ]
        return {"userId": "outage", "sessionId": "s", "events": events}

    def _each_event_once(self) -> None:
        shop, state = self.shop, self.shop.world.laptop.state
        sqs = boto3.client("sqs", **access(state))

        def waiting() -> bool:
            attributes = sqs.get_queue_attributes(QueueUrl=state.outputs["EventsQueueUrl"], AttributeNames=["All"])
            told = {str(name): value for name, value in attributes["Attributes"].items()}
            return any(int(told[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible"))

        shop.world.until(lambda: not waiting(), "all events are delivered")
        begin = START + 100 * self.round
        times = Counter(time for time in streamed(shop, f"events-{self.round}") if begin <= time < begin + 100)
        assert times == {begin + n: 1 for n in range(9)}
        sent = {f"{self.round}-{n}" for n in range(9)}
        user = Key("shopper").eq(f"{shop.name}#outage") & Key("event").begins_with(f"{self.round}-")
        stored = shop.world.events_table.query(KeyConditionExpression=user, ConsistentRead=True)["Items"]
        assert {str(item["event"]) for item in stored} == sent, "the table has each event"
        shop.world.until(lambda: copied(shop) >= sent, "the copy has each event")


def handled(shop: Shop) -> int:
    """How many dropped histories of a shop are handled."""
    return sum(claim["state"] == "done" and claim["kind"] == "interactions" for claim in shop.claims())


def streamed(shop: Shop, name: str) -> list[int]:
    """The times of the events that Personalize has from the shop's stream, from an export."""
    personalize, laptop = shop.world.personalize, shop.world.laptop
    made = personalize.create_dataset_export_job(
        jobName=f"{name}-{shop.name}",
        datasetArn=shop.names.dataset(shop.name, "interactions").arn,
        ingestionMode="PUT",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/personalize",
        jobOutput={"s3DataDestination": {"path": f"s3://{laptop.bucket}/reports/exports/"}},
    )["datasetExportJobArn"]
    look = personalize.describe_dataset_export_job
    shop.world.until(lambda: look(datasetExportJobArn=made)["datasetExportJob"]["status"] == "ACTIVE", "it ends")
    key = f"reports/exports/{name}-{shop.name}.csv"
    text = laptop.s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read().decode()
    return [int(row["TIMESTAMP"]) for row in csv.DictReader(io.StringIO(text)) if row["USER_ID"] == "outage"]


def copied(shop: Shop) -> set[str]:
    """The ids of the shop's events in the bucket's copy."""
    s3, bucket = shop.world.s3, shop.world.laptop.bucket
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"events/{shop.name}/")
    keys = [content["Key"] for page in pages for content in page.get("Contents", [])]
    texts = [s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
    return {row["EVENT_ID"] for text in texts for row in csv.DictReader(io.StringIO(text))}


class Rounds:
    """The rounds of kills on one cloud."""

    def __init__(self, laptop: Laptop) -> None:
        self.laptop = laptop
        self.key = laptop.state.key
        self.shops: dict[str, Shop] = {}
        self.played = 0

    def play(self, process: str, cases: Iterable[Case]) -> dict[str, Future[None]]:
        """Bring a shop to the stage of each case, end a process, call `up`, and let each shop come to its end."""
        wanted = {case.course.partition("/")[2]: case for case in cases}
        deploying = wanted.pop(DEPLOYING, None)
        outcomes = self._round(process, wanted) if wanted else {}
        return outcomes | ({deploying.name: done(partial(self._deploying, process))} if deploying else {})

    def _round(self, process: str, wanted: dict[str, Case]) -> dict[str, Future[None]]:
        self.played += 1
        with ExitStack() as stack, ThreadPoolExecutor(len(STAGES)) as pool:
            world = stack.enter_context(World(self.laptop))
            self._open(world, pool, wanted)
            stills = [Standstill(self.shops[stage], stage, self.played) for stage in wanted]
            for reached in [pool.submit(still.reach) for still in stills]:
                reached.result()
            world.leave()
            if process == FULL:
                fill(self.laptop)
                statuses = {still.stage: still.status() for still in stills if still.stage in REFUSED}
                assert set(statuses.values()) <= {503}, statuses
            else:
                for still in stills:
                    still.act()
            KILLS[process](self.laptop)
            self._up()
            stack.pop_all()
            with World(self.laptop) as again:
                for still in stills:
                    still.shop.world = again
                    still.shop.rules.clear()
                    still.shop.healed.clear()
                    popular = f"/shops/{still.shop.name}/popular"
                    until(lambda path=popular: self.laptop.call("GET", path).status == 200, f"{popular} answers")  # type: ignore[misc]
                    if process == FULL:
                        still.act()
                ends = {wanted[still.stage].name: pool.submit(still.end, wanted[still.stage]) for still in stills}
                pool.shutdown(wait=True)
        return ends

    def _open(self, world: World, pool: ThreadPoolExecutor, stages: Iterable[str]) -> None:
        for shop in self.shops.values():
            shop.world = world
        fresh = [stage for stage in stages if stage not in self.shops]
        self.shops |= {stage: Shop(f"k{stage}", world) for stage in fresh}
        for opened in [pool.submit(self.shops[stage].open) for stage in fresh]:
            opened.result()

    def _up(self) -> None:
        state, _ = lifecycle.up(self.laptop.home, faults=True)
        assert state.key == self.key
        self.laptop = Laptop(self.laptop.home, state, self.laptop.scratch)

    def _deploying(self, process: str) -> None:
        """Deploy the stack with another parameter, end a process in the middle, and call `up`."""
        home = self.laptop.home
        state = replace(self.laptop.state, incremental_bytes=self.laptop.state.incremental_bytes + 1)
        home.write(state)
        line = [sys.executable, "-m", "local", "up", "--run-dir", str(home.run)]
        home.log("deploy").write_text("")
        with home.log("second-up").open("wb") as log:
            up = subprocess.Popen(line, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

        def is_deploying() -> bool:
            assert up.poll() is None, home.log("second-up").read_text()
            return "Initiating deployment" in home.log("deploy").read_text()

        until(is_deploying, "the stack is being deployed", BOUND)
        family = lifecycle.family_of(up.pid)
        kill_all(family if process == "everything" else family[:1])
        up.wait()
        if process == "everything":
            KILLS[process](self.laptop)
        self._up()
        stack = boto3.client("cloudformation", **access(state)).describe_stacks(StackName=state.stack)
        told = {
            parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Stacks"][0]["Parameters"]
        }
        assert stack["Stacks"][0]["StackStatus"] in SETTLED
        assert told["IncrementalImportBytes"] == str(self.laptop.state.incremental_bytes)
        for shop in self.shops.values():
            assert self.laptop.call("GET", f"/shops/{shop.name}/popular").status == 200


def done(action: Callable[[], None]) -> Future[None]:
    """What came of an action that is done at once."""
    future: Future[None] = Future()
    try:
        action()
        future.set_result(None)
    except Exception as error:  # noqa: BLE001 - the test that asks for it raises it
        future.set_exception(error)
    return future


def killed(name: str) -> Callable[[Laptop], None]:
    """Kill one of the two processes."""

    def kill(laptop: Laptop) -> None:
        (process,) = [process for process in laptop.state.processes if process.name == name]
        psutil.Process(process.pid).kill()

    return kill


def stopped(laptop: Laptop) -> None:
    """Stop the cloud as an operator does."""
    assert lifecycle.down(laptop.home)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kill processes; some end by themselves when the first one is gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def everything(laptop: Laptop) -> None:
    """Kill all processes of the cloud."""
    marked = lifecycle.marked(laptop.home)
    kill_all(marked)
    psutil.wait_procs(marked, timeout=BOUND)


def fill(laptop: Laptop) -> None:
    """Let no process of the cloud write another byte to a file."""
    for process in lifecycle.marked(laptop.home):
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))


KILLS: Final[dict[str, Callable[[Laptop], None]]] = {
    "cloud": killed("cloud"),
    "engine": killed("engine"),
    "everything": everything,
    FULL: everything,
    "down": stopped,
}
"""How each process ends."""
