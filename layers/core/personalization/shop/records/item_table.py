# SPDX-License-Identifier: Apache-2.0
"""The table of items, from which everything that shows an item takes its name, price and other columns.

It is the one source of them: a drop of items writes the table, a PUT of an item changes it, and no training is needed.
Personalize charges for metadata of first-generation recipes, and a campaign has the columns of its promotion, so its
metadata only stands in for items that the table lacks. The table is small files, addressed by a hash of the id, and
holds no personal data.
"""

import gzip
import json
import re
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from personalization.core import stored
from personalization.core.aws.errors import none_if_missing
from personalization.core.breaker import Breaker
from personalization.core.errors import PersonalizationError, Rejected

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from mypy_boto3_s3 import S3Client

SHARD_BYTES = 64 << 10
"""The approximate uncompressed size of a file in bytes: one look-up unpacks it."""
MAX_SHARDS = 16_384
"""The most files of a table: a gigabyte, or some millions of items. A larger catalogue has no table."""
SHARD_SECONDS = 600.0
"""How long a reader uses a file without fetching it again, unless the document marks it as changed."""
MAX_CHARACTERS = 1_000
"""Longer values cannot be names, and are left out."""
TABLE_SECONDS = 5.0
"""How long a reader uses a table before it checks for a newer one in the background."""
STALE_SECONDS = 20.0
"""The age from which a reader waits for a newer table or file: after a quiet time the first answer is right too."""
MOST_SHOWN = 10
"""The most columns of an answer that names none."""
NAMES = ("name", "title", "productname", "itemname")
"""Columns that may name an item, reduced to letters; the first one counts."""
WAIT_SECONDS = 0.25
"""The longest time that an answer waits for columns."""
CACHE_BYTES = 32 << 20
"""Bytes of compressed files in the cache."""
MAX_ITEMS = 20_000
"""Unpacked items in the cache."""
MAX_PENDING = 1_000
"""Files that came too late for their answer and are kept for the next."""
_MOST_SHOPS = 100
_PARALLEL = 10
_BUCKET = "bucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The document of a shop's table."""

    version: str
    """The folder of its files."""
    shards: int
    """The number of files: a power of two."""
    columns: tuple[str, ...]
    shown: tuple[str, ...] = ()
    """The columns that an answer shows if its request names none."""
    previous: str = ""
    """The version before, which readers may still use for a while."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """The times of recent changes, in milliseconds since 1970, by the files' numbers."""
    size: int = 0
    """Bytes of its lines at most: a changed item counts several times until the next recount."""

    def as_json(self) -> dict[str, object]:
        columns = {"columns": list(self.columns), "shown": list(self.shown)}
        changes = {"previous": self.previous, "changed": dict(self.changed), "size": self.size}
        return {"format": stored.VERSION, "version": self.version, "shards": self.shards, **columns, **changes}

    def with_changes(self, shards: Iterable[int], size: int, now: int) -> "Table":
        """Return the table after a change of some files; older changes, which readers have fetched since, are dropped.

        Args:
            shards: the files' numbers.
            size: bytes of the written lines.
            now: milliseconds since 1970.
        """
        since = now - int(SHARD_SECONDS * 1000)
        late = {name: at for name, at in self.changed.items() if at > since}
        return replace(self, changed={**late, **{str(shard): now for shard in shards}}, size=self.size + size)


def read(document: Mapping[str, Any] | None) -> Table | None:
    """Parse a table's document.

    Raises:
        Rejected: it is from before 0.1.0.
    """
    if document is None:
        return None
    if document.get("format") != stored.VERSION:
        raise Rejected(
            "the table of items", "it is not from version 0.1.0 or later: drop the whole list of items again"
        )
    return Table(
        version=document["version"],
        shards=document["shards"],
        columns=tuple(document["columns"]),
        shown=tuple(document["shown"]),
        previous=document["previous"],
        changed=document["changed"],
        size=document["size"],
    )


def readable(document: Mapping[str, Any] | None) -> Table | None:
    """Parse a table's document; None for one from before 0.1.0, too, which answers and a new table do without."""
    with suppress(Rejected):
        return read(document)
    return None


def name_column(columns: Collection[str]) -> str | None:
    """Return the column with items' names."""
    plain = {re.sub(r"[^a-z]", "", column.lower()): column for column in columns}
    return next((plain[name] for name in NAMES if name in plain), None)


def folder(shop: str) -> str:
    return f"catalogue/{shop}/items/"


def document_key(shop: str) -> str:
    """Return the key of the table's document."""
    return f"{folder(shop)}table.json"


def shard_key(shop: str, version: str, shard: int) -> str:
    """Return the key of one file of the table."""
    return f"{folder(shop)}{version}/{shard:05d}.gz"


