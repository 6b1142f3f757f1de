# SPDX-License-Identifier: Apache-2.0
"""Read what the application keeps of a shop: its settings, its table of items, and copies of its files.

Nothing is read that the shop's own readers have not checked and named, and no file of the shop is needed beside it.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import polars as pl
from personalization.api import bestsellers
from personalization.core.aws import objects
from personalization.likelihood import inputs
from personalization.shop.records import item_files, item_table, release_store
from personalization.shop.settings import settings_file

from local.storefront.catalogue import FIELDS, Shop, shown_columns

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from table_intake import DataKind

MOST_BYTES = 64 << 20
"""The most bytes of a kind's copies that sample users are chosen from, newest first."""


def read_shop(s3: S3Client, dynamodb: DynamoDBClient, bucket: str, table: str, shop: str, *, users: bool) -> Shop:
    """Read a shop; with `users`, also some of its users, whose ids are personal data.

    Raises:
        Rejected: its settings are invalid.
    """
    settings, _ = settings_file.settings_that_hold(s3, bucket, shop)
    release = release_store.get(dynamodb, table, shop, "release", stale=True) or {}
    placements = release.get("placements")
    listed = item_table.readable(objects.get_json(s3, bucket, item_table.document_key(shop)))
    columns = shown_columns(listed.columns if listed else (), settings)
    best = [str(item["itemId"]) for item in bestsellers.read(dynamodb, table, shop)]
    history = ("USER_ID", "ITEM_ID", "TIMESTAMP")
    without_items = Shop(
        name=shop,
        settings=settings,
        columns=columns,
        placements=tuple(sorted(placements)) if isinstance(placements, dict) else (),
        is_promoted=bool(release),
        users=read_copies(s3, bucket, shop, "users", None) if users else None,
        interactions=read_copies(s3, bucket, shop, "interactions", history) if users else None,
    )
    whole = without_items.with_items(read_items(s3, bucket, shop, listed, columns), best)
    whole.document()  # what takes long is done before anybody waits for a page
    return whole


def mark(s3: S3Client, dynamodb: DynamoDBClient, bucket: str, table: str, shop: str) -> tuple[object, ...]:
    """Return what differs once the shop's items, settings or release have changed."""
    release = release_store.get(dynamodb, table, shop, "release", stale=True) or {}
    heads = s3.list_objects_v2(Bucket=bucket, Prefix=f"drops/{shop}/settings.").get("Contents", [])
    document = objects.get_bytes(s3, bucket, item_table.document_key(shop))
    return document, release.get("run"), release.get("promotedAt"), *(head["ETag"] for head in heads)


def read_items(
    s3: S3Client, bucket: str, shop: str, listed: item_table.Table | None, columns: dict[str, str | None]
) -> pl.DataFrame:
    """Return the table of items with the columns that the storefront shows, as text."""
    numbers = {
        name: str(listed.columns.index(column)) for name, column in columns.items() if listed and column is not None
    }
    cells: dict[str, list[str | None]] = {name: [] for name in FIELDS}
    for text in item_files.texts(s3, bucket, shop, listed) if listed else ():
        for line in item_table.rows(text):
            row: dict[str, str | None] = json.loads(line)
            cells["id"].append(row[""])
            for name in FIELDS[1:]:
                cells[name].append(row.get(numbers[name]) if name in numbers else None)
    return pl.DataFrame(cells, schema=dict.fromkeys(FIELDS, pl.String))


def read_copies(
    s3: S3Client, bucket: str, shop: str, kind: DataKind, columns: tuple[str, ...] | None
) -> pl.DataFrame | None:
    """Return the newest rows of the copies that the purchase likelihood is fitted on; None without any.

    The copies have no user any more whom the shop has deleted.
    """
    tables: list[pl.DataFrame] = []
    left = MOST_BYTES
    for key, size in sorted(objects.list_sizes(s3, bucket, f"{inputs.folder(shop)}{kind}/"), reverse=True):
        if left <= 0:
            break
        content = objects.get_range(s3, bucket, key, 0, min(size, left))
        if size > left:
            content = content[: content.rfind(b"\n") + 1]
        left -= size
        table = pl.read_csv(io.BytesIO(content), infer_schema=False)
        tables.append(table.select(columns) if columns else table)
    if not tables:
        return None
    joined = pl.concat(tables, how="diagonal")
    return joined if columns else joined.unique("USER_ID", keep="first", maintain_order=True)
