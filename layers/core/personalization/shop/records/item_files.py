# SPDX-License-Identifier: Apache-2.0
"""Store tables of items in the bucket: written from drops of items, changed by a PUT of one item."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from table_intake import Mode
from table_intake.columns import schema
from table_intake.wording import Text

from personalization.core.aws import objects
from personalization.core.aws.errors import holds, none_if_missing
from personalization.core.aws.pagination import paginate
from personalization.core.errors import RetryLater
from personalization.shop.records import item_table
from personalization.shop.records.item_table import Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
_PARALLEL = 10
_GZIP = "application/gzip"
_GROWTH = 4
"""The factor by which the number of files must grow before the table is redistributed."""
_PARTITIONS = 64
CHANGE_SECONDS = 1.0
"""Seconds after which a change of one item is given up, because its caller waits."""


class Listed(Protocol):
    """The rows of a drop of items; see `ingest.item_lines`."""

    columns: tuple[str, ...]
    size: int

    def partitions(self) -> Iterator[tuple[int, list[bytes]]]:
        """Iterate over lines by the lowest bits of their ids' hashes, in 64 partitions."""


def table(s3: "S3Client", bucket: str, shop: str) -> Table | None:
    """Return the shop's table, or None before the first drop of items."""
    return item_table.read(objects.get_json(s3, bucket, item_table.document_key(shop)))


def write(s3: "S3Client", bucket: str, shop: str, mode: Mode, listed: Listed, version: str) -> str | None:
    """Write the table of a FULL drop of items, or add an incremental drop to the current table.

    A repetition, which gives a new table the same version, changes nothing.

    Returns:
        Why there is no table; None if there is one.
    """
    if mode == "INCREMENTAL":
        before = table(s3, bucket, shop)
        if before is None:
            return None
        roomy = _with_room(s3, bucket, shop, table=before, more=listed.size, version=version)
        if roomy is None:
            return _too_large(s3, bucket, shop)
        _add(s3, bucket, shop, roomy, listed)
        return None
    shards = item_table.shards_for(listed.size)
    if shards is None:
        return _too_large(s3, bucket, shop)
    before = item_table.readable(objects.get_json(s3, bucket, item_table.document_key(shop)))
    _for_all_files(
        _files(listed, shards), lambda shard, rows: _put(s3, bucket, shop, version=version, shard=shard, rows=rows)
    )
    _follow(s3, bucket, shop, before, _table(version, shards, listed.columns, listed.size))
    return None


def _table(version: str, shards: int, columns: tuple[str, ...], size: int) -> Table:
    """Return a new table, whose answers show its first columns; long descriptions are not among them."""
    long = schema.described("items", columns)
    shown = [name for name in columns if name != long][: item_table.MOST_SHOWN]
    return Table(version=version, shards=shards, columns=columns, shown=tuple(shown), size=size)


def _too_large(s3: "S3Client", bucket: str, shop: str) -> str:
    objects.remove(s3, bucket, item_table.document_key(shop))
    most = item_table.MAX_SHARDS * item_table.SHARD_BYTES >> 30
    text = "answers show no columns of items: they have more than {most} GiB in all"
    return Text("note.items-too-large", text, most=most)


def _follow(s3: "S3Client", bucket: str, shop: str, before: Table | None, made: Table) -> Table:
    """Switch readers to a new table, and remove what no reader uses any more."""
    shared = {before.version, before.previous} if before else set()
    previous = before.version if before and before.version != made.version else before.previous if before else ""
    table = replace(made, previous=previous)
    objects.put_json(s3, bucket, item_table.document_key(shop), table.as_json())
    for old in shared - {made.version, previous, ""}:
        _remove(s3, bucket, f"{item_table.folder(shop)}{old}/")
    return table


def _with_room(s3: "S3Client", bucket: str, shop: str, table: Table, more: int, version: str) -> Table | None:
    """Return the table with room for `more` bytes, in more files if necessary; None if they would be too many."""

    def grown(size: int) -> int | None:
        shards = item_table.shards_for(size)
        return table.shards if shards and shards <= _GROWTH * table.shards else shards

    if grown(table.size + more) == table.shards:
        return table
    # The estimate may have counted items several times.
    size = sum(len(text) for text in texts(s3, bucket, shop, table))
    shards = grown(size + more)
    if shards is None:
        return None
    if shards == table.shards:
        return _follow(s3, bucket, shop, table, replace(table, size=size))
    for text in texts(s3, bucket, shop, table):
        spread: dict[int, list[bytes]] = defaultdict(list)
        for row in item_table.rows(text):
            spread[item_table.hashed(json.loads(row)[""]) % shards].append(row)
        _for_all_files([spread], lambda shard, rows: _put(s3, bucket, shop, version=version, shard=shard, rows=rows))
    return _follow(s3, bucket, shop, table, _table(version, shards, table.columns, size))


def texts(s3: "S3Client", bucket: str, shop: str, table: Table) -> Iterator[bytes]:
    """Iterate over the texts of the table's files, some in parallel; `item_table.rows` takes a text apart."""

    def text(shard: int) -> bytes:
        data = objects.get_bytes(s3, bucket, item_table.shard_key(shop, table.version, shard))
        return item_table.unpack(data) if data else b""

    with ThreadPoolExecutor(_PARALLEL, "items") as pool:
        for start in range(0, table.shards, _PARALLEL):
            yield from pool.map(text, range(start, min(start + _PARALLEL, table.shards)))


