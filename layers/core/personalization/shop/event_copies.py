# SPDX-License-Identifier: Apache-2.0
"""The raw copy of accepted events: CSV for a dataset group that is new, or for an audit.

A FULL import leaves streamed events where they are, so the copy must never come back to the dataset group that the
events were streamed to. Each row says which one that is, and when: see `Group.refuse`.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from personalization.core import csv_dialect
from personalization.core.errors import Rejected
from personalization.core.names import Names

MARK = "STREAMED_TO"
"""The column that tells a copy: `<dataset group>/<epoch second at which the event was accepted>`."""
BESIDE = (MARK, "SESSION_ID", "EVENT_ID", "PROPERTIES")
"""Columns of a copy that are for an audit; an import leaves them out."""
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
    """Epoch seconds; a group of the same name that was there before lost its events with it."""

    def refuse(self, resource: str, marks: Iterable[str]) -> None:
        """Hold marks of a drop against the group.

        Raises:
            Rejected: one of them says that its event was streamed to this group.
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


def marked(header: Iterable[str]) -> bool:
    """Whether a header, its names in capitals, is that of a copy."""
    return MARK in header


@dataclass(frozen=True, slots=True)
class Made:
    """What a batch of the stream makes."""

    files: Mapping[str, str]
    """The objects: key and CSV."""
    foreign: Sequence[Mapping[str, Any]]
    """Records that are not an event's."""


def texts(records: Iterable[Mapping[str, Any]], names: Names) -> Made:
    """The objects for a batch of the stream of the table of users' events.

    Only an event that is new makes a row: one that was sent again replaces itself in the table, and is a change. A
    batch that comes again gives the same keys, so it replaces what it wrote. Events without a user or an item, which
    no import takes, are in a file of their own. Requests to delete a user, and their receipts, make no row.
    """
    rows: dict[tuple[str, str, bool], list[tuple[str, list[str]]]] = defaultdict(list)
    foreign = []
    for record in records:
        image = record["dynamodb"].get("NewImage") or {}
        if record["eventName"] != "INSERT" or not _is_event(image):
            continue
        try:
            told = json.loads(image["more"]["S"])
            when = datetime.fromtimestamp(told["accepted"], UTC)
            row = _row(image, told, names)
            place = (str(told["shop"]), f"{when:%Y/%m/%d}", bool(row[0] and row[1]))
            rows[place].append((f"{when:%H%M%S}-{record['eventID']}", row))
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            foreign.append(record)
    return Made(
        {
            f"{_FOLDER}/{shop}/{day}/{found[0][0]}{'' if whole else '-partial'}.csv": _csv(row for _, row in found)
            for (shop, day, whole), found in rows.items()
        },
        foreign,
    )


def _is_event(image: Mapping[str, Any]) -> bool:
    """Whether a new item is an event, by its key: requests to delete a user, and receipts, are beside them."""
    return str(image.get("shopper", {}).get("S", ""))[:1] not in {"!", "="}


def _row(image: Mapping[str, Any], told: Mapping[str, Any], names: Names) -> list[str]:
    return [
        told["user"] or "",
        image["item"]["S"] if "item" in image else "",
        image["type"]["S"],
        str(told["sentAt"]),
        str(told.get("eventValue", "")),
        told.get("recommendationId", ""),
        "|".join(told.get("impression", ())),
        f"{names.dataset_group(told['shop']).name}/{told['accepted']}",
        told["session"],
        image["event"]["S"],
        told.get("properties", ""),
    ]


def _csv(rows: Iterable[Collection[str]]) -> str:
    return "".join(map(csv_dialect.standard, [HEADER, *rows]))
