# SPDX-License-Identifier: Apache-2.0
"""A quicker start of the functions that users wait for.

Importing this module, before everything else, rests Python's cycle collector; the first answer of a handler that
`start` made wakes it. What is imported and read at the start stays for good, and looking for garbage in it costs a
tenth of the start (benchmarks/serving.py).
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
    """`answer` as the handler of a function whose start is over with the first answer."""

    def handler(event: Event, context: Context) -> Answer:
        answered = answer(event, context)
        over()
        return answered

    return handler


def over() -> None:
    """The start is over: collect as ever, and never look at what the start left.

    Containers that started from one snapshot (SnapStart) began with the same chance, which the SDK's pauses between
    two attempts are drawn from. From here on each has its own.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
        random.seed()
