# SPDX-License-Identifier: Apache-2.0
"""A small shop with known truth: young shoppers buy garden items in order, old ones buy kitchen items in order."""

import csv
import io
from collections.abc import Iterable, Sequence

ITEMS = [f"{category}-{number:02d}" for category in ("garden", "kitchen") for number in range(30)]
START = 1_700_000_000


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def users(count: int = 60) -> str:
    """Half of the users are young, half are old."""
    return _csv(("USER_ID", "AGE"), ((f"u{n}", "18-24" if n % 2 else "65+") for n in range(count)))


def items() -> str:
    """All items, with what an ECOMMERCE dataset group requires and a name."""
    rows = ((item, item.replace("-", " ").title(), 5 + n, item.split("-")[0]) for n, item in enumerate(ITEMS))
    return _csv(("ITEM_ID", "NAME", "PRICE", "CATEGORY_L1"), rows)


def history(users: int = 60, events_each: int = 25) -> list[tuple[str, str, int]]:
    """(user, item, seconds): user n walks through the items of the own category from item n on, a purchase an hour."""
    rows = []
    for n in range(users):
        taste = ITEMS[:30] if n % 2 else ITEMS[30:]
        rows += [(f"u{n}", taste[(n // 2 + step) % 30], START + step * 3_600 + n) for step in range(events_each)]
    return rows


def interactions(users: int = 60, events_each: int = 25, event_type: str | None = "Purchase") -> str:
    """The history as Personalize's CSV; `event_type` None leaves the column out."""
    rows = history(users, events_each)
    if event_type is None:
        return _csv(("USER_ID", "ITEM_ID", "TIMESTAMP"), rows)
    header = ("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP")
    return _csv(header, ((user, item, event_type, seconds) for user, item, seconds in rows))
