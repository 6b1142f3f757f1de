# SPDX-License-Identifier: Apache-2.0
"""Keys that somebody else rotates: kept for a while, looked up again when a token names one that is not among them."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from personalization.core.errors import PersonalizationError

K = TypeVar("K")


class Keyring(Generic[K]):
    """Keys by id, as `fetch` gives them.

    Attributes:
        fresh: seconds for which keys are taken as they are.
        pause: seconds between two looks for keys that nobody knows, so that made-up ids cost next to nothing.
        stale: seconds for which old keys will do while nobody tells the new ones.
    """

    def __init__(
        self,
        fetch: Callable[[], Mapping[str, K]],
        clock: Callable[[], float],
        fresh: float = 3600,
        pause: float = 10,
        stale: float = 86400,
    ) -> None:
        self.fresh, self.pause, self.stale = fresh, pause, stale
        self._fetch, self._clock = fetch, clock
        self._keys: Mapping[str, K] = {}
        self._fetched = self._tried = float("-inf")

    def find(self, kid: str) -> K | None:
        """The key of that id; None where there is none.

        Raises:
            PersonalizationError: nobody tells the keys, and those that are known are too old.
        """
        keys = self.all()
        if kid not in keys and self._clock() - self._tried >= self.pause:
            keys = self._look()
        return keys.get(kid)

    def all(self) -> Mapping[str, K]:
        """All keys, in the order in which they were told.

        Raises:
            PersonalizationError: as for `find`.
        """
        now = self._clock()
        old = now - self._fetched >= self.fresh
        return self._look() if old and (not self._keys or now - self._tried >= self.pause) else self._keys

    def _look(self) -> Mapping[str, K]:
        self._tried = self._clock()
        try:
            self._keys = self._fetch()
            self._fetched = self._tried
        except PersonalizationError:
            if not self._keys or self._tried - self._fetched >= self.stale:
                raise
        return self._keys
