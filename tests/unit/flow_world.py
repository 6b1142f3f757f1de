# SPDX-License-Identifier: Apache-2.0
"""A table and a state machine in memory, and runs that can be stopped after any of their steps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from personalization import leases
from personalization.claims import Claim
from personalization.errors import PersonalizationError
from personalization.leases import Drop, Lease, Ledger, Run

T = TypeVar("T")
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
KINDS = ("users", "items", "interactions", "interactions/incremental")


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
        self.leases[lease.shop] = lease
        return True

    def free(self, shop: str, owner: str) -> None:
        if shop in self.leases and self.leases[shop].owner == owner:
            del self.leases[shop]

    def shops(self) -> list[str]:
        return sorted({each.shop for each in self.records.values() if each.state in {"pending", "taken"}})


class Killed(Exception):
    """A function was killed: some of what it wanted to change is changed."""


class Flaky:
    """A ledger whose user is killed before its `left`-th change from now."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.left = ledger, -1

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the ledger has
        if name in {"add", "move", "take", "free"}:
            self.left -= 1
            if self.left == 0:
                raise Killed
        return getattr(self.ledger, name)


def event(shop: str, kind: str, number: int, sequencer: int | None = None, key: str = "") -> dict[str, Any]:
    """S3's event of an object; `number` makes it another object, and later."""
    key = key or f"drops/{shop}/{kind}/{number}.csv"
    found = {"key": key, "etag": f"e{number}", "sequencer": f"{number if sequencer is None else sequencer:06X}"}
    time = (NOW + timedelta(seconds=number)).isoformat()
    return {"time": time, "detail": {"bucket": {"name": "b"}, "object": found}}


@dataclass
class World:
    """Executions of the machine: each is a sequence of steps, of which one is taken at a time."""

    ledger: Ledger
    """May be a `Flaky` one."""
    running: dict[str, Iterator[None]] = field(default_factory=dict)
    led: dict[str, str] = field(default_factory=dict)
    """Shop by the run that works on it between collecting and closing."""
    handled: list[str] = field(default_factory=list)
    """Ids of claims whose handling ended."""
    names: set[str] = field(default_factory=set)

    def alive(self, arn: str) -> bool | None:
        """See `leases.Executions`."""
        return arn.removeprefix("arn:") in self.running

    def start(self, name: str, asked: Mapping[str, str] | dict[str, Any]) -> None:
        """See `leases.Executions`."""
        if name not in self.names:
            self.names.add(name)
            self.running[name] = self.steps(name, asked)

    def run(self, name: str) -> Run:
        return Run(name, f"arn:{name}", NOW)

    def steps(self, name: str, asked: object) -> Iterator[None]:
        """One execution, a step at a time; a step whose function is killed is taken again, as the machine does."""
        run = self.run(name)
        claimed: Any = self.twice(lambda: leases.claim(self.ledger, self, run, asked))
        yield
        if claimed["outcome"] != "leads":
            return
        shop = str(claimed["shop"])
        assert shop not in self.led.values(), "two runs lead a shop"
        self.led[name] = shop
        yield
        found: Any = self.twice(lambda: leases.collect(self.ledger, run, shop))
        yield
        known = ("id", "also", "key", "kind", "mode")
        drops = [Drop(**{key: each[key] for key in known}, outcome="imported") for each in found["drops"]]
        self.twice(lambda: leases.hold(self.ledger, self, run, shop, drops))
        yield
        self.handled += [each for drop in drops for each in (drop.id, *drop.also)]
        del self.led[name]
        self.twice(lambda: leases.finish(self.ledger, self, run, shop, drops, None))

    def twice(self, step: Callable[[], T]) -> T:
        """What a step answers, at the second time if it is killed at the first."""
        try:
            return step()
        except Killed:
            return step()

    def step(self, name: str) -> None:
        """Take the next step of an execution; one that fails is over."""
        try:
            next(self.running[name])
        except (StopIteration, PersonalizationError):
            self.stop(name)

    def stop(self, name: str) -> None:
        """An execution is over, wherever it is."""
        self.running.pop(name, None)
        self.led.pop(name, None)

    def settle(self) -> None:
        """Let everything come to rest: the sweep finds what was left."""
        for _ in range(50):
            while self.running:
                for name in sorted(self.running):
                    self.step(name)
            swept = leases.sweep(self.ledger, self, self.run(f"sweep-{len(self.names)}"))
            if not swept:
                return
        raise AssertionError("it never comes to rest")
