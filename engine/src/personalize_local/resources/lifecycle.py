# SPDX-License-Identifier: Apache-2.0
"""Statuses on a clock: PENDING → IN_PROGRESS → ACTIVE, FAILED or deleted, with the work in between."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from personalize_local.resources import kinds
from personalize_local.resources.faults import FailedOnDemand, Faults
from personalize_local.resources.kinds import Kind
from personalize_local.resources.registry import Registry, Resource
from personalize_local.resources.shortages import shortage
from personalize_local.wire.errors import ImportRefused, JobRefused, StorageFailed, TrainingRefused, WorkerLost
from personalize_local.wire.protocol import Json

Work = Callable[[Resource], Awaitable[None]]
"""The work on a resource while it is IN_PROGRESS. Changes of the body are saved with the next status."""
REST_SECONDS: Final = 45.0
"""Real seconds: boto3 waits a minute for an answer."""
LOGGER: Final = logging.getLogger("personalize")
_UPDATES: Final = {
    "Campaign": "latestCampaignUpdate",
    "Solution": "latestSolutionUpdate",
    "Dataset": "latestDatasetUpdate",
    "Recommender": "latestRecommenderUpdate",
    "MetricAttribution": "latestUpdate",
}
_AGAIN_SECONDS: Final = 1.0
"""The machine's time after which a write is tried again that the disk did not take."""
_PARENTS: Final = ("solutionArn", "solutionVersionArn", "datasetArn", "datasetGroupArn")


class Clock:
    """Tells the time and waits; belongs to one event loop. A new process starts on time."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds that were added."""
        self._moved = asyncio.Event()

    def now(self) -> float:
        """Unix epoch seconds."""
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        """Move forward; ends every wait for a time that is then past."""
        self.ahead += seconds
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def sleep(self, seconds: float) -> None:
        end = self.now() + seconds
        await asyncio.sleep(0)
        while (left := end - self.now()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):  # Python 3.11's wait_for wakes up later than the next request
                    await self._moved.wait()


