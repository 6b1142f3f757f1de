# SPDX-License-Identifier: Apache-2.0
"""The table of items, from which answers get names and other columns: small files, addressed by a hash of the id.

Personalize charges for metadata of first-generation recipes, so answers take it from here. A drop of items writes the
table; a PUT of an item changes its file. The table holds no personal data.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

SHARD_BYTES = 64 << 10
"""The approximate uncompressed size of a file in bytes: one look-up unpacks it."""
MAX_SHARDS = 16_384
"""The most files of a table: a gigabyte, or some millions of items. A larger catalogue has no table."""
SHARD_SECONDS = 600.0
"""How long a reader uses a file without fetching it again, unless the document marks it as changed."""
MAX_CHARACTERS = 1_000
"""Longer values are no names, and are left out."""


@dataclass(frozen=True, slots=True)
class Table:
    """The document of a shop's table."""

    version: str
    """The folder of its files."""
    shards: int
    """The number of files: a power of two."""
    columns: tuple[str, ...]
    previous: str = ""
    """The version before, which readers may still use for a while."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """The times of recent changes, in milliseconds since 1970, by the files' numbers."""
    size: int = 0
    """Bytes of its lines at most: a changed item counts several times until the next recount."""

    def as_json(self) -> dict[str, object]:
        document = {"version": self.version, "shards": self.shards, "columns": list(self.columns)}
        return {**document, "previous": self.previous, "changed": dict(self.changed), "size": self.size}

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


def read(document: Mapping[str, object] | None) -> Table | None:
    if document is None:
        return None
    columns = document["columns"]
    names = tuple(str(each) for each in columns) if isinstance(columns, list) else ()
    changed = document.get("changed")
    return Table(
        str(document["version"]),
        int(str(document["shards"])),
        names,
        str(document.get("previous", "")),
        changed if isinstance(changed, dict) else {},
        int(str(document.get("size", 0))),
    )


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


def place(item_id: str) -> int:
    """Return a hash of an id; its lowest bits select the file."""
    return zlib.crc32(item_id.encode())


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
    return [each for each in text.split(b"\n") if each]


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


def shown(table: Table, values: Mapping[str, str], wanted: Sequence[str]) -> dict[str, str]:
    """Return the wanted columns that the item has."""
    numbers = {name: str(number) for number, name in enumerate(table.columns)}
    return {name: values[numbers[name]] for name in wanted if numbers.get(name) in values}
