# SPDX-License-Identifier: Apache-2.0
"""What all of a user's items say together: found where order says nothing, left alone where it says everything."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from personalize_local.data.records import Interaction
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.training import train
from personalize_local.recipes.user_personalization.model import PersonalModel

from engine.tests.planted import BEGIN, Row, cycle_rows, snapshot

USERS, ITEMS, TAKEN, TASTES = 300, 200, 40, 6


def watched() -> npt.NDArray[np.intp]:
    """[users, TAKEN + 1] items that each likes best, by hidden tastes and by chance, in an order that means nothing."""
    random = np.random.default_rng(2)
    liking = random.normal(size=(USERS, TASTES)) @ random.normal(size=(TASTES, ITEMS)) + random.gumbel(
        size=(USERS, ITEMS)
    )
    best = np.argsort(-liking, axis=1)[:, : TAKEN + 1]
    return random.permuted(best, axis=1)


def films(folder: Path, taken: npt.NDArray[np.intp]) -> Snapshot:
    """Each user's items but the last, minutes apart, each user on a day of his own."""
    rows: list[Row] = [
        (f"u{user}", f"item-{item}", BEGIN + user * 86_400 + position * 600, "Watch")
        for user, items in enumerate(taken[:, :-1].tolist())
        for position, item in enumerate(items)
    ]
    return snapshot(folder, rows)


def counted(world: Snapshot) -> PersonalModel:
    model = train("aws-user-personalization-v2", world, TrainingConfig(hyperparameters={"tier": "fast"})).model
    assert isinstance(model, PersonalModel)
    return model


def cosine(taken: npt.NDArray[np.intp]) -> float:
    """How often the ten items with the largest cosines to all of a user's have the one that he takes next."""
    has = np.zeros((USERS, ITEMS))
    np.put_along_axis(has, taken[:, :-1], 1.0, axis=1)
    near = has.T @ has / np.sqrt(np.outer(has.sum(axis=0), has.sum(axis=0)).clip(1.0))
    np.fill_diagonal(near, 0.0)
    ten = np.argsort(has * 1e9 - has @ near, axis=1)[:, :10]
    return float((ten == taken[:, -1:]).any(axis=1).mean())


def test_where_order_says_nothing_all_that_a_user_took_finds_more_than_what_he_took_last(tmp_path: Path) -> None:
    taken = watched()
    model, hits = counted(films(tmp_path, taken)), 0
    for user, items in enumerate(taken.tolist()):
        history_items = [f"item-{item}" for item in items[:-1]]
        history = [Interaction(item, BEGIN + user * 86_400.0 + position) for position, item in enumerate(history_items)]
        new = ~np.isin(model.item_ids, history_items)
        answer = model.recommend(Query(f"u{user}", history=history), new, 10)
        hits += f"item-{items[-1]}" in {scored.item_id for scored in answer}
    assert hits / USERS >= cosine(taken)


def test_where_order_says_everything_taste_keeps_out_of_the_way(tmp_path: Path) -> None:
    assert counted(snapshot(tmp_path, cycle_rows())).settings.ease_share <= 0.25
