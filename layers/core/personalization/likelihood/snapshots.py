# SPDX-License-Identifier: Apache-2.0
"""Ranking scores of sampled pairs at a promotion, and later their labels.

The scores must be requested at once: later, the campaign has seen the labels. When the history reaches past the
horizon, the sample gets its labels; with enough of them, and if held-out pairs improve, scores count besides counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personalization.core import stored
from personalization.likelihood import logistic, training
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Floats, History, Ints
from personalization.likelihood.logistic import quality
from personalization.likelihood.model import Anchored
from personalization.likelihood.tables import Tables
from personalization.likelihood.verdict import verdict

ANCHORS = 50
USERS, BOUGHT, OTHERS = 100, 120, 150
"""Users of a sample, and for each of them the items bought before and the others, at most."""
LEAST_SNAPSHOTS, LEAST_PURCHASES = 2, 500
"""Labelled samples, and purchases in them, without which scores do not count."""
MOST_SNAPSHOTS = 12
"""Stored samples at most; older ones are deleted."""

Snapshot = Mapping[str, Any]
"""A sample as it is stored: see `snapshot`."""


def anchors(table: Tables, before: Sequence[str]) -> list[str]:
    """Return the anchors: earlier ones that still sell, and others evenly spaced by rank among the sellers."""
    history = table.history
    sold = table.item["d91"]
    number = {name: index for index, name in enumerate(history.items)}
    still_sold = [name for name in before if name in number and sold[number[name]] > 0][:ANCHORS]
    order = np.argsort(-sold, kind="stable")[: max(int((sold > 0).sum()), 1)]
    spread = order[np.unique(np.linspace(0, len(order) - 1, ANCHORS).astype(int))]
    added = [history.items[index] for index in spread.tolist() if history.items[index] not in set(still_sold)]
    return [*still_sold, *added][:ANCHORS]


@dataclass(frozen=True, slots=True)
class Pairs:
    """A user of a sample: the numbers of the user and the items, and the pairs that each item represents."""

    user: int
    items: Ints
    weights: Floats


def sample(table: Tables, seed: int) -> Iterator[Pairs]:
    """Yield sampled users with some items bought before and some others, bestsellers more often."""
    chance, wide = np.random.default_rng(seed), len(table.history.items)
    active = np.flatnonzero(table.user["n"] > 0)
    users = chance.permutation(active)[:USERS]
    popularity = table.item["d28"] + 0.05
    popularity = popularity / popularity.sum()
    for user in users.tolist():
        low, high = np.searchsorted(table.keys, [user * wide, (user + 1) * wide])
        bought = table.keys[low:high][table.pair["n"][low:high] > 0] - user * wide
        chosen = chance.permutation(bought)[:BOUGHT]
        drawn = np.unique(chance.choice(wide, OTHERS, p=popularity))
        others = drawn[~np.isin(drawn, bought)]
        users_represented = table.history.scale * len(active) / len(users)
        # The weight compensates for the probability that an item is among the draws.
        inclusion = -np.expm1(OTHERS * np.log1p(-np.minimum(popularity[others], 1 - 1e-12)))
        weights = np.concatenate(
            [np.full(len(chosen), len(bought) / max(len(chosen), 1)), 1.0 / np.maximum(inclusion, 1e-12)]
        )
        yield Pairs(user, np.concatenate([chosen, others]), users_represented * weights)


def snapshot(
    table: Tables,
    formulas: training.Formulas,
    scored: Sequence[tuple[Pairs, Mapping[str, float]]],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a sample as it is stored: columns of equal length, and its facts.

    Args:
        table: as of the cut-off. formulas: of the fit. scored: pairs, and the anchored scores of items that have one.
        facts: run, solution version, campaign, cut-off, horizon, anchors.
    """
    history = table.history
    rows = [
        (pairs.user, item, weight, scores[history.items[item]])
        for pairs, scores in scored
        for item, weight in zip(pairs.items.tolist(), pairs.weights.tolist(), strict=True)
        if history.items[item] in scores
    ]
    users, items = (np.array([row[column] for row in rows], dtype=np.int64) for column in (0, 1))
    vectors = table.features(users, items)
    sampled = training.Rows(
        features=vectors, label=np.zeros(len(rows)), weight=np.ones(len(rows)), seen=vectors["seen"] > 0, user=users
    )
    return {
        "version": stored.VERSION,
        **facts,
        "users": [history.users[row[0]] for row in rows],
        "items": [history.items[row[1]] for row in rows],
        "weights": [_rounded(row[2]) for row in rows],
        "scores": [_rounded(row[3]) for row in rows],
        "logits": [_rounded(logit) for logit in sampled.logits(formulas).tolist()],
        "features": {name: [_rounded(value) for value in values.tolist()] for name, values in vectors.items()},
        "labels": None,
    }


