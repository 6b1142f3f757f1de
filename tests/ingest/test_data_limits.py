# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from personalization.ingest.report import data_limits
from personalization.shop.settings.engine_jobs import NEEDS, megabytes
from personalization.shop.settings.settings import ShopSettings, parse
from personalize_local import library


def test_a_shop_within_the_limits_is_told_nothing() -> None:
    assert data_limits(ShopSettings(), 750_000, 500_000_000) == ()


def test_above_the_limit_of_items_the_second_generation_is_proposed_with_its_bill() -> None:
    warning, proposal = data_limits(ShopSettings(), 750_001, 10_000_000)
    assert warning == (
        "750,001 items: user-personalization and personalized-ranking of generation v1 consider 750,000, not the rest"
    )
    # Two recipes: $0.002 for a thousand interactions, against 20 hours at $0.24; and a request a second.
    assert "A training on 10,000,000 interactions costs $40.00 instead of $9.60" in proposal
    assert "at least $788.40 instead of $292.23 a month (prices of 2026-01)" in proposal


@pytest.mark.parametrize(
    ("text", "items", "interactions", "said"),
    [
        ("generation: v2", 5_000_001, 0, "5,000,001 items: .* of generation v2 consider 5,000,000"),
        ("generation: v2", 0, 3_000_000_001, "3,000,000,001 interactions: .* consider 3,000,000,000"),
        ("recipes: [user-personalization]", 0, 500_000_001, "interactions: user-personalization of generation v1"),
    ],
)
def test_each_generation_has_limits_of_its_own(text: str, items: int, interactions: int, said: str) -> None:
    notes = data_limits(parse("settings.yaml", text), items, interactions)
    assert len(notes) == (1 if "v2" in text else 2)
    assert re.search(said, notes[0])


def test_recipes_of_one_generation_have_no_limit_that_is_known() -> None:
    assert data_limits(parse("settings.yaml", "recipes: [similar-items, popularity-count]"), 9_000_000, 0) == ()


@pytest.mark.parametrize(
    ("items", "interactions", "said"),
    [
        (1_000_000, 0, ""),
        (0, 18_000_000, ""),
        (300_000, 10_000_000, "about 3,712 MB of memory: give the stack an EngineMemory of as much"),
        (0, 20_000_000, "about 3,216 MB of memory: give the stack an EngineMemory of as much"),
        (
            900_000,
            20_000_000,
            "about 7,450 MB of memory and 29 minutes, more than a function can have. With backend: personalize",
        ),
        (
            25_000,
            100_000_000,
            "more than a function can have. With backend: personalize the trainings cost about \\$192.00",
        ),
    ],
)
def test_a_training_beyond_a_function_of_the_engine_is_told_before_it_begins(
    items: int, interactions: int, said: str
) -> None:
    notes = data_limits(parse("settings.yaml", "backend: engine"), items, interactions)
    assert len(notes) == bool(said)
    assert re.search(said, " ".join(notes))


def test_a_fallback_that_no_function_can_train_is_told_to_be_left_out() -> None:
    notes = " ".join(data_limits(parse("settings.yaml", "fallback: engine"), 25_000, 100_000_000))
    assert "leave fallback out" in notes
    assert "backend: personalize" not in notes


def test_trainings_take_what_the_engine_says() -> None:
    for alias, expected in NEEDS.items():
        for interactions, items in ((0, 0), (100_000, 5_000), (7_000_000, 500_000)):
            needed = library.needs(f"aws-{alias}", interactions, items)
            assert megabytes([alias], interactions, items) == pytest.approx(needed.memory / 2**20, abs=1)
            assert expected.of(interactions, items)[1] == pytest.approx(needed.seconds)


def test_what_the_engines_trainings_cost_beside_personalizes_is_said() -> None:
    settings = ShopSettings(fallback="engine")
    (note,) = data_limits(settings, 1_000, 1_000_000)
    assert "about $0.0" in note
    assert data_limits(settings, 1_000, 0) == data_limits(ShopSettings(), 1_000, 1_000_000) == ()
    _, memory = data_limits(settings, 1_000, 60_000_000)
    assert "give the stack an EngineMemory of as much" in memory
