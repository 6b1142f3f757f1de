# SPDX-License-Identifier: Apache-2.0
"""Jobs in a thread of this process, one after the other: for tests, whose data is small and whose S3 may be in it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from personalize_local.jobs.pool import Claim

A = TypeVarTuple("A")
T = TypeVar("T")


class Threads:
    """Stands in for `pool.Workers`. A thread can't be killed: what is cancelled ends on its own, and is forgotten."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "personalize-local-job")

    async def run(self, claim: Claim, function: Callable[[*A], T], *args: *A) -> T:  # noqa: ARG002 - one at a time
        return await asyncio.wrap_future(self._executor.submit(function, *args))

    async def close(self) -> None:
        """Drop what waits, and wait for the job that runs now."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._executor.shutdown)
