# SPDX-License-Identifier: Apache-2.0
"""The engine answers first where Amazon Personalize does not, for a shop that asks for it."""

from typing import Any

import pytest

from local.cloud.faults import FaultDoor
from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import until

pytestmark = pytest.mark.nightly
SHOP = "both"
SETTINGS = """\
recipes: [user-personalization, similar-items, personalized-ranking, popularity-count]
filters:
  in: INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($CATEGORY)
  not-purchased: EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")
placements:
  kitchen: {recipe: user-personalization, limit: 4, filter: in, filter_values: {CATEGORY: kitchen}, metadata: [NAME]}
  pushed:
    recipe: user-personalization
    limit: 4
    promotions: [{percent: 50, filter: in, filter_values: {CATEGORY: kitchen}}]
"""
RANKED = {"itemIds": ["garden-02", "kitchen-01", "garden-01", "of-no-shop"]}
QUESTIONS: tuple[tuple[str, str, object], ...] = (
    ("GET", "users/u1/recommendations?limit=40", None),
    ("GET", "users/u1/recommendations?filter=not-purchased", None),
    ("GET", "users/never-seen/recommendations?limit=10", None),
    ("GET", "users/put/recommendations?limit=10", None),
    ("GET", "users/u2/placements/kitchen", None),
    ("GET", "users/u1/placements/pushed", None),
    ("GET", "items/garden-05/similar?limit=10", None),
    ("GET", "items/kitchen-03/similar?userId=u1&filter=not-purchased", None),
    ("POST", "users/u1/ranking", RANKED),
    ("POST", "users/put/ranking", RANKED),
)


def release(laptop: Laptop) -> dict[str, Any]:
    return laptop.client.runs.record(SHOP, "release")


def similar(laptop: Laptop, **query: str) -> dict[str, Any]:
    answer = laptop.call("GET", f"/shops/{SHOP}/items/garden-05/similar", limit="10", **query)
    assert answer.status == 200, answer.body
    return answer.body


def lists(laptop: Laptop) -> list[dict[str, Any]]:
    """The answers to all questions."""
    answers = []
    for method, question, body in QUESTIONS:
        path, _, query = question.partition("?")
        more = dict(pair.split("=") for pair in query.split("&") if pair)
        answers.append(laptop.call(method, f"/shops/{SHOP}/{path}", body, **more).body)
    return answers


def items_of(answers: list[dict[str, Any]]) -> list[list[tuple[str, Any, Any]]]:
    """What a user sees of the answers; where promoted items stand is drawn anew for each."""
    seen = [[(item["itemId"], item.get("score"), item.get("metadata")) for item in body["items"]] for body in answers]
    drawn = ["pushed" in question for _, question, _ in QUESTIONS]
    return [sorted(items, key=str) if is_drawn else items for items, is_drawn in zip(seen, drawn, strict=True)]


def sources(body: dict[str, Any]) -> set[str]:
    return {item["source"] for item in body["items"]}


