# SPDX-License-Identifier: Apache-2.0
"""A shop whose purchase likelihood is fitted: its history, and how its API is asked."""

import json
import time
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from personalization.likelihood import inputs, shards
from personalization.likelihood.model import Anchored, read_model
from personalization.shop.records.release import RECORD

from functions.fit_likelihood.app import handler as fit
from functions.get_recommendations.app import handler
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import BUCKET, TABLE, Event, body, load
from tests.likelihood import worlds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

FITTED: list["Fitted"] = []
"""The first fit of a session, from which later tests begin."""
SHIFT = int(time.time()) - worlds.START - 14 * 7 * worlds.DAY - 3600
"""The world ends an hour ago, so that its data are fresh."""


def put(bucket: "S3Client", kind: str, lines: list[str], stamp: int = 1) -> None:
    """Keep an imported file, as the check of a drop does."""
    key = inputs.key("demo", kind, "FULL", stamp, "run-0")  # type: ignore[arg-type]
    bucket.put_object(Bucket=BUCKET, Key=key, Body="".join(lines).encode())


def shifted(weeks: int = 14) -> list[str]:
    """The interactions of the world's first weeks."""
    return worlds.interactions((user, item, kind, at + SHIFT) for user, item, kind, at in worlds.rows(weeks))


def ranked(personalize: FakePersonalize) -> None:
    """The ranking campaign knows nothing: every item has the same score."""
    items = [f"i{n}" for n in range(worlds.ITEMS)]
    told = [{"itemId": item, "score": 1 / len(items)} for item in items]
    personalize.says("GetPersonalizedRanking", {"recommendationId": "RID", "personalizedRanking": told})


def drop(bucket: "S3Client", personalize: FakePersonalize) -> None:
    """Have the shop's files and its ranking campaign there."""
    ranked(personalize)
    put(bucket, "interactions", shifted())
    put(bucket, "items", worlds.items())
    put(bucket, "users", worlds.users())


@dataclass(frozen=True)
class Fitted:
    """What a fit answered, and left in the bucket and in the table of shops."""

    answer: dict[str, object]
    objects: dict[str, bytes]
    records: list[dict[str, Any]]


def fit_once(bucket: "S3Client", table: "DynamoDBClient") -> dict[str, object]:
    """Fit the shop's likelihood, or put there what the same fit left before; return what the function answered."""
    if not FITTED:
        before = objects(bucket)
        answer = fit(load("fit_likelihood"), None)
        made = {key: body for key, body in objects(bucket).items() if before.get(key) != body}
        records = [item for item in table.scan(TableName=TABLE)["Items"] if item["record"]["S"] != RECORD]
        FITTED.append(Fitted(answer, made, records))
    for key, content in FITTED[0].objects.items():
        bucket.put_object(Bucket=BUCKET, Key=key, Body=content)
    for item in FITTED[0].records:
        table.put_item(TableName=TABLE, Item=item)
    return deepcopy(FITTED[0].answer)


def objects(bucket: "S3Client") -> dict[str, bytes]:
    """All objects of the bucket."""
    keys = [content["Key"] for content in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key: bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def likelihood_event(user: str, *items: str, **query: str) -> Event:
    """A request of the API."""
    event = load("api_purchase_likelihood")
    path = {"shop": "demo", "userId": user}
    return {**event, "pathParameters": path, "queryStringParameters": query, "body": json.dumps({"itemIds": items})}


def chance(user: str, item: str, *others: str, **query: str) -> float:
    """The first item's probability, as the API answers it."""
    answer = handler(likelihood_event(user, item, *others, **query), None)
    assert answer["statusCode"] == 200, answer["body"]
    probability: float = body(answer)["items"][0]["probability"]
    return probability


def stored(bucket: "S3Client", key: str) -> bytes:
    """An object of the bucket."""
    data: bytes = bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return data


def anchor(bucket: "S3Client") -> None:
    """Have the ranking campaign's scores count in the fit, beside the anchors i5 and i6."""
    key = f"likelihood/demo/{load('fit_likelihood')['run']}/model.json.gz"
    model = read_model(shards.unpack(stored(bucket, key)))
    scored = replace(
        model,
        anchored=Anchored(
            solution_version_arn="arn:version", intercept=0.0, slope=1.0, weight=0.5, verdict=model.known_verdict
        ),
        anchors=("i5", "i6"),
    )
    bucket.put_object(Bucket=BUCKET, Key=key, Body=shards.pack(scored.as_json()))
