# SPDX-License-Identifier: Apache-2.0
"""A table, a state machine and a Personalize in memory, and runs that can be stopped after any of their steps."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from personalization.core.errors import PersonalizationError
from personalization.personalize import ensure
from personalization.runs import concurrent_drops, leases, lifecycle
from personalization.runs.claims import Claim, ClaimKind
from personalization.runs.leases import Lease, Ledger, Run
from personalization.runs.lifecycle import Drop, End

T = TypeVar("T")
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
RECIPES = ("similar-items", "popularity-count")
KINDS = ("users", "users/incremental", "items", "interactions", "interactions/incremental")


class DictLedger:
    """See `leases.Ledger`."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Claim] = {}
        self.leases: dict[str, Lease] = {}

    def add(self, claim: Claim) -> Claim | None:
        if (claim.shop, claim.id) in self.records:
            return self.records[claim.shop, claim.id]
        self.records[claim.shop, claim.id] = claim
        return None

    def claims(self, shop: str) -> Sequence[Claim]:
        return [claim for claim in self.records.values() if claim.shop == shop]

    def move(self, seen: Claim, after: Claim) -> bool:
        there = self.records[seen.shop, seen.id]
        if (there.state, there.run) != (seen.state, seen.run):
            return False
        self.records[seen.shop, seen.id] = after
        return True

    def lease(self, shop: str) -> Lease | None:
        return self.leases.get(shop)

    def take(self, lease: Lease, over: Lease | None) -> bool:
        there = self.leases.get(lease.shop)
        if there and there.owner not in {lease.owner, over.owner if over else lease.owner}:
            return False
        keeps = there.next if there and lease.purpose == "run" else ""
        self.leases[lease.shop] = lease.model_copy(update={"next": keeps})
        return True

    def reserve(self, shop: str, erasure: str) -> bool:
        there = self.leases.get(shop)
        if there is None or there.purpose != "run":
            return False
        self.leases[shop] = there.model_copy(update={"next": erasure})
        return True

    def free(self, shop: str, owner: str) -> bool:
        there = self.leases.get(shop)
        if there is None or there.owner != owner or there.next:
            return False
        del self.leases[shop]
        return True

    def removed(self, shop: str) -> datetime | None:  # noqa: ARG002 - no shop is
        return None

    def shops(self) -> list[str]:
        return sorted({record.shop for record in self.records.values() if record.state in {"pending", "taken"}})


class Killed(Exception):
    """A function was killed: some of what it wanted to change is changed."""


class Flaky:
    """A ledger whose user is killed before its `left`-th change from now."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.left = ledger, -1

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the ledger has
        if name in {"add", "move", "take", "free", "reserve"}:
            self.left -= 1
            if self.left == 0:
                raise Killed
        return getattr(self.ledger, name)


def event(shop: str, kind: str, number: int, sequencer: int | None = None, key: str = "") -> dict[str, Any]:
    """S3's event of an object; `number` makes it another object, and later."""
    key = key or f"drops/{shop}/{kind}/{number}.csv"
    object_ = {"key": key, "etag": f"e{number}", "sequencer": f"{number if sequencer is None else sequencer:06X}"}
    time = (NOW + timedelta(seconds=number)).isoformat()
    return {"time": time, "detail": {"bucket": {"name": "b"}, "object": object_}}


@dataclass(frozen=True)
class Training:
    """A training that succeeded."""

    shop: str
    recipe: str
    data: Mapping[tuple[str, str], tuple[str, ...]]
    """What it was on: see `Jobs.data`."""
    imports: int
    """How many imports of the shop it came after."""


