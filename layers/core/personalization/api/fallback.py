# SPDX-License-Identifier: Apache-2.0
"""Answer with a list that is never empty: the campaign's items, or a fallback within the time that a user waits.

campaign → the engine's campaign, where the shop's settings ask for it → the last good answer for this user → the
popular campaign, or for a filtered list user-personalization → the bestsellers that the pipeline keeps. Popular lists
begin with the bestsellers where the shop has no popular campaign. A list with variety is re-ranked, if its items'
columns are known in time. Nothing here knows AWS; times are seconds of a clock that only moves forward.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from personalization.api import diversity
from personalization.api.lists import NOTHING, POPULAR, Hidden, ListAsk, Predict, suited
from personalization.core.breaker import Breaker
from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.personalize.runtime import Predicted
from personalization.shop.records.release import BASELINE, Release

BUDGET_SECONDS = 1.5
"""The time within which an answer is ready, whatever Personalize does."""
ATTEMPT_SECONDS = 0.85
"""The longest call to Personalize: clients.runtime_once waits this long for connection and answer."""
ENGINE_SECONDS = 0.6
"""What must be left of the budget to ask the engine: a container without its model waits for half a second."""
QUICK_SECONDS = 0.1
"""A call that failed sooner, and not because of throttling, is retried once without a pause."""
REMEMBER_SECONDS = 900.0
"""How long a good answer may replace a new one."""
_MOST_ANSWERS, _MOST_ITEMS = 256, 100
_RETRIED = {"failing", "dropped"}
Source = Literal["campaign", "recommender", "engine", "cache", "popular", "bestsellers", "caller"]
"""Where an item came from; `engine` is the shop's own in Personalize's place, and `caller` is an item of a ranking at
the caller's own position."""
REASONS: Mapping[str, str] = {"Promoted item": "promoted", "Exploration": "new", "Popular item": "popular"}
"""Personalize's reasons, in the words of `because`; their spelling in answers is not published."""

Best = Callable[[str, float], Sequence[Mapping[str, Any]]]
"""Returns the bestsellers of a shop, best first, as Personalize describes items; empty if no list is known."""
Columns = Callable[[str, Iterable[str], float], Mapping[str, Mapping[str, str]]]
"""Returns columns of a shop's items by id, within so many seconds; unknown items are left out."""


def _no_columns(_shop: str, _ids: Iterable[str], _seconds: float) -> dict[str, dict[str, str]]:
    return {}