def change(
    s3: "S3Client",
    bucket: str,
    shop: str,
    item_id: str,
    properties: Mapping[str, object],
    late: Callable[[], bool] = lambda: False,
) -> None:
    """Replace an item's columns, given by names in any spelling.

    Raises:
        RetryLater: other changes of the table came first until it was `late`.
    """
    while current := table(s3, bucket, shop):
        row, shard = _row(current, item_id, properties), item_table.hashed(item_id) % current.shards
        key = item_table.shard_key(shop, current.version, shard)
        _until(late, item_id, partial(_replaced, s3, bucket, key, [row]))
        mark = partial(_mark_changed, s3, bucket, shop, version=current.version, shards=[shard], size=len(row))
        if _until(late, item_id, mark) == "marked":
            return


def _until(late: Callable[[], bool], item_id: str, attempt: Callable[[], T]) -> T:
    while not (done := attempt()):
        if late():
            raise RetryLater(item_id, "the shop's table of items changes too often just now: put the item again")
    return done


def _row(table: Table, item_id: str, properties: Mapping[str, object]) -> bytes:
    """Return the line of an item with these columns."""
    given = {_plain(name): value for name, value in properties.items()}
    values = {number: _text(given.get(_plain(name))) for number, name in enumerate(table.columns)}
    fits = {number: text for number, text in values.items() if 0 < len(text) <= item_table.MAX_CHARACTERS}
    return item_table.line(item_id, fits)


def _add(s3: "S3Client", bucket: str, shop: str, table: Table, listed: Listed) -> None:
    columns = tuple(dict.fromkeys((*table.columns, *listed.columns)))
    numbers = [columns.index(name) for name in listed.columns]

    def add(shard: int, rows: Sequence[bytes]) -> None:
        numbered = [_renumbered(row, numbers) for row in rows]
        key = item_table.shard_key(shop, table.version, shard)
        while not _replaced(s3, bucket, key, numbered):
            pass

    if columns != table.columns:
        shown = _table(table.version, table.shards, columns, table.size).shown
        more = replace(table, columns=columns, shown=shown)
        objects.put_json(s3, bucket, item_table.document_key(shop), more.as_json())
    touched: list[int] = []

    def groups() -> Iterator[dict[int, list[bytes]]]:
        for whole in _files(listed, table.shards):
            touched.extend(whole)
            yield whole

    _for_all_files(groups(), add)
    while not _mark_changed(s3, bucket, shop, version=table.version, shards=touched, size=listed.size):
        pass


def _mark_changed(
    s3: "S3Client", bucket: str, shop: str, version: str, shards: Sequence[int], size: int
) -> Literal["marked", "moved"] | None:
    """Mark files of a version as changed, by lines of `size` bytes, so that readers fetch them again.

    Returns:
        `moved` if readers follow another version by now; None if another writer has changed the document meanwhile.
    """
    key = item_table.document_key(shop)
    stored = none_if_missing(s3.get_object, Bucket=bucket, Key=key)
    document = item_table.read(json.loads(stored["Body"].read())) if stored else None
    if stored is None or document is None or document.version != version:
        return "moved"
    body = json.dumps(document.with_changes(shards, size, int(time.time() * 1000)).as_json()).encode()
    put = partial(s3.put_object, Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    return "marked" if holds(put, IfMatch=stored["ETag"]) else None


def _renumbered(row: bytes, numbers: Sequence[int]) -> bytes:
    cells: dict[str, str | None] = json.loads(row)
    values = {numbers[int(number)]: value for number, value in cells.items() if number and value is not None}
    return item_table.line(str(cells[""]), values)


def _files(listed: Listed, shards: int) -> Iterator[dict[int, list[bytes]]]:
    """Iterate over groups of the table's files with their lines."""
    held: dict[int, list[bytes]] = defaultdict(list)
    for _, rows in listed.partitions():
        for row in rows:
            held[item_table.hashed(json.loads(row)[""]) % shards].append(row)
        if shards >= _PARTITIONS:
            yield held
            held = defaultdict(list)
    if held:
        yield held


def _for_all_files(some: Iterable[dict[int, list[bytes]]], act: Callable[[int, Sequence[bytes]], None]) -> None:
    with ThreadPoolExecutor(_PARALLEL, "items") as pool:
        for whole in some:
            for done in [pool.submit(act, shard, rows) for shard, rows in whole.items()]:
                done.result()


def _put(s3: "S3Client", bucket: str, shop: str, version: str, shard: int, rows: Iterable[bytes]) -> None:
    objects.put_bytes(s3, bucket, item_table.shard_key(shop, version, shard), item_table.pack(rows), _GZIP)


def _replaced(s3: "S3Client", bucket: str, key: str, rows: Sequence[bytes]) -> bool:
    """Add lines to a file; return False if another writer has changed it meanwhile."""
    stored = none_if_missing(s3.get_object, Bucket=bucket, Key=key)
    old = item_table.rows(item_table.unpack(stored["Body"].read())) if stored else []
    unchanged: Any = {"IfMatch": stored["ETag"]} if stored else {"IfNoneMatch": "*"}
    data = item_table.pack([*old, *rows])
    return holds(s3.put_object, Bucket=bucket, Key=key, Body=data, ContentType=_GZIP, **unchanged)


def _remove(s3: "S3Client", bucket: str, folder: str) -> None:
    keys = [listed["Key"] for listed in paginate(s3.list_objects_v2, "Contents", Bucket=bucket, Prefix=folder)]
    for start in range(0, len(keys), 1_000):
        gone: Any = {"Objects": [{"Key": key} for key in keys[start : start + 1_000]], "Quiet": True}
        s3.delete_objects(Bucket=bucket, Delete=gone)


def _plain(name: str) -> str:
    """Return a column's name without its spelling: PRODUCT_NAME and productName are one."""
    return name.replace("_", "").lower()


def _text(value: object) -> str:
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