@dataclass
class Jobs:
    """A Personalize that knows import jobs and trainings by their names, and what the datasets hold."""

    there: dict[str, str] = field(default_factory=dict)
    """Statuses."""
    data: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Ids of claims by shop and kind of data, in the order in which they were imported."""
    imports: Counter[str] = field(default_factory=Counter)
    """How many succeeded, by shop."""
    trainings: list[Training] = field(default_factory=list)
    left: int = -1
    """The job that many from now fails."""

    def begin(self, what: str, runs: Sequence[str]) -> tuple[bool, str]:
        """Whether a new job is begun for the last of the runs, and its status then."""
        name = ensure.choose_name([f"{what} {run}" for run in runs], self.there)
        new = name not in self.there
        if new:
            self.left -= 1
            self.there[name] = "CREATE FAILED" if self.left == 0 else "ACTIVE"
        return new, self.there[name]

    def load(self, shop: str, item: Mapping[str, Any], run: str) -> bool:
        """Import a drop with what is joined to it; whether that is successful."""
        what = (shop, item["kind"])
        new, status = self.begin(f"import {what}", [*item["request"]["importedBy"], run])
        if new and status == "ACTIVE":
            before = () if item["mode"] == "FULL" else self.data.get(what, ())
            self.data[what] = (*before, *item["also"], item["id"])
            self.imports[shop] += 1
        return status == "ACTIVE"

    def train(self, shop: str, recipe: str, items: Sequence[Mapping[str, Any]], run: str) -> bool:
        """Train on what a shop has, if interactions came; whether that is successful."""
        (trained_by,) = [item["request"]["trainedBy"] for item in items if item["kind"] == "interactions"] or [None]
        if trained_by is None:
            return True
        new, status = self.begin(f"train {shop} {recipe}", [*trained_by, run])
        if new and status == "ACTIVE":
            data = {what: ids for what, ids in self.data.items() if what[0] == shop}
            self.trainings.append(Training(shop, recipe, data, self.imports[shop]))
        return status == "ACTIVE"


@dataclass
class World:
    """Executions of the machine: each is a sequence of steps, of which one is taken at a time."""

    ledger: Ledger
    """May be a `Flaky` one."""
    running: dict[str, Iterator[None]] = field(default_factory=dict)
    led: dict[str, str] = field(default_factory=dict)
    """Shop by the run that works on it between collecting and closing."""
    jobs: Jobs = field(default_factory=Jobs)
    names: set[str] = field(default_factory=set)
    inputs: dict[str, object] = field(default_factory=dict)
    """The executions' inputs."""
    shops: set[str] = field(default_factory=set)
    """Those that a run has led."""
    waiting: set[str] = field(default_factory=set)
    """The erasures that want a shop which somebody else leads."""
    erased: list[str] = field(default_factory=list)
    """The erasures whose job came to its end."""
    ticks: Iterator[int] = field(default_factory=count)
    hours: int = 0
    """How far the clock was moved, for the lease of an erasure that was killed to expire."""

    def alive(self, arn: str) -> bool | None:
        """See `leases.Executions`."""
        return arn.removeprefix("arn:") in self.running

    def start(self, name: str, input_: Mapping[str, object]) -> None:
        """See `leases.Executions`."""
        if name not in self.names:
            self.names.add(name)
            self.inputs[name] = input_
            self.running[name] = self.steps(name, input_)

    def run(self, name: str) -> Run:
        """As a step of this moment knows its run: no two steps have the same time."""
        return Run(name, f"arn:{name}", NOW + timedelta(hours=self.hours, milliseconds=next(self.ticks)))

    def erase(self, shop: str) -> None:
        """An erasure of some of a shop's users begins, a round of the eraser at each step."""
        name = f"erasure-{len(self.names)}"
        self.names.add(name)
        self.running[name] = self.rounds(name, shop)

    def rounds(self, name: str, shop: str) -> Iterator[None]:
        """Wait for the shop, lead it while a data deletion job is under way, and make way for a run."""
        while not self.leads(name, shop):
            self.twice(lambda: self.ledger.reserve(shop, name))
            self.waiting.add(name)
            yield
        self.waiting.discard(name)
        assert shop not in self.led.values(), "an erasure leads beside a run"
        self.led[name] = shop
        self.shops.add(shop)
        yield
        assert self.leads(name, shop), "the lease was lost"
        self.erased.append(name)
        yield
        del self.led[name]
        self.twice(lambda: lifecycle.finish_erasure(self.ledger, self, shop, name, self.run(name).now))

    def steps(self, name: str, input_: object) -> Iterator[None]:
        """One execution, a step at a time; a step whose function is killed is taken again, as the machine does."""
        claimed: Any = self.twice(lambda: concurrent_drops.claim(self.ledger, self, self.run(name), input_))
        yield
        if claimed["outcome"] != "leads":
            return
        shop = str(claimed["shop"])
        assert shop not in self.led.values(), "two runs lead a shop"
        self.led[name] = shop
        self.shops.add(shop)
        yield
        again = claimed["again"]
        collected: Any = self.twice(lambda: lifecycle.collect(self.ledger, self.run(name), shop, again))
        yield
        members = ("id", "also", "key", "kind", "mode")
        drops = [Drop(**{key: drop[key] for key in members}, outcome="imported") for drop in collected["drops"]]
        good, imported = True, set[ClaimKind]()
        for item in collected["drops"]:
            loaded = self.jobs.load(shop, item, name)
            good = loaded and good
            imported |= {item["kind"]} if loaded else set()
            yield
        if good and any(drop["kind"] == "interactions" for drop in collected["drops"]):
            self.twice(lambda: lifecycle.check_lead(self.ledger, self, self.run(name), shop, drops))
            yield
            for recipe in RECIPES:
                good = self.jobs.train(shop, recipe, collected["drops"], name) and good
                yield
        del self.led[name]
        end = End() if good else End("it broke", frozenset(imported))
        self.twice(lambda: lifecycle.finish(self.ledger, self, self.run(name), shop, drops, end))

    def leases(self) -> list[Lease]:
        """All leases as they are now."""
        return [lease for shop in sorted(self.shops) if (lease := self.ledger.lease(shop))]

    def leads(self, name: str, shop: str) -> bool:
        """Whether an erasure has the shop's lease, or gets it now."""
        return self.twice(lambda: leases.lead_to_erase(self.ledger, self, shop, name, self.run(name).now))

    def twice(self, step: Callable[[], T]) -> T:
        """What a step answers, at the second time if it is killed at the first."""
        try:
            return step()
        except Killed:
            return step()

    def step(self, name: str) -> None:
        """Take the next step of an execution; one that fails is over."""
        try:
            next(self.running.get(name, iter(())))
        except (StopIteration, PersonalizationError):
            self.stop(name)

    def kill(self, name: str) -> None:
        """Somebody stops an execution, wherever it is; the event of that starts the sweep."""
        self.stop(name)
        if name not in self.inputs:
            return
        detail = {"name": name, "input": json.dumps(self.inputs[name])}
        self.start(f"sweep-{len(self.names)}", {"source": "aws.states", "detail": detail})

    def stop(self, name: str) -> None:
        """An execution is over, wherever it is."""
        self.running.pop(name, None)
        self.waiting.discard(name)
        self.led.pop(name, None)

    def settle(self) -> None:
        """Let everything come to rest: the sweep finds what was left, and what failed is asked for again."""
        for _ in range(50):
            while self.running:
                for name in sorted(self.running):
                    self.step(name)
                if self.running and self.waiting.issuperset(self.running):
                    self.hours += 7
            if concurrent_drops.sweep(self.ledger, self, self.run(f"sweep-{len(self.names)}")):
                continue
            if any(
                lease.purpose == "erasure" and leases.is_live(self, lease, self.run("").now) for lease in self.leases()
            ):
                self.hours += 7
                continue
            failed = self.failed()
            if not failed:
                return
            for shop, run in failed.items():
                self.start(f"again-{len(self.names)}", {"action": "continue", "shop": shop, "run": run})
        raise AssertionError("it never comes to rest")

    def failed(self) -> dict[str, str]:
        """By shop the run that failed last: what those before it imported is in its training."""
        every = [claim for shop in sorted(self.shops) for claim in self.ledger.claims(shop) if claim.state == "failed"]
        return {claim.shop: claim.run for claim in sorted(every, key=lambda claim: claim.taken_at[-1:])}
