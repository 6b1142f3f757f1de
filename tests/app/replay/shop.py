# SPDX-License-Identifier: Apache-2.0
"""The shop that answers: small, the same every time, with everything that a request can name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.app.retail import ITEMS, START, items, users

DAY = 86_400
SETTINGS = """
gate: {enabled: false}
probe: {enabled: false}
filters:
  not-purchased: EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")
  in: INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($CATEGORY)
  cheap: INCLUDE ItemID WHERE Items.PRICE < $MOST
placements:
  home: {recipe: user-personalization, limit: 5, metadata: [NAME]}
  kitchen: {recipe: user-personalization, limit: 4, filter: in, filter_values: {CATEGORY: kitchen}}
  cheap: {recipe: popularity-count, limit: 3, filter: cheap}
  cart: {recipe: similar-items, limit: 4, because: goesWithBasket}
"""

Command = Callable[..., Any]
"""Runs `python -m local` with these arguments and `--json`, and returns its answer."""


def interactions(days: int = 60) -> str:
    """User n buys the items of their category in order, one a day, so that the purchase likelihood has its history."""
    lines = ["USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP,DEVICE"]
    for day in range(days):
        for n in range(60):
            item = ITEMS[(n // 2 + day) % 30 + 30 * (n % 2 == 0)]
            lines.append(f"u{n},{item},Purchase,{START + day * DAY + n},{'phone' if n % 3 else 'desktop'}")
    return "\n".join(lines) + "\n"


def drop(command: Command, shop: str, folder: Path) -> None:
    """Drop the files, one kind after the other, and see each run succeed."""
    contents = {
        "settings.yaml": SETTINGS,
        "users.csv": users(),
        "items.csv": items(),
        "interactions.csv": interactions(),
    }
    for name, content in contents.items():
        (folder / name).write_text(content)
        told = command("drop", shop, name.partition(".")[0], str(folder / name), "--watch")
        assert [answer["run"]["status"] for answer in told] == ["SUCCEEDED"], told
