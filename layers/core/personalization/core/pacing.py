# SPDX-License-Identifier: Apache-2.0
"""Pace calls. Times are seconds of a clock that only moves forward."""


class TokenBucket:
    """A token bucket: returns the wait before each call, and allows bursts of at most a second's worth.

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
        """Take one token, on credit if need be; return the seconds to wait before the call."""
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now if self._at is None else max(now, self._at)
        self._tokens = min(self._burst, self._tokens + passed * self._rate) - 1
        return max(0.0, -self._tokens / self._rate)
