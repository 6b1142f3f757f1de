# SPDX-License-Identifier: Apache-2.0
"""A circuit breaker for each of many resources: what fails again and again is left alone for a while."""

THRESHOLD = 3
"""Failures in a row after which a resource rests."""
REST_SECONDS = 5.0
"""How long it rests before one more try decides."""
_MOST = 1_000


class Breaker:
    """Which resources are worth a try. Times are seconds of a clock that only moves forward.

    Args:
        threshold: failures in a row that open the circuit.
        rest: seconds that it stays open; then one call is let through, and closes it or opens it again.
    """

    def __init__(self, threshold: int = THRESHOLD, rest: float = REST_SECONDS) -> None:
        self._threshold = threshold
        self._rest = rest
        self._failures: dict[str, tuple[int, float]] = {}

    def allows(self, name: str, now: float) -> bool:
        """Whether a call to the resource is worth it."""
        failures, until = self._failures.get(name, (0, 0.0))
        return failures < self._threshold or now >= until

    def failed(self, name: str, now: float) -> None:
        """A call went wrong on the resource's side."""
        failures, _ = self._failures.pop(name, (0, 0.0))
        if len(self._failures) >= _MOST:
            del self._failures[next(iter(self._failures))]
        self._failures[name] = (failures + 1, now + self._rest)

    def succeeded(self, name: str) -> None:
        """A call went well."""
        if self._failures:
            self._failures.pop(name, None)
