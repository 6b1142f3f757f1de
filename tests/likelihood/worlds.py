# SPDX-License-Identifier: Apache-2.0
"""Histories with known truth: users who buy some items every week, and others now and then."""

import csv
import io
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from personalization.likelihood import model, serving_files, training
from personalization.likelihood.counters import Item, User, item_from, user_from
from personalization.likelihood.histories import History, Reader
from personalization.likelihood.tables import tables

DAY = 86_400
START = 1_700_006_400
"""A midnight."""
SHOPPERS, ITEMS = 60, 40
KINDS = ("fruit", "tools")

Row = tuple[str, str, str, int]
"""User, item, event type, epoch seconds."""


def rows(weeks: int = 14, seed: int = 3) -> Iterator[Row]:
    """Yield rows: half of the users love fruit, half tools; each buys a staple about every week."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for shopper_number in range(SHOPPERS):
        taste = [number for number in range(ITEMS) if number % 2 == shopper_number % 2]
        staple = taste[shopper_number % len(taste)]
        for day in range(weeks * 7):
            at = START + day * DAY + 60 * shopper_number
            if chance.random() < 0.14:
                yield f"u{shopper_number}", f"i{staple}", "Purchase", at
            if chance.random() < 0.05 + 0.1 * (shopper_number % 3):
                wanted = taste if chance.random() < 0.8 else range(ITEMS)
                bought = (
                    f"i{int(len(wanted) * chance.random() ** 2)}" if wanted is not taste else f"i{chance.choice(taste)}"
                )
                yield f"u{shopper_number}", bought, "View", at - 600
                yield f"u{shopper_number}", bought, "Purchase", at


def lines(header: Iterable[str], content: Iterable[Iterable[object]]) -> list[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(content)
    return out.getvalue().splitlines(keepends=True)


def interactions(content: Iterable[Row]) -> list[str]:
    """Return rows in the form of an import copy."""
    return lines(("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP"), content)


def items() -> list[str]:
    """Return all items, every other one a fruit."""
    header = ("ITEM_ID", "CATEGORY_L1", "CATEGORY_L2")
    return lines(header, ((f"i{n}", KINDS[n % 2], f"{KINDS[n % 2]}-{n % 4}") for n in range(ITEMS)))


def users() -> list[str]:
    """Return all users; those who love tools are older."""
    return lines(("USER_ID", "AGE"), ((f"u{n}", "65+" if n % 2 else "18-24") for n in range(SHOPPERS)))


def history(content: Iterable[Row] | None = None, until: int = START * 2) -> History:
    """A history with users and items."""
    reader = Reader("Purchase", until)
    reader.interactions(interactions(rows() if content is None else content))
    reader.items(items())
    reader.users(users())
    return reader.history()


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class World:
    """A history, its tables at its end, a fit, and its serving files."""

    def __init__(self, past: History | None = None) -> None:
        self.history = past or history()
        self.fit = training.fit(self.history, 7, self.history.end + 1)
        self.tables = tables(self.history, self.history.end + 1)
        at = iso(self.tables.at)
        made = serving_files.model(self.tables, self.fit, "run-1", at, 7, "Purchase")
        self.model = model.read_model(made.as_json())
        self._items = dict(serving_files.items(self.tables, 1))
        self._shoppers = dict(serving_files.users(self.tables, 1))

    def item(self, name: str) -> Item:
        return item_from(self._items[name])

    def user(self, name: str) -> User:
        return user_from(self._shoppers.get(name), self.model)
