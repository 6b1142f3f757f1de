# SPDX-License-Identifier: Apache-2.0
"""A shop moves from Amazon Personalize to the engine in its own stack, and back."""

from dataclasses import dataclass
from typing import Any

import pytest

from local.cloud.runs import Run
from tests.app import retail
from tests.app.conftest import Shop
from tests.app.deletions import delete, events_table, receipt_of
from tests.app.laptop import Laptop
from tests.app.waiting import until

SHOP = "mover"
SETTINGS = "recipes: [similar-items, popularity-count]\n"


def release(laptop: Laptop) -> dict[str, Any]:
    return laptop.client.runs.record(SHOP, "release")


def backend(laptop: Laptop) -> str:
    """Whose campaigns serve, by their ARNs."""
    (campaign,) = release(laptop)["campaigns"].values()
    return str(campaign["arn"]).split(":")[2]


def similar(laptop: Laptop, **query: str) -> list[str]:
    """Items that go with one, from a campaign."""
    answer = laptop.call("GET", f"/shops/{SHOP}/items/garden-05/similar", limit="10", **query)
    assert answer.status == 200, answer.body
    return [] if "degraded" in answer.body else [item["itemId"] for item in answer.body["items"]]


def campaigns(laptop: Laptop) -> set[str]:
    """The names of the campaigns on Amazon Personalize."""
    return {campaign["name"] for campaign in laptop.listed("list_campaigns")}


def counted(laptop: Laptop) -> list[dict[str, Any]]:
    """What all users of the shop did, as it is counted."""
    client = laptop.shops.meta.client
    (name,) = (name for name in client.list_tables()["TableNames"] if "LiveTable" in name)
    values: Any = {":p": f"retail-{SHOP}+counts"}
    page = client.query(TableName=name, KeyConditionExpression="p = :p", ExpressionAttributeValues=values)
    return list(page["Items"])


@dataclass(frozen=True)
class Move:
    """What a shop answered on Amazon Personalize, and the run that brings it to the engine."""

    before: list[str]
    run: Run


@pytest.fixture(scope="module")
def moved(laptop: Laptop) -> Move:
    """A shop that moves, with the same data."""
    assert laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS).status == "SUCCEEDED"
    laptop.drop(SHOP, "items", retail.items())
    assert laptop.drop(SHOP, "interactions", retail.interactions()).output["outcome"] == "promoted"
    assert backend(laptop) == "personalize"
    until(lambda: bool(similar(laptop)), "a campaign answers")
    before = similar(laptop)
    assert laptop.put(f"drops/{SHOP}/settings.yaml", f"backend: engine\n{SETTINGS}").status == "SUCCEEDED"
    early = laptop.drop(SHOP, "interactions", retail.interactions())
    assert (early.status, backend(laptop)) == ("FAILED", "personalize")
    assert "does not have the shop's items" in str(early.reason)
    laptop.drop(SHOP, "items", retail.items())
    return Move(before, laptop.ended(laptop.client.runs.start(SHOP, "retrain").arn))


def test_a_moved_shop_answers_item_for_item_and_knows_what_was_just_bought(laptop: Laptop, moved: Move) -> None:
    assert (moved.run.status, moved.run.output["outcome"], backend(laptop)) == ("SUCCEEDED", "promoted", "engine")
    # The run has begun to delete it; Personalize lists it until that is done.
    until(lambda: f"retail-{SHOP}-similar-items" not in campaigns(laptop), "the campaign on Personalize is gone")
    # A new container may answer its first request by the fallback.
    until(lambda: bool(similar(laptop)), "a campaign answers")
    assert similar(laptop) == moved.before
    bought, *_ = similar(laptop, userId="buyer", filter="not-purchased")
    event = {"eventType": "Purchase", "itemId": bought}
    body = {"userId": "buyer", "sessionId": "s", "events": [event]}
    assert laptop.call("POST", f"/shops/{SHOP}/events", body).status == 202
    after = similar(laptop, userId="buyer", filter="not-purchased")
    assert after
    assert bought not in after
    until(lambda: bool(counted(laptop)), "the stream counts what all users do")


def test_a_rollback_returns_to_amazon_personalize(laptop: Laptop, moved: Move) -> None:
    assert moved.run.status == "SUCCEEDED"
    done = laptop.command_json("rollback", SHOP)
    assert (done["output"]["outcome"], backend(laptop)) == ("rolled back", "personalize")
    until(lambda: bool(similar(laptop)), "a campaign answers")


@pytest.mark.nightly
def test_a_shop_may_switch_every_day(laptop: Laptop, moved: Move) -> None:
    assert moved.run.status == "SUCCEEDED"
    # Sixty users are too few for a judgement of each day; test_releases has those.
    settings = f"{SETTINGS}gate: {{enabled: false}}\n"
    for day, chosen in enumerate(("engine", "personalize") * 2):
        assert laptop.put(f"drops/{SHOP}/settings.yaml", f"backend: {chosen}\n{settings}").status == "SUCCEEDED"
        run = laptop.drop(SHOP, "interactions", retail.interactions(events_each=26 + day))
        assert run.output.get("outcome") == "promoted", run.reason or run.output.get("reason")
        assert backend(laptop) == chosen
        until(lambda: bool(similar(laptop)), "a campaign answers")


def test_a_deletion_after_a_move_reaches_both_backends(laptop: Laptop, moved: Move) -> None:
    assert moved.run.status == "SUCCEEDED"
    shop = Shop(SHOP, laptop, (moved.run,))
    receipt = receipt_of(events_table(laptop), SHOP, delete(shop, "buyer"))
    assert (receipt["step"], [arn.split(":")[2] for arn in receipt["job"].split()]) == (
        "deletedHere",
        ["engine", "personalize"],
    )


def test_a_removal_leaves_nothing_of_either_backend(laptop: Laptop, moved: Move) -> None:
    assert moved.run.status == "SUCCEEDED"
    assert laptop.command("teardown", SHOP, "--yes", "--objects").returncode == 0
    listed = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=f"engine/{SHOP}/")
    assert listed["KeyCount"] == 0
    groups = laptop.listed("list_dataset_groups")
    assert f"retail-{SHOP}" not in {group["name"] for group in groups}
