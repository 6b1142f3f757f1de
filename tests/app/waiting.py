# SPDX-License-Identifier: Apache-2.0
"""Waiting for conditions, in bounds; no test waits for a time."""

import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

BOUND = 600.0
"""Seconds after which something that has to become true has failed to, however busy the machine is."""
PACE = 0.1
"""How long waits of state machines take, as a share of what their definitions say."""
TRIES = 3
"""How often a schedule invokes a function that fails, and a client sends what a service did not answer."""
SLOW = re.compile(r'"degradedReason": ?"(slow|resting)"|"status": ?("queued"|503)')
"""What an answer of the API says, in JSON, where a call behind it took too long: a busy machine decides that."""
T = TypeVar("T")
SOON, LATER = 0.1, 0.5
"""Seconds between two looks, at first and in the end: both processors are at work on what is waited for."""


def tried(call: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """Call, and call again up to TRIES times in all until the answer holds; return the last answer."""
    for _ in range(TRIES - 1):
        if holds(answer := call()):
            return answer
    return call()


def received(sqs: "SQSClient", queue: str) -> "MessageTypeDef":
    """Return a message of a queue, as soon as there is one."""
    messages: list[MessageTypeDef] = []

    def came() -> bool:
        messages.extend(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1).get("Messages", []))
        return bool(messages)

    until(came, "there is a message")
    return messages[0]


def until(holds: Callable[[], bool], what: str, bound: float = BOUND) -> None:
    """Look again and again until something holds; fail with `what` it was after `bound` seconds."""
    began, pause = time.monotonic(), threading.Event()
    while not holds():
        waited = time.monotonic() - began
        assert waited < bound, f"after {bound:.0f} s still not: {what}"
        pause.wait(min(max(SOON, waited / 10), LATER))
