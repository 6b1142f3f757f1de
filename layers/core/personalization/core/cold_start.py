# SPDX-License-Identifier: Apache-2.0
"""Shorten the cold start of functions that users wait for.

Importing this module first disables Python's cycle collector; the first answer of a handler that `start` made enables
it. Objects from the start stay for good, and collecting garbage among them costs a tenth of the start
(benchmarks/serving.py).
"""

import gc
import random
from collections.abc import Callable
from typing import TypeVar

Event = TypeVar("Event")
Context = TypeVar("Context")
Answer = TypeVar("Answer")

gc.disable()


def start(answer: Callable[[Event, Context], Answer]) -> Callable[[Event, Context], Answer]:
    """Return `answer` as a handler whose start ends with the first answer."""

    def handler(event: Event, context: Context) -> Answer:
        answered = answer(event, context)
        end_start()
        return answered

    return handler


def end_start() -> None:
    """End the start: enable the collector, and exempt all objects from the start.

    Containers that started from one snapshot (SnapStart) share a random state, from which the SDK draws its pauses
    between attempts. From here on each has its own.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
        random.seed()
