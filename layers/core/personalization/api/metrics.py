# SPDX-License-Identifier: Apache-2.0
"""What answers and events count as: metrics of `observability.METRICS`, with the values of their dimensions.

Every value is one of a few: shops and placements are those of the releases, and what a caller may write freely, the
type of an event, is one of EVENT_TYPES or OTHER. Nothing here names a user.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from personalization.events.models import Call

Count = tuple[Mapping[str, float], Mapping[str, str]]
"""Values by metric, and their dimensions but for the service."""

EVENT_TYPES: Mapping[str, str] = {
    each.lower(): each for each in ("View", "Click", "Favorite", "AddToCart", "Checkout", "Purchase", "Watch", "Rate")
}
"""Types that are counted by name, however they are spelled: add_to_cart is AddToCart."""
OTHER = "Other"
"""What all other types are counted as."""
NOTHING = "none"
"""The source of an empty list."""


def of_list(shop: str, name: str, answer: Mapping[str, Any]) -> Count:
    """What a list counts as that was answered.

    Args:
        shop: whose it is.
        name: the list's: the alias of a recipe, or placement/NAME.
        answer: what is answered. Its source is that of its first item; of a purchase likelihood it is the method.
    """
    items = answer["items"]
    source = items[0].get("source") or answer.get("method") or NOTHING if items else NOTHING
    metrics = {"Lists": 1.0, "DegradedAnswers": 1.0} if answer.get("degraded") else {"Lists": 1.0}
    return metrics, {"shop": shop, "list": name, "source": source}


def of_events(shop: str, calls: Sequence["Call"]) -> list[Count]:
    """What accepted events count as, by type; an event with a recommendationId is attributed to a list."""
    counted: dict[str, list[int]] = {}
    for call in calls:
        for event in call.events:
            numbers = counted.setdefault(_type(event["eventType"]), [0, 0])
            numbers[0] += 1
            numbers[1] += "recommendationId" in event
    return [
        ({"Events": float(many), "AttributedEvents": float(attributed)}, {"shop": shop, "eventType": kind})
        for kind, (many, attributed) in counted.items()
    ]


def _type(written: str) -> str:
    found = EVENT_TYPES.get(written) or EVENT_TYPES.get("".join(filter(str.isalnum, written)).lower())
    return found or OTHER
