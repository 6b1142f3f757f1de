# SPDX-License-Identifier: Apache-2.0
"""Snapshots: their sample, their labels, and when the campaign's scores count."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from personalization.likelihood import snapshots

from tests.likelihood import worlds
from tests.likelihood.worlds import World

DAY = 86_400


@cache
def world() -> World:
    return World()


def taken(score: Mapping[str, float] | None = None, at: int | None = None) -> dict[str, Any]:
    """Return a snapshot in which every item has its score."""
    planted = world()
    facts = {"run": "run-1", "at": planted.model.at if at is None else at, "horizonDays": 7, "anchors": ["i0"]}
    scored = [
        (
            pairs,
            {planted.history.items[item]: (score or {}).get(planted.history.items[item], -1.0) for item in pairs.items},
        )
        for pairs in snapshots.sample(planted.tables, 1)
    ]
    return snapshots.snapshot(planted.tables, planted.fit.formulas, scored, facts)


def labelled(at: int, useful: float, seed: int, pairs: int = 3_000) -> dict[str, Any]:
    """Return a labelled snapshot whose scores add `useful` information to the counts."""
    chance = np.random.default_rng(seed)
    logits, scores = chance.normal(-2.0, 1.0, pairs), chance.normal(-4.0, 1.0, pairs)
    odds = logits + useful * (scores + 4.0)
    labels = (chance.random(pairs) < 1 / (1 + np.exp(-odds))).astype(int)
    columns = {"logits": logits.tolist(), "scores": scores.tolist(), "labels": labels.tolist()}
    users = [f"u{number % 100}" for number in range(pairs)]
    return {"at": at, "users": users, "weights": [1.0] * pairs, **columns}


def test_a_sample_has_own_and_other_items_and_stands_for_all_of_them() -> None:
    planted = world()
    for pairs in snapshots.sample(planted.tables, 1):
        assert len(set(pairs.items.tolist())) == len(pairs.items)
        assert (pairs.weights > 0).all()
    total = sum(float(pairs.weights.sum()) for pairs in snapshots.sample(planted.tables, 1))
    assert total == pytest.approx(worlds.SHOPPERS * worlds.ITEMS, rel=0.15)


def test_the_same_run_takes_the_same_sample() -> None:
    assert taken() == taken()


def test_a_snapshot_is_labelled_only_when_its_horizon_has_passed() -> None:
    planted, early = world(), world().model.at - 7 * DAY
    assert snapshots.labelled(taken(), planted.history) is None
    labels = snapshots.labelled(taken(at=early), planted.history)
    assert labels is not None
    bought = {
        (planted.history.users[user], planted.history.items[item])
        for user, item, at, did in zip(
            planted.history.user, planted.history.item, planted.history.time, planted.history.bought, strict=True
        )
        if did and early <= at < early + 7 * DAY
    }
    pairs = list(zip(labels["users"], labels["items"], strict=True))
    assert labels["labels"] == [int(pair in bought) for pair in pairs]
    assert 0 < sum(labels["labels"]) < len(pairs)


def test_anchors_stay_and_those_that_nobody_buys_any_more_are_replaced() -> None:
    first = snapshots.anchors(world().tables, [])
    assert len(first) == len(set(first)) == len(world().history.items)
    assert snapshots.anchors(world().tables, ["i3", "gone", "i1"])[:2] == ["i3", "i1"]


@pytest.mark.parametrize(
    ("stored", "decision"),
    [
        ([], "waiting"),
        ([labelled(1, 1.0, 1)], "waiting"),
        ([labelled(1, 1.0, 1, 100), labelled(2, 1.0, 2, 100)], "waiting"),
        ([labelled(1, 1.0, 1), taken()], "waiting"),
        ([labelled(1, 1.0, 1), labelled(2, 1.0, 2)], "better"),
        ([labelled(1, -1.0, 1), labelled(2, -1.0, 2)], "no better"),
    ],
)
def test_scores_join_the_counts_when_two_labelled_snapshots_say_so(
    stored: Sequence[dict[str, Any]], decision: str
) -> None:
    anchored, facts = snapshots.combine(stored, "arn:version")
    assert facts["decision"] == decision
    assert (anchored is not None) == (decision == "better")


def test_the_weight_of_the_score_is_the_planted_one_and_never_negative() -> None:
    scale, _ = snapshots.combine([labelled(1, 0.8, 1, 8_000), labelled(2, 0.8, 2, 8_000)], "arn:version")
    assert scale is not None
    assert (scale.slope, scale.weight) == pytest.approx((1.0, 0.8), abs=0.12)
    assert scale.logit(-2.0, -3.0) > scale.logit(-2.0, -4.0)
