# SPDX-License-Identifier: Apache-2.0
"""Announce what becomes of experiments on the bus, as runs are announced."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from personalization.core.errors import RetryLater

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

News = Literal["started", "stopped", "decided", "ramped"]
SOURCE = "retail-personalization"


def announce(client: "EventBridgeClient", prefix: str, news: News, *, shop: str, experiment: str, reason: str) -> None:
    """Tell that an experiment started, stopped or is decided, or that a release came to more users.

    Raises:
        RetryLater: the bus did not take it.
    """
    kind = "Release ramped" if news == "ramped" else f"Experiment {news}"
    _put(client, kind, {"prefix": prefix, "shop": shop, "experiment": experiment, "reason": reason})


def announce_week(client: "EventBridgeClient", prefix: str, shop: str, lines: Mapping[str, str]) -> None:
    """Tell what a shop's placements did in a week.

    Raises:
        RetryLater: the bus did not take it.
    """
    _put(client, "Shelves of the week", {"prefix": prefix, "shop": shop, **lines})


def _put(client: "EventBridgeClient", kind: str, detail: Mapping[str, str]) -> None:
    entry = {"Source": SOURCE, "DetailType": kind, "Detail": json.dumps(detail, ensure_ascii=False)}
    answer = client.put_events(Entries=[entry])  # type: ignore[list-item]
    if answer["FailedEntryCount"]:
        raise RetryLater(kind, "its announcement was not taken")
