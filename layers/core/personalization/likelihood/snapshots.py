# SPDX-License-Identifier: Apache-2.0
"""What the ranking campaign thought of a sample of pairs when a version was promoted, and what came of it.

The scores have to be asked for at once: later the campaign has seen the labels. When the history reaches past the
horizon the sample is labelled, and with enough of them the scores may join the counts, if held-out pairs say so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personalization.likelihood import logistic, training
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Floats, History, Ints
from personalization.likelihood.model import Anchored
from personalization.likelihood.scores import quality
from personalization.likelihood.tables import Tables

ANCHORS = 50
USERS, OWN, OTHERS = 100, 120, 150
"""Users of a sample, and of each of them the items bought before and the others, at most."""
LEAST_SNAPSHOTS, LEAST_PURCHASES = 2, 500
"""Labelled samples, and purchases in them, that scores need before they may count."""
KEPT = 12
"""Newest samples that are kept."""

Snapshot = Mapping[str, Any]
"""A sample as it is stored: see `snapshot`."""


def anchors(table: Tables, before: Sequence[str]) -> list[str]:
    """The fixed items: those of before as long as they are sold, the rest spread evenly from the best sellers down."""
    history = table.history
    sold = table.item["d91"]
    number = {name: place for place, name in enumerate(history.items)}
    kept = [name for name in before if name in number and sold[number[name]] > 0][:ANCHORS]
    order = np.argsort(-sold, kind="stable")[: max(int((sold > 0).sum()), 1)]
    spread = order[np.unique(np.linspace(0, len(order) - 1, ANCHORS).astype(int))]
    added = [history.items[place] for place in spread.tolist() if history.items[place] not in set(kept)]
    return [*kept, *added][:ANCHORS]


@dataclass(frozen=True, slots=True)
class Pairs:
    """A user of a sample: numbers of the user and the items, and what each item stands for."""

    user: int
    items: Ints
    weights: Floats


def sample(table: Tables, seed: int) -> Iterator[Pairs]:
    """Users, and for each some of the items bought before and some others, bestsellers more often."""
    chance, wide = np.random.default_rng(seed), len(table.history.items)
    active = np.flatnonzero(table.user["n"] > 0)
    shoppers = chance.permutation(active)[:USERS]
    often = table.item["d28"] + 0.05
    often = often / often.sum()
    for user in shoppers.tolist():
        low, high = np.searchsorted(table.keys, [user * wide, (user + 1) * wide])
        own = table.keys[low:high][table.pair["n"][low:high] > 0] - user * wide
        mine = chance.permutation(own)[:OWN]
        drawn = np.unique(chance.choice(wide, OTHERS, p=often))
        others = drawn[~np.isin(drawn, own)]
        each = len(active) / len(shoppers)
        # The chance that an item is among that many draws, which its weight makes up for.
        there = -np.expm1(OTHERS * np.log1p(-np.minimum(often[others], 1 - 1e-12)))
        weights = np.concatenate([np.full(len(mine), len(own) / max(len(mine), 1)), 1.0 / np.maximum(there, 1e-12)])
        yield Pairs(user, np.concatenate([mine, others]), each * weights)


def snapshot(
    table: Tables,
    formulas: training.Formulas,
    scored: Sequence[tuple[Pairs, Mapping[str, float]]],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """A sample as it is stored: columns of the same length, and what it is about.

    Args:
        table: the tables as of the cut-off. formulas: those of the release.
        scored: pairs, and the anchored scores of those items that got one.
        about: run, solution version, campaign, cut-off, horizon, anchors.
    """
    history = table.history
    rows = [
        (pairs.user, item, weight, scores[history.items[item]])
        for pairs, scores in scored
        for item, weight in zip(pairs.items.tolist(), pairs.weights.tolist(), strict=True)
        if history.items[item] in scores
    ]
    users, items = (np.array([row[place] for row in rows], dtype=np.int64) for place in (0, 1))
    found = table.features(users, items)
    told = training.Rows(found, np.zeros(len(rows)), np.ones(len(rows)), found["seen"] > 0)
    return {
        **about,
        "users": [history.users[row[0]] for row in rows],
        "items": [history.items[row[1]] for row in rows],
        "weights": [_short(row[2]) for row in rows],
        "scores": [_short(row[3]) for row in rows],
        "logits": [_short(each) for each in told.logits(formulas).tolist()],
        "features": {name: [_short(each) for each in values.tolist()] for name, values in found.items()},
        "labels": None,
    }


def labelled(stored: Snapshot, history: History) -> dict[str, Any] | None:
    """The sample with its labels, once the history reaches past its horizon; None before."""
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


@dataclass(frozen=True, slots=True)
class Joined:
    """Whether scores join the counts, and why.

    Attributes:
        anchored: how they do; None where they do not.
        told: for the report.
    """

    anchored: Anchored | None
    told: Mapping[str, Any]


def joined(stored: Sequence[Snapshot], solution_version_arn: str) -> Joined:
    """Fit the scores on labelled samples, oldest first: all but the newest to try, the newest to judge, then all."""
    mature = sorted((each for each in stored if each["labels"] is not None), key=lambda each: int(each["at"]))
    purchases = sum(sum(each["labels"]) for each in mature)
    told: dict[str, Any] = {"snapshots": len(stored), "labelled": len(mature), "purchases": purchases}
    told |= {"neededSnapshots": LEAST_SNAPSHOTS, "neededPurchases": LEAST_PURCHASES}
    if len(mature) < LEAST_SNAPSHOTS or purchases < LEAST_PURCHASES:
        return Joined(None, {**told, "decision": "waiting"})
    older, newest = _columns(mature[:-1]), _columns(mature[-1:])
    losses = []
    for free in (False, True):
        a, b, c = _fitted(*older, score_counts=free)
        chance = logistic.sigmoid(a + b * newest[0] + c * newest[1])
        losses.append(quality(chance, newest[2], newest[3]).log_loss)
    told |= {"countsLogLoss": losses[0], "anchoredLogLoss": losses[1]}
    a, b, c = _fitted(*_columns(mature), score_counts=True)
    if losses[1] >= losses[0] or c <= 0.0:
        return Joined(None, {**told, "decision": "no better"})
    return Joined(Anchored(solution_version_arn, a, b, c), {**told, "decision": "better", "weight": c})


def _columns(stored: Sequence[Snapshot]) -> tuple[Floats, Floats, Floats, Floats]:
    """Log odds, scores, labels and weights of samples."""
    names = ("logits", "scores", "labels", "weights")
    return tuple(np.concatenate([np.array(each[name], dtype=np.float64) for each in stored]) for name in names)  # type: ignore[return-value]


def _fitted(logit: Floats, score: Floats, label: Floats, weight: Floats, *, score_counts: bool) -> tuple[float, ...]:
    """Intercept, slope and weight of the score; the last is never negative."""
    middle = float(np.average(score, weights=weight))
    columns = [np.ones_like(logit), logit]
    if score_counts:
        columns.append(score - middle)
    start = np.array([0.0, 1.0, 0.0][: len(columns)])
    # The weights stand for many pairs; the ridge is for rows.
    scale = weight / max(float(weight.mean()), 1e-12)
    found = logistic.fit(np.stack(columns, 1), label, scale, np.array([0.1, 1.0, 1.0][: len(columns)]), start)
    if not score_counts or found[2] <= 0.0:
        if score_counts:
            return _fitted(logit, score, label, weight, score_counts=False)
        return float(found[0]), float(found[1]), 0.0
    return float(found[0] - found[2] * middle), float(found[1]), float(found[2])


def _short(value: float) -> float:
    return float(f"{value:.5g}")
