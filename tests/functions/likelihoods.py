# SPDX-License-Identifier: Apache-2.0
"""A shop whose purchase likelihood is fitted: its history, and how its API is asked."""

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from personalization.likelihood import inputs, shards
from personalization.likelihood import model as models
from personalization.likelihood.model import Anchored

from functions.get_recommendations.app import handler
from tests.functions.fakes import FakePersonalize
from tests.functions.samples import BUCKET, Event, body, load
from tests.likelihood import worlds

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

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


def asked(user: str, *items: str, **query: str) -> Event:
    """A request of the API."""
    event = load("api_purchase_likelihood")
    path = {"shop": "demo", "userId": user}
    return {**event, "pathParameters": path, "queryStringParameters": query, "body": json.dumps({"itemIds": items})}


def chance(user: str, item: str, *others: str, **query: str) -> float:
    """The first item's probability, as the API answers it."""
    answer = handler(asked(user, item, *others, **query), None)
    assert answer["statusCode"] == 200, answer["body"]
    found: float = body(answer)["items"][0]["probability"]
    return found


def stored(bucket: "S3Client", key: str) -> bytes:
    """An object of the bucket."""
    data: bytes = bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return data


def anchor(bucket: "S3Client") -> None:
    """Have the ranking campaign's scores count in the fit, beside the anchors i5 and i6."""
    key = f"likelihood/demo/{load('fit_likelihood')['run']}/model.json.gz"
    model = models.from_json(shards.unpack(stored(bucket, key)))
    scored = replace(model, anchored=Anchored("arn:version", 0.0, 1.0, 0.5), anchors=("i5", "i6"))
    bucket.put_object(Bucket=BUCKET, Key=key, Body=shards.pack(scored.as_json()))
