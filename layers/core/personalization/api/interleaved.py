# SPDX-License-Identifier: Apache-2.0
"""A placement's list that two rankers share: both are asked side by side, within the budget of one answer.

Each item has the recommendationId of its ranker, and the name of the variant that its listId tells. Where one of them
fails, comes from a cache or has another number of items, the other one's whole list is shown, and counts for neither.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from personalization.api import lists, placements
from personalization.api.drafts import draft
from personalization.api.fallback import FallbackChain
from personalization.api.lists import ListAsk, Predict
from personalization.api.placements import Ahead
from personalization.api.variants import Rivals
from personalization.core.errors import PersonalizationError
from personalization.shop.records.release import Release

SIDE = "side"
"""The member of an item that says which variant it counts for, until the answer has its ids."""


@dataclass(frozen=True, slots=True)
class Other:
    """The second ranker of a placement."""

    rivals: Rivals
    question: ListAsk

    def fill(
        self, chain: FallbackChain, release: Release, name: str, question: ListAsk, *, predict: Predict, since: float
    ) -> dict[str, Any]:
        """Answer a placement by both rankers.

        Args:
            chain, name, predict: as for one ranker.
            release, question: of the first ranker, whose fallbacks the list has if both fail.
            since: when the budget began.
        """
        # What a page showed before is hidden from both.
        alike = replace(self.question, hidden=question.hidden)
        second = _alone(chain, self.rivals.release, name, alike, predict=predict, since=since)
        if second is None:
            return chain.fill(release, question, predict, placements.source(release, name), since)
        first = _alone(chain, release, name, replace(question, fallback="none"), predict=predict, since=since)
        if first is None or len(first["items"]) < len(second["items"]):
            return second
        if len(second["items"]) < len(first["items"]):
            return first
        return _mixed((first, second), self.rivals, len(question.hidden.shown))

    def answer(
        self, chain: FallbackChain, release: Release, name: str, question: ListAsk, ask: tuple[Predict, Ahead]
    ) -> dict[str, object]:
        """Answer a placement by both rankers, with the token of its next page.

        Args:
            chain, release, name, question: see `fill`.
            ask: how one question is answered, and how several are begun.
        """
        since, both = chain.now(), [question, self.question]
        predict, ahead = ask
        answering = placements.of(both, ahead([entry for entry in both if chain.worth(release, entry)], predict))
        filled = self.fill(chain, release, name, question, predict=answering, since=since)
        return {"placement": name, **lists.after(release, question, filled)}


def other(rivals: Rivals, question: ListAsk, first: ListAsk, before: int = 0) -> Other:
    """Return the second ranker of a placement.

    Args:
        rivals: both rankers.
        question: of the second one, for the first page.
        first: the question to the first one, whose page is wanted.
        before: how many items a page of placements may show before it.
    """
    alike = replace(question, limit=first.limit, hidden=first.hidden, fallback="none")
    return Other(rivals, lists.roomy(alike, before))


def of_page(
    rivals: Mapping[str, Rivals], questions: Mapping[str, ListAsk], asked_of: Callable[[Release], Mapping[str, ListAsk]]
) -> dict[str, Other]:
    """Return the second rankers of a page's placements.

    Args:
        rivals: both rankers, by placement.
        questions: to the first ones, in the order of the page.
        asked_of: returns the questions of the page to a release.
    """
    seconds, before = {}, 0
    for name, question in questions.items():
        if name in rivals:
            seconds[name] = other(rivals[name], asked_of(rivals[name].release)[name], question, before)
        before += question.limit
    return seconds


def _alone(
    chain: FallbackChain, release: Release, name: str, question: ListAsk, *, predict: Predict, since: float
) -> dict[str, Any] | None:
    """Return a ranker's answer; None unless it is its answer to this request."""
    try:
        answer = chain.fill(release, question, predict, placements.source(release, name), since)
    except PersonalizationError:
        return None
    return None if answer.get("degraded") else answer


def _mixed(answers: tuple[dict[str, Any], dict[str, Any]], rivals: Rivals, shown: int) -> dict[str, Any]:
    entries: Sequence[dict[str, Any]] = [{item["itemId"]: item for item in answer["items"]} for answer in answers]
    rankings = (list(entries[0]), list(entries[1]))
    items = []
    # The next page throws coins of its own.
    for pick in draft(rankings, len(rankings[0]), f"{rivals.seed}\0{shown}"):
        named = {"recommendationId": answers[pick.side]["recommendationId"]}
        side = {SIDE: rivals.variants[pick.side]} if pick.counts else {}
        items.append({**entries[pick.side][pick.item], **named, **side})
    return {"recommendationId": None, "items": items}
