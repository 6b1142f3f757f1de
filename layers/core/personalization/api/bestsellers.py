# SPDX-License-Identifier: Apache-2.0
"""The list of bestsellers of a shop: what everybody is shown, and anybody when Personalize shows nothing."""

from collections.abc import Mapping, Sequence

from personalization.personalize.requests import ANONYMOUS, Ask
from personalization.shop.release import Value

RECORD = "bestsellers"
"""The sort key of the record in the table of shops."""
LENGTH = 500
"""As many as an answer can have."""
RECORD_BYTES = 200_000
"""Bytes of columns in a record, of which DynamoDB takes 400 KB: items beyond it are listed without their columns."""


def instead(campaigns: Mapping[str, str]) -> Ask | None:
    """What a campaign is asked for the list of a shop whose whole history was never counted.

    Args:
        campaigns: ARNs by recipe alias.
    """
    arn = campaigns.get("popularity-count") or campaigns.get("user-personalization")
    return Ask(arn, {"userId": ANONYMOUS, "numResults": LENGTH}) if arn else None


def record(
    shop: str, run: str, written_at: str, items: Sequence[str], shown: Mapping[str, Mapping[str, str]]
) -> dict[str, Value]:
    """The record: `items` best first, with the columns that are shown of them, as far as there is room."""
    listed: list[Value] = []
    size = 0
    for item in items:
        more = {"metadata": shown[item]} if shown.get(item) else {}
        size += len(str(more).encode())
        listed.append({"itemId": item, **(more if size <= RECORD_BYTES else {})})
    return {"shop": shop, "record": RECORD, "run": run, "writtenAt": written_at, "items": listed}
