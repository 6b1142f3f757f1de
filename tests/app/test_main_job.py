# SPDX-License-Identifier: Apache-2.0
"""The main job on the whole: drop a CSV, be recommended to, click, be recommended something better."""

import json
from typing import Any

import boto3

from local.cloud.home import access
from tests.app import retail
from tests.app.conftest import Shop
from tests.app.waiting import until

RECIPES = {"user-personalization", "personalized-ranking", "similar-items"}
"""Those with a campaign: popularity-count is trained as the gate's baseline alone."""


def release(shop: Shop) -> dict[str, Any]:
    return shop.laptop.client.runs.record(shop.name, "release")


def test_users_and_items_are_imported_and_interactions_promoted(shop: Shop) -> None:
    assert [run.status for run in shop.runs] == ["SUCCEEDED"] * 3, [run.reason for run in shop.runs]
    assert [run.output["outcome"] for run in shop.runs] == ["imported", "imported", "promoted"]
    assert [run.output["rows"] for run in shop.runs] == [60, 60, 1500]


def test_three_campaigns_serve_what_the_run_trained(shop: Shop) -> None:
    campaigns = release(shop)["campaigns"]
    assert set(campaigns) == RECIPES
    for promoted in campaigns.values():
        campaign = shop.laptop.personalize.describe_campaign(campaignArn=promoted["arn"])["campaign"]
        assert (campaign["status"], campaign["solutionVersionArn"]) == ("ACTIVE", promoted["solutionVersionArn"])


def test_a_known_shopper_gets_the_own_category_with_names_and_prices(shop: Shop) -> None:
    answer = shop.call("GET", "/users/u1/recommendations", limit="5")
    assert (answer.status, len(answer.body["items"])) == (200, 5)
    assert all(item["itemId"].startswith("garden") for item in answer.body["items"])
    best = answer.body["items"][0]
    assert best["source"] == "campaign"
    assert best["metadata"]["NAME"] == best["itemId"].replace("-", " ").title()
    assert float(best["metadata"]["PRICE"]) >= 5


def test_similar_items_share_the_category(shop: Shop) -> None:
    answer = shop.call("GET", "/items/kitchen-03/similar", limit="5")
    items = [item["itemId"] for item in answer.body["items"]]
    assert len(items) == 5
    assert "kitchen-03" not in items
    assert sum(item.startswith("kitchen") for item in items) >= 4


def test_popular_items_say_so(shop: Shop) -> None:
    def sources() -> list[str]:
        return [item["source"] for item in shop.call("GET", "/popular", limit="3").body["items"]]

    # A container to which a busy machine brings the list too late asks a campaign instead.
    until(lambda: sources() == ["bestsellers"] * 3, "bestsellers are shown")


def test_ranking_returns_the_caller_s_items_best_first(shop: Shop) -> None:
    wanted = ["kitchen-01", "garden-02", "kitchen-05", "garden-07"]
    ranked = [item["itemId"] for item in shop.call("POST", "/users/u3/ranking", {"itemIds": wanted}).body["items"]]
    assert sorted(ranked) == sorted(wanted)
    assert all(item.startswith("garden") for item in ranked[:2])


def test_a_new_shopper_is_served_from_demographics(shop: Shop) -> None:
    for user, age in (("new-young", "18-24"), ("new-old", "65+")):
        assert shop.call("PUT", f"/users/{user}", {"properties": {"AGE": age}}).status == 202
    assert all(item.startswith("garden") for item in shop.items("new-young", limit="5"))
    assert all(item.startswith("kitchen") for item in shop.items("new-old", limit="5"))


def test_events_change_the_very_next_answer(shop: Shop) -> None:
    before = shop.items("clicker", limit="10")
    liked = next(item for item in retail.ITEMS if item not in before)
    events = [{"eventType": kind, "itemId": liked} for kind in ("View", "AddToCart", "Purchase")]
    sent = shop.call("POST", "/events", {"userId": "clicker", "sessionId": "s-clicker", "events": events})
    assert (sent.status, sent.body["accepted"]) == (202, 3)
    assert all(event["status"] == "delivered" for event in sent.body["events"])
    after = shop.items("clicker", limit="10")
    assert after != before
    assert sum(item.split("-")[0] == liked.split("-")[0] for item in after) > 5


def test_a_session_without_user_is_personal_too(shop: Shop) -> None:
    events = [{"eventType": "View", "itemId": f"garden-0{n}"} for n in range(4)]
    shop.call("POST", "/events", {"sessionId": "visitor", "events": events})
    assert sum(item.startswith("garden") for item in shop.items("visitor", limit="5")) >= 4


