# SPDX-License-Identifier: Apache-2.0
"""The flows of AWS's developer guide in a domain dataset group, and for actions.

Online shops by boto3, video on demand by AWS SDK for JavaScript, as the guide has it; each by every client at night.
"""

import json
from collections.abc import Mapping
from typing import Final

import pytest

from engine.tests.calls import Json, Refused
from engine.tests.doors import Door, gone, opened, settled
from engine.tests.guide import START, STRING, Tutorial
from engine.tests.harness import Engine, until
from engine.tests.names import RECIPE
from engine.tests.shop_data import interactions, schema, write_csv

EVENTS: Final[Mapping[str, Json]] = {
    "USER_ID": STRING,
    "ITEM_ID": STRING,
    "EVENT_TYPE": STRING,
    "TIMESTAMP": {"type": "long"},
}
ACTIONS: Final[Mapping[str, Json]] = {
    "ACTION_ID": STRING,
    "VALUE": {"type": ["null", "long"]},
    "MEMBERSHIP_LEVEL": {"type": ["null", "string"], "categorical": True},
    "CREATION_TIMESTAMP": {"type": "long"},
    "REPEAT_FREQUENCY": {"type": ["long", "null"]},
}
TAKEN: Final[Mapping[str, Json]] = {
    "USER_ID": STRING,
    "ACTION_ID": STRING,
    "TIMESTAMP": {"type": "long"},
    "EVENT_TYPE": STRING,
}


def by_day(name: str) -> list[object]:
    """Every door, but at night only those beside this one."""
    others = [client for client in ("boto3", "cli", "javascript") if client != name]
    return [name, *(pytest.param(other, marks=pytest.mark.nightly) for other in others)]


def opened_domain(door: Door, engine: Engine, region: str, domain: str, *kinds: str) -> Tutorial:
    """A dataset group of a domain whose interactions are of these types, in the order of the guide's tutorial."""
    tutorial = Tutorial(door, engine, region)
    rows = [(user, item, kind, time) for kind in kinds for user, item, _, _, time, _ in interactions()]
    write_csv(tutorial.folder / "events.csv", EVENTS, rows)
    common = {"schema": schema("Interactions", EVENTS), "domain": domain}
    schema_arn = tutorial.made("CreateSchema", name="gs-domain-interactions-schema", **common)
    tutorial.group = tutorial.made("CreateDatasetGroup", name="domain", domain=domain)
    dataset = {"schemaArn": schema_arn, "datasetGroupArn": tutorial.group, "datasetType": "Interactions"}
    tutorial.imported(tutorial.made("CreateDataset", name="events", **dataset), "events.csv", "events")
    return tutorial


def recommender(tutorial: Tutorial, recipe: str, **config: object) -> str:
    common = {"name": recipe, "datasetGroupArn": tutorial.group, "recipeArn": RECIPE + recipe}
    return settled(tutorial.door, "Recommender", tutorial.made("CreateRecommender", **common, **config))


@pytest.mark.parametrize("name", by_day("boto3"))
def test_online_shop(engine: Engine, region: str, name: str) -> None:
    """creating-domain-recommenders.html, ECOMMERCE-use-cases.html, and how recommenders stop, start and change."""
    with opened(name, engine, region) as door:
        shop = opened_domain(door, engine, region, "ECOMMERCE", "View", "Purchase")
        sellers = recommender(shop, "aws-ecomm-popular-items-by-purchases")
        viewed = recommender(shop, "aws-ecomm-customers-who-viewed-x-also-viewed")
        answer = door.call("GetRecommendations", recommenderArn=sellers, userId="u1", numResults=10)
        assert len(answer["itemList"]) == 10
        assert answer["recommendationId"].startswith("RID-")
        also = door.call("GetRecommendations", recommenderArn=viewed, userId="new", itemId="i3")["itemList"]
        assert {int(item["itemId"][1:]) < 20 for item in also[:5]} == {True}
        door.call(
            "UpdateRecommender", recommenderArn=sellers, recommenderConfig={"minRecommendationRequestsPerSecond": 2}
        )

        def updated() -> bool:
            update = door.call("DescribeRecommender", recommenderArn=sellers)["recommender"]["latestRecommenderUpdate"]
            return bool(update["status"] == "ACTIVE")

        until(updated, "update")
        door.call("StopRecommender", recommenderArn=sellers)
        settled(door, "Recommender", sellers, "INACTIVE")
        with pytest.raises(Refused):
            door.call("GetRecommendations", recommenderArn=sellers, userId="u1")
        door.call("StartRecommender", recommenderArn=sellers)
        settled(door, "Recommender", sellers)
        assert door.call("GetRecommendations", recommenderArn=sellers, userId="u1")["itemList"]
        for arn in (sellers, viewed):
            gone(door, "Recommender", arn)


