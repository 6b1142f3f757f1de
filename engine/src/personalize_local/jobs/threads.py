# SPDX-License-Identifier: Apache-2.0
"""What stands in for worker processes: a thread of this process, or the sentence that says what is not installed."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Final, TypeVar, TypeVarTuple

from personalize_local.jobs.pool import Claim
from personalize_local.wire.errors import WorkerLost

A = TypeVarTuple("A")
T = TypeVar("T")
NEEDED: Final = (
    "Imports, trainings and other jobs need the extra `train`: install personalize-local[train], as its README says."
)


class Threads:
    """Runs one job after the other in a thread, for tests: their data is small, and their S3 may be in this process.

    A thread can't be killed: a job that is cancelled ends on its own, and is forgotten.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "personalize-local-job")

    async def run(self, claim: Claim, function: Callable[[*A], T], *args: *A) -> T:  # noqa: ARG002 - one at a time
        return await asyncio.wrap_future(self._executor.submit(function, *args))

    async def close(self) -> None:
        """Drop what waits, and wait for the job that runs now."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._executor.shutdown)


def installed() -> bool:
    """Tell whether the libraries of jobs are there."""
    return all(map(find_spec, ("polars", "scipy")))


class NoWorkers:
    """Fails every job: the libraries of jobs are an extra of the distribution."""

    async def run(self, claim: Claim, function: Callable[[*A], T], *args: *A) -> T:  # noqa: ARG002
        raise WorkerLost(NEEDED)

    async def close(self) -> None:
        pass