def test_a_filter_of_the_settings_hides_what_was_bought(shop: Shop) -> None:
    events = [{"eventType": "Purchase", "itemId": "garden-11"}]
    shop.call("POST", "/events", {"userId": "u5", "sessionId": "s5", "events": events})
    shown = shop.items("u5", limit="40", filter="not-purchased")
    bought = {item for user, item, _ in retail.history() if user == "u5"} | {"garden-11"}
    assert shown
    assert not bought & set(shown)


def test_an_item_put_individually_shows_its_new_price(shop: Shop) -> None:
    properties = {"NAME": "Garden 00", "PRICE": 99.5, "CATEGORY_L1": "garden"}
    assert shop.call("PUT", "/items/garden-00", {"properties": properties}).status == 202

    def price() -> float:
        answer = shop.call("POST", "/users/u1/ranking", {"itemIds": ["garden-00"]})
        return float(answer.body["items"][0]["metadata"]["PRICE"])

    until(lambda: price() == 99.5, "answers show the new price")


def test_the_operator_s_commands_show_the_same(shop: Shop) -> None:
    def shown() -> list[str]:
        told = shop.laptop.command_json("recommend", shop.name, "u7", "--limit", "3")
        return [item["itemId"] for item in told["items"]]

    until(lambda: shown() == shop.items("u7", limit="3"), "the command shows the same list")
    assert "garden" in shop.laptop.command("similar", shop.name, "garden-01").stdout
    assert shop.laptop.command_json("event", shop.name, "u9", "garden-01", "View")["accepted"] == 1
    listed = shop.laptop.command_json("runs", shop.name)
    assert {run["run"] for run in listed} >= {run.name for run in shop.runs}


def test_a_second_drop_updates_the_same_campaigns(shop: Shop) -> None:
    before = release(shop)["campaigns"]
    # Sixty shoppers and the events of other tests are too few for a judgement; test_releases has those.
    shop.laptop.put(f"drops/{shop.name}/settings.yaml", "gate: {enabled: false}\n")
    run = shop.laptop.drop(shop.name, "interactions", retail.interactions(events_each=26))
    after = release(shop)["campaigns"]
    assert (run.status, run.output["rows"]) == ("SUCCEEDED", 1560)
    assert {alias: entry["arn"] for alias, entry in after.items()} == {a: e["arn"] for a, e in before.items()}
    assert all(after[alias]["solutionVersionArn"] != before[alias]["solutionVersionArn"] for alias in RECIPES)


def test_the_same_object_twice_makes_nothing_twice_and_a_retraining_trains(shop: Shop) -> None:
    content = retail.interactions(events_each=27)
    runs = [shop.laptop.drop(shop.name, "interactions", content, "same.csv") for _ in range(2)]
    assert [run.output["outcome"] for run in runs] == ["promoted", "alreadyHandled"]
    serving = release(shop)["campaigns"]
    group = release(shop)["datasetGroupArn"]
    assert len(shop.laptop.personalize.list_datasets(datasetGroupArn=group)["datasets"]) == 3
    assert len(shop.laptop.personalize.list_solutions(datasetGroupArn=group)["solutions"]) == len(RECIPES) + 1
    hint = f"python -m local retrain --run-dir {shop.laptop.home.run} {shop.name}"
    assert hint in " ".join(shop.laptop.command("runs", shop.name, "--limit", "1").stdout.split())
    trained = shop.laptop.command_json("retrain", shop.name, "--watch")
    assert (trained["kind"], trained["output"]["outcome"]) == ("retrain", "promoted")
    assert release(shop)["campaigns"] != serving


def test_a_run_is_announced_on_the_event_bus(shop: Shop) -> None:
    reach = access(shop.laptop.state)
    queues, events = boto3.client("sqs", **reach), boto3.client("events", **reach)
    queue = queues.create_queue(QueueName="announcements")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="announcements", EventPattern=json.dumps({"source": ["retail-personalization"]}))
    events.put_targets(Rule="announcements", Targets=[{"Id": "queue", "Arn": arn}])
    shop.laptop.drop("announced", "users", retail.users())
    shop.laptop.drop("announced", "users", "")
    told: dict[str, Any] = {}

    def is_told() -> bool:
        got = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        announced = [json.loads(message["Body"]) for message in got]
        # Runs of other shops are announced as well.
        ours = [event for event in announced if event["detail"]["shop"] == "announced"]
        told.update({event["detail-type"]: event["detail"] for event in ours})
        return {"Run started", "Run imported", "Run failed"} <= set(told)

    until(is_told, "all is announced")
    assert "empty" in told["Run failed"]["reason"]
