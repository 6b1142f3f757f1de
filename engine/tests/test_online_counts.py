# SPDX-License-Identifier: Apache-2.0
"""Events change what User-Personalization and Personalized-Ranking count, at once, as a training on them would."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalize_local.answers.catalogue import Catalogue
from personalize_local.data.live import LiveData
from personalize_local.data.records import Interaction, OwnedEvent, StreamedEvent
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.online_counts import OnlineCounts, weight_of
from personalize_local.recipes.common.rows import Rows
from personalize_local.recipes.config import EventParameters, TrainingConfig
from personalize_local.recipes.training import train
from personalize_local.recipes.user_personalization.model import PersonalModel

from engine.tests.planted import BEGIN, cycle_rows, event, snapshot

ITEMS = 6
QUIET = {"explorationWeight": 0.0}
HISTORIES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, ITEMS - 1), st.booleans()), min_size=1, max_size=60
)  # user, item, whether it comes after the training
WEIGHED = (EventParameters("View", weight=0.5), EventParameters("Buy", threshold=2.0, weight=1.0))


def places(items: Sequence[str]) -> list[int]:
    return [int(item) for item in items]


def trained_on(rows: list[tuple[int, int, int]]) -> np.ndarray:
    """What training counts of (user, item, time), in one pass."""
    user, item, times = (np.array([row[n] for row in sorted(rows, key=lambda r: (r[0], r[2]))]) for n in range(3))
    whole = Rows(user.astype(np.int64), item.astype(np.int64), times, np.ones(len(rows)), np.arange(len(rows)), ITEMS)
    return np.asarray(cooccurrence.pairs(whole, 0.5).todense())


def added(online: OnlineCounts) -> np.ndarray:
    return np.stack([online.weighted(np.array([item]), np.ones(1), backward=0.0) for item in range(ITEMS)])


@given(HISTORIES, st.randoms(use_true_random=False))
def test_events_one_by_one_come_to_what_a_training_on_all_counts(
    history: list[tuple[int, int, bool]], shuffle: random.Random
) -> None:
    rows = [(user, item, BEGIN + position) for position, (user, item, _) in enumerate(history)]
    late = [row for row, (_, _, streamed) in zip(rows, history, strict=True) if streamed]
    early = [row for row in rows if row not in late]
    shuffle.shuffle(late)
    live: dict[str, list[Interaction]] = {}
    for user, item, moment in early:
        live.setdefault(str(user), []).append(Interaction(str(item), moment))
    online = OnlineCounts(places, ITEMS, ())
    for user, item, moment in late:
        fresh = OwnedEvent(1, str(user), Interaction(str(item), moment))
        live.setdefault(str(user), []).append(fresh.row)
        live[str(user)].sort(key=lambda row: row.timestamp)
        online.add([fresh], lambda name: live[name])
    before = trained_on(early) if early else np.zeros((ITEMS, ITEMS))
    assert before + added(online) == pytest.approx(trained_on(rows), abs=1e-4)
    assert online.seen.tolist() == np.bincount([row[1] for row in late], minlength=ITEMS).tolist()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PersonalModel:
    trained = train(
        "aws-user-personalization", snapshot(tmp_path_factory.mktemp("world"), cycle_rows()), TrainingConfig()
    )
    assert isinstance(trained.model, PersonalModel)
    return trained.model


def stream(live: LiveData, catalogue: Catalogue, *events: StreamedEvent) -> None:
    for position, event_row in enumerate(events):
        live.add_event(event_row, 100 + position)
        catalogue.count_events()


def first(catalogue: Catalogue, *items: str) -> str:
    history = [Interaction(item, BEGIN + 10**6) for item in items]
    allowed = ~np.isin(catalogue.item_ids, items)
    return catalogue.model.recommend(
        Query("u", history=history, online=catalogue.online, exploration=QUIET), allowed, 1
    )[0].item_id


def test_what_people_do_now_is_what_the_next_one_is_offered(model: PersonalModel) -> None:
    live = LiveData()
    catalogue = Catalogue(model, live, trained=0)
    assert first(catalogue, "item-8") == "item-9"
    pairs = [(n, item) for n in range(200) for item in ("item-8", "item-2")]
    stream(live, catalogue, *(event(2 * n + (item == "item-2"), item, user=f"new-{n}") for n, item in pairs))
    assert first(catalogue, "item-8") == "item-2"


def test_events_of_the_training_are_not_counted_again(model: PersonalModel) -> None:
    live = LiveData()
    live.add_event(event(1, "item-1", user="u1"), 7)
    live.add_event(event(2, "item-2", user="u1"), 8)
    for trained, count in ((8, 0), (7, 1), (0, 2)):
        counts = Catalogue(model, live, trained=trained).online
        assert counts is not None
        assert counts.count == count


def test_a_session_counts_from_the_log_in_on(model: PersonalModel) -> None:
    live = LiveData()
    catalogue = Catalogue(model, live, trained=0)
    stream(live, catalogue, event(1, "item-8", session="s"), event(2, "item-2", session="s"))
    assert catalogue.online is not None
    assert catalogue.online.count == 0
    stream(live, catalogue, event(3, None, user="late", session="s"))
    [eight, two] = model.positions(["item-8", "item-2"])
    assert catalogue.online.count == 2
    after = catalogue.online.weighted(np.array([eight]), np.ones(1), backward=0.0)
    assert after[two] == after.sum() == 1.0


@pytest.mark.parametrize("recipe", ["aws-similar-items", "aws-popularity-count"])
def test_similar_items_and_popularity_change_by_training_only(tmp_path: Path, recipe: str) -> None:
    listing: Model = train(recipe, snapshot(tmp_path, cycle_rows()), TrainingConfig()).model
    assert Catalogue(listing, LiveData()).online is None


@pytest.mark.parametrize(
    ("row", "weight"),
    [
        (Interaction("i", 0, "view"), 0.5),
        (Interaction("i", 0, "Buy", 3.0), 1.0),
        (Interaction("i", 0, "Buy", 1.0), None),
        (Interaction("i", 0, "Buy"), None),
        (Interaction("i", 0, "Return"), None),
        (Interaction("i", 0), None),
    ],
)
def test_only_what_trains_is_absorbed(row: Interaction, weight: float | None) -> None:
    assert weight_of(row, WEIGHED) == weight
