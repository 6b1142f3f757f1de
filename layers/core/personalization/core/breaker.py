# SPDX-License-Identifier: Apache-2.0
"""A circuit breaker for many resources: calls to a failing resource pause for a while."""

from dataclasses import dataclass, field

THRESHOLD = 3
"""Failures in a row that open the circuit."""
REST_SECONDS = 5.0
"""How long the circuit stays open before one more attempt."""
_MOST = 1_000


@dataclass(slots=True)
class Breaker:
    """The circuits of resources by name. Times are seconds of a clock that only moves forward."""

    threshold: int = THRESHOLD
    """Failures in a row that open the circuit."""
    rest: float = REST_SECONDS
    """Seconds that it stays open; then one call is let through, and closes it or opens it again."""
    _failures: dict[str, tuple[int, float]] = field(default_factory=dict, init=False)

    def allows(self, name: str, now: float) -> bool:
        """Return whether a call to the resource may be made."""
        failures, until = self._failures.get(name, (0, 0.0))
        return failures < self.threshold or now >= until

    def failed(self, name: str, now: float) -> None:
        """Record a failure on the resource's side."""
        failures, _ = self._failures.pop(name, (0, 0.0))
        if len(self._failures) >= _MOST:
            del self._failures[next(iter(self._failures))]
        self._failures[name] = (failures + 1, now + self.rest)

    def succeeded(self, name: str) -> None:
        """Record a success."""
        if self._failures:
            self._failures.pop(name, None)