class Lifecycle:
    """Carries every unsettled resource to its next settled status."""

    def __init__(
        self,
        registry: Registry,
        step_seconds: float,
        works: Mapping[tuple[str, str], Work],
        clock: Clock,
        faults: Faults,
    ) -> None:
        self._registry = registry
        self._step = step_seconds
        self._clock = clock
        self._faults = faults
        self._works = works
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def resume(self) -> None:
        """Restart whatever was under way when the last engine ended."""
        for resource in self._registry:
            verb = under_way(resource)
            if verb == kinds.CREATE and resource.status == "CREATE STOPPING":
                self._settle(resource, kinds.CREATE, "CREATE STOPPED")
            elif verb:
                self.begin(resource, verb)

    def begin(self, resource: Resource, verb: str) -> None:
        """Start CREATE, UPDATE, DELETE, START or STOP."""
        self._mark(resource, verb, "PENDING")
        self._start(resource, self._run(resource, verb))

    def created(self, resource: Resource) -> None:
        """Start what a resource that was registered as `pending` waits for."""
        self._start(resource, self._run(resource, kinds.CREATE))

    def update(self, resource: Resource, members: Json, now: float) -> Json:
        """Start an update to these members; returns the answer."""
        resource.body[_UPDATES[resource.kind.noun]] = members | {"creationDateTime": now}
        self.begin(resource, kinds.UPDATE)
        return {resource.kind.arn_member: resource.arn}

    async def stop(self, resource: Resource) -> None:
        """Abandon the creation of a resource; its work has ended when this returns."""
        pending = resource.status == "CREATE PENDING"
        task = self._tasks.get(resource.arn)
        self._settle(resource, kinds.CREATE, "CREATE STOPPED" if pending else "CREATE STOPPING")
        if task:
            task.cancel()
            await asyncio.wait([task])
        if not pending:
            self._start(resource, self._stopped(resource))

    async def ended(self, resources: Iterable[Resource]) -> None:
        """Wait until what is under way with these resources has ended."""
        if tasks := [self._tasks[resource.arn] for resource in resources if resource.arn in self._tasks]:
            await asyncio.wait(tasks)

    async def rest(self) -> None:
        """Wait until nothing is under way, but for what a rule holds; at most `REST_SECONDS`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                while busy := set(self._tasks.values()) - self._faults.held:
                    self._faults.holds.clear()
                    held = asyncio.ensure_future(self._faults.holds.wait())
                    await asyncio.wait([*busy, held], return_when=asyncio.FIRST_COMPLETED)
                    held.cancel()

    async def close(self) -> None:
        """Interrupt all work: the next engine resumes it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, resource: Resource, verb: str) -> None:
        await self._clock.sleep(self._step)
        await self._written(resource, partial(self._mark, resource, verb, "IN_PROGRESS"))
        work = self._works.get((resource.kind.noun, verb))
        parents = (str(resource.body[name]) for name in _PARENTS if name in resource.body)
        try:
            await self._faults.job(verb.capitalize() + resource.kind.noun, (resource.arn, resource.name, *parents))
            await (work(resource) if work else self._clock.sleep(self._step))
        except (ImportRefused, TrainingRefused, JobRefused, WorkerLost, FailedOnDemand) as refused:
            await self._written(resource, partial(self._fail, resource, verb, str(refused)))
            for note in getattr(refused, "__notes__", ()):
                LOGGER.warning(note)
        except Exception as error:
            LOGGER.exception("%s of %s failed", verb, resource.arn)
            unknown = "An internal error occurred: the engine's log has the details."
            reason = shortage(error) or unknown
            await self._written(resource, partial(self._fail, resource, verb, reason))
        else:
            if verb == kinds.DELETE:
                await self._written(resource, partial(self._registry.remove, resource))
            else:
                settled = kinds.INACTIVE if verb == kinds.STOP else kinds.ACTIVE
                settled = "COMPLETED" if resource.kind is kinds.DATA_DELETION_JOB else settled
                await self._written(resource, partial(self._settle, resource, verb, settled))

    async def _written(self, resource: Resource, change: Callable[[], None]) -> None:
        """Make a change of a resource, which is on disk when this returns: while the disk is full, it waits."""
        body = resource.body
        while True:
            try:
                change()
            except StorageFailed as failed:
                LOGGER.warning("%s is not written: %s", resource.arn, failed)
                await asyncio.sleep(_AGAIN_SECONDS)
                resource.body = body
            else:
                return

    async def _stopped(self, resource: Resource) -> None:
        await self._clock.sleep(self._step)
        await self._written(resource, partial(self._settle, resource, kinds.CREATE, "CREATE STOPPED"))

    def _start(self, resource: Resource, course: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(course)
        self._tasks[resource.arn] = task
        task.add_done_callback(lambda done: self._forget(resource.arn, done))

    def _mark(self, resource: Resource, verb: str, phase: str) -> None:
        word = kinds.CREATE if verb == kinds.UPDATE and resource.kind.noun != "Dataset" else verb
        self._settle(resource, verb, phase if resource.kind is kinds.DATA_DELETION_JOB else f"{word} {phase}")

    def _fail(self, resource: Resource, verb: str, reason: str) -> None:
        failed = _states(resource, verb)[-1]
        status = "FAILED" if resource.kind is kinds.DATA_DELETION_JOB else "CREATE FAILED"
        failed |= {"failureReason": reason, "status": status, "lastUpdatedDateTime": self._clock.now()}
        if verb == kinds.UPDATE and resource.kind.noun == "Dataset":
            resource.body["status"] = kinds.ACTIVE
        self._registry.save(resource)
        LOGGER.warning("%s of %s failed: %s", verb, resource.arn, reason)

    def _settle(self, resource: Resource, verb: str, status: str) -> None:
        for state in _states(resource, verb):
            state["status"] = status
            state["lastUpdatedDateTime"] = self._clock.now()
        self._registry.save(resource)
        LOGGER.info("%s of %s: %s", verb, resource.arn, status)

    def _forget(self, arn: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(arn) is task:
            del self._tasks[arn]


def pending(kind: Kind) -> str:
    """Return the first status of a new resource."""
    return "PENDING" if kind is kinds.DATA_DELETION_JOB else f"{kinds.CREATE} PENDING"


def under_way(resource: Resource) -> str:
    """Return which of CREATE, UPDATE, DELETE, START or STOP is under way; empty if none is."""
    if not resource.settled and resource.kind is kinds.DATA_DELETION_JOB:
        return kinds.CREATE
    if not resource.settled:
        return resource.status.split(" ")[0]
    return kinds.UPDATE if updating(resource) else ""


def latest_update(resource: Resource) -> Json:
    """Return the latest update of a resource; empty if there was none."""
    update: Json = resource.body.get(_UPDATES.get(resource.kind.noun, "")) or {}
    return update


def updating(resource: Resource) -> bool:
    """Tell whether an update of the resource is under way."""
    update = resource.body.get(_UPDATES.get(resource.kind.noun, ""))
    return update is not None and update["status"] not in {kinds.ACTIVE, "CREATE FAILED"}


def _states(resource: Resource, verb: str) -> list[Json]:
    """Return the parts of a body that have the status of a verb."""
    if verb != kinds.UPDATE:
        return [resource.body]
    update: Json = resource.body[_UPDATES[resource.kind.noun]]
    return [resource.body, update] if resource.kind.noun == "Dataset" else [update]
