# SPDX-License-Identifier: Apache-2.0
"""The table of items that answers take names and other columns from: small files, each addressed by the item's id.

Personalize charges for metadata of first-generation recipes, so that answers don't ask it. A drop of items writes the
table; a PUT of an item changes its file. It holds items alone: nothing in it is about people.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

SHARD_BYTES = 64 << 10
"""Bytes of a file before it is compressed, about: what one look-up unpacks."""
MOST_SHARDS = 16_384
"""Files of a table: a gigabyte, which is some millions of items. A larger catalogue has no table."""
SHARD_SECONDS = 600.0
"""How long a reader uses a file without asking again, unless the document says that it was changed."""
MOST_CHARACTERS = 1_000
"""A longer value is no name and is left out."""


@dataclass(frozen=True, slots=True)
class Table:
    """What the table of a shop looks like."""

    version: str
    """The folder of its files."""
    shards: int
    """How many files it has: a power of two."""
    columns: tuple[str, ...]
    previous: str = ""
    """The version before, which readers may still use for a while."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """When files were changed of late, in milliseconds since 1970, by their numbers."""
    size: int = 0
    """Bytes of its lines at most: an item that was changed counts several times, until the lines are counted anew."""

    def as_json(self) -> dict[str, object]:
        """The document that tells of it."""
        told = {"version": self.version, "shards": self.shards, "columns": list(self.columns)}
        return {**told, "previous": self.previous, "changed": dict(self.changed), "size": self.size}

    def with_changes(self, shards: Iterable[int], size: int, now: int) -> "Table":
        """The table after a change of some of its files; what readers have asked for again since is forgotten.

        Args:
            shards: the files' numbers. size: bytes of the lines that were written. now: milliseconds since 1970.
        """
        since = now - int(SHARD_SECONDS * 1000)
        late = {name: at for name, at in self.changed.items() if at > since}
        return replace(self, changed={**late, **{str(shard): now for shard in shards}}, size=self.size + size)


def read(document: Mapping[str, object] | None) -> Table | None:
    """The table that a document tells of."""
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
    """The folder of a shop's tables, with its slash."""
    return f"catalogue/{shop}/items/"


def document_key(shop: str) -> str:
    """Where the document that tells of the table is."""
    return f"{folder(shop)}table.json"


def shard_key(shop: str, version: str, shard: int) -> str:
    """Where a file of the table is."""
    return f"{folder(shop)}{version}/{shard:05d}.gz"


def shards_for(size: int) -> int | None:
    """How many files a table of so many bytes has; None where it would have too many."""
    shards = 1
    while shards * SHARD_BYTES < size:
        shards *= 2
    return shards if shards <= MOST_SHARDS else None


def place(item_id: str) -> int:
    """A number for an id, whose lowest bits tell its file."""
    return zlib.crc32(item_id.encode())


def line(item_id: str, values: Mapping[int, str]) -> bytes:
    """An item's line: its id, and its values by the numbers of the columns.

    The same as polars writes for a struct, so that both can write files.
    """
    row = {"": item_id, **{str(number): value for number, value in values.items()}}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def identity(row: bytes) -> bytes:
    """The beginning of a line that tells whose it is: quotes within an id are escaped."""
    end = row.find(b'","', 4)
    return row[: end if end >= 0 else row.rindex(b'"')]


def pack(rows: Iterable[bytes]) -> bytes:
    """A file of lines; of an item with several the last one counts."""
    last = {identity(row): row for row in rows}
    return gzip.compress(b"\n" + b"\n".join(last.values()) + b"\n", 6, mtime=0)


def unpack(data: bytes) -> bytes:
    """The text of a file."""
    return gzip.decompress(data)


def rows(text: bytes) -> list[bytes]:
    """The lines of a file's text."""
    return [each for each in text.split(b"\n") if each]


def find(text: bytes, item_id: str) -> dict[str, str]:
    """An item's values by the numbers of the columns; none of an item that is not there."""
    start = b"\n" + json.dumps({"": item_id}, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
    at = text.find(start)
    while at >= 0 and text[at + len(start) : at + len(start) + 1] not in b",}":
        at = text.find(start, at + 1)
    if at < 0:
        return {}
    values: dict[str, str | None] = json.loads(text[at + 1 : text.index(b"\n", at + 1)])
    return {number: value for number, value in values.items() if number and value is not None}


def shown(table: Table, values: Mapping[str, str], wanted: Sequence[str]) -> dict[str, str]:
    """The wanted columns of an item, as far as it has them."""
    numbers = {name: str(number) for number, name in enumerate(table.columns)}
    return {name: values[numbers[name]] for name in wanted if numbers.get(name) in values}
