# SPDX-License-Identifier: Apache-2.0
"""The answer to how likely a user is to buy items: requests, the moment they are about, and the answer's JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from personalization.core.problems import FieldError, Problem
from personalization.likelihood import features
from personalization.likelihood.counters import Item, Population, User
from personalization.likelihood.model import Method, Model, probability
from personalization.personalize.runtime import Ask, Predicted
from personalization.shop.filters import Choice, Id
from personalization.shop.release import Release

MOST_ITEMS = 500
PER_CALL = 450
"""Asked items of one ranking request: with the anchors, no more than Personalize takes."""
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
    """A request for purchase likelihoods; `context` has columns of users, in place of what is known of this one."""

    user_id: Id


@dataclass(frozen=True, slots=True)
class Counted:
    """The log odds of the asked items by counts alone, as of a moment (epoch seconds), and of whose population."""

    as_of: int
    logits: Mapping[str, float]
    population: Population = "known"


def as_of(model: Model, now: int) -> int:
    """The moment that an answer is about, in epoch seconds: one clock for all users.

    It begins at the history's end when the model is fitted: how old the data were then says nothing of the users, and
    a shop whose last drop is a year old would seem deserted.
    """
    return model.at + max(0, now - model.fitted)


def counted(model: Model, shopper: User, items: Mapping[str, Item], now: int) -> Counted:
    """The log odds of items by counts.

    Args:
        model: the model. user: counters with live events. items: the asked ones. now: epoch seconds.
    """
    moment = as_of(model, now)
    told = {
        name: features.features(shopper.statistics(name, item, model, moment), model.levels)
        for name, item in items.items()
    }
    return Counted(moment, {name: model.logit(each) for name, each in told.items()}, shopper.population)


def unknown(asked: Sequence[str], known: Mapping[str, object]) -> None:
    """See that all asked items are known.

    Raises:
        Problem: 400, naming each that is not.
    """
    if strange := [index for index, name in enumerate(asked) if name not in known]:
        message = "the shop's last run knows no such item"
        fields = [FieldError(f"itemIds.{index}", message) for index in strange]
        raise Problem(400, "The request is not as it must be.", fields)


def asks(model: Model, release: Release, user: str, items: Sequence[str], context: Mapping[str, str]) -> list[Ask]:
    """What the ranking campaign is asked: the items, each call with all anchors; nothing where scores do not count."""
    arn = release.campaigns.get("personalized-ranking")
    if model.anchored is None or arn is None:
        return []
    parts = [items[start : start + PER_CALL] for start in range(0, len(items), PER_CALL)]
    return [Ask(arn, anchored_list(user, part, model.anchors, context)) for part in parts]


def anchored_list(
    user: str, items: Sequence[str], anchors: Sequence[str], context: Mapping[str, str]
) -> dict[str, object]:
    """The parameters of a ranking request for items and anchors, each once."""
    told: dict[str, object] = {"userId": user, "inputList": list(dict.fromkeys([*items, *anchors]))}
    return {**told, "context": dict(context)} if context else told


def anchored_scores(predicted: Predicted, items: Sequence[str], anchors: Sequence[str]) -> dict[str, float]:
    """For each item log score - log of the anchors' sum: what the rest of the list was makes no difference to it.

    Items without a score, or an answer without one for any anchor, are left out.
    """
    scores = {each["itemId"]: float(each.get("score") or 0.0) for each in predicted.items}
    total = sum(scores.get(anchor, 0.0) for anchor in anchors)
    if total <= 0.0:
        return {}
    return {item: math.log(max(scores[item], LEAST_SCORE)) - math.log(total) for item in items if item in scores}


def answer(
    model: Model, found: Counted, asked: Sequence[str], scores: Mapping[str, float] | None, degraded: str = ""
) -> dict[str, object]:
    """The answer's JSON; `answers.Likelihood` describes it.

    Args:
        model: the model. found: the log odds by counts. asked: the items, in the order of the answer.
        scores: anchored scores of the items, or None where only counts are used.
        degraded: why scores that should count are not there; empty where nothing is missing.
    """
    anchored = model.anchored if scores is not None else None
    logits = dict(found.logits)
    if anchored is not None and scores is not None:
        logits |= {item: anchored.logit(logits[item], score) for item, score in scores.items()}
    method: Method = "anchored" if anchored is not None else "counts"
    told: dict[str, object] = {
        "horizonDays": model.horizon_days,
        "eventType": model.event_type,
        "user": found.population,
        "items": [{"itemId": item, "probability": float(f"{probability(logits[item]):.6g}")} for item in asked],
        "method": method,
        "baseRate": float(f"{model.base_rate:.6g}"),
        "asOf": iso(found.as_of),
        "calibratedAt": model.fitted_at,
        "calibratedOn": {
            "from": iso(model.calibrated_from),
            "to": iso(model.calibrated_to),
            "pairs": model.calibrated_pairs,
            "purchases": model.calibrated_purchases,
        },
        "run": model.run,
    }
    return {**told, "degraded": True, "degradedReason": degraded} if degraded else told


def iso(seconds: int) -> str:
    """Epoch seconds as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
