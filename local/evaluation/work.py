# SPDX-License-Identifier: Apache-2.0
"""How far a long piece of work is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str, float], None]
"""What is being done, and how much of the whole is done (0 to 1)."""
TOTAL = 130.0
"""The weights of all stages together, about their seconds on 600,000 interactions."""
EVERY = 20
"""Steps of a stage between two words."""


class Work:
    """Counts stages by their weight, and their steps by their number."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._done = 0.0

    @contextmanager
    def stage(self, text: str, weight: float, steps: int = 1) -> Iterator[Callable[[], None]]:
        """Begin a piece of the work; call the callable after each of its steps."""
        made = 0

        def step() -> None:
            nonlocal made
            made += 1
            if made % EVERY == 0:
                self._say(text, weight * made / steps)

        self._say(text, 0.0)
        yield step
        self._done += weight

    def _say(self, text: str, more: float) -> None:
        self._tell(text, min((self._done + more) / TOTAL, 1.0))
