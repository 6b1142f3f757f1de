# SPDX-License-Identifier: Apache-2.0
"""How often campaigns and recommenders were asked, with which outcome, and how long that took."""

from dataclasses import dataclass

from personalize_local.wire.protocol import Json

_MEMBERS = {"campaignArn": "CampaignArn", "recommenderArn": "RecommenderArn"}
_METERED = frozenset({"GetRecommendations", "GetPersonalizedRanking", "GetActionRecommendations"})


@dataclass(slots=True)
class Tally:
    """What was asked of one campaign or recommender by one operation."""

    answered: int = 0
    refused: int = 0
    """Answers with a status of 400 to 499."""
    failed: int = 0
    slowest: float = 0.0
    """Milliseconds, as the other times."""
    fastest: float = float("inf")
    total: float = 0.0

    def add(self, status: int, milliseconds: float) -> None:
        if status >= 500:
            self.failed += 1
        elif status >= 400:
            self.refused += 1
        else:
            self.answered += 1
            self.slowest, self.fastest = max(self.slowest, milliseconds), min(self.fastest, milliseconds)
            self.total += milliseconds


class Meter:
    """The tallies since the last look."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str, str], Tally] = {}

    def count(self, operation: str, request: Json, status: int, seconds: float) -> None:
        """Count a request, if it asks a campaign or recommender. Only those that exist are counted: others have 404."""
        name = next((member for member in _MEMBERS if member in request), "")
        if operation in _METERED and name and status != 404:
            key = (operation, _MEMBERS[name], request[name])
            self._tallies.setdefault(key, Tally()).add(status, seconds * 1000)

    def read(self) -> dict[tuple[str, str, str], Tally]:
        """Return the tallies by operation, dimension and ARN, and begin anew."""
        tallies, self._tallies = self._tallies, {}
        return tallies
