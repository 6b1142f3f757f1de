# SPDX-License-Identifier: Apache-2.0
"""Look up the columns that answers show of items in the bucket's tables; see `item_table`.

A look-up never fails and takes a bounded time: items that are not found in time are shown without columns.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import none_if_missing, translate_errors
from personalization.core.breaker import Breaker
from personalization.core.errors import PersonalizationError
from personalization.shop import item_table
from personalization.shop.item_table import Table

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from mypy_boto3_s3 import S3Client

TABLE_SECONDS = 5.0
"""How long a reader uses a table before it checks for a newer one in the background."""
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
        self._tables: dict[str, tuple[float, Table | None]] = {}
        self._shards: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size = 0
        self._items: dict[tuple[str, str, str], tuple[float, str, Mapping[str, str]]] = {}
        self._changes: dict[str, int] = {}
        self._pending: dict[str, Future[bytes | None]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def find(
        self, shop: str, ids: Iterable[str], columns: Sequence[str], seconds: float = WAIT_SECONDS
    ) -> dict[str, dict[str, str]]:
        """Return columns of items, by id; items that are not found in time are left out.

        Args:
            shop: the shop.
            items: the items' ids.
            columns: the columns to show.
            seconds: the longest time to wait for the bucket.
        """
        until = self._clock() + seconds
        table = self._table(shop, until)
        if table is None:
            return {}
        wanted = dict.fromkeys(ids)
        places: dict[str, list[str]] = {}
        for item in wanted:
            if not self._known(shop, table, item):
                places.setdefault(self._key(shop, table, item), []).append(item)
        self._load(set(places), until)
        for key, items in places.items():
            self._unpack(shop, table, key, items)
        cached = ((item, self._items.get((shop, table.version, item))) for item in wanted)
        return {item: shown for item, kept in cached if kept and (shown := item_table.shown(table, kept[2], columns))}

    def fill(self, shop: str, lists: Sequence[tuple[Mapping[str, Any], Sequence[str]]], seconds: float) -> None:
        """Fill in missing columns of answers' items.

        Args:
            shop: the shop.
            lists: answers, each with its columns.
            seconds: the rest of the answer's time; at most WAIT_SECONDS of it are used.
        """
        lacking = [
            (item, columns)
            for columns_known, columns in lists
            if columns
            for item in columns_known["items"]
            if "metadata" not in item
        ]
        if not lacking:
            return
        every = dict.fromkeys(name for _, columns in lacking for name in columns)
        ids = [item["itemId"] for item, _ in lacking]
        known = self.find(shop, ids, tuple(every), min(WAIT_SECONDS, max(0.0, seconds)))
        for item, columns in lacking:
            columns_known = known.get(item["itemId"], {})
            if shown := {name: columns_known[name] for name in columns if name in columns_known}:
                item["metadata"] = shown

    def _table(self, shop: str, until: float) -> Table | None:
        now = self._clock()
        fresh, table = self._tables.get(shop, (0.0, None))
        if now < fresh:
            return table
        key = item_table.document_key(shop)
        # The known table serves until the newer one has arrived.
        came = self._wait({key}, now if shop in self._tables else until)
        if key in came:
            data = came[key]
            table = item_table.read(json.loads(data)) if data is not None else None
            if table is not None:
                self._forget(shop, table)
        if len(self._tables) >= _MOST_SHOPS:
            self._tables.clear()
        # If the bucket does not answer, the last known table serves, and the circuit breaker decides about retries.
        self._tables[shop] = (now + (TABLE_SECONDS if key in came else 0.0), table)
        return table

    def _forget(self, shop: str, table: Table) -> None:
        """Drop changed files from the cache."""
        keys = {item_table.shard_key(shop, table.version, int(name)): at for name, at in table.changed.items()}
        new = {key for key, at in keys.items() if self._changes.get(key) != at}
        self._changes |= keys
        for key in new:
            self._size -= len(self._shards.pop(key, (0.0, b""))[1])
        for item in [item for item, kept in self._items.items() if kept[1] in new] if new else ():
            del self._items[item]

    def _known(self, shop: str, table: Table, item: str) -> bool:
        kept = self._items.get((shop, table.version, item))
        return kept is not None and self._clock() < kept[0]

    def _key(self, shop: str, table: Table, item: str) -> str:
        return item_table.shard_key(shop, table.version, item_table.place(item) % table.shards)

    def _load(self, keys: set[str], until: float) -> None:
        now = self._clock()
        missing = {key for key in keys if now >= self._shards.get(key, (0.0, b""))[0]}
        for key, data in self._wait(missing, until).items():
            old = self._shards.pop(key, (0.0, b""))[1]
            # A missing file has no items.
            self._shards[key] = (now + item_table.SHARD_SECONDS, data or b"")
            self._size += len(data or b"") - len(old)
        while self._size > CACHE_BYTES:
            _, (_, data) = self._shards.popitem(last=False)
            self._size -= len(data)

    def _unpack(self, shop: str, table: Table, key: str, items: Sequence[str]) -> None:
        """Cache a file's items: one file is unpacked at a time, for all of them."""
        kept = self._shards.get(key)
        if kept is None:
            return
        self._shards.move_to_end(key)
        text = item_table.unpack(kept[1]) if kept[1] else b""
        for item in items:
            if len(self._items) >= MAX_ITEMS:
                for old in [*self._items][: MAX_ITEMS // 10]:
                    del self._items[old]
            self._items[shop, table.version, item] = (kept[0], key, item_table.find(text, item))

    def _wait(self, keys: set[str], until: float) -> dict[str, bytes | None]:
        """Return what the bucket answers in time; a pending request is not repeated."""
        now = self._clock()
        if not keys or not self._breaker.allows(_BUCKET, now):
            return {}
        from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415 - only shops with items need them

        if self._pool is None:
            self._pool = ThreadPoolExecutor(_PARALLEL, "items")
        if len(self._pending) > MAX_PENDING:
            self._pending = {key: each for key, each in self._pending.items() if key in keys or not each.done()}
        for key in keys - self._pending.keys():
            self._pending[key] = self._pool.submit(self._fetch, key)
        wait([self._pending[key] for key in keys], max(0.0, until - now))
        came: dict[str, bytes | None] = {}
        for key in keys:
            if not self._pending[key].done():
                continue
            try:
                came[key] = self._pending.pop(key).result()
            except PersonalizationError:
                continue
        if len(came) == len(keys):
            self._breaker.succeeded(_BUCKET)
        elif until > now:
            self._breaker.failed(_BUCKET, self._clock())
        return came


def fetch(client: Callable[[], "S3Client"], bucket: Callable[[], str]) -> Callable[[str], bytes | None]:
    """Return the function that reads the bucket; its client is created on first use."""

    def read(key: str) -> bytes | None:
        with translate_errors(key):
            found: Any = none_if_missing(lambda: client().get_object(Bucket=bucket(), Key=key))
            return found["Body"].read() if found else None

    return read
