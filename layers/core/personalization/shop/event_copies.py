# SPDX-License-Identifier: Apache-2.0
"""Copy accepted events as CSV, for a new dataset group or for an audit.

A FULL import keeps streamed events, so the copy must never return to the dataset group that received them. Each row
names that group and the time: see `Group.refuse`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from personalization.core import csv_dialect
from personalization.core.errors import Rejected
from personalization.core.names import Names

MARK = "STREAMED_TO"
"""The column that marks a copy: `<dataset group>/<epoch second at which the event was accepted>`."""
BESIDE = (MARK, "SESSION_ID", "EVENT_ID", "PROPERTIES")
"""Columns of a copy for audits; an import leaves them out."""
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


@dataclass(frozen=True, slots=True)
class Group:
    """The dataset group that a drop is for."""

    name: str
    made: int
    """Epoch seconds; events of an earlier group of the same name were deleted with it."""

    def refuse(self, resource: str, marks: Iterable[str]) -> None:
        """Check the marks of a drop against the group.

        Raises:
            Rejected: an event of the drop was streamed to this group.
        """
        for mark in marks:
            name, _, second = mark.rpartition("/")
            if name == self.name and second.isdecimal() and int(second) >= self.made:
                raise Rejected(
                    resource,
                    f"it is a copy of events that {self.name} has already ({MARK}): an import keeps streamed events, "
                    "so each would count twice. The copy is for a dataset group that is new (drop it under another "
                    "shop's name, or after this shop was removed) or for an audit",
                )


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
        # Deletion requests and receipts share the table.
        owner = str(image.get("shopper", {}).get("S", ""))
        if record["eventName"] != "INSERT" or owner[:1] in {"!", "="}:
            continue
        try:
            details = json.loads(image["more"]["S"])
            when = datetime.fromtimestamp(details["accepted"], UTC)
            row = _row(image, details, names)
            place = (str(details["shop"]), f"{when:%Y/%m/%d}", bool(row[0] and row[1]))
            rows[place].append((f"{when:%H%M%S}-{record['eventID']}", row))
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            foreign.append(record)
    files = {
        f"{_FOLDER}/{shop}/{day}/{found[0][0]}{'' if whole else '-partial'}.csv": "".join(
            map(csv_dialect.standard, [HEADER, *(row for _, row in found)])
        )
        for (shop, day, whole), found in rows.items()
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
    ]
