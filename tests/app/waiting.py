# SPDX-License-Identifier: Apache-2.0
"""Waiting for conditions, in bounds; no test waits for a time."""

import threading
import time
from collections.abc import Callable

BOUND = 600.0
"""Seconds after which something that has to become true has failed to, however busy the machine is."""
PACE = 0.1
"""How long waits of state machines take, as a share of what their definitions say."""
LOOK = 0.2
"""Seconds between two looks: both processors are at work on what is waited for."""


def until(holds: Callable[[], bool], what: str, bound: float = BOUND) -> None:
    """Look again and again until something holds; fail with `what` it was after `bound` seconds."""
    deadline, pause = time.monotonic() + bound, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"after {bound:.0f} s still not: {what}"
        pause.wait(LOOK)