def labelled(stored: Snapshot, history: History) -> dict[str, Any] | None:
    """Return the sample with its labels once the history reaches past its horizon; before, None."""
    start, until = int(stored["at"]), int(stored["at"]) + int(stored["horizonDays"]) * DAY
    if history.end + 1 < until:
        return None
    inside = history.bought & (history.time >= start) & (history.time < until)
    bought = {
        (history.users[user], history.items[item])
        for user, item in zip(history.user[inside].tolist(), history.item[inside].tolist(), strict=True)
    }
    pairs = zip(stored["users"], stored["items"], strict=True)
    return {**stored, "labels": [int(pair in bought) for pair in pairs], "labelledTo": history.end}


def combine(stored: Sequence[Snapshot], solution_version_arn: str) -> tuple[Anchored | None, Mapping[str, Any]]:
    """Fit the scores on labelled samples: try on all but the newest, evaluate on the newest, then fit on all.

    Returns:
        How scores count besides counts, or None where they do not; and the facts behind that, for the report.
    """
    labelled_samples = sorted(
        (snapshot for snapshot in stored if snapshot["labels"] is not None), key=lambda snapshot: int(snapshot["at"])
    )
    purchases = sum(sum(snapshot["labels"]) for snapshot in labelled_samples)
    facts: dict[str, Any] = {"snapshots": len(stored), "labelled": len(labelled_samples), "purchases": purchases}
    facts |= {"neededSnapshots": LEAST_SNAPSHOTS, "neededPurchases": LEAST_PURCHASES}
    if len(labelled_samples) < LEAST_SNAPSHOTS or purchases < LEAST_PURCHASES:
        return None, {**facts, "decision": "waiting"}
    older, newest = _columns(labelled_samples[:-1]), _columns(labelled_samples[-1:])
    chances = []
    for free in (False, True):
        a, b, c = _fit(*older, score_counts=free)
        chances.append(logistic.sigmoid(a + b * newest[0] + c * newest[1]))
    losses = [quality(chance, newest[2], newest[3]).log_loss for chance in chances]
    facts |= {"countsLogLoss": losses[0], "anchoredLogLoss": losses[1]}
    a, b, c = _fit(*_columns(labelled_samples), score_counts=True)
    if losses[1] >= losses[0] or c <= 0.0:
        return None, {**facts, "decision": "no better"}
    _, users = np.unique(labelled_samples[-1]["users"], return_inverse=True)
    judged = verdict(chances[1], newest[2], newest[3], users)
    return Anchored(solution_version_arn=solution_version_arn, intercept=a, slope=b, weight=c, verdict=judged), {
        **facts,
        "decision": "better",
        "weight": c,
    }


def _columns(stored: Sequence[Snapshot]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the log odds, scores, labels and weights of samples."""
    names = ("logits", "scores", "labels", "weights")
    return tuple(np.concatenate([np.array(snapshot[name], dtype=np.float64) for snapshot in stored]) for name in names)  # type: ignore[return-value]


def _fit(logit: Floats, score: Floats, label: Floats, weight: Floats, *, score_counts: bool) -> tuple[float, ...]:
    """Return the intercept, the slope and the weight of the score, which is never negative."""
    middle = float(np.average(score, weights=weight))
    columns = [np.ones_like(logit), logit]
    if score_counts:
        columns.append(score - middle)
    start = np.array([0.0, 1.0, 0.0][: len(columns)])
    # Weights represent many pairs, but the ridge is for rows.
    scale = weight / max(float(weight.mean()), 1e-12)
    coefficients = logistic.fit(np.stack(columns, 1), label, scale, np.array([0.1, 1.0, 1.0][: len(columns)]), start)
    if not score_counts:
        return float(coefficients[0]), float(coefficients[1]), 0.0
    if coefficients[2] <= 0.0:
        return _fit(logit, score, label, weight, score_counts=False)
    return float(coefficients[0] - coefficients[2] * middle), float(coefficients[1]), float(coefficients[2])


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
