# SPDX-License-Identifier: Apache-2.0
"""How long an expression of a state machine may take."""

import time

from jsonata import jexception, timebox


class ProcessorTime(timebox.Timebox):  # type: ignore[misc]  # jsonata has no types
    """Limits an expression by the time of a processor that it takes, and not by the clock.

    AWS ends an expression after a second. Here a busy machine may give it no processor for that long.
    """

    def __init__(self, frame: object, timeout: int | None = None, max_depth: int | None = None) -> None:
        super().__init__(frame, timeout, max_depth)
        self._began = time.thread_time()

    def check_runaway(self) -> None:
        """Raise D1012 once the time is used up."""
        if self.timeout is not None and (time.thread_time() - self._began) * 1000 > self.timeout:
            raise jexception.JException("D1012", -1, self.timeout)
