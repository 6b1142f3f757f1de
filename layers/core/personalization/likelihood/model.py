# SPDX-License-Identifier: Apache-2.0
"""The fitted model: four logistic formulas, each calibrated on later time.

One is for pairs bought before, one for all other pairs of users with an event, and two for strangers, of whom no event
is known: with attributes and without.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

Method = Literal["counts", "anchored"]
MOST_LOGIT = 30.0
_BEFORE = {"stranger": 1.0, "user_last": 0.0, "user_due": math.log(0.1)}
"""How models without a formula of strangers were fitted on users who never bought."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A logistic formula with its calibrator folded in.

    Attributes:
        intercept: of the logit.
        weights: of the features, by name.
        least, most: the range of each feature in what it was fitted on; a value beyond it counts as its end.
    """

    intercept: float
    weights: Mapping[str, float]
    least: Mapping[str, float]
    most: Mapping[str, float]

    def logit(self, features: Mapping[str, float]) -> float:
        """The log odds of a purchase within the horizon."""
        return self.intercept + sum(
            weight * min(max(features[name], self.least[name]), self.most[name])
            for name, weight in self.weights.items()
        )


@dataclass(frozen=True, slots=True)
class Anchored:
    """How the ranking campaign's opinion changes the log odds: `a + b·logit + c·r`, and c is never negative.

    `solution_version_arn` is the version whose scores it was fitted on; another one's mean something else.
    """

    solution_version_arn: str
    intercept: float
    slope: float
    weight: float

    def logit(self, counted: float, score: float) -> float:
        """The log odds, of the counts' log odds and the anchored score r."""
        return self.intercept + self.slope * counted + self.weight * score


@dataclass(frozen=True, slots=True)
class Model:
    """Everything about a fit that serving needs, but the counters.

    Attributes:
        run: the run that fitted it. fitted_at: ISO 8601.
        horizon_days, event_type: what is predicted.
        start, at: the first purchase and the cut-off of the data, epoch seconds. levels: of categories.
        base_rate: share of pairs with a purchase within the horizon, in what it is calibrated on.
        calibrated_from, calibrated_to: epoch seconds of the purchases that it is calibrated on.
        calibrated_pairs, calibrated_purchases: how many there were.
        seen, other: the formulas of known users. stranger: that of strangers; None in a model that was stored before
            there was one, for which they are users who stopped buying. described: that of strangers whose attributes
            are known.
        shares: for each level, the share of each category.
        lifts: log lifts by column of users, value and category.
        item_shards, shopper_shards: how many files of counters there are.
        anchored: how the ranking campaign's scores count, where they do.
        anchors: the fixed items that every ranking request has beside the asked ones.
    """

    run: str
    fitted_at: str
    horizon_days: int
    event_type: str
    start: int
    at: int
    levels: int
    base_rate: float
    calibrated_from: int
    calibrated_to: int
    calibrated_pairs: int
    calibrated_purchases: int
    seen: Formula
    other: Formula
    shares: tuple[Mapping[str, float], ...]
    lifts: Mapping[str, Mapping[str, Mapping[str, float]]]
    item_shards: int
    shopper_shards: int
    anchored: Anchored | None = None
    anchors: tuple[str, ...] = ()
    stranger: Formula | None = None
    described: Formula | None = None

    @property
    def fitted(self) -> int:
        """When it was fitted, epoch seconds."""
        return int(datetime.fromisoformat(self.fitted_at).timestamp())

    def logit(self, features: Mapping[str, float]) -> float:
        """The log odds by counts alone.

        Users who never bought are strangers, too, where the fit saw too few of them to tell what their events say.
        """
        if features["seen"]:
            return self.seen.logit(features)
        if not features["stranger"] and not features["visitor"]:
            return self.other.logit(features)
        if self.stranger is None or self.described is None:
            return self.other.logit({**features, **_BEFORE})
        if features["visitor"] and "visitor" in self.other.weights:
            return self.other.logit(features)
        return (self.described if features["described"] else self.stranger).logit(features)

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)


def of_json(document: Mapping[str, Any]) -> Model:
    """A stored model."""
    formulas = {
        name: Formula(**document[name]) for name in ("seen", "other", "stranger", "described") if document.get(name)
    }
    anchored = document["anchored"]
    changed = {
        "anchored": Anchored(**anchored) if anchored else None,
        "anchors": tuple(document["anchors"]),
        "shares": tuple(document["shares"]),
    }
    return Model(**{**document, **formulas, **changed})


def probability(logit: float) -> float:
    """The probability of log odds."""
    return 1.0 / (1.0 + math.exp(-max(-MOST_LOGIT, min(MOST_LOGIT, logit))))
