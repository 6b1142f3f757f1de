# SPDX-License-Identifier: Apache-2.0
"""What the storefront shows of a shop: its items, searched and in pages, and a few users to log in as.

Pages never get the whole catalogue. On the laptop the server answers searches; on CloudFront, which has no server,
pages read the same rows from files of :data:`FILE_ROWS` items, which a browser keeps for ever.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import ip_address
from typing import Any, Literal, get_args
from urllib.parse import quote, urlsplit

import polars as pl
from personalization.shop.records.item_table import name_column
from personalization.shop.settings.settings import ShopSettings
from personalization.shop.settings.storefront import ShownColumns

FIELDS = ("id", "name", "price", "image", "l1", "l2")
"""The cells of an item's row, in pages of items and in files."""
NAMES = re.compile("(product|item).*(name|title)")
PRICES = ("price", "saleprice", "unitprice", "listprice")
IMAGES = ("imageurl", "image", "imagelink", "imagesrc", "imgurl", "img", "picture", "pictureurl", "photo", "thumbnail")
DEPARTMENTS = ("categoryl1", "category", "department", "producttype", "productcategory")
SHELVES = ("categoryl2", "subcategory", "categoryl3")
"""Columns that a field may come from, reduced to letters and digits, best first."""
PAGE = 96
"""The items of a page: whole rows of a grid with 2, 3, 4, 6 or 8 columns."""
FILE_ROWS = 1_000
"""The items of a file on CloudFront."""
MOST_HOSTS = 20
"""The most hosts whose pictures are shown; those of most items come first."""
MOST_DEPARTMENTS, MOST_SHELVES = 60, 30
"""The most departments of a page's menu, and shelves of a department."""
FEATURED = 3
"""How many items the front page shows before any list is there."""
SHOPPERS = 6
LAST = 12
"""How many of the newest items of a user's history are shown."""
OFTEN = 3
"""How many typical categories of a user are shown."""
CHOICES = 24
"""The most values of a users' column that a form offers as a choice."""
MOST_CHARACTERS = 1_000
"""Of a picture's address."""
SAFE = "/%:@!$&()*+,;=~?"
"""What an address of a picture keeps as it is, beside letters and digits."""
HOST = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")

