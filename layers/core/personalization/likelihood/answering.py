# SPDX-License-Identifier: Apache-2.0
"""Answer requests for purchase likelihoods: the request, the time that an answer refers to, and its JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from personalization.core.problems import FieldError, Problem
from personalization.likelihood import features
from personalization.likelihood.counters import Item, Population, User
from personalization.likelihood.model import Method, Model, Verdict, probability
from personalization.personalize.runtime import Ask, Predicted
from personalization.shop.filters import Choice, Id
from personalization.shop.records.release import Release

MOST_ITEMS = 500
PER_CALL = 450
"""Requested items in one ranking request: with the anchors, they stay within Personalize's limit."""
LEAST_SCORE = 1e-12
NOT_YET = "No purchase likelihood was fitted for this shop yet; the next run that promotes a release fits one."


class LikelihoodBody(BaseModel):
    """The body of a request for purchase likelihoods."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)

    item_ids: list[Id] = Field(min_length=1, max_length=MOST_ITEMS)
    """Each item once."""

    @field_validator("item_ids")
    @classmethod
    def _each_once(cls, items: list[Id]) -> list[Id]:
        if len(set(items)) < len(items):
            raise ValueError("names an item twice")
        return items


class Asking(Choice):
    """A request for purchase likelihoods; `context` replaces the known attributes of the user."""

    user_id: Id


@dataclass(frozen=True, slots=True)
class CountLogits:
    """Log odds of the requested items by counts alone, as of epoch seconds, and the user's population."""

    as_of: int
    logits: Mapping[str, float]
    population: Population = "known"


def as_of(model: Model, now: int) -> int:
    """Return the time that an answer refers to, in epoch seconds: one clock for all users.

    When the model is fitted, the clock stands at the end of the history: the age of the data says nothing about users,
    and a shop whose last drop is a year old would look deserted.
    """
    return model.at + max(0, now - model.fitted)


def count_logits(model: Model, user: User, items: Mapping[str, Item], now: int) -> CountLogits:
    """Return the log odds of items by a user's counters with live events; `now` is in epoch seconds."""
    time, population = as_of(model, now), user.population
    statistics = {name: user.statistics(name, item, model, time) for name, item in items.items()}
    vectors = {name: features.features(values, model.levels) for name, values in statistics.items()}
    return CountLogits(time, {name: model.logit(vector) for name, vector in vectors.items()}, population)


def require_known(item_ids: Sequence[str], known_items: Mapping[str, object]) -> None:
    """Check that all requested items are known.

    Raises:
        Problem: 400, naming each unknown item.
    """
    if unknown := [index for index, name in enumerate(item_ids) if name not in known_items]:
        message = "the shop's last run knows no such item"
        fields = [FieldError(f"itemIds.{index}", message) for index in unknown]
        raise Problem(400, "The request is invalid.", fields)


def ranking_requests(model: Model, release: Release, user: str, items: Sequence[str]) -> list[Ask]:
    """Return the ranking requests for items, each with all anchors; none where scores do not count."""
    arn = release.campaigns.get("personalized-ranking")
    if model.anchored is None or arn is None:
        return []
    parts = [items[start : start + PER_CALL] for start in range(0, len(items), PER_CALL)]
    return [Ask(arn, ranking_parameters(user, part, model.anchors)) for part in parts]


def ranking_parameters(user: str, items: Sequence[str], anchors: Sequence[str]) -> dict[str, object]:
    """Return the parameters of a ranking request for items and anchors, without duplicates."""
    return {"userId": user, "inputList": list(dict.fromkeys([*items, *anchors]))}


def anchored_scores(predicted: Predicted, items: Sequence[str], anchors: Sequence[str]) -> dict[str, float]:
    """Return for each item log score - log of the anchors' sum, which does not depend on the rest of the list.

    Items without a score are left out; without a score for any anchor, all are.
    """
    scores = {item["itemId"]: float(item.get("score") or 0.0) for item in predicted.items}
    total = sum(scores.get(anchor, 0.0) for anchor in anchors)
    if total <= 0.0:
        return {}
    return {item: math.log(max(scores[item], LEAST_SCORE)) - math.log(total) for item in items if item in scores}


def answer(
    model: Model, counts: CountLogits, item_ids: Sequence[str], scores: Mapping[str, float] | None, degraded: str = ""
) -> dict[str, object]:
    """Return the answer's JSON, as `api.models.Likelihood` describes it.

    Args:
        model, counts: the model, and its log odds by counts. item_ids: the items, in the order of the answer.
        scores: anchored scores of the items, or None where only counts are used.
        degraded: why scores that should count are missing; empty where none is.
    """
    anchored = model.anchored if scores is not None else None
    logits = dict(counts.logits)
    if anchored is not None and scores is not None:
        logits |= {item: anchored.logit(logits[item], score) for item, score in scores.items()}
    method: Method = "anchored" if anchored is not None else "counts"
    document: dict[str, object] = {
        "horizonDays": model.horizon_days,
        "eventType": model.event_type,
        "user": counts.population,
        "items": [{"itemId": item, "probability": float(f"{probability(logits[item]):.6g}")} for item in item_ids],
        "method": method,
        "baseRate": float(f"{model.base_rate:.6g}"),
        "verdict": verdict_json(anchored.verdict if anchored else of_population(model, counts.population)),
        "asOf": iso(counts.as_of),
        "calibratedAt": model.fitted_at,
        "calibratedOn": calibrated_on(model),
        "run": model.run,
    }
    return {**document, "degraded": True, "degradedReason": degraded} if degraded else document


def of_population(model: Model, population: Population) -> Verdict:
    """Return the verdict of the fit's test on likelihoods by counts, for users of a population."""
    return model.known_verdict if population == "known" else model.stranger_verdict


def verdict_json(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as answers show it."""
    shares = {"at": verdict.at, "told": verdict.predicted, "observed": verdict.observed}
    return {
        "meansWhatItSays": {"yes": True, "no": False, "unknown": None}[verdict.answer],
        **{name: None if share is None else float(f"{share:.3g}") for name, share in shares.items()},
    }


def calibrated_on(model: Model) -> dict[str, object]:
    return {
        "from": iso(model.calibrated_from),
        "to": iso(model.calibrated_to),
        "pairs": model.calibrated_pairs,
        "purchases": model.calibrated_purchases,
    }


def iso(seconds: int) -> str:
    """Return epoch seconds as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
