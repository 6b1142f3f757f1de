# SPDX-License-Identifier: Apache-2.0
"""The sets that questions are asked on: public shops, the demo's data, and planted worlds."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from personalization.shop.settings.settings import ShopSettings
from personalize_local.data.frames import pl
from personalize_local.data.schemas import Field, Schema

from benchmarks.harness import REPOSITORY
from benchmarks.questions import planted
from local.demo import sample_data
from local.evaluation.files import Tables, read

NAMING = 7
"""The seed of items' new names."""
SEED = 1
"""Of the planted worlds that everybody may look at; `--open` draws one of its own."""


@dataclass(frozen=True, slots=True)
class Set:
    """A set, the time that a test takes of it, and the questions it can answer."""

    name: str
    questions: tuple[str, ...]
    days: float = 28.0
    """Length of a test; 0 where times are positions."""
    folder: str | None = None
    """Its folder in the data directory; None = the demo's data or a planted world."""
    event_type: str | None = None
    """What is predicted; None = every event."""
    new: bool = False
    """Whether items of the history are left out of next items."""
    live: bool = False
    """Whether queries show what a user does after the cut, as events would."""
    strangers: bool = False
    """Whether live queries are those of users without a past, which show what they did since."""
    newcomers: Literal["arriving", "removed"] = "removed"
    """Who is new: users who come after the cut, or known ones whose rows train nothing."""
    windows: tuple[int, float] = (8, 14.0)
    """How many windows of how many days arriving users are looked for in."""
    kind: str = ""
    """The column of items that segments are made of."""
    trend: tuple[str, int, int] = ("1 day", 140, 7)
    """`trend_discovery_frequency`, how many windows are tested, and after how many windows the day or week recurs."""
    judged: bool = True
    """Whether its rows can fail."""


_OF_ITEMS = ("related", "same-kind", "different-lists")
_LISTS = ("something-new", "similar-next", "also-bought", *_OF_ITEMS, "ranking")
_BASKETS = ("next-basket", "rest-of-basket", "buy-again", *_LISTS, "same-session")
_ALL = (
    Set(
        "amazon-beauty", ("next-item", *_LISTS[1:], "new-user", "new-item"),
        days=0, folder="amazon-beauty", new=True,
    ),
    Set(
        "online-retail", (*_BASKETS, "new-user", "new-user-known", "trending", "segment-item"),
        folder="online-retail", event_type="Purchase", newcomers="arriving",
    ),
    Set(
        "complete-journey", (*_BASKETS, "new-item", "trending", "segment-item", "segment-attribute"),
        folder="completejourney-dev", kind="CATEGORY_L2",
    ),
    Set(
        "demo",
        (*_BASKETS, "new-user", "new-user-known", "new-item", "trending", "segment-item", "segment-attribute"),
        kind="CATEGORY_L2",
    ),
    Set("demo-store", ("next-item",), days=7, folder="retail-demo-store", judged=False),
    Set("repeats", ("next-basket", "buy-again", "something-new", "ranking", "segment-item"), days=14),
    Set("drift", ("next-basket", "something-new", "similar-next", "ranking", "new-user"), days=14),
    Set("bursts", ("next-item", "trending"), days=0.25, live=True, trend=("2 hours", 110, 12)),
    Set("positions", ("next-item", "similar-next", "related", "different-lists", "ranking", "new-user"), days=0),
    Set("dense", ("next-item", "similar-next", "also-bought", "ranking"), days=10, new=True),
    Set(
        "long-tail", ("next-item", "similar-next", *_OF_ITEMS, "ranking", "new-item", "segment-attribute"),
        kind="CATEGORY", new=True,
    ),
    Set("seasonal", ("next-basket", "something-new", "ranking", "new-user"), newcomers="removed"),
    Set("few-users", ("next-basket", "ranking"), days=14),
    Set(
        "one-day", ("next-item", "similar-next", "ranking", "trending"), days=1 / 12, live=True,
        trend=("30 minutes", 24, 48),
    ),
    Set("films", ("next-item", "similar-next", "also-bought", "ranking"), days=0, new=True),
    Set(
        "sessions", ("next-item", "similar-next", *_OF_ITEMS, "same-session", "ranking"), days=0.5, live=True,
        strangers=True,
    ),
    Set(
        "demographics",
        ("next-basket", "new-user", "new-user-known", "ranking", "segment-item", "segment-attribute"),
        days=14, newcomers="arriving", windows=(4, 14.0), kind="CATEGORY_L1",
    ),
    Set("complements", ("also-bought", *_OF_ITEMS, "same-session"), days=14),
    Set("kinds", ("next-item",), days=0, judged=False),
    Set("shortlist", ("next-purchase",), days=7, event_type="Purchase"),
    Set("teasers", ("next-purchase",), days=7, event_type="Purchase"),
    Set("actions", ("next-action", "new-action"), days=10),
)  # fmt: skip
SETS: Mapping[str, Set] = {set_.name: set_ for set_ in _ALL}


def load(chosen: Set, data: Path | None, seed: int) -> Tables | None:
    """Return the tables of a set; None where the data directory lacks it."""
    if chosen.name in planted.WORLDS:
        return planted.made(chosen.name, seed)
    if chosen.folder is None:
        folder = sample_data.prepare(REPOSITORY / ".local" / "demo").interactions.parent
    elif data is None or not (data / chosen.folder).is_dir():
        return None
    else:
        folder = data / chosen.folder
    with tempfile.TemporaryDirectory(prefix="questions-") as scratch:
        return _created(tables(folder, Path(scratch) / "files"))


def tables(folder: Path, scratch: Path) -> Tables:
    """The files interactions, users and items of a data set, .csv or .csv.gz."""
    scratch.mkdir(parents=True, exist_ok=True)
    kinds = [kind for kind in ("interactions", "users", "items") if any(folder.glob(f"{kind}.csv*"))]
    paths = [min(folder.glob(f"{kind}.csv*")) for kind in kinds]
    return read(paths, ShopSettings(domain="custom"), scratch, NAMING)


def _created(given: Tables) -> Tables:
    """Take the first sale of an item as its creation, so that a past knows no item that was sold later."""
    first, created = "FIRST_SOLD_TIMESTAMP", "CREATION_TIMESTAMP"
    if given.items is None or first not in given.items.columns:
        return given
    schema = given.schemas["items"]
    fields = tuple(Field(created, "long", nullable=True) if field.name == first else field for field in schema.fields)
    items = given.items.rename({first: created}).with_columns(pl.col(created).cast(pl.Int64))
    return replace(given, items=items, schemas={**given.schemas, "items": Schema(schema.dataset_type, fields)})
