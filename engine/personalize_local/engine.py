# SPDX-License-Identifier: Apache-2.0
"""The engine: options, store, resources, worker and serving, put together for the operations."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from personalize_local.jobs.workers import Workers
from personalize_local.resources.clock import Clock
from personalize_local.resources.faults import Faults
from personalize_local.resources.lifecycle import Lifecycle
from personalize_local.resources.registry import (
    ACTIVE,
    CAMPAIGN,
    CREATE,
    EVENT_TRACKER,
    FILTER,
    RECOMMENDER,
    SOLUTION,
    SOLUTION_VERSION,
    Call,
    Kind,
    Registry,
    Resource,
)
from personalize_local.resources.store import Store
from personalize_local.serving import Serving
from personalize_local.wire.errors import InvalidInput, ResourceInUse
from personalize_local.wire.protocol import Json

Handler = Callable[["Engine", Call, Json], Json | Awaitable[Json | None] | None]
"""One operation: the request's members in, the answer's members out (None: an empty body)."""
EngineWork = Callable[["Engine", Resource], Awaitable[None]]
HANDLERS: Final[dict[str, Handler]] = {}
"""By operation; filled by `operation` in the modules of `personalize_local.operations`."""
WORKS: Final[dict[tuple[str, str], EngineWork]] = {}
"""By noun of the resource's kind and CREATE, UPDATE or DELETE; filled by `work`."""
_AT_ONCE: Final = frozenset({SOLUTION, EVENT_TRACKER, FILTER})
"""Kinds without work in their creation, which clients use without waiting."""


def operation(name: str) -> Callable[[Handler], Handler]:
    """Register the handler of an operation."""

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


def work(kind: Kind, verb: str) -> Callable[[EngineWork], EngineWork]:
    """Register what happens while a resource of this kind is IN_PROGRESS."""

    def register(function: EngineWork) -> EngineWork:
        WORKS[kind.noun, verb] = function
        return function

    return register


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides."""

    s3_root: Path | None = None
    account: str = "123456789012"
    region: str = "us-east-1"
    """For requests without a credential scope."""
    step_seconds: float = 0.2
    """How long PENDING, and IN_PROGRESS without work, last."""
    faults: bool = False
    """Whether the doors `/faults` and `/clock` are open."""
    dataset_groups: int = 5
    """The quota of dataset groups a region; AWS raises it on request."""
    incremental_bytes: int = 10**9
    """The quota of bytes of an INCREMENTAL import; AWS raises it on request."""
    rights: str = ""
    """Where the local AWS tells what callers may do; empty lets everybody do everything."""
    open_files: int = 768
    """How many models and live data may be open together."""
    strict: bool = False
    """Whether solutions, event trackers and filters are CREATE PENDING first, as AWS's API reference says; else they
    are ACTIVE when their create call returns, as AWS's guide and notebooks use them."""


class Engine:
    """One running engine; it belongs to one event loop."""

    def __init__(self, options: Options, store: Store) -> None:
        self.options = options
        self.store = store
        self.clock = Clock()
        self.faults = Faults()
        self.registry = Registry(self.store)
        self.workers = Workers()
        self.publishing = asyncio.Lock()
        """Held while live data is written and taken over: else two imports could publish without each other's rows."""
        self.serving = Serving(self.store, self.registry, options.open_files)
        works = {key: self._bound(function) for key, function in WORKS.items()}
        self.lifecycle = Lifecycle(self.registry, options.step_seconds, works, self.clock, self.faults)
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Resume what was under way, and load what campaigns serve from in the background."""
        self.lifecycle.resume()
        self._background.append(asyncio.create_task(self._warm()))

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a task that runs until the engine stops."""
        self._background.append(task)

    async def stop(self) -> None:
        """Stop working; whatever is unfinished resumes in the next engine."""
        for task in self._background:
            task.cancel()
        await self.lifecycle.close()
        self.workers.discard()

    def create(self, call: Call, kind: Kind, arn: str, body: Json) -> Resource:
        """Register a resource and start its creation. Raises ResourceAlreadyExists."""
        if kind in _AT_ONCE and not self.options.strict:
            return self.registry.add(kind, arn, body | {"status": ACTIVE}, call.now)
        resource = self.registry.add(kind, arn, body | {"status": "CREATE PENDING"}, call.now)
        self.lifecycle.begin(resource, CREATE)
        return resource

    async def _warm(self) -> None:
        """Open what serves before it is asked, as far as there is room; the rest is opened when it is asked."""
        campaigns = [each.body["solutionVersionArn"] for each in self.registry.find(CAMPAIGN) if each.active]
        serving = [self.registry.get(SOLUTION_VERSION, arn) for arn in dict.fromkeys(campaigns)]
        for each in [*serving, *(each for each in self.registry.find(RECOMMENDER) if each.active)]:
            if not self.serving.full:
                await self.serving.catalogue(each)

    def _bound(self, function: EngineWork) -> Callable[[Resource], Awaitable[None]]:
        return lambda resource: function(self, resource)


def require_active(resource: Resource) -> Resource:
    """The resource, if others may build on it. Raises ResourceInUse while it is made, InvalidInput when it failed."""
    if resource.active:
        return resource
    message = f"{resource.arn} is in status {resource.status}: it must be ACTIVE."
    raise InvalidInput(message) if resource.settled else ResourceInUse(message)