def shards_for(size: int) -> int | None:
    """Return the number of files for a table of so many bytes; None if it is too large."""
    shards = 1
    while shards * SHARD_BYTES < size:
        shards *= 2
    return shards if shards <= MAX_SHARDS else None


def hashed(item_id: str | bytes) -> int:
    """Return a hash of an id, or of its UTF-8; its lowest bits select the file."""
    return zlib.crc32(item_id.encode() if isinstance(item_id, str) else item_id)


def line(item_id: str, values: Mapping[int, str]) -> bytes:
    """Return an item's line: its id, and its values by the numbers of the columns.

    The format is polars' for a struct, so that both can write files.
    """
    row = {"": item_id, **{str(number): value for number, value in values.items()}}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def identity(row: bytes) -> bytes:
    """Return the beginning of a line, which identifies its item: quotes within an id are escaped."""
    end = row.find(b'","', 4)
    return row[: end if end >= 0 else row.rindex(b'"')]


def pack(rows: Iterable[bytes]) -> bytes:
    """Compress lines to a file; of an item with several lines the last one counts."""
    last = {identity(row): row for row in rows}
    return gzip.compress(b"\n" + b"\n".join(last.values()) + b"\n", 6, mtime=0)


def unpack(data: bytes) -> bytes:
    return gzip.decompress(data)


def rows(text: bytes) -> list[bytes]:
    return [row for row in text.split(b"\n") if row]


