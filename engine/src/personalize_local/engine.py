# SPDX-License-Identifier: Apache-2.0
"""The engine: options, store, resources, worker and serving in one object, and what operations need with it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

from personalize_local.data.s3 import S3, Location
from personalize_local.jobs.pool import Workers
from personalize_local.jobs.threads import NoWorkers, Threads, installed
from personalize_local.resources import kinds
from personalize_local.resources.faults import Faults
from personalize_local.resources.kinds import Call, Kind
from personalize_local.resources.lifecycle import Clock, Lifecycle, pending, updating
from personalize_local.resources.meter import Meter
from personalize_local.resources.quotas import AWS, Quotas
from personalize_local.resources.registry import Registry, Resource
from personalize_local.resources.store import Store
from personalize_local.serving import Serving
from personalize_local.wire.errors import InvalidInput, ResourceInUse
from personalize_local.wire.protocol import Json

__all__ = ["Call", "Engine", "Json", "Options", "Resource", "operation", "require_active", "require_settled", "work"]
Handler = Callable[["Engine", Call, Json], Json | Awaitable[Json | None] | None]
"""One operation: the request's members in, the answer's members out (None: an empty body)."""
EngineWork = Callable[["Engine", Resource], Awaitable[None]]
HANDLERS: Final[dict[str, Handler]] = {}
"""By operation; filled by `operation` in the modules of `personalize_local.operations`."""
WORKS: Final[dict[tuple[str, str], EngineWork]] = {}
"""By noun of the resource's kind and CREATE, UPDATE or DELETE; filled by `work`."""
_WITHOUT_WORK: Final = frozenset({kinds.SOLUTION, kinds.EVENT_TRACKER, kinds.FILTER})
"""Kinds that clients use without waiting: their creation does nothing else."""


def operation(name: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


def work(kind: Kind, verb: str, *, turn: str = "") -> Callable[[EngineWork], EngineWork]:
    """Register the work on a resource of this kind while it is IN_PROGRESS.

    `turn` is the member of its body with the ARN whose `Engine.turn` the work waits for and holds.
    """

    def register(function: EngineWork) -> EngineWork:
        async def in_turn(engine: "Engine", resource: Resource) -> None:
            async with engine.turn(resource.body[turn]):
                await function(engine, resource)

        WORKS[kind.noun, verb] = in_turn if turn else function
        return function

    return register


@dataclass
class Options:
    """The engine's options of the command line, whose parser sets them and describes most."""

    s3: S3 = field(default_factory=S3)
    account_id: str = "123456789012"
    region: str = "us-east-1"
    step_seconds: float = 0.2
    faults: bool = False
    quotas: Quotas = AWS
    rights: str = ""
    """Empty: every caller may do everything."""
    open_files: int = 768
    """Most models and live data that are open together."""
    strict: bool = False
    tier: str = "standard"
    """The tier of trainings that name none."""
    workers: int = 0
    """Most processes of jobs; 0 = by the number of processors."""
    memory: int = 0
    """Bytes of memory that jobs may take together; 0 = three quarters of the machine's."""
    in_process: bool = False
    """Jobs run in a thread instead of a process."""

    @property
    def at_once(self) -> bool:
        """Whether a call that starts a job is answered when the job has ended."""
        return self.in_process and not self.step_seconds


class Engine:
    """One running engine; it belongs to one event loop."""

    def __init__(self, options: Options, store: Store) -> None:
        self.options = options
        self.store = store
        self.clock = Clock()
        self.faults = Faults()
        self.meter = Meter()
        self.registry = Registry(self.store)
        self.workers = _workers(options)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.serving = Serving(self.store, self.registry, options.open_files)
        works = {key: partial(function, self) for key, function in WORKS.items()}
        self.lifecycle = Lifecycle(self.registry, options.step_seconds, works, self.clock, self.faults)
        self._background: list[asyncio.Task[None]] = []

    def start(self, *background: Coroutine[None, None, None]) -> None:
        """Resume unfinished work; open models, and run what is given, in the background until the engine stops."""
        self.lifecycle.resume()
        self._background = [asyncio.create_task(task) for task in (self._warm(), *background)]

    async def stop(self) -> None:
        """Stop; the next engine resumes what is unfinished."""
        for task in self._background:
            task.cancel()
        await self.lifecycle.close()
        await self.workers.close()

    def turn(self, of: str) -> asyncio.Lock:
        """Return the lock that makes jobs on the same data run one after the other, in the order of their creation.

        An import or export holds the ARN of its dataset; a training, batch job or deletion that of its dataset group.
        """
        return self._turns.setdefault(of, asyncio.Lock())

    def publishing(self, group: str) -> asyncio.Lock:
        """Return what is held while a group's live data is written: two imports at once could lose each other's rows.

        Lock order: `turn` before this.
        """
        return self.turn(f"{group} publishing")

    @property
    def quotas(self) -> Quotas:
        return self.options.quotas

    def location(self, uri: str, job: Resource) -> Location:
        return Location(uri, self.options.s3.within(self.store.directory), job.region)

    def create(self, call: Call, kind: Kind, name: str, body: Json) -> Json:
        """Register a resource and start its creation; returns the answer. Raises ResourceAlreadyExists."""
        active = kind in _WITHOUT_WORK and not self.options.strict
        status = {"status": kinds.ACTIVE if active else pending(kind)}
        resource = self.registry.add(kind, call.arn(kind, name), body | status, call.now)
        if not active:
            self.lifecycle.created(resource)
        return {kind.arn_member: resource.arn}

    def usable(self, resource: Resource) -> Resource:
        """Return a dataset or dataset group that others are made in or read into. Raises as `require_active` does.

        Unless strict, it may still be in creation: that does nothing, and AWS's guide and notebooks don't wait for it.
        """
        early = not self.options.strict and resource.status in {"CREATE PENDING", "CREATE IN_PROGRESS"}
        return resource if early else require_active(resource)

    async def _warm(self) -> None:
        """Open models before their first request, as far as there is room."""
        campaigns = [
            campaign.body["solutionVersionArn"] for campaign in self.registry.find(kinds.CAMPAIGN) if campaign.active
        ]
        serving = [self.registry.get(kinds.SOLUTION_VERSION, arn) for arn in dict.fromkeys(campaigns)]
        for resource in [
            *serving,
            *(resource for resource in self.registry.find(kinds.RECOMMENDER) if resource.active),
        ]:
            if not self.serving.full:
                await self.serving.catalogue(resource)


def _workers(options: Options) -> Workers | Threads | NoWorkers:
    if not installed():
        return NoWorkers()
    return Threads() if options.in_process else Workers(options.workers, options.memory)


def require_active(resource: Resource) -> Resource:
    """Return an ACTIVE resource. Raises ResourceInUse while it is being created, InvalidInput if that failed."""
    if resource.active:
        return resource
    message = f"{resource.arn} is in status {resource.status}: it must be ACTIVE."
    raise InvalidInput(message) if resource.settled else ResourceInUse(message)


def require_settled(resource: Resource) -> Resource:
    """Return a resource that nothing is changing. Raises ResourceInUse."""
    if not resource.settled:
        raise ResourceInUse(f"{resource.arn} is in status {resource.status}: wait until that is over.")
    if updating(resource):
        raise ResourceInUse(f"{resource.arn} is being updated: wait until that is over.")
    return resource
