# SPDX-License-Identifier: Apache-2.0
"""The list of bestsellers of a shop: what the API shows when Personalize shows nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from personalization.recommendations import ANONYMOUS, MOST_WITH_METADATA, Ask
from personalization.releases import Value

RECORD = "bestsellers"
"""The sort key of the record in the table of shops."""
LENGTH = 100


def asks(campaigns: Mapping[str, str], columns: Sequence[str]) -> list[Ask]:
    """What a campaign of a release is asked for the list: all items, and the metadata of the first ones.

    Args:
        campaigns: ARNs by recipe alias.
        columns: columns of Items that answers show.
    """
    arn, who = campaigns.get("popularity-count") or campaigns.get("user-personalization"), {"userId": ANONYMOUS}
    if arn is None:
        return []
    found = [Ask(arn, {**who, "numResults": LENGTH})]
    if columns:
        asked = {"numResults": MOST_WITH_METADATA, "metadataColumns": {"ITEMS": list(columns)}}
        found.append(Ask(arn, {**who, **asked}))
    return found


def record(
    shop: str, run: str, written_at: str, items: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]
) -> dict[str, Value]:
    """The record: `items` best first, with the metadata that `known` ones have."""
    metadata = {each["itemId"]: each["metadata"] for each in known if each.get("metadata")}
    listed: list[Value] = [
        {"itemId": each["itemId"]} | ({"metadata": metadata[each["itemId"]]} if each["itemId"] in metadata else {})
        for each in items
    ]
    return {"shop": shop, "record": RECORD, "run": run, "writtenAt": written_at, "items": listed}
