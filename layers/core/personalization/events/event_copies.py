# SPDX-License-Identifier: Apache-2.0
"""Copy accepted events as CSV, for a new dataset group or for an audit.

A FULL import keeps streamed events, so the copy must never return to the dataset group that received them. Each row
names that group and the time: see `table_intake.streamed.Group`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from table_intake.streamed import BESIDE
from table_intake.write import dialect

from personalization.core.names import Names
from personalization.events import visitors

HEADER = (
    "USER_ID",
    "ITEM_ID",
    "EVENT_TYPE",
    "TIMESTAMP",
    "EVENT_VALUE",
    "RECOMMENDATION_ID",
    "IMPRESSION",
    *BESIDE,
)
_FOLDER = "events"


Record = Mapping[str, Any]
"""A record of the stream of the table of users' events."""


def texts(records: Iterable[Record], names: Names) -> tuple[dict[str, str], list[Record]]:
    """Return a batch of the stream as CSV files by key, and the records that are not events.

    Only a new event becomes a row: a repeated one replaces itself in the table, and is a change. A repeated batch has
    the same keys, so it replaces its files. Events without a user or an item, which no import takes, go into a file of
    their own.
    """
    rows: dict[tuple[str, str, bool], list[tuple[str, list[str]]]] = defaultdict(list)
    foreign: list[Record] = []
    for record in records:
        image = record["dynamodb"].get("NewImage") or {}
        # Deletion requests, receipts and users' first visitors share the table.
        owner = str(image.get("shopper", {}).get("S", ""))
        if record["eventName"] != "INSERT" or owner[:1] in {"!", "=", visitors.START}:
            continue
        try:
            details = json.loads(image["more"]["S"])
            when = datetime.fromtimestamp(details["accepted"], UTC)
            row = _row(image, details, names)
            file_key = (str(details["shop"]), f"{when:%Y/%m/%d}", bool(row[0] and row[1]))
            rows[file_key].append((f"{when:%H%M%S}-{record['eventID']}", row))
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            foreign.append(record)
    files = {
        f"{_FOLDER}/{shop}/{day}/{file_rows[0][0]}{'' if whole else '-partial'}.csv": "".join(
            map(dialect.standard, [HEADER, *(row for _, row in file_rows)])
        )
        for (shop, day, whole), file_rows in rows.items()
    }
    return files, foreign


def _row(image: Record, details: Mapping[str, Any], names: Names) -> list[str]:
    return [
        details["user"] or "",
        image["item"]["S"] if "item" in image else "",
        image["type"]["S"],
        str(details["sentAt"]),
        str(details.get("eventValue", "")),
        details.get("recommendationId", ""),
        "|".join(details.get("impression", ())),
        f"{names.dataset_group(details['shop']).name}/{details['accepted']}",
        details["session"],
        image["event"]["S"],
        details.get("properties", ""),
        details.get("listId", ""),
        details.get("visitor", ""),
    ]
