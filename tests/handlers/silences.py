# SPDX-License-Identifier: Apache-2.0
"""Services that do not answer, and how long that may take: no test waits, and none gives up on a slow machine."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from botocore import endpoint
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from personalization.auth import list_id_keys
from personalization.shop.records.item_table import ShownItems

from tests.app.waiting import BOUND
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
    for events, bound in hooks:
        events.register_first("provide-client-params", bound)
    try:
        yield
    finally:
        for events, bound in hooks:
            events.unregister("provide-client-params", bound)


class Clock:
    """Seconds that only calls without an answer take: `hang` is for `silence`.

    Args:
        together: how many calls hang at the same time; fewer fail the test.
    """

    def __init__(self, together: int = 1) -> None:
        self.now = 0.0
        self._passing = 0.0
        self._calls = threading.Barrier(together, self._pass)

    def __call__(self) -> float:
        return self.now

    def hang(self, _operation: str, seconds: float) -> None:
        """Let the time of a call pass, and raise what the SDK does then."""
        self._passing = seconds
        self._calls.wait(BOUND)
        raise ReadTimeoutError(endpoint_url="https://aws.invalid")

    def _pass(self) -> None:
        self.now += self._passing


class PatientItems(ShownItems):
    """A reader of items that waits for what is sure to come, however slow the machine is."""

    def _wait(self, keys: set[str], until: float) -> Any:  # noqa: ANN401 - what its base returns
        return super()._wait(keys, until + BOUND if until > self._clock() else until)


def wait_patiently(patch: pytest.MonkeyPatch) -> None:
    """Have clients wait for a service that a test plays, whatever they are configured to, and try again at once."""
    begin = URLLib3Session.__init__

    def patient(session: URLLib3Session, **configured: Any) -> None:  # noqa: ANN401 - the SDK's own
        begin(session, **{**configured, "timeout": BOUND})

    patch.setattr(URLLib3Session, "__init__", patient)
    patch.setattr(list_id_keys, "WAIT_SECONDS", BOUND)
    # The SDK's pauses before it tries again; it calls nothing else of this module.
    patch.setattr(endpoint, "time", SimpleNamespace(sleep=lambda _seconds: None))
