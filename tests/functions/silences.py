# SPDX-License-Identifier: Apache-2.0
"""Services that do not answer, and how long that may take: no test waits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.template.stack import STACK

Hang = Callable[[str, float], object]
"""Is told of each call: the operation, and the seconds that it may take without an answer."""


def longest(client: Any) -> float:  # noqa: ANN401 - of any service
    """Seconds that a call may take which nobody answers, with the SDK's pauses of a second at most."""
    config = client.meta.config
    attempts: int = config.retries["total_max_attempts"]
    return attempts * float(config.connect_timeout + config.read_timeout) + attempts - 1


def most(function: str) -> float:
    """What an answer may take: a fifth of the function's time is for everything but waiting."""
    return 0.8 * float(STACK.of("Lambda::Function")[function]["Timeout"])


@contextmanager
def silence(clients: Sequence[Any], hang: Hang) -> Iterator[None]:
    """Calls of these clients come to `hang` first, which may raise what the SDK does in the end."""

    def hook(seconds: float, event_name: str, **_: object) -> None:
        hang(event_name.rpartition(".")[2], seconds)

    hooks = [(client.meta.events, partial(hook, longest(client))) for client in clients]
    for events, each in hooks:
        events.register_first("provide-client-params", each)
    try:
        yield
    finally:
        for events, each in hooks:
            events.unregister("provide-client-params", each)
