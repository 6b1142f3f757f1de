# SPDX-License-Identifier: Apache-2.0
"""A training by the library is that of the service: every recipe makes the same model, from files and from events."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from personalize_local import library
from personalize_local.data import arrays
from personalize_local.data.building import build_snapshot
from personalize_local.data.importing import import_files
from personalize_local.data.schemas import as_items, parse_schema
from personalize_local.data.snapshots import SnapshotSpec
from personalize_local.library import PutRecord, Since, StreamedEvent
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RECIPES, RecipeSpec
from personalize_local.recipes.training import train

from engine.tests import shop_data

NOW = 1_700_000_000
TEXTS: tuple[Mapping[str, object], ...] = (
    {"name": "NAME", "type": ["string", "null"], "itemName": True},
    {"name": "TEXT", "type": ["string", "null"], "textual": True},
)
SCHEMAS = {
    "INTERACTIONS": shop_data.avro("Interactions", {"name": "IMPRESSION", "type": ["string", "null"]}),
    "USERS": shop_data.avro("Users"),
    "ITEMS": shop_data.avro("Items", *TEXTS),
    "ACTIONS": shop_data.avro("Actions"),
    "ACTION_INTERACTIONS": shop_data.avro("ActionInteractions"),
}
SINCE = Since(
    [
        StreamedEvent("s1", "View", NOW + 1.5, "e1", None, "i3", 2.0, properties={"DEVICE": "tablet"}),
        StreamedEvent("s1", "Purchase", NOW + 2.0, "e2", "u-new", "i-new", impression=("i3", "i4")),
        StreamedEvent("s2", "View", 1_600_000_105.0, "e3", "u1", "i21"),
        StreamedEvent("s2", "View", 1_600_000_105.0, "e3", "u1", "i22"),
        StreamedEvent("s3", "View", NOW + 3.0, "e4", None, "i5"),
        StreamedEvent("s4", "Taken", NOW + 4.0, "e5", "u2", "a1"),
    ],
    users=[PutRecord("u1", {"AGE_GROUP": "new"}), PutRecord("u1", {}), PutRecord("u-put", {"AGE_GROUP": "young"})],
    items=[
        PutRecord("i4", {"PRICE": 3.0, "TEXT": "a chess game for two"}),
        PutRecord("i-put", {"CATEGORY_L1": "books"}),
    ],
)
TRAINABLE = [spec for spec in RECIPES.values() if not spec.retired and not spec.domain]


def rows_of(kind: str) -> list[tuple[object, ...]]:
    """Rows of a shop whose interactions came in an order of their own, some of them twice."""
    if kind == "INTERACTIONS":
        rows = [(*row, f"i{number % 40}|i{number % 7}") for number, row in enumerate(shop_data.interactions())]
        return [*rows[600:], *rows[:600], *rows[:5]]
    if kind == "USERS":
        return [(f"u{n}", "young" if n % 2 else "old") for n in range(60)]
    if kind == "ITEMS":
        texts = (f"a {('red', 'green', 'blue')[n % 3]} thing of sort {n % 5} for people {n % 2}" for n in range(41))
        return [(f"i{n}", n + 0.5, "books" if n < 20 else "games", f"name {n}", text) for n, text in enumerate(texts)]
    if kind == "ACTIONS":
        return [(f"a{n}", "offer", n, "", "") for n in range(4)]
    return [(f"u{n % 60}", f"a{n % 4}", ("Viewed", "Taken")[n // 60 % 2], NOW + n) for n in range(1200)]


@dataclass(frozen=True)
class World:
    files: Mapping[str, list[Path]]
    """As the service's import jobs write them."""
    tables: Mapping[str, Path]

    def spec(self, recipe: RecipeSpec) -> SnapshotSpec:
        actions = recipe.recipe_type == "PERSONALIZED_ACTIONS"
        interactions, items = ("ACTION_INTERACTIONS", "ACTIONS") if actions else ("INTERACTIONS", "ITEMS")
        schemas = {kind: as_items(parse_schema(text, None)) for kind, text in SCHEMAS.items()}
        return SnapshotSpec(
            self.files[interactions],
            schemas[interactions],
            self.files["USERS"],
            schemas["USERS"],
            self.files[items],
            schemas[items],
            [*SINCE.events],
            SINCE.users,
            SINCE.items,
            texts=recipe.family == "semantic",
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    files: dict[str, list[Path]] = {}
    for kind, text in SCHEMAS.items():
        schema, rows, before, files[kind] = parse_schema(text, None), rows_of(kind), None, []
        for number, part in enumerate((rows, rows[-3:])):
            file, table = folder / f"{kind}-{number}.csv", folder / f"{kind}-{number}"
            shop_data.write_csv(file, schema.names, part)
            library.import_table([file], text, table, before=before, minimum=1)
            imported = table.with_suffix(".rows")
            import_files([file], schema, imported, 1)
            files[kind].append(imported)
            before = table
    return World(files, {kind: folder / f"{kind}-1" for kind in SCHEMAS})


@pytest.mark.parametrize("recipe", TRAINABLE, ids=[spec.name for spec in TRAINABLE])
def test_the_model_is_that_of_the_service(world: World, recipe: RecipeSpec, tmp_path: Path) -> None:
    solution = {"recipeArn": f"arn:aws:personalize:::recipe/{recipe.name}"}
    options = library.Options(tier="fast")
    outcome = library.train(world.tables, solution, tmp_path / "library", since=SINCE, options=options)
    trained = train(recipe.name, build_snapshot(world.spec(recipe)), TrainingConfig(hyperparameters={"tier": "fast"}))
    trained.model.save(tmp_path / "service")
    (files, facts), (expected, expected_facts) = (arrays.load(tmp_path / name) for name in ("library", "service"))
    assert (outcome.metrics, outcome.popularity) == (trained.metrics, trained.popularity)
    assert facts == expected_facts
    assert files.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(files[name], array, name)
