# SPDX-License-Identifier: Apache-2.0
"""Lists that are never empty: the campaign's answer, or the next best within the time that a user waits.

campaign → the last good answer for this user → the popular campaign, or for a filtered list user-personalization → the
bestsellers that the pipeline keeps. Popular lists begin with the bestsellers where the shop has no popular campaign.
Nothing here knows AWS; times are seconds of a clock that only moves forward.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from personalization.api import lists
from personalization.api.lists import POPULAR, Hidden, ListAsk, Predict, Source, answer, item, popular_instead
from personalization.core.breaker import Breaker
from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.personalize.runtime import Predicted
from personalization.shop.release import BASELINE, Release

BUDGET_SECONDS = 1.5
"""The time within which an answer is there, whatever Personalize does."""
ATTEMPT_SECONDS = 0.85
"""The time that one call to Personalize may take: what clients.runtime_once waits for connection and answer."""
QUICK_SECONDS = 0.1
"""A call that failed within this time, and not for its rate, is made once more at once."""
REMEMBER_SECONDS = 900.0
"""How long a good answer may stand in for a new one."""
_MOST_ANSWERS, _MOST_ITEMS = 256, 100
_AGAIN = {"failing", "dropped"}

Best = Callable[[str, float], Sequence[Mapping[str, Any]]]
"""The bestsellers of a shop, best first, each as Personalize describes an item; none where no list is known."""


class Memory:
    """The last good answers, the least recently used of them forgotten first.

    Args:
        most: answers that are kept.
        seconds: how long an answer is good for.
    """

    def __init__(self, most: int = _MOST_ANSWERS, seconds: float = REMEMBER_SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._kept: dict[Hashable, tuple[float, Predicted]] = {}

    def keep(self, key: Hashable, predicted: Predicted, now: float) -> None:
        """Remember an answer, in place of the one before."""
        self._kept.pop(key, None)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        if len(predicted.items) > _MOST_ITEMS:
            predicted = Predicted(predicted.recommendation_id, predicted.items[:_MOST_ITEMS])
        self._kept[key] = (now + self._seconds, predicted)

    def find(self, key: Hashable, now: float) -> Predicted | None:
        """The last answer, unless it is too old."""
        until, predicted = self._kept.get(key, (now, None))
        if predicted is None or now >= until:
            return None
        self._kept[key] = self._kept.pop(key)
        return predicted


class FallbackChain:
    """Fills lists for as long as a process lives: it remembers answers and what fails.

    Args:
        why: the word for an error of Personalize: throttled, slow, dropped, missing or failing.
        bestsellers: the lists that the pipeline keeps.
        clock: seconds.
    """

    def __init__(
        self,
        why: Callable[[PersonalizationError], str],
        bestsellers: Best,
        clock: Callable[[], float],
    ) -> None:
        self._why = why
        self._bestsellers = bestsellers
        self._clock = clock
        self._breaker = Breaker()
        self._memory = Memory()

    def fill(
        self,
        release: Release,
        ask: ListAsk,
        predict: Predict,
        source: Source = "campaign",
        since: float | None = None,
    ) -> dict[str, object]:
        """The answer to a request for a list of items.

        Args:
            release: the shop's.
            ask: the question.
            predict: asks Personalize.
            source: what the campaign's items are marked with.
            since: when the budget began, by the chain's clock; now, unless several lists share one.

        Raises:
            Rejected: Personalize calls the request invalid.
            PersonalizationError: Personalize does not answer, and nothing is known that could be shown.
        """
        started = self._clock() if since is None else since
        if ask.kept and (best := self._bestsellers(release.shop, started)):
            return {"recommendationId": None, "items": list(_unseen(best, ask.hidden, ask))[: ask.limit]}
        try:
            predicted = self._asked(ask, predict, started)
        except Rejected:
            raise
        except PersonalizationError as error:
            found = self._instead(release, ask, predict, started)
            # A slot may be left out, and everything that is known may be hidden; else a list is never empty.
            known = ask.hidden and self._bestsellers(release.shop, started)
            if not found["items"] and ask.fallback != "none" and not known:
                raise
            return self._degraded(found, self._reason(error))
        filtered = "filterArn" in ask.parameters
        if predicted.items or filtered:
            self._memory.keep(_key(ask), predicted, started)
        result = answer(predicted, source, ask)
        # A filter may well exclude everything, and then nothing is the right answer; and a list has its last page.
        if result["items"] or filtered or ask.hidden.shown:
            return result
        return self._degraded(self._instead(release, ask, predict, started), "empty")

    def worth(self, release: Release, ask: ListAsk) -> bool:
        """Whether there is a campaign to ask at once, and it does not rest."""
        if ask.kept and self._bestsellers(release.shop, self._clock()):
            return False
        return bool(ask.campaign_arn) and self._breaker.allows(ask.campaign_arn, self._clock())

    def unfilled(self, error: PersonalizationError) -> dict[str, object]:
        """An empty answer, for one list of several which `error` kept from being filled."""
        return self._degraded({"recommendationId": None, "items": []}, self._reason(error))

    def now(self) -> float:
        """The time by the chain's clock."""
        return self._clock()

    def rank(self, ask: ListAsk, rank: Predict) -> dict[str, object]:
        """The answer to a request for an order: without Personalize, the caller's own.

        Raises:
            Rejected: Personalize calls the request invalid.
        """
        try:
            return answer(self._asked(ask, rank, self._clock()))
        except Rejected:
            raise
        except PersonalizationError as error:
            reason = self._reason(error)
        result = answer(Predicted(None, [{"itemId": each} for each in ask.parameters["inputList"]]), "caller")
        honest = {"filterApplied": False} if "filterArn" in ask.parameters else {}
        return self._degraded({**result, **honest}, reason)

    def _degraded(self, found: Mapping[str, object], reason: str) -> dict[str, object]:
        """An answer that says that it is not the one that was asked for."""
        return {**found, "degraded": True, "degradedReason": reason}

    def _asked(self, ask: ListAsk, predict: Predict, started: float) -> Predicted:
        """Ask a campaign that is worth it, a second time where the first one failed at once."""
        name = ask.campaign_arn
        if not name:
            raise _Unasked("campaign", "missing")
        if not self._breaker.allows(name, started):
            raise _Unasked(name, "resting")
        try:
            predicted = self._twice(ask, predict, started)
        except Rejected:
            self._breaker.succeeded(name)
            raise
        except PersonalizationError:
            self._breaker.failed(name, self._clock())
            raise
        self._breaker.succeeded(name)
        return predicted

    def _twice(self, ask: ListAsk, predict: Predict, started: float) -> Predicted:
        try:
            return predict(ask)
        except PersonalizationError as error:
            if self._reason(error) not in _AGAIN or self._clock() - started > QUICK_SECONDS:
                raise
        return predict(ask)

    def _instead(self, release: Release, ask: ListAsk, predict: Predict, started: float) -> dict[str, object]:
        """What is shown in place of the campaign's answer."""
        limit, filtered = min(ask.limit, ask.parameters["numResults"]), "filterArn" in ask.parameters
        own = ask.parameters.get("itemId")
        source: Source = "cache"
        because = ask.because
        predicted = self._memory.find(_key(ask), started)
        if predicted is None:
            other = popular_instead(release, ask)
            source, because = lists.source(release, BASELINE), other.because if other else None
            predicted = self._popular(other, ask, predict, started)
        hidden = ask.hidden.and_also([own] if own else ())
        shown = [item(each, source, because) for each in predicted.items if each["itemId"] not in hidden][:limit]
        result: dict[str, object] = {"recommendationId": predicted.recommendation_id, "items": shown}
        # Nobody but Personalize can apply a filter, so it is not topped up with what it may exclude.
        if len(shown) < limit and not (shown and filtered) and ask.fallback != "none":
            best = self._bestsellers(release.shop, started)
            seen = hidden.and_also(str(each["itemId"]) for each in shown)
            shown += list(_unseen(best, seen, ask))[: limit - len(shown)]
            if filtered and shown:
                result["filterApplied"] = False
        return result

    def _popular(self, other: ListAsk | None, ask: ListAsk, predict: Predict, started: float) -> Predicted:
        """The popular campaign's answer, or another's, where there is one and time for it."""
        now = self._clock()
        if other is None or ask.fallback != "popular" or now + ATTEMPT_SECONDS > started + BUDGET_SECONDS:
            return Predicted(None, ())
        try:
            return self._asked(other, predict, now)
        except PersonalizationError:
            return Predicted(None, ())

    def _reason(self, error: PersonalizationError) -> str:
        return error.reason if isinstance(error, _Unasked) else self._why(error)


class _Unasked(RetryLater):
    """A campaign is not asked, for the word in `reason`: its circuit is open, or the release has no such campaign."""


def _key(ask: ListAsk) -> Hashable:
    """Whom an answer is for, and under which filter."""
    get = ask.parameters.get
    values = get("filterValues")
    return (
        ask.campaign_arn,
        get("userId"),
        get("itemId"),
        get("filterArn"),
        tuple(sorted(values.items())) if values else None,
    )


def _unseen(best: Sequence[Mapping[str, Any]], seen: Hidden, ask: ListAsk) -> Iterator[dict[str, object]]:
    """Bestsellers that the list does not have yet, with metadata where it was asked for."""
    for each in best:
        if each["itemId"] not in seen:
            result = item(each, "bestsellers", POPULAR)
            known: Mapping[str, str] = each.get("metadata") or {}
            result.pop("metadata", None)
            shown = {name: known[name] for name in ask.columns if name in known}
            yield {**result, "metadata": shown} if shown else result