@pytest.mark.parametrize("name", by_day("javascript"))
def test_video_on_demand(engine: Engine, region: str, name: str) -> None:
    """getting-started-domain-js.html: top picks; then a user's event, which the next answer heeds."""
    with opened(name, engine, region) as door:
        cinema = opened_domain(door, engine, region, "VIDEO_ON_DEMAND", "Watch")
        picks = recommender(cinema, "aws-vod-top-picks")
        request = {"recommenderArn": picks, "userId": "somebody", "numResults": 15}
        first = [item["itemId"] for item in door.call("GetRecommendations", **request)["itemList"]]
        tracker = door.call("CreateEventTracker", name="clicks", datasetGroupArn=cinema.group)
        event = {"eventType": "Watch", "itemId": first[0], "sentAt": START + 10**6}
        common = {"trackingId": tracker["trackingId"], "userId": "somebody", "sessionId": "1"}
        door.call("PutEvents", eventList=[event], **common)
        assert first[0] not in [item["itemId"] for item in door.call("GetRecommendations", **request)["itemList"]]


@pytest.mark.parametrize("name", by_day("boto3"))
def test_next_best_action(engine: Engine, region: str, name: str) -> None:
    """get-action-recommendations.html, with actions and what users did about them, imported and streamed."""
    with opened(name, engine, region) as door:
        tutorial = Tutorial(door, engine, region)
        offers = [(f"a{n}", n, "premium", START, 30) for n in range(1, 5)]
        write_csv(tutorial.folder / "actions.csv", ACTIONS, offers)
        taken = [(f"u{n % 60}", f"a{n % 4 + 1}", START + n, ("Taken", "Viewed")[n % 8 < 4]) for n in range(1200)]
        write_csv(tutorial.folder / "taken.csv", TAKEN, taken)
        tutorial.group = tutorial.made("CreateDatasetGroup", name="actions")
        for kind, record, columns, file in (
            ("Actions", "Actions", ACTIONS, "actions.csv"),
            ("Action_Interactions", "ActionInteractions", TAKEN, "taken.csv"),
        ):
            arn = tutorial.made("CreateSchema", name=kind, schema=schema(record, columns))
            common = {"schemaArn": arn, "datasetGroupArn": tutorial.group, "datasetType": kind}
            tutorial.datasets[kind] = tutorial.made("CreateDataset", name=kind, **common)
            tutorial.imported(tutorial.datasets[kind], file, kind)
        version = tutorial.trained("aws-next-best-action", "actions")
        campaign = settled(door, "Campaign", tutorial.made("CreateCampaign", name="a", solutionVersionArn=version))
        answer = door.call("GetActionRecommendations", campaignArn=campaign, userId="u1", numResults=2)
        assert [set(action) for action in answer["actionList"]] == [{"actionId", "score"}] * 2
        values = {"value": 10, "membershipLevel": "premium", "creationTimestamp": START}
        new = {"actionId": "new", "properties": json.dumps(values)}
        door.call("PutActions", datasetArn=tutorial.datasets["Actions"], actions=[new])
        described = door.call("DescribeDataset", datasetArn=tutorial.datasets["Action_Interactions"])["dataset"]
        took = {"userId": "u1", "sessionId": "s", "timestamp": START + 10**6, "eventType": "TAKEN", "actionId": "a1"}
        events = [took | {"recommendationId": "RID-1"}]
        door.call("PutActionInteractions", trackingId=described["trackingId"], actionInteractions=events)
        chosen = tutorial.filter("premium", 'INCLUDE ActionID WHERE Actions.MEMBERSHIP_LEVEL IN ("premium")')
        filtered = door.call("GetActionRecommendations", campaignArn=campaign, userId="u1", filterArn=chosen)
        assert filtered["actionList"]
