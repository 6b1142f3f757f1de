# SPDX-License-Identifier: Apache-2.0
"""The engine's clock: the machine's, plus what a test has added to it."""

import asyncio
import time
from contextlib import suppress


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
                await asyncio.wait_for(self._moved.wait(), left)
