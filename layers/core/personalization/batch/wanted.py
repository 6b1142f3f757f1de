# SPDX-License-Identifier: Apache-2.0
"""The shop's items that a batch job is about, and the clients of its steps."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from table_intake.wording import Text

from personalization.batch.plan import Job
from personalization.core.aws import objects
from personalization.core.errors import Rejected
from personalization.shop.records import item_files, item_table
from personalization.shop.records.item_table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of the steps."""

    personalize: "PersonalizeClient"
    s3: "S3Client"
    table: "DynamoDBClient"


def items(s3: "S3Client", bucket: str, shop: str, table: Table | None) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the shop's items with their columns.

    Raises:
        Rejected: the shop has no table of items.
    """
    if table is None:
        text = "the shop has no table of items: drop a file of items first"
        raise Rejected(shop, Text("batch.no-table", text))
    for shard in range(table.shards):
        data = objects.get_bytes(s3, bucket, item_table.shard_key(shop, table.version, shard))
        for row in item_table.rows(item_table.unpack(data)) if data else ():
            values = json.loads(row)
            name = values.pop("")
            yield name, {table.columns[int(index)]: str(value) for index, value in values.items() if value is not None}


def wanted_items(s3: "S3Client", bucket: str, job: Job) -> list[str]:
    """Return the items of a segment: those that are named, or those with its attributes.

    Raises:
        Rejected: no item has them, with the values that there are; or the shop has no table of items.
    """
    segment = job.settings.segment
    if segment is None or segment.items:
        return list(segment.items) if segment else []
    table = item_files.table(s3, bucket, job.shop)
    if table is not None and (unknown := [name for name in segment.attributes if name not in table.columns]):
        text = "items have no column {unknown}: they have {columns}"
        values = {"unknown": ", ".join(unknown), "columns": ", ".join(table.columns)}
        raise Rejected(f"batch.{job.name}", Text("batch.no-column", text, **values))
    chosen: list[str] = []
    others: dict[str, None] = {}
    first, value = next(iter(segment.attributes.items()))
    for name, columns in items(s3, bucket, job.shop, table):
        # Categories of an item stand between bars.
        have = {attribute: columns.get(attribute, "").split("|") for attribute in segment.attributes}
        if all(wanted in have[name] for name, wanted in segment.attributes.items()):
            chosen.append(name)
        elif len(others) < 1_000:
            others |= dict.fromkeys(filter(None, have[first]))
    if not chosen:
        some = ", ".join(sorted(others)[:10])
        raise Rejected(
            f"batch.{job.name}",
            f"no item has {' and '.join(f'{name} = {wanted}' for name, wanted in segment.attributes.items())}"
            f"{f'; values of {first} are {some}' if value not in others and some else ''}",
        )
    return chosen
