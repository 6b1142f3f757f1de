# SPDX-License-Identifier: Apache-2.0
"""The data in figures: how much there is, of what, from when, and how it is spread."""

from datetime import UTC, datetime
from typing import Any

from personalize_local.data.frames import pl

from local.evaluation.files import Tables

Document = dict[str, Any]


def of(tables: Tables, event_type: str | None) -> Document:
    """Return the summary of a shop's tables; `trains` counts what the recipes may learn from, before the split."""
    rows = tables.interactions
    wanted = rows if event_type is None else rows.filter(pl.col("EVENT_TYPE").str.to_lowercase() == event_type.lower())
    per_user = wanted.group_by("USER_ID").len("rows")["rows"]
    per_item = wanted.group_by("ITEM_ID").len("rows")["rows"].sort(descending=True)
    per_day = wanted.group_by((pl.col("TIMESTAMP") // 86_400).alias("day")).len("rows").sort("day")
    types = rows["EVENT_TYPE"].value_counts(sort=True).iter_rows()
    return {
        "files": [
            {"name": each.name, "kind": each.kind, "rows": each.rows, "rejected": each.rejected}
            for each in tables.sources
        ],
        "interactions": rows.height,
        "trains": wanted.height,
        "shoppers": per_user.len(),
        "returning": int((per_user >= 2).sum()),
        "items": per_item.len(),
        "times": "positions" if tables.positions else "times",
        "first": None if tables.positions else _day(int(wanted["TIMESTAMP"].min())),  # type: ignore[arg-type]
        "last": None if tables.positions else _day(int(wanted["TIMESTAMP"].max())),  # type: ignore[arg-type]
        "perDay": [] if tables.positions else [[_day(86_400 * day), count] for day, count in per_day.iter_rows()],
        "eventTypes": [{"name": name, "rows": count} for name, count in types],
        "medianPerShopper": float(per_user.median()),  # type: ignore[arg-type]
        "bestsellers": round(float(per_item.head(max(1, per_item.len() // 5)).sum()) / wanted.height, 4),
        "again": round(1 - wanted.select("USER_ID", "ITEM_ID").n_unique() / wanted.height, 4),
    }


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
