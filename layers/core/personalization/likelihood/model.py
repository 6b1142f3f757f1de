# SPDX-License-Identifier: Apache-2.0
"""The fitted model: four logistic formulas, each calibrated on later windows.

One is for pairs bought before, one for all other pairs of users with events, and two for strangers, who have no events:
with and without attributes.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

Method = Literal["counts", "anchored"]
MOST_LOGIT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether probabilities near `at` mean what they say, and a sentence that says so.

    Attributes:
        predicted, observed: the mean prediction of the tested pairs near `at`, and the share of them with a purchase;
            None where the test has too few. low, high: where that share lies in 95 % of the draws of users.
    """

    answer: Literal["yes", "no", "unknown"]
    text: str
    at: float
    predicted: float | None = None
    observed: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Formula:
    """A logistic formula that includes its calibrator.

    Attributes:
        intercept: of the logit.
        weights: of the features, by name.
        least, most: the range of each feature in the fitted rows; values are clipped to it.
    """

    intercept: float
    weights: Mapping[str, float]
    least: Mapping[str, float]
    most: Mapping[str, float]

    def logit(self, features: Mapping[str, float]) -> float:
        """Return the log odds of a purchase within the horizon."""
        return self.intercept + sum(
            weight * min(max(features[name], self.least[name]), self.most[name])
            for name, weight in self.weights.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """How the ranking campaign's score changes the log odds: `a + b·logit + c·r`, where c is never negative.

    `solution_version_arn` is the version of the fitted scores; another version's scores have another meaning.
    `verdict` is that of the newest sample.
    """

    solution_version_arn: str
    intercept: float
    slope: float
    weight: float
    verdict: Verdict

    def logit(self, counted: float, score: float) -> float:
        """Return the log odds, given those by counts and the anchored score r."""
        return self.intercept + self.slope * counted + self.weight * score


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The value of a customer's purchases on a day: `level · (sum + added · mean) / (days + added)`.

    Attributes:
        mean: of all customers. added: days of average value that are added to a customer's own days and their sum.
        level: what the windows that calibrate have beyond that.
    """

    mean: float
    added: float
    level: float

    def of(self, days: float, total: float) -> float:
        """Return the value of a day with purchases, given a customer's days with a value and the sum of them."""
        return self.level * (total + self.added * self.mean) / (days + self.added)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A sum over all customers of the test, predicted and observed.

    `low` and `high` are where the observed sum lies in 95 % of the draws of customers.
    """

    answer: Literal["yes", "no", "unknown"]
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decile:
    """A tenth of the customers of the test, by their probability, and their predicted and observed sums.

    `low` and `high` are where the observed buyers lie in 95 % of the draws of customers. `value` has None without
    values.
    """

    customers: float
    buyers: tuple[float, float]
    low: float
    high: float
    purchases: tuple[float, float]
    value: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Customers:
    """How much a customer buys within the horizon.

    Attributes:
        buys: whether on any day. more: on which share of the horizon's days beyond the first, where they buy at all.
        spending: the value of a day; None without values, for the reason `no_values`.
        verdict: of the probabilities of the test. buyers, purchases, value: its totals. deciles: from the least likely
            tenth on.
    """

    buys: Formula
    more: Formula
    spending: Spending | None
    no_values: str
    verdict: Verdict
    buyers: Total
    purchases: Total
    value: Total | None
    deciles: tuple[Decile, ...]

    def predict(self, features: Mapping[str, float], horizon_days: int) -> tuple[float, float]:
        """Return the probability to buy anything within the horizon, and the expected number of days with purchases."""
        chance = probability(self.buys.logit(features))
        return chance, chance * (1.0 + horizon_days * probability(self.more.logit(features)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All of a fit that serving needs, except the counters.

    Attributes:
        run: the run that fitted it. fitted_at: ISO 8601.
        horizon_days, event_type: of the prediction.
        start, at: the first purchase and the cut-off of the data, epoch seconds. levels: of categories.
        base_rate: share of calibration pairs with a purchase within the horizon.
        calibrated_from, calibrated_to: epoch seconds of the calibration.
        calibrated_pairs, calibrated_purchases: their numbers.
        seen, other: the formulas of known users. stranger: that of strangers. described: that of strangers with known
            attributes.
        shares: for each level, the share of each category.
        lifts: log lifts by column of users, value and category.
        item_shards, shopper_shards: numbers of files of counters.
        anchored: how the ranking campaign's scores count, if they do.
        anchors: the fixed items of every ranking request.
        known_verdict, stranger_verdict: of the test, for users with events before the fit and for all others.
        customers: how much a customer buys at all; None of earlier fits.
        texts: the codes of the sentences of verdicts and reasons, by their English; none of earlier fits.
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
    stranger: Formula
    described: Formula
    shares: tuple[Mapping[str, float], ...]
    lifts: Mapping[str, Mapping[str, Mapping[str, float]]]
    item_shards: int
    shopper_shards: int
    known_verdict: Verdict
    stranger_verdict: Verdict
    anchored: Anchored | None = None
    anchors: tuple[str, ...] = ()
    customers: Customers | None = None
    texts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def fitted(self) -> int:
        """Return the time of the fit, in epoch seconds."""
        return int(datetime.fromisoformat(self.fitted_at).timestamp())

    def logit(self, features: Mapping[str, float]) -> float:
        """Return the log odds by counts alone.

        Users with events but no purchase are strangers, too, where the fit had too few of them.
        """
        if features["seen"]:
            return self.seen.logit(features)
        if not features["stranger"] and not features["visitor"]:
            return self.other.logit(features)
        if features["visitor"] and "visitor" in self.other.weights:
            return self.other.logit(features)
        return (self.described if features["described"] else self.stranger).logit(features)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_model(document: Mapping[str, Any]) -> Model:
    """Return a stored model."""
    formulas = {name: Formula(**document[name]) for name in ("seen", "other", "stranger", "described")}
    verdicts = {name: Verdict(**document[name]) for name in ("known_verdict", "stranger_verdict")}
    changed = {
        "anchored": _anchored(document["anchored"]) if document["anchored"] else None,
        "anchors": tuple(document["anchors"]),
        "shares": tuple(document["shares"]),
        "customers": _customers(document["customers"]) if document.get("customers") else None,
    }
    return Model(**{**document, **formulas, **verdicts, **changed})


def _anchored(document: Mapping[str, Any]) -> Anchored:
    return Anchored(**{**document, "verdict": Verdict(**document["verdict"])})


def _customers(document: Mapping[str, Any]) -> Customers:
    totals = {name: Total(**document[name]) if document[name] else None for name in ("buyers", "purchases", "value")}
    deciles = [
        Decile(
            **{
                **decile,
                "buyers": tuple(decile["buyers"]),
                "purchases": tuple(decile["purchases"]),
                "value": tuple(decile["value"]) if decile["value"] else None,
            }
        )
        for decile in document["deciles"]
    ]
    read = {
        **{name: Formula(**document[name]) for name in ("buys", "more")},
        **totals,
        "spending": Spending(**document["spending"]) if document["spending"] else None,
        "verdict": Verdict(**document["verdict"]),
        "deciles": tuple(deciles),
    }
    return Customers(**{**document, **read})


def probability(logit: float) -> float:
    """Return the probability of log odds."""
    return 1.0 / (1.0 + math.exp(-max(-MOST_LOGIT, min(MOST_LOGIT, logit))))
