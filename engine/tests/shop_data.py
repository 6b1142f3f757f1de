# SPDX-License-Identifier: Apache-2.0
"""A small shop's schemas and CSV files."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

FIELDS: dict[str, list[dict[str, object]]] = {
    "Interactions": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "EVENT_TYPE", "type": "string"},
        {"name": "EVENT_VALUE", "type": ["float", "null"]},
        {"name": "TIMESTAMP", "type": "long"},
        {"name": "DEVICE", "type": ["null", "string"], "categorical": True},
    ],
    "Items": [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "PRICE", "type": "float"},
        {"name": "CATEGORY_L1", "type": "string", "categorical": True},
    ],
    "Users": [{"name": "USER_ID", "type": "string"}, {"name": "AGE_GROUP", "type": "string", "categorical": True}],
    "Actions": [
        {"name": "ACTION_ID", "type": "string"},
        {"name": "TYPE", "type": ["string", "null"]},
        {"name": "VALUE", "type": ["long", "null"]},
        {"name": "ACTION_EXPIRATION_TIMESTAMP", "type": ["long", "null"]},
        {"name": "REPEAT_FREQUENCY", "type": ["long", "null"]},
    ],
    "ActionInteractions": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ACTION_ID", "type": "string"},
        {"name": "EVENT_TYPE", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    ],
}


def avro(kind: str, *more: Mapping[str, object]) -> str:
    """The schema of a dataset of the shop, with more fields if need be."""
    return _record(kind, [*FIELDS[kind], *more])


def schema(name: str, columns: Mapping[str, Mapping[str, object]]) -> str:
    """A schema of columns, each with its type and its marks."""
    return _record(name, [{"name": column, **attributes} for column, attributes in columns.items()])


def _record(name: str, fields: Sequence[Mapping[str, object]]) -> str:
    head = {"type": "record", "name": name, "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}
    return json.dumps(head | {"fields": fields})


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Put an object into the folder that stands for S3."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([list(header), *rows])


def columns(kind: str) -> list[str]:
    """Column names of a dataset."""
    return [str(field["name"]) for field in FIELDS[kind]]


def interactions(users: int = 60, length: int = 20, start: int = 1_600_000_000) -> list[tuple[object, ...]]:
    """Two tastes: even users like items i0…i19, odd ones i20…i39; everybody leaves some out."""
    rows: list[tuple[object, ...]] = []
    for user in range(users):
        for step in range(length):
            item = (user % 2) * 20 + (user * 7 + step * 3) % 20
            rows.append((f"u{user}", f"i{item}", "View", 1.0, start + user * 100 + step, "phone"))
    return rows


def write_shop(folder: Path) -> None:
    """Interactions, items and users of a small shop as CSV files."""
    write_csv(folder / "interactions.csv", columns("Interactions"), interactions())
    items = [(f"i{n}", n + 0.5, "books" if n < 20 else "games") for n in range(40)]
    write_csv(folder / "items.csv", columns("Items"), items)
    users = [(f"u{n}", "young" if n % 2 else "old") for n in range(60)]
    write_csv(folder / "users.csv", columns("Users"), users)
