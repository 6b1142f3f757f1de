# SPDX-License-Identifier: Apache-2.0
"""A seeded sequence of uploads to a few shops, and what a shop's datasets hold when each is handled in its turn."""

import csv
import io
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.app import retail

Row = tuple[str, ...]
RECIPES = ("popularity-count", "similar-items")
SETTINGS = (
    f"recipes: [{', '.join(RECIPES)}]\ncampaigns: {{{{popularity-count: {{{{}}}}}}}}\n"
    "gate: {{enabled: false}}\nprobe: {{requests: {}}}\n"
)
"""A shop's settings; another number of requests is no reason to import or to train again."""
DATA = ("users", "items", "interactions")


@dataclass(frozen=True, slots=True)
class Upload:
    """An object to put into the bucket."""

    shop: str
    path: str
    """The key below `drops/<shop>/`."""
    content: str

    @property
    def key(self) -> str:
        """The key in the bucket."""
        return f"drops/{self.shop}/{self.path}"


@dataclass
class Uploads:
    """Draws uploads: whole histories, incremental files, settings, and files that are uploaded once more.

    Args:
        chance: where all that is random comes from.
        shops: the shops.
    """

    chance: random.Random
    shops: Sequence[str]
    number: int = 0
    before: list[Upload] = field(default_factory=list)
    """What may be uploaded once more: files whose rows replace others."""

    def first(self) -> list[Upload]:
        """What every shop begins with."""
        files = {"settings.yaml": SETTINGS.format(5), "users/0.csv": retail.users(), "items/0.csv": retail.items(),
                 "interactions/0.csv": retail.interactions()}  # fmt: skip
        return [Upload(shop, path, content) for shop in self.shops for path, content in files.items()]

    def next(self) -> Upload:
        """One more upload."""
        self.number += 1
        shop = self.chance.choice(self.shops)
        kinds = (
            "settings",
            "again",
            "interactions",
            "more",
            "more",
            "few",
            "users",
            "items",
            "some users",
            "some items",
        )
        kind = self.chance.choice(kinds)
        if kind == "again" and self.before:
            return self.chance.choice(self.before)
        if kind in {"settings", "again"}:
            return Upload(shop, "settings.yaml", SETTINGS.format(5 + self.number % 40))
        if kind in {"more", "few"}:
            return Upload(shop, f"interactions/incremental/{self.number}.csv", self._more(17 if kind == "more" else 5))
        if kind == "interactions":
            made = Upload(
                shop, f"interactions/{self.number}.csv", retail.interactions(events_each=20 + self.number % 9)
            )
        else:
            folder = kind.removeprefix("some ") + ("/incremental" if kind.startswith("some ") else "")
            made = Upload(shop, f"{folder}/{self.number}.csv", self._people() if "users" in kind else self._things())
        self.before.append(made)
        return made

    def _more(self, events_each: int) -> str:
        """60 interactions of each of so many kinds, at times that no other upload has."""
        header, *lines = retail.interactions(events_each=events_each).splitlines()
        later = (line.rpartition(",") for line in lines)
        shifted = (f"{front},{int(time) + self.number * 1_000_000}" for front, _, time in later)
        return "\n".join([header, *shifted]) + "\n"

    def _people(self) -> str:
        header, *lines = retail.users(30 + self.number % 30).splitlines()
        return "\n".join([header, *(f"{line.split(',')[0]},group-{self.number % 7}" for line in lines)]) + "\n"

    def _things(self) -> str:
        return retail.items().replace("Garden", f"Garden {self.number}")


def rows(content: str) -> list[Row]:
    """The rows of a CSV, each with its columns in the order of their names."""
    return [tuple(value for _, value in sorted(row.items())) for row in csv.DictReader(io.StringIO(content))]


def held(kind: str, imports: Iterable[tuple[str, Sequence[Row]]]) -> Counter[Row]:
    """What a dataset holds after imports, each its mode and its rows: how often each row is there."""
    rows: list[Row] = []
    for mode, added in imports:
        rows = [*([] if mode == "FULL" else rows), *added]
    # Of users and items the id is the second column, and the row that came last counts.
    return Counter(rows) if kind == "interactions" else Counter({row[1]: row for row in rows}.values())
