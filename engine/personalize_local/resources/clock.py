# SPDX-License-Identifier: Apache-2.0
"""The engine's clock: the machine's, and ahead of it by as much as a test has moved it."""

import asyncio
import time
from contextlib import suppress


class Clock:
    """Tells the time and waits for it; it belongs to one event loop, and a new process starts unmoved."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds by which it was moved."""
        self._moved = asyncio.Event()

    def now(self) -> float:
        """Unix epoch seconds."""
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        """Move forward; whoever waits for a moment that is past then goes on."""
        self.ahead += seconds
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of this clock."""
        end = self.now() + seconds
        await asyncio.sleep(0)
        while (left := end - self.now()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), left)