Sort = Literal["best", "price", "name"]
SORTS = get_args(Sort)
Row = list[str | float | None]


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A shop as its pages show it."""

    name: str
    settings: ShopSettings = field(default_factory=ShopSettings)
    columns: Mapping[str, str | None] = field(default_factory=lambda: shown_columns([], ShopSettings()))
    """The columns of answers' metadata by field of an item; None for a field that the shop does not have."""
    items: pl.DataFrame = field(default_factory=lambda: shelved(pl.DataFrame(schema=dict.fromkeys(FIELDS, pl.String))))
    """A row an item, see :func:`shelved`."""
    origins: tuple[str, ...] = ()
    """Where pictures come from: schemes and hosts."""
    placements: tuple[str, ...] = ()
    is_promoted: bool = True
    """Whether a release serves, so that lists have items."""
    users: pl.DataFrame | None = None
    interactions: pl.DataFrame | None = None

    def with_items(self, items: pl.DataFrame, best: Sequence[str] = ()) -> "Shop":
        """Return the shop with these items: a table of :data:`FIELDS`, all text; `best` has ids, best sold first."""
        shown, origins = with_pictures(items)
        return replace(self, items=shelved(shown, best), origins=origins)

    def over_https(self) -> "Shop":
        """Return the shop without pictures that a page of https may not load."""
        secure = tuple(origin for origin in self.origins if origin.startswith("https:"))
        image = pl.when(pl.col("image").str.starts_with("https:")).then(pl.col("image"))
        return replace(self, items=self.items.with_columns(image=image), origins=secure)

    def page(
        self, query: str = "", category: str | None = None, shelf: str | None = None, sort: Sort = "best", page: int = 0
    ) -> dict[str, Any]:
        """Return a page of the items whose name, id or category has every word of `query`, and how many there are."""
        hits = self.items
        if category is not None:
            hits = hits.filter(pl.col("l1") == category)
        if shelf is not None:
            hits = hits.filter(pl.col("l2") == shelf)
        words = plain(query).split()
        for word in words:
            hits = hits.filter(pl.col("text").str.contains(word, literal=True))
        if sort == "price":
            hits = hits.sort("price", "name", "id", nulls_last=True)
        elif sort == "name":
            hits = hits.sort("name", "id", nulls_last=True)
        elif words:
            start = pl.col("text").str.starts_with(words[0])
            inside = pl.col("text").str.contains(f" {words[0]}", literal=True)
            nearness = pl.when(start).then(0).when(inside).then(1).otherwise(2)
            hits = hits.sort(nearness, "rank", "name", "id", nulls_last=True)
        elif category is None:
            hits = hits.sort("rank", "name", "id", nulls_last=True)
        return {"items": rows(hits.slice(page * PAGE, PAGE)), "total": hits.height}

    def named(self, ids: Sequence[str]) -> dict[str, Any]:
        """Return the rows of these items; unknown ones are left out."""
        hits = self.items.filter(pl.col("id").is_in(list(ids)))
        return {"items": rows(hits), "total": hits.height}

    def document(self) -> dict[str, Any]:
        """Return what a page has to know at first: all but the items."""
        chosen = self.settings.storefront
        return {
            "shop": self.name,
            "title": chosen.title or self.name,
            "language": self.settings.language if "language" in self.settings.model_fields_set else None,
            "currency": chosen.currency,
            "drawings": chosen.drawings,
            "fields": list(FIELDS),
            "columns": dict(self.columns),
            "origins": list(self.origins),
            "departments": departments(self.items),
            "total": self.items.height,
            "featured": rows(featured(self.items)),
            "placements": list(self.placements),
            **self.people,
        }

    def document_for_strangers(self, api: str) -> dict[str, Any]:
        """Return the document for anonymous users: no user of the shop, the API of browsers at the path `api`, and
        items in files."""
        nobody = replace(self, users=None, interactions=None)
        files = {"folder": self.folder, "count": len(self.files), "rows": FILE_ROWS}
        return nobody.document() | {"api": api, "tokens": True, "files": files}

    @cached_property
    def people(self) -> dict[str, Any]:
        """A few users to log in as, found among all interactions, and what a form offers of a new one."""
        return {
            "shoppers": shoppers(self.users, self.interactions, self.items),
            "profiles": profiles(self.users) if self.users is not None else {},
        }

    @cached_property
    def files(self) -> tuple[bytes, ...]:
        """All items, department by department, in files of :data:`FILE_ROWS` rows."""
        slices = (self.items.slice(start, FILE_ROWS) for start in range(0, self.items.height, FILE_ROWS))
        return tuple(encoded(rows(part)) for part in slices)

    @cached_property
    def folder(self) -> str:
        """The files' folder, with its slash, named by their contents."""
        digest = hashlib.sha256()
        for content in self.files:
            digest.update(content)
        return f"items/{digest.hexdigest()[:16]}/"

    @property
    def content_security(self) -> str:
        """The pages' content security policy: this address alone, and pictures from the hosts that the items name."""
        sources = " ".join(("'self'", *self.origins))
        return (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {sources}; connect-src 'self'; "
            "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )


def encoded(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def rows(items: pl.DataFrame) -> list[Row]:
    return [list(row) for row in items.select(FIELDS).iter_rows()]


def letters(name: str) -> str:
    """Return a column's name without its spelling."""
    return re.sub(r"[\W_]", "", name.lower())


def shown_columns(columns: Sequence[str], settings: ShopSettings) -> dict[str, str | None]:
    """Return the column of each field of an item: the one that settings name, or else one of a usual name."""
    chosen: ShownColumns = settings.storefront.columns
    renamed = {letters(in_files): column for in_files, column in settings.file_settings("items").columns.items()}
    spelled = {letters(column): column for column in reversed(columns)}

    def column(named: str | None, usual: Iterable[str]) -> str | None:
        if named is not None:
            return spelled.get(letters(renamed.get(letters(named), named)))
        return next((spelled[name] for name in usual if name in spelled), None)

    name = column(chosen.name, ()) if chosen.name else name_column(columns)
    named_categories = (*(chosen.categories or ()), None, None)
    no_more = chosen.categories is not None
    return {
        "name": name or next((spelled[key] for key in spelled if NAMES.fullmatch(key)), None),
        "price": column(chosen.price, PRICES),
        "image": column(chosen.image, IMAGES),
        "l1": column(named_categories[0], () if no_more else DEPARTMENTS),
        "l2": column(named_categories[1], () if no_more else SHELVES),
    }


def shelved(items: pl.DataFrame, best: Sequence[str] = ()) -> pl.DataFrame:
    """Complete a table of :data:`FIELDS`, all text: numbers for prices, what a search looks in (`text`), and the place
    among the bestsellers (`rank`). Departments with most items come first, in each the best sold items."""
    price = pl.col("price").str.strip_chars().cast(pl.Float64, strict=False)
    first = {level: pl.col(level).str.split("|").list.first().str.strip_chars().fill_null("") for level in ("l1", "l2")}
    completed = items.with_columns(pl.when(price.is_finite()).then(price).alias("price"), **first)
    spoken = pl.concat_str(["name", "id", "l1", "l2"], separator=" ", ignore_nulls=True)
    order = pl.DataFrame({"id": list(best), "rank": range(len(best))}, schema={"id": pl.String, "rank": pl.Int64})
    return (
        completed.unique("id", keep="first", maintain_order=True)
        .with_columns(text=spoken.str.normalize("NFKC").str.to_lowercase())
        .join(order.unique("id", keep="first"), on="id", how="left", maintain_order="left")
        .with_columns(size=pl.when(pl.col("l1") != "").then(pl.len().over("l1")).otherwise(0))
        .sort("size", "l1", "rank", "name", "id", descending=[True, False, False, False, False], nulls_last=True)
        .drop("size")
    )


def plain(text: str) -> str:
    """Return a text as searches compare it: what looks alike is alike, whatever its case."""
    return unicodedata.normalize("NFKC", text).lower()


def with_pictures(items: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Keep the addresses of pictures that a page may load, and return the hosts that they come from."""
    checked = items.with_columns(pl.Series("image", list(map(picture, items["image"])), pl.String))
    scheme_and_host = pl.col("image").str.extract(r"^(https?://[^/]+)")
    counted = checked.select(origin=scheme_and_host).drop_nulls().group_by("origin").len()
    origins = counted.sort("len", "origin", descending=[True, False])["origin"].head(MOST_HOSTS).to_list()
    image = pl.when(scheme_and_host.is_in(origins)).then(pl.col("image"))
    return checked.with_columns(image=image), tuple(origins)


def picture(address: str | None) -> str | None:
    """Return a picture's address if a page may load it: http or https, and no host of this machine or its network.

    Anything else, such as `javascript:` and `data:`, is no picture: its item has a plain tile.
    """
    address = (address or "").strip()
    if not address or len(address) > MOST_CHARACTERS or not address.isprintable():
        return None
    try:
        parts = urlsplit(f"https:{address}" if address.startswith("//") else address)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or parts.username is not None or not HOST.fullmatch(host):
        return None
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or is_ip(host):
        return None
    path, query = quote(parts.path or "/", safe=SAFE), quote(parts.query, safe=SAFE)
    return f"{parts.scheme}://{host}{port}{path}{f'?{query}' if query else ''}"


def is_ip(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def departments(items: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the departments with most items first, each with its size, its first row in `items`, and its shelves."""
    numbered = items.with_row_index("at").filter(pl.col("l1") != "")
    counted = numbered.group_by("l1", maintain_order=True).agg(pl.len().alias("count"), pl.col("at").min())
    sizes = numbered.filter(pl.col("l2") != "").group_by("l1", "l2").len().sort("len", "l2", descending=[True, False])
    shelves: dict[str, list[str]] = {}
    for department, shelf, _ in sizes.iter_rows():
        shelves.setdefault(department, []).append(shelf)
    return [
        {"name": name, "count": count, "from": at, "shelves": shelves.get(name, [])[:MOST_SHELVES]}
        for name, count, at in counted.head(MOST_DEPARTMENTS).iter_rows()
    ]


def featured(items: pl.DataFrame) -> pl.DataFrame:
    """Choose items for the front page: best sold ones with a picture first, from different departments."""
    order = items.with_columns(bare=pl.col("image").is_null()).sort(
        "bare", "rank", maintain_order=True, nulls_last=True
    )
    apart = order.unique("l1", keep="first", maintain_order=True).head(FEATURED)
    others = order.join(apart.select("id"), on="id", how="anti", maintain_order="left")
    return pl.concat([apart, others]).head(FEATURED)


def profiles(people: pl.DataFrame) -> dict[str, list[str]]:
    """Return the values of each column that is a choice, in reading order."""
    choices = {}
    for name in people.columns:
        values = sorted(set(people[name].drop_nulls()) - {"", "Unknown"}, key=amount)
        if name != "USER_ID" and 1 < len(values) <= CHOICES:
            choices[name] = values
    return choices


def amount(text: str) -> tuple[float, str]:
    """Return a key that puts `Under 15K` before `15-24K` before `100-124K`."""
    digits = "".join(char if char.isdigit() and char.isascii() else " " for char in text).split()
    below = 0.5 if text.lower().startswith("under") else 0.0
    return (float(digits[0]) - below if digits else 0.0), text


def shoppers(people: pl.DataFrame | None, history: pl.DataFrame | None, items: pl.DataFrame) -> list[dict[str, Any]]:
    """Choose a few users who differ: the next one has the most new facts, then the richest history."""
    facts: dict[str, dict[str, str]] = {}
    if people is not None:
        choices = ["USER_ID", *profiles(people)]
        facts = {row.pop("USER_ID"): row for row in people.select(choices).fill_null("").to_dicts()}
    candidates = usual(history, facts) if history is not None else list(facts)
    chosen: list[str] = []
    seen: set[tuple[str, str]] = set()
    while candidates and len(chosen) < SHOPPERS:
        best = max(candidates, key=lambda user: len(set(facts.get(user, {}).items()) - seen))
        chosen.append(best)
        candidates.remove(best)
        seen |= set(facts.get(best, {}).items())
    pasts = {user: past(user, history, items) for user in chosen} if history is not None else {}
    return [{"id": user, "facts": facts.get(user, {})} | pasts.get(user, {"last": [], "often": []}) for user in chosen]


def usual(history: pl.DataFrame, known_users: Mapping[str, object]) -> list[str]:
    """Return users who buy about as much as most, those with the most kinds of items first; of `known_users`, if any
    of them is in the history."""
    counts = history.group_by("USER_ID").agg(pl.len().alias("rows"), pl.col("ITEM_ID").n_unique().alias("kinds"))
    described = counts.filter(pl.col("USER_ID").is_in(list(known_users)))
    counts = described if described.height else counts
    middle = pl.col("rows").median()
    some = counts.filter(pl.col("rows").is_between(middle, 2 * middle))
    return some.sort("kinds", "USER_ID", descending=[True, False])["USER_ID"].head(5_000).to_list()


def past(user: str, history: pl.DataFrame, items: pl.DataFrame) -> dict[str, list[str]]:
    """Return what a user bought last, and the categories of which they buy much and more than others."""
    bought = history.filter(pl.col("USER_ID") == user)
    newest = bought.sort(pl.col("TIMESTAMP").cast(pl.Float64, strict=False), "ITEM_ID", descending=[True, False])
    last = newest["ITEM_ID"].unique(maintain_order=True).head(LAST).to_list()
    finest = pl.when(pl.col("l2") != "").then(pl.col("l2")).otherwise(pl.col("l1"))
    shelves = items.select(pl.col("id").alias("ITEM_ID"), finest.alias("shelf")).filter(pl.col("shelf") != "")
    of_user, of_all = (table.join(shelves, on="ITEM_ID").group_by("shelf").len() for table in (bought, history))
    typical = of_user.join(of_all, on="shelf", suffix="_all").with_columns(
        typical=pl.col("len").pow(2) / pl.col("len_all")
    )
    often = typical.sort("typical", "shelf", descending=[True, False])["shelf"].head(OFTEN).to_list()
    return {"last": last, "often": often}