class Memory:
    """A least-recently-used cache of good answers: `most` of them, each for so many `seconds`."""

    def __init__(self, most: int = _MOST_ANSWERS, seconds: float = REMEMBER_SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._answers: dict[Hashable, tuple[float, Predicted]] = {}

    def keep(self, key: Hashable, predicted: Predicted, now: float) -> None:
        self._answers.pop(key, None)
        if len(self._answers) >= self._most:
            del self._answers[next(iter(self._answers))]
        if len(predicted.items) > _MOST_ITEMS:
            predicted = Predicted(predicted.recommendation_id, predicted.items[:_MOST_ITEMS])
        self._answers[key] = (now + self._seconds, predicted)

    def find(self, key: Hashable, now: float) -> Predicted | None:
        until, predicted = self._answers.get(key, (now, None))
        if predicted is None or now >= until:
            return None
        self._answers[key] = self._answers.pop(key)
        return predicted


class FallbackChain:
    """Fill lists; answers and failures are remembered as long as the process lives.

    Args:
        why: returns the word for an error of Personalize: throttled, slow, dropped, missing or failing.
        bestsellers: the lists that the pipeline keeps.
        clock: seconds.
        columns: looks up what variety goes by.
    """

    def __init__(
        self,
        why: Callable[[PersonalizationError], str],
        bestsellers: Best,
        clock: Callable[[], float],
        columns: Columns = _no_columns,
    ) -> None:
        self._why = why
        self._bestsellers = bestsellers
        self._columns = columns
        self.now = clock
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
        """Answer a request for a list of items.

        Args:
            release, ask, predict: the shop's release, the question, and the call to Personalize.
            source: the mark of the campaign's items.
            since: when the budget began, by the chain's clock; now, unless several lists share a budget.

        Raises:
            Rejected: Personalize calls the request invalid.
            PersonalizationError: Personalize does not answer, and no fallback has an item.
        """
        started = self.now() if since is None else since
        if ask.prefers_bestsellers and (best := self._bestsellers(release.shop, started)):
            return {"recommendationId": None, "items": list(_unseen(best, ask.hidden))[: ask.limit]}
        try:
            predicted = self._ask(ask, predict, started)
        except Rejected:
            raise
        except PersonalizationError as error:
            substitute = self._substitute(release, ask, predict, started)
            # Only a slot without a fallback, or a list whose known items are all hidden, may be empty.
            all_hidden = ask.hidden and self._bestsellers(release.shop, started)
            if not substitute["items"] and ask.fallback != "none" and not all_hidden:
                raise
            return _degraded(substitute, self._reason(error))
        filtered = "filterArn" in ask.parameters
        if predicted.items or filtered:
            self._memory.keep(_key(ask), predicted, started)
        result = answer(self._varied(release.shop, ask, predicted, started), source, ask)
        # An empty list is the right answer if a filter excludes every item, or after the last page.
        if result["items"] or filtered or ask.hidden.shown:
            return result
        return _degraded(self._substitute(release, ask, predict, started), "empty")

    def worth(self, release: Release, ask: ListAsk) -> bool:
        """Return whether the list needs a campaign, and the campaign exists and its circuit is closed."""
        if ask.prefers_bestsellers and self._bestsellers(release.shop, self.now()):
            return False
        return bool(ask.campaign_arn) and self._breaker.allows(ask.campaign_arn, self.now())

    def unfilled(self, error: PersonalizationError) -> dict[str, object]:
        """Return an empty answer for a list that `error` kept from being filled."""
        return _degraded({"recommendationId": None, "items": []}, self._reason(error))

    def rank(self, ask: ListAsk, rank: Predict) -> dict[str, object]:
        """Answer a request for a ranking; without Personalize, in the engine's order or the caller's own.

        Raises:
            Rejected: Personalize calls the request invalid.
        """
        started = self.now()
        try:
            return answer(self._ask(ask, rank, started))
        except Rejected:
            raise
        except PersonalizationError as error:
            reason = self._reason(error)
        if predicted := self._engine(ask, rank, started):
            return _degraded(answer(predicted, "engine"), reason)
        result = answer(Predicted(None, [{"itemId": item_id} for item_id in ask.parameters["inputList"]]), "caller")
        if "filterArn" in ask.parameters:
            result["filterApplied"] = False
        return _degraded(result, reason)

    def remembered(self, ask: ListAsk, predict: Predict, otherwise: Sequence[str]) -> dict[str, object]:
        """Answer a request for what has no popular list; without Personalize, with its last answer, or `otherwise`.

        Raises:
            Rejected: Personalize calls the request invalid.
            PersonalizationError: Personalize does not answer, and there is nothing else.
        """
        now = self.now()
        try:
            predicted = self._ask(ask, predict, now)
        except Rejected:
            raise
        except PersonalizationError as error:
            earlier = self._memory.find(_key(ask), now)
            if earlier is None and not otherwise:
                raise
            instead = earlier or Predicted(None, [{"itemId": entry} for entry in otherwise])
            result = answer(instead, "cache" if earlier else "popular", ask)
            if earlier is None and "filterArn" in ask.parameters:
                result["filterApplied"] = False
            return _degraded(result, self._reason(error))
        self._memory.keep(_key(ask), predicted, now)
        return answer(predicted, "campaign", ask)

    def _ask(self, ask: ListAsk, predict: Predict, started: float) -> Predicted:
        """Ask a campaign, unless its circuit is open."""
        name = ask.campaign_arn
        if not name:
            raise _Unasked("campaign", "missing")
        if not self._breaker.allows(name, started):
            raise _Unasked(name, "resting")
        try:
            try:
                predicted = predict(ask)
            except PersonalizationError as error:
                if self._reason(error) not in _RETRIED or self.now() - started > QUICK_SECONDS:
                    raise
                predicted = predict(ask)
        except Rejected:
            self._breaker.succeeded(name)
            raise
        except PersonalizationError:
            self._breaker.failed(name, self.now())
            raise
        self._breaker.succeeded(name)
        return predicted

    def _substitute(self, release: Release, ask: ListAsk, predict: Predict, started: float) -> dict[str, object]:
        """Return the engine's answer in place of the campaign's, or else a fallback."""
        if predicted := self._engine(ask, predict, started):
            shown = answer(self._varied(release.shop, ask, predicted, started), "engine", ask)
            if shown["items"]:
                return shown
        return self._instead(release, ask, predict, started)

    def _engine(self, ask: ListAsk, predict: Predict, started: float) -> Predicted | None:
        """Return the engine's answer; None if the shop has none of it, or no time is left, or the engine fails.

        Its recommendationId is none of Personalize's, to which events go.
        """
        now = self.now()
        if not ask.engine or now + ENGINE_SECONDS > started + BUDGET_SECONDS:
            return None
        try:
            return Predicted(None, self._ask(replace(ask, campaign_arn=ask.engine), predict, now).items)
        except PersonalizationError:
            return None

    def _instead(self, release: Release, ask: ListAsk, predict: Predict, started: float) -> dict[str, object]:
        """Return the fallback for the campaign's answer."""
        limit, filtered = min(ask.limit, ask.parameters["numResults"]), "filterArn" in ask.parameters
        item_id = ask.parameters.get("itemId")
        source: Source = "cache"
        because = ask.because
        predicted = self._memory.find(_key(ask), started)
        if predicted is None:
            source = source_of(release, BASELINE)
            predicted, because = self._popular(release, ask, predict, started)
        else:
            predicted = self._varied(release.shop, ask, predicted, started)
        hidden = ask.hidden.and_also([item_id] if item_id else ())
        shown = [item(entry, source, because) for entry in predicted.items if entry["itemId"] not in hidden][:limit]
        result: dict[str, object] = {"recommendationId": predicted.recommendation_id, "items": shown}
        # Only Personalize can apply a filter, so a filtered list gets no bestsellers beside other items.
        if len(shown) < limit and not (shown and filtered) and ask.fallback != "none":
            best = self._bestsellers(release.shop, started)
            seen = hidden.and_also(str(entry["itemId"]) for entry in shown)
            shown += list(_unseen(best, seen))[: limit - len(shown)]
            if filtered and shown:
                result["filterApplied"] = False
        return result

    def _popular(
        self, release: Release, ask: ListAsk, predict: Predict, started: float
    ) -> tuple[Predicted, Mapping[str, str] | None]:
        """Return the popular campaign's answer and its `because`; no items if there is no such campaign or no time.

        Without a popular campaign the bestsellers follow, to which no filter applies: so user-personalization answers
        filtered lists.
        """
        popular, now = release.campaigns.get(BASELINE), self.now()
        arn = popular or (release.campaigns.get("user-personalization") if "filterArn" in ask.parameters else None)
        because = POPULAR if popular and popular != ask.campaign_arn else None
        late = now + ATTEMPT_SECONDS > started + BUDGET_SECONDS
        if arn is None or arn == ask.campaign_arn or ask.fallback != "popular" or late:
            return Predicted(None, ()), because
        left_out = {"context", "promotions", "itemId"}
        parameters = {name: value for name, value in ask.parameters.items() if name not in left_out}
        try:
            other = suited(release, replace(ask, campaign_arn=arn, parameters=parameters))
            return self._ask(other, predict, now), because
        except PersonalizationError:
            return Predicted(None, ()), because

    def _varied(self, shop: str, ask: ListAsk, predicted: Predicted, started: float) -> Predicted:
        """Return the items that the list shows, with variety; the campaign's order if no columns are known in time."""
        if ask.diversity is None:
            return predicted
        items = {str(entry["itemId"]): entry for entry in predicted.items}
        apart = [*ask.hidden.items, *filter(None, [ask.parameters.get("itemId")])]
        left = max(0.0, started + BUDGET_SECONDS - self.now())
        columns = self._columns(shop, [*items, *apart], left)
        traits = {item: ask.diversity.trait(values) for item, values in columns.items()}
        # A name that the page shows already, or that earlier pages showed, is a repeat.
        shown = {
            traits[item][1] for item in (*items, *apart) if item in traits and (item in ask.hidden or item in apart)
        }
        free = [item for item in items if item not in ask.hidden]
        chosen = diversity.varied(free, traits, ask.limit, ask.diversity.strength, shown)
        return Predicted(predicted.recommendation_id, [items[item] for item in chosen])

    def _reason(self, error: PersonalizationError) -> str:
        return error.reason if isinstance(error, _Unasked) else self._why(error)


class _Unasked(RetryLater):
    """The campaign's circuit is open (`resting`), or the release has no such campaign (`missing`)."""


def _degraded(page: Mapping[str, object], reason: str) -> dict[str, object]:
    return {**page, "degraded": True, "degradedReason": reason}


def _key(ask: ListAsk) -> Hashable:
    """Return the cache key: the campaign, the user, the item and the filter."""
    get = ask.parameters.get
    values = get("filterValues")
    return (
        ask.campaign_arn,
        get("userId"),
        get("itemId"),
        get("filterArn"),
        tuple(sorted(values.items())) if values else None,
    )


def _unseen(best: Sequence[Mapping[str, Any]], seen: Hidden) -> Iterator[dict[str, object]]:
    """Iterate over bestsellers that the list does not have yet."""
    return (item(entry, "bestsellers", POPULAR) for entry in best if entry["itemId"] not in seen)


def answer(predicted: Predicted, source: Source = "campaign", ask: ListAsk | None = None) -> dict[str, object]:
    """Return the answer's JSON, described by `api.models.Answer`; without `ask`, no item is hidden or explained."""
    items, because = predicted.items, None
    if ask is not None:
        because = ask.because
        if ask.hidden is not NOTHING:
            items = [entry for entry in items if entry["itemId"] not in ask.hidden]
        items = items[: ask.limit]
    return {"recommendationId": predicted.recommendation_id, "items": [item(entry, source, because) for entry in items]}


def item(predicted: Mapping[str, Any], source: Source, because: Mapping[str, str] | None = None) -> dict[str, object]:
    """Return an item's JSON, described by `api.models.Item`.

    Args:
        predicted: the item as Personalize describes it.
        source: where it came from.
        because: why it is shown, unless Personalize gives a reason.
    """
    shown = {"itemId": predicted["itemId"], "score": predicted.get("score"), "source": source}
    if predicted.get("promotionName"):
        because = {"code": "promoted"}
    elif reasons := predicted.get("reason"):
        words = (reason.replace("_", " ").capitalize() for reason in reasons)
        because = next(({"code": REASONS[word]} for word in words if word in REASONS), because)
        shown["reason"] = reasons
    if because is not None:
        shown["because"] = because
    if predicted.get("metadata"):
        shown["metadata"] = predicted["metadata"]
    return shown


def source_of(release: Release, recipe: str) -> Source:
    """Return the mark of the items of a recipe's campaign."""
    return "popular" if recipe == BASELINE and BASELINE in release.campaigns else "campaign"
