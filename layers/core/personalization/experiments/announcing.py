# SPDX-License-Identifier: Apache-2.0
"""Announce what becomes of experiments on the bus, as runs are announced."""

import json
from typing import TYPE_CHECKING, Literal

from personalization.core.errors import RetryLater

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

News = Literal["started", "stopped", "decided"]
SOURCE = "retail-personalization"


def announce(client: "EventBridgeClient", prefix: str, news: News, *, shop: str, experiment: str, reason: str) -> None:
    """Tell that an experiment started, stopped or is decided.

    Raises:
        RetryLater: the bus did not take it.
    """
    detail = {"prefix": prefix, "shop": shop, "experiment": experiment, "reason": reason}
    entry = {"Source": SOURCE, "DetailType": f"Experiment {news}", "Detail": json.dumps(detail, ensure_ascii=False)}
    answer = client.put_events(Entries=[entry])  # type: ignore[list-item]
    if answer["FailedEntryCount"]:
        raise RetryLater(experiment, "its announcement was not taken")