def test_the_engine_answers_where_amazon_personalize_does_not(laptop: Laptop) -> None:
    assert laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS).status == "SUCCEEDED"
    for kind, content in (("items", retail.items()), ("users", retail.users())):
        laptop.drop(SHOP, kind, content)
    assert laptop.drop(SHOP, "interactions", retail.interactions()).output["outcome"] == "promoted"
    before = release(laptop)
    assert laptop.put(f"drops/{SHOP}/settings.yaml", f"fallback: engine\n{SETTINGS}").status == "SUCCEEDED"
    refused = laptop.ended(laptop.client.runs.start(SHOP, "retrain").arn)
    assert (refused.status, release(laptop)) == ("FAILED", before)
    assert "the engine does not have the shop's interactions yet" in str(refused.reason)
    for kind, content in (("items", retail.items()), ("users", retail.users())):
        laptop.drop(SHOP, kind, content)
    run = laptop.drop(SHOP, "interactions", retail.interactions())
    assert run.status == "SUCCEEDED", run.reason
    assert run.output["outcome"] == "promoted"
    campaigns = release(laptop)["campaigns"]
    recipes = ["personalized-ranking", "similar-items", "user-personalization"]
    assert sorted(campaigns) == [*(f"engine/{recipe}" for recipe in recipes), *recipes]
    assert campaigns["engine/similar-items"]["arn"].split(":")[2] == "engine"
    assert campaigns["similar-items"]["arn"].split(":")[2] == "personalize"
    until(lambda: "degraded" not in similar(laptop), "the campaign answers")
    usual = similar(laptop)
    assert sources(usual) == {"campaign"}
    # Both know of users and events at once.
    assert laptop.call("PUT", f"/shops/{SHOP}/users/put", {"properties": {"AGE": "65+"}}).status == 202
    viewed = {"userId": "put", "sessionId": "p", "events": [{"eventType": "View", "itemId": "kitchen-07"}]}
    assert laptop.call("POST", f"/shops/{SHOP}/events", viewed).status == 202
    of_service = lists(laptop)
    assert [sources(body) for body in of_service] == [{"campaign"}] * len(QUESTIONS)

    door = FaultDoor(laptop.state.engine)
    try:
        with door.during("throttle", "Get*"):
            # A new container first fetches the model.
            until(lambda: all(sources(body) == {"engine"} for body in lists(laptop)), "the engine answers")
            assert items_of(lists(laptop)) == items_of(of_service)
            instead = similar(laptop)
            assert [item["itemId"] for item in instead["items"]] == [item["itemId"] for item in usual["items"]]
            assert (instead["degraded"], instead["recommendationId"]) == (True, None)
            bought = str(instead["items"][0]["itemId"])
            event = {"eventType": "Purchase", "itemId": bought}
            body = {"userId": "buyer", "sessionId": "s", "events": [event]}
            assert laptop.call("POST", f"/shops/{SHOP}/events", body).status == 202
            after = similar(laptop, userId="buyer", filter="not-purchased")
            assert sources(after) == {"engine"}
            assert bought not in {item["itemId"] for item in after["items"]}
            items = {"itemIds": ["garden-02", "kitchen-01", "garden-01"]}
            ranked = laptop.call("POST", f"/shops/{SHOP}/users/u1/ranking", items).body
            assert sources(ranked) == {"engine"}
    finally:
        door.clear()


def without_the_fallback(laptop: Laptop, run: Run, before: dict[str, Any]) -> str:
    """Check that a run promoted all but the fallback; return what it says of that, after a rollback."""
    assert (run.status, run.output.get("outcome")) == ("SUCCEEDED", "promoted"), run.reason or run.output
    after = release(laptop)["campaigns"]
    changed = {alias for alias, served in after.items() if served != before[alias]}
    assert (set(after), changed) == (set(before), {alias for alias in before if "/" not in alias})
    assert laptop.command_json("rollback", SHOP)["output"]["outcome"] == "rolled back"
    assert release(laptop)["campaigns"] == before
    (note,) = (note for note in run.output["notes"] if "fallback" in note)
    return str(note)


def test_a_fallback_that_cannot_be_trained_keeps_no_release_back(laptop: Laptop) -> None:
    """The table of the engine's interactions is gone from the bucket."""
    before = release(laptop)["campaigns"]
    listed = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix="engine/")["Contents"]
    tables = [entry["Key"] for entry in listed if f"{SHOP}/tables/INTERACTIONS/" in entry["Key"]]
    assert tables
    for key in tables:
        laptop.s3.delete_object(Bucket=laptop.bucket, Key=key)
    run = laptop.ended(laptop.client.runs.start(SHOP, "retrain").arn)
    assert "since the engine's training of " in without_the_fallback(laptop, run, before)


def test_nor_does_one_that_cannot_import(laptop: Laptop) -> None:
    """Without that table, no interactions can be added to it."""
    before = release(laptop)["campaigns"]
    run = laptop.drop(SHOP, "interactions", retail.interactions(events_each=26), incremental=True)
    note = without_the_fallback(laptop, run, before)
    assert note.startswith("the fallback has no new versions, since the engine's import of interactions failed: ")
    assert "{" not in note


def test_a_rollback_leaves_amazon_personalize_alone(laptop: Laptop) -> None:
    assert "fallbackTrackingId" in release(laptop)
    done = laptop.command_json("rollback", SHOP)
    assert done["output"]["outcome"] == "rolled back"
    assert sorted(release(laptop)["campaigns"]) == ["personalized-ranking", "similar-items", "user-personalization"]


def test_a_removal_leaves_nothing_of_either_backend(laptop: Laptop) -> None:
    assert laptop.command("teardown", SHOP, "--yes", "--objects").returncode == 0
    listed = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=f"engine/{SHOP}/")
    assert listed["KeyCount"] == 0
