# SPDX-License-Identifier: Apache-2.0
"""How fast calls are made, and for how long. Times are seconds of a clock that only moves forward."""

from collections.abc import Callable


def deadline(clock: Callable[[], float], seconds: float) -> Callable[[], bool]:
    """Tells from so many seconds after now on that it is late."""
    until = clock() + seconds
    return lambda: clock() >= until


class TokenBucket:
    """A token bucket: says how long to wait before each call, and lets no more than a second's worth come at once.

    Args:
        rate: calls a second, more than 0.
        burst: calls that may come at once after a pause; at least one.
    """

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = max(1.0, rate if burst is None else burst)
        self._tokens = self._burst
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Take one token, on credit if need be; returns the seconds to wait before the call, 0 for none."""
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now if self._at is None else max(now, self._at)
        self._tokens = min(self._burst, self._tokens + passed * self._rate) - 1
        return max(0.0, -self._tokens / self._rate)
