# SPDX-License-Identifier: Apache-2.0
"""Days of events that are too large for one function, through the machine that checks large drops."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from local.cloud.home import access
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import until

SHOP = "busy"
SETTINGS = "recipes: [popularity-count]\nplacements: {home: {recipe: popularity-count, limit: 4}}\n"
BYTES = 2_000


@contextmanager
def large_days(laptop: Laptop, size: int) -> Iterator[None]:
    """Let days of more than so many bytes be large."""
    functions, name = boto3.client("lambda", **access(laptop.state)), laptop.state.outputs["AnalysisFunctionName"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**before, "LARGE_DAY_BYTES": str(size)}}
    )
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def figures(laptop: Laptop) -> Any:  # noqa: ANN401 - JSON
    done = laptop.command("shelves", SHOP)
    assert done.returncode == 0, done.stdout + done.stderr
    key = f"reports/{SHOP}/shelves/today.json"
    told = json.loads(laptop.s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read())
    is_whole = "not in these figures yet" not in json.dumps(told)
    return {"shelves": [(shelf["placement"], shelf["figures"]) for shelf in told["shelves"]], "whole": is_whole}


@pytest.mark.nightly
def test_a_large_day_is_made_in_parts_and_shards_and_says_the_same(laptop: Laptop) -> None:
    laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS)
    for kind, content in (("items", retail.items()), ("interactions", retail.interactions())):
        laptop.drop(SHOP, kind, content)
    for number in range(40):
        answer = laptop.call("GET", f"/shops/{SHOP}/users/u{number}/placements/home").body
        clicked = {"eventType": "View", "itemId": answer["items"][0]["itemId"], "listId": answer["listId"]}
        events = [clicked, {"eventType": "Purchase", "itemId": clicked["itemId"], "eventValue": 10 + number}]
        wish = {"userId": f"u{number}", "sessionId": f"s{number}", "events": events}
        assert laptop.call("POST", f"/shops/{SHOP}/events", wish).status == 202
    until(lambda: figures(laptop)["shelves"][:1] and figures(laptop)["shelves"][0][1]["orders"] == 40, "all is copied")
    whole = figures(laptop)
    with large_days(laptop, BYTES):
        # The first round starts the machine, and a later one reads what it has made.
        until(lambda: figures(laptop)["whole"], "the machine has made the days")
        assert figures(laptop) == whole
    listed = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=f"aggregates/{SHOP}/days/")["Contents"]
    assert sum("-of-16" in entry["Key"] for entry in listed) >= 16
