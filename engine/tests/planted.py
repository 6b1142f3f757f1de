# SPDX-License-Identifier: Apache-2.0
"""Small data whose truth is known: what is planted here has to come out of the recipes."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from personalize_local.data.building import build_snapshot
from personalize_local.data.importing import import_files
from personalize_local.data.records import StreamedEvent
from personalize_local.data.schemas import Field, Schema
from personalize_local.data.snapshots import Snapshot, SnapshotSpec

INTERACTIONS = Schema(
    "INTERACTIONS",
    (
        Field("USER_ID", "string"),
        Field("ITEM_ID", "string"),
        Field("TIMESTAMP", "long"),
        Field("EVENT_TYPE", "string"),
        Field("EVENT_VALUE", "float", nullable=True),
        Field("DEVICE", "string", nullable=True, categorical=True),
    ),
)
USERS = Schema(
    "USERS",
    (
        Field("USER_ID", "string"),
        Field("TEAM", "string", nullable=True, categorical=True),
        Field("AGE", "int", nullable=True),
    ),
)
ITEMS = Schema(
    "ITEMS",
    (
        Field("ITEM_ID", "string"),
        Field("CATEGORY_L1", "string", nullable=True, categorical=True),
        Field("PRICE", "float", nullable=True),
        Field("NAME", "string", nullable=True),
        Field("CREATION_TIMESTAMP", "long", nullable=True),
    ),
)
BEGIN = 1_700_000_000
Row = Sequence[object]
SUBJECTS = {
    "tea": "fragrant green tea leaves brewed slowly in a porcelain teapot",
    "coffee": "dark roasted espresso beans ground freshly for strong coffee",
    "shelter": "waterproof camping shelter with light poles for windy mountain nights",
    "boots": "sturdy hiking boots with deep soles for long mountain trails",
}
"""Texts by the subject of an item."""
SUBJECT_ITEMS = 12
"""Items of a subject."""


def csv_file(path: Path, schema: Schema, rows: Iterable[Row]) -> Path:
    """A drop with every column of the schema; missing cells at the end of a row are null."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(schema.names)
        writer.writerows([*row, *[""] * (len(schema.fields) - len(row))] for row in rows)
    return path


def cycle_rows(users: int = 120, length: int = 10, items: int = 12) -> list[Row]:
    """Everybody walks a circle: item n is always followed by item n + 1. Even users are team red and walk 0..5 only.

    Users begin at different times: else times would be taken for numbers of steps.
    """
    rows: list[Row] = []
    for user in range(users):
        for step in range(length):
            item = (user + step) % (items // 2 if user % 2 == 0 else items)
            rows.append((f"u{user}", f"item-{item}", BEGIN + step * 3600 + 7 * user, "View", 1.0 + step % 3, "phone"))
    return rows


def spec(
    directory: Path, interactions: Iterable[Row], users: Iterable[Row] = (), items: Iterable[Row] = ()
) -> SnapshotSpec:
    """Import rows as an engine would."""
    files: dict[str, list[Path]] = {}
    for schema, rows in ((INTERACTIONS, interactions), (USERS, users), (ITEMS, items)):
        listed = list(rows)
        target = directory / f"{schema.dataset_type}.parquet"
        if listed:
            import_files([csv_file(directory / f"{schema.dataset_type}.csv", schema, listed)], schema, target)
        files[schema.dataset_type] = [target] if listed else []
    return SnapshotSpec(files["INTERACTIONS"], INTERACTIONS, files["USERS"], USERS, files["ITEMS"], ITEMS)


def snapshot(
    directory: Path, interactions: Iterable[Row], users: Iterable[Row] = (), items: Iterable[Row] = ()
) -> Snapshot:
    """Import rows and put them together."""
    return build_snapshot(spec(directory, interactions, users, items))


def event(number: int, item: str | None, *, user: str | None = None, session: str = "s") -> StreamedEvent:
    """A click at a time after all planted rows; `number` makes its id and its order."""
    return StreamedEvent(session, "View", BEGIN + 10**6 + number, f"e{number}", user, item)


def subject_rows() -> list[tuple[str, str, str, float]]:
    """Items of four subjects: each leaves out some words of its subject, and has a word that says nothing."""
    random, rows = np.random.default_rng(4), []
    for subject, text in SUBJECTS.items():
        for n in range(SUBJECT_ITEMS):
            words = [word for word in text.split() if random.random() < 0.6]
            rows.append(
                (f"{subject}-{n}", f"{subject.title()} {random.integers(99)}", " ".join([*words, f"x{n}y"]), float(n))
            )
    return rows
