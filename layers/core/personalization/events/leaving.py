# SPDX-License-Identifier: Apache-2.0
"""Users whose deletion was asked for: from then on, and until they are deleted, nothing is taken of them.

Each container that takes or delivers events remembers a shop's list for a minute. A deletion job starts later than
that (`erasures.SETTLED_SECONDS`), so that no event of its users is under way beside it.
"""

from collections.abc import Callable

from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError, RetryLater
from personalization.events import erasure_requests

REMEMBER_SECONDS = 60.0
"""How long a list is used without asking again; never longer, whether or not the table answers."""
REMEMBER_SILENCE_SECONDS = 5.0
"""How long a table that did not answer is not asked again."""
_MOST_SHOPS = 1_000


class Leaving:
    """Users who are to be deleted, by shop, cached in the process.

    Args:
        fetch: asks the table for a shop's list.
    """

    def __init__(self, fetch: Callable[[str], frozenset[str]]) -> None:
        self._fetch = fetch
        self._known: dict[str, tuple[float, frozenset[str] | None]] = {}

    def has(self, shop: str, user: str | None, now: float) -> bool:
        """Whether a user is to be deleted; nobody without a user id is.

        Args:
            shop: the shop. user: the user's id.
            now: seconds of a clock that only moves forward.

        Raises:
            RetryLater: the table does not answer, and the list is older than a minute.
        """
        if user is None:
            return False
        until, users = self._known.get(shop, (0.0, None))
        if now >= until:
            users, until = self._asked(shop, now)
            if len(self._known) >= _MOST_SHOPS:
                self._known.clear()
            self._known[shop] = (until, users)
        if users is None:
            raise RetryLater(shop, "it is not known who is to be deleted")
        return user in users

    def _asked(self, shop: str, now: float) -> tuple[frozenset[str] | None, float]:
        try:
            return self._fetch(shop), now + REMEMBER_SECONDS
        except PersonalizationError:
            return None, now + REMEMBER_SILENCE_SECONDS

    def forget(self) -> None:
        """Ask anew the next time."""
        self._known.clear()


def fetch(shop: str) -> frozenset[str]:
    """Ask the table of this deployment."""
    return erasure_requests.leaving(clients.dynamodb(), Environment().shopper_events_table, shop)


def fetch_once(shop: str) -> frozenset[str]:
    """The same in one attempt, unless the list is long, for callers who have more to do in their time."""
    table, most = Environment().shopper_events_table, erasure_requests.QUICK_PAGES
    return erasure_requests.leaving(clients.dynamodb_once(), table, shop, most)
