# SPDX-License-Identifier: Apache-2.0
"""Write the list of bestsellers when a run is promoted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from personalization.api import bestsellers
from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError
from personalization.ingest import sales
from personalization.personalize import runtime
from personalization.runs.claims import PREFIX, Claim
from personalization.shop import records
from personalization.shop.item_table import ShownItems, fetch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
    from mypy_boto3_s3 import S3Client

_LOOK_SECONDS = 20.0
"""How long a promotion may look up items."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The sources of a list: purchase counts and the table of items, or a campaign without them."""

    s3: "S3Client"
    runtime: "PersonalizeRuntimeClient"
    table: "DynamoDBClient"


def write(aws: Clients, environment: Environment, release: Mapping[str, Any], now: datetime) -> int:
    """Count purchases, or else ask a campaign, and store the list; return its length.

    A promotion never waits for this: if no source answers, the earlier list stays and 0 is returned.
    """
    shop, name = str(release["shop"]), environment.table
    try:
        items = _counted(aws, environment, release, now) or _from_campaign(aws.runtime, release)
        if not items:
            return 0
        columns = list(release["metadataColumns"])
        shown = ShownItems(fetch(lambda: aws.s3, lambda: environment.bucket)).find(shop, items, columns, _LOOK_SECONDS)
        made = bestsellers.record(shop, str(release["run"]), str(release["promotedAt"]), items, shown)
        records.put(aws.table, name, made)
    except PersonalizationError:
        return 0
    return len(items)


def _counted(aws: Clients, environment: Environment, release: Mapping[str, Any], now: datetime) -> list[str]:
    """Return the items bought most, and merge the counts into one file."""
    shop, bucket = str(release["shop"]), environment.bucket
    claims = [Claim.read(each) for each in records.query_prefix(aws.table, environment.table, shop, PREFIX)]
    keys = list(objects.list_keys(aws.s3, bucket, sales.folder(shop)))
    chosen = sales.chosen(keys, claims, str(release["run"]))
    if not chosen:
        return []
    found = (objects.get_bytes(aws.s3, bucket, each.key) for each in chosen)
    total = sales.add(sales.unpack(data) for data in found if data is not None)
    if len(keys) > 1:
        merged = sales.key(shop, "FULL", int(now.timestamp() * 1000), total.rows)
        objects.put_bytes(aws.s3, bucket, merged, sales.pack(total), "application/gzip")
        for key in keys:
            objects.remove(aws.s3, bucket, key)
    return sales.best(total, bestsellers.LENGTH)


def _from_campaign(client: "PersonalizeRuntimeClient", release: Mapping[str, Any]) -> list[str]:
    arns = {alias: str(each["arn"]) for alias, each in release["campaigns"].items()}
    ask = bestsellers.instead(arns)
    return [str(each["itemId"]) for each in runtime.recommend(client, ask).items] if ask else []