def find(text: bytes, item_id: str) -> dict[str, str]:
    """Return an item's values by the numbers of the columns; empty for an unknown item."""
    start = b"\n" + json.dumps({"": item_id}, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
    at = text.find(start)
    while at >= 0 and text[at + len(start) : at + len(start) + 1] not in b",}":
        at = text.find(start, at + 1)
    if at < 0:
        return {}
    values: dict[str, str | None] = json.loads(text[at + 1 : text.index(b"\n", at + 1)])
    return {number: value for number, value in values.items() if number and value is not None}


class ShownItems:
    """Look up items, with caches that live as long as the process.

    Args:
        fetch: reads an object of the bucket; None if it does not exist.
        clock: seconds.
    """

    def __init__(self, fetch: Callable[[str], bytes | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._breaker = Breaker()
        self._tables: dict[str, tuple[float, float, Table | None]] = {}
        self._shards: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size = 0
        self._items: dict[tuple[str, str, str], tuple[float, str, Mapping[str, str]]] = {}
        self._changes: dict[str, int] = {}
        self._pending: dict[str, tuple[float, Future[bytes | None]]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def find(
        self, shop: str, ids: Iterable[str], columns: Sequence[str] | None = None, seconds: float = WAIT_SECONDS
    ) -> dict[str, dict[str, str]]:
        """Return columns of items, by id; items that are not found in time are left out.

        Args:
            shop, ids, columns: the items, and the columns to show; all by default.
            seconds: the longest time to wait for the bucket.
        """
        until = self._clock() + seconds
        table = self._table(shop, until)
        if table is None:
            return {}
        cells = self._cells(shop, table, ids, until)
        numbers = _numbers(table, table.columns if columns is None else columns)
        return {item: values for item in cells if (values := _named(cells[item], numbers))}

    def _cells(self, shop: str, table: Table, ids: Iterable[str], until: float) -> dict[str, Mapping[str, str]]:
        """Return items' values by the numbers of the columns, by id."""
        wanted, version, now = dict.fromkeys(ids), table.version, self._clock()
        cells: dict[str, Mapping[str, str]] = {}
        places: dict[str, list[str]] = {}
        for item in wanted:
            cached = self._items.get((shop, version, item))
            if cached and now < cached[0]:
                cells[item] = cached[2]
            else:
                places.setdefault(shard_key(shop, table.version, hashed(item) % table.shards), []).append(item)
        if places:
            self._load(set(places), until)
            for key, items in places.items():
                self._unpack(shop, table, key, items)
                for item in items:
                    if cached := self._items.get((shop, version, item)):
                        cells[item] = cached[2]
        return cells

    def fill(
        self, shop: str, lists: Sequence[tuple[Mapping[str, Any], tuple[str, ...] | None]], seconds: float
    ) -> None:
        """Show columns of answers' items.

        They replace what a campaign shows of the same item: the table is newer.

        Args:
            shop: the answers' shop.
            lists: answers, each with the columns that it shows; None for the table's usual ones.
            seconds: the rest of the answer's time; at most WAIT_SECONDS of it are used.
        """
        items = [(item, columns) for answer, columns in lists if columns != () for item in answer["items"]]
        if not items:
            return
        until = self._clock() + min(WAIT_SECONDS, max(0.0, seconds))
        table = self._table(shop, until)
        if table is None:
            return
        cells = self._cells(shop, table, [item["itemId"] for item, _ in items], until)
        numbers = {columns: _numbers(table, table.shown if columns is None else columns) for _, columns in lists}
        for item, columns in items:
            if values := cells.get(item["itemId"]):
                item.pop("metadata", None)
                if metadata := _named(values, numbers[columns]):
                    item["metadata"] = metadata

    def _table(self, shop: str, until: float) -> Table | None:
        now = self._clock()
        read_at, fresh, table = self._tables.get(shop, (float("-inf"), 0.0, None))
        if now < fresh:
            return table
        key = document_key(shop)
        # A table that was read lately serves until the newer one has arrived.
        came = self._wait({key}, now if now - read_at < STALE_SECONDS else until)
        if key in came:
            read_at, data = came[key]
            table = readable(json.loads(data)) if data is not None else None
            if table is not None:
                self._forget(shop, table)
        if len(self._tables) >= _MOST_SHOPS:
            self._tables.clear()
        # If the bucket does not answer, the last known table serves, and the circuit breaker decides about retries.
        self._tables[shop] = (read_at, read_at + TABLE_SECONDS if key in came else now, table)
        return table

    def _forget(self, shop: str, table: Table) -> None:
        """Drop changed files from the cache, with requests that may have been answered before the change."""
        keys = {shard_key(shop, table.version, int(name)): at for name, at in table.changed.items()}
        new = {key for key, at in keys.items() if self._changes.get(key) != at}
        self._changes |= keys
        for key in new:
            self._size -= len(self._shards.pop(key, (0.0, b""))[1])
            self._pending.pop(key, None)
        for item in [item for item, cached in self._items.items() if cached[1] in new] if new else ():
            del self._items[item]

    def _load(self, keys: set[str], until: float) -> None:
        now = self._clock()
        missing = {key for key in keys if now >= self._shards.get(key, (0.0, b""))[0]}
        for key, (read_at, data) in self._wait(missing, until).items():
            old = self._shards.pop(key, (0.0, b""))[1]
            # A missing file has no items.
            self._shards[key] = (read_at + SHARD_SECONDS, data or b"")
            self._size += len(data or b"") - len(old)
        while self._size > CACHE_BYTES:
            _, (_, data) = self._shards.popitem(last=False)
            self._size -= len(data)

    def _unpack(self, shop: str, table: Table, key: str, items: Sequence[str]) -> None:
        """Cache a file's items: one file is unpacked at a time, for all of them."""
        packed = self._shards.get(key)
        if packed is None:
            return
        self._shards.move_to_end(key)
        text = unpack(packed[1]) if packed[1] else b""
        for item in items:
            if len(self._items) >= MAX_ITEMS:
                for old in [*self._items][: MAX_ITEMS // 10]:
                    del self._items[old]
            self._items[shop, table.version, item] = (packed[0], key, find(text, item))

    def _wait(self, keys: set[str], until: float) -> dict[str, tuple[float, bytes | None]]:
        """Return what the bucket answers in time, with the times of the requests; a pending one is not repeated."""
        now = self._clock()
        if not keys or not self._breaker.allows(_BUCKET, now):
            return {}
        from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415 - only shops with items need them

        if self._pool is None:
            self._pool = ThreadPoolExecutor(_PARALLEL, "items")
        if len(self._pending) > MAX_PENDING:
            self._pending = {
                key: request for key, request in self._pending.items() if key in keys or not request[1].done()
            }
        for key in keys:
            sent = self._pending.get(key)
            # An answer that nobody took for long may have been overtaken by a change.
            if sent is None or (sent[1].done() and now - sent[0] >= STALE_SECONDS):
                self._pending[key] = (now, self._pool.submit(self._fetch, key))
        wait([self._pending[key][1] for key in keys], max(0.0, until - now))
        came: dict[str, tuple[float, bytes | None]] = {}
        for key in keys:
            if not self._pending[key][1].done():
                continue
            try:
                sent_at, future = self._pending.pop(key)
                came[key] = (sent_at, future.result())
            except PersonalizationError:
                continue
        if len(came) == len(keys):
            self._breaker.succeeded(_BUCKET)
        elif until > now:
            self._breaker.failed(_BUCKET, self._clock())
        return came


def _numbers(table: Table, columns: Iterable[str]) -> list[tuple[str, str]]:
    """Return the names and numbers of those of the columns that the table has."""
    return [(name, str(table.columns.index(name))) for name in columns if name in table.columns]


def _named(cells: Mapping[str, str], numbers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return an item's values by the columns' names."""
    return {name: cells[number] for name, number in numbers if number in cells}


def fetch(client: Callable[[], "S3Client"], bucket: Callable[[], str]) -> Callable[[str], bytes | None]:
    """Return the function that reads the bucket; its client is created on first use."""

    def read(key: str) -> bytes | None:
        answer: Any = none_if_missing(lambda: client().get_object(Bucket=bucket(), Key=key))
        return answer["Body"].read() if answer else None

    return read
