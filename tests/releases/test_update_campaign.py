# SPDX-License-Identifier: Apache-2.0
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.errors import Rejected, RetryLater
from personalization.personalize.campaigns import METADATA, Wish, decide, merged
from personalization.shop.records import release_store
from personalization.shop.records.item_table import Table, document_key

from functions.update_campaign.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, RELEASE, TABLE, load, said

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

SYNC = "syncWithLatestSolutionVersion"
EXPLORATION = "itemExplorationConfig"

CAMPAIGN = f"{ARN}:campaign/retail-demo-user-personalization"
VERSION = f"{ARN}:solution/retail-demo-user-personalization/1f2e3d4c"
UP = "aws-user-personalization"
WEIGHTS = st.integers(0, 10).map(lambda tenths: f"{tenths / 10:g}")
MEMBERS: Any = {
    METADATA: st.booleans(),
    SYNC: st.booleans(),
    EXPLORATION: st.dictionaries(
        st.sampled_from(["explorationWeight", "explorationItemAgeCutOff"]), WEIGHTS, min_size=1
    ),
}
ITEMS = (
    '{"fields": [{"name": "ITEM_ID", "type": "string"}, {"name": "PRICE", "type": "float"},'
    '{"name": "PRODUCT_DESCRIPTION", "type": ["null", "string"], "textual": true}]}'
)


def campaign(status: str, version: str, *update: str) -> dict[str, object]:
    names = ("status", "solutionVersionArn")
    latest = {"latestCampaignUpdate": dict(zip(names, update, strict=True))} if update else {}
    return {"campaign": {"status": status, "solutionVersionArn": version, **latest}}


def with_items(personalize: FakePersonalize) -> None:
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/items"}})
    personalize.says("DescribeSchema", {"schema": {"schema": ITEMS}})


def test_a_campaign_is_created_with_one_tps_and_no_metadata(personalize: FakePersonalize) -> None:
    assert said(handler(load("update_campaign_campaign"), None)) == {"arn": CAMPAIGN, "status": "CREATE PENDING"}
    assert personalize.body_of("CreateCampaign") == {
        "name": "retail-demo-user-personalization",
        "solutionVersionArn": VERSION,
        "minProvisionedTPS": 1,
        "campaignConfig": {"enableMetadataWithRecommendations": False},
    }


def test_metadata_comes_with_an_items_dataset(personalize: FakePersonalize) -> None:
    with_items(personalize)
    handler(load("update_campaign_campaign"), None)
    assert personalize.body_of("CreateCampaign")["campaignConfig"] == {"enableMetadataWithRecommendations": True}


def test_a_campaign_that_serves_another_version_is_updated(personalize: FakePersonalize) -> None:
    personalize.says("DescribeCampaign", campaign("ACTIVE", "old"))
    assert handler(load("update_campaign_campaign"), None)["status"] == "CREATE PENDING"
    assert personalize.body_of("UpdateCampaign")["solutionVersionArn"] == VERSION


@pytest.mark.parametrize(
    ("description", "status"),
    [
        (campaign("ACTIVE", VERSION), "ACTIVE"),
        (campaign("CREATE IN_PROGRESS", VERSION), "CREATE IN_PROGRESS"),
        (campaign("ACTIVE", "old", "CREATE PENDING", VERSION), "CREATE PENDING"),
        (campaign("ACTIVE", VERSION, "ACTIVE", VERSION), "ACTIVE"),
    ],
)
def test_asking_twice_changes_nothing(
    description: dict[str, object], status: str, personalize: FakePersonalize
) -> None:
    personalize.says("DescribeCampaign", description)
    assert handler(load("update_campaign_campaign"), None)["status"] == status
    assert personalize.operations() == ["DescribeDataset", "DescribeCampaign"]


def test_a_campaign_that_is_busy_with_another_version_is_tried_again(personalize: FakePersonalize) -> None:
    busy = campaign("ACTIVE", "old", "CREATE IN_PROGRESS", "other")
    personalize.says("DescribeCampaign", busy)
    with pytest.raises(RetryLater, match=f"{CAMPAIGN}: .*another version"):
        handler(load("update_campaign_campaign"), None)
    assert "UpdateCampaign" not in personalize.operations()


def target(**members: object) -> dict[str, object]:
    """The step as the machine sends it, with what the settings decide."""
    event = load("update_campaign_campaign")
    target = {"alias": "user-personalization", "campaign": event["campaign"], "run": "run-1", "baselineArn": None}
    return {**event, "target": {**target, "solutionVersionArn": VERSION, "recipe": UP, **members}}


def configured(
    config: dict[str, object], tps: int = 1, version: str = "old", update: dict[str, object] | None = None
) -> dict[str, object]:
    settings = {"name": "retail-demo-user-personalization", "minProvisionedTPS": tps, "campaignConfig": config}
    latest = {"latestCampaignUpdate": update} if update else {}
    return {"campaign": {"status": "ACTIVE", "solutionVersionArn": version, **settings, **latest}}


def test_what_an_operator_set_survives_a_promotion(personalize: FakePersonalize) -> None:
    exploration = {"explorationWeight": "0.1", "explorationItemAgeCutOff": "7"}
    personalize.says("DescribeCampaign", configured({"itemExplorationConfig": exploration}, tps=40))
    handler(target(), None)
    request = personalize.body_of("UpdateCampaign")
    assert "minProvisionedTPS" not in request
    assert request["campaignConfig"]["itemExplorationConfig"] == exploration


def test_the_latest_update_tells_what_an_operator_set(personalize: FakePersonalize) -> None:
    newer: dict[str, object] = {"itemExplorationConfig": {"explorationWeight": "0.9"}}
    update: dict[str, object] = {"status": "ACTIVE", "solutionVersionArn": "old", "campaignConfig": newer}
    older: dict[str, object] = {"itemExplorationConfig": {"explorationWeight": "0.1"}}
    personalize.says("DescribeCampaign", configured(older, update=update))
    handler(target(), None)
    assert personalize.body_of("UpdateCampaign")["campaignConfig"]["itemExplorationConfig"] == {
        "explorationWeight": "0.9"
    }
    personalize.reset()
    personalize.says("DescribeCampaign", configured(older, update={**update, "status": "CREATE FAILED"}))
    handler(target(), None)
    assert personalize.body_of("UpdateCampaign")["campaignConfig"]["itemExplorationConfig"] == {
        "explorationWeight": "0.1"
    }


def test_settings_are_laid_over_what_the_campaign_has(personalize: FakePersonalize) -> None:
    there: dict[str, object] = {"itemExplorationConfig": {"explorationWeight": "0.1", "explorationItemAgeCutOff": "7"}}
    personalize.says("DescribeCampaign", configured(there, tps=2))
    config = {"itemExplorationConfig": {"explorationWeight": "0.25"}}
    handler(target(minProvisionedTps=5, campaignConfig=config), None)
    request = personalize.body_of("UpdateCampaign")
    assert request["minProvisionedTPS"] == 5
    assert request["campaignConfig"]["itemExplorationConfig"] == {
        "explorationWeight": "0.25",
        "explorationItemAgeCutOff": "7",
    }


def test_a_changed_setting_reaches_a_campaign_that_serves_the_version_already(personalize: FakePersonalize) -> None:
    personalize.says("DescribeCampaign", configured({}, version=VERSION))
    assert handler(target(), None)["status"] == "ACTIVE"
    assert handler(target(minProvisionedTps=5), None)["status"] == "CREATE PENDING"
    assert personalize.body_of("UpdateCampaign")["minProvisionedTPS"] == 5


def test_a_campaign_that_follows_versions_by_itself_is_stopped_from_it(personalize: FakePersonalize) -> None:
    personalize.says("DescribeCampaign", configured({"syncWithLatestSolutionVersion": True}))
    notes = handler(target(), None)["notes"]
    assert personalize.body_of("UpdateCampaign")["campaignConfig"]["syncWithLatestSolutionVersion"] is False
    assert notes == [
        "retail-demo-user-personalization: syncWithLatestSolutionVersion is switched off, "
        "because it lets versions serve that no gate has seen"
    ]


def test_what_the_next_recipe_lacks_is_not_carried_over(personalize: FakePersonalize) -> None:
    there: dict[str, object] = {
        "enableMetadataWithRecommendations": False,
        "itemExplorationConfig": {"explorationWeight": "0.1"},
    }
    personalize.says("DescribeCampaign", configured(there))
    handler(target(recipe=f"{UP}-v2"), None)
    assert personalize.body_of("UpdateCampaign")["campaignConfig"] == {}


def test_a_configuration_without_members_is_not_sent_where_there_is_none(personalize: FakePersonalize) -> None:
    handler(target(recipe=f"{UP}-v2"), None)
    assert "campaignConfig" not in personalize.body_of("CreateCampaign")
    personalize.says("DescribeCampaign", configured({}))
    handler(target(recipe=f"{UP}-v2"), None)
    assert "campaignConfig" not in personalize.body_of("UpdateCampaign")


def test_the_way_back_from_v2_has_what_the_release_served_with(personalize: FakePersonalize) -> None:
    second = f"{ARN}:solution/retail-demo-user-personalization-v2-0123ab/9f8e7d6c"
    personalize.says("DescribeCampaign", configured({"enableMetadataWithRecommendations": True}, 7, second))
    earlier = {"enableMetadataWithRecommendations": False, "itemExplorationConfig": {"explorationWeight": "0.1"}}
    handler(target(earlierConfig=earlier, returns=True), None)
    request = personalize.body_of("UpdateCampaign")
    assert request["campaignConfig"] == earlier
    assert "minProvisionedTPS" not in request


@given(
    there=st.fixed_dictionaries({}, optional=MEMBERS),
    decided=st.fixed_dictionaries({}, optional=MEMBERS),
    recipe=st.sampled_from([UP, f"{UP}-v2", "aws-similar-items"]),
)
def test_a_configuration_is_what_is_decided_over_what_was_there(
    there: dict[str, Any], decided: dict[str, Any], recipe: str
) -> None:
    wish = Wish(version="new", recipe=recipe, config={name: decided[name] for name in decided if name != SYNC})
    whole = merged({"status": "ACTIVE", "solutionVersionArn": "old", "campaignConfig": there}, wish)
    assert not whole.get(SYNC)
    assert (SYNC in whole) == (SYNC in there)
    names = {name for name in {*there, *wish.config} if name in whole}
    lacking = {*there, *wish.config} - names
    assert lacking <= {EXPLORATION, METADATA}
    assert recipe != UP or not lacking
    for name in names - {SYNC, EXPLORATION}:
        assert whole[name] == wish.config.get(name, there.get(name))
    if EXPLORATION in whole:
        assert whole[EXPLORATION] == {**there.get(EXPLORATION, {}), **wish.config.get(EXPLORATION, {})}
    # Asked for once more, it's the same, and then there is nothing left to do.
    after = {"status": "ACTIVE", "solutionVersionArn": "new", "campaignConfig": whole}
    assert merged(after, wish) == whole
    assert decide(after, wish) == "nothing"


def test_an_update_that_lost_a_race_is_tried_again(personalize: FakePersonalize) -> None:
    personalize.says("DescribeCampaign", campaign("ACTIVE", "old"))
    personalize.fails("UpdateCampaign", "ResourceInUseException")
    with pytest.raises(RetryLater):
        handler(load("update_campaign_campaign"), None)


def test_a_release_is_recorded_for_serving(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    with_items(personalize)
    tracker = {"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}
    personalize.says("ListEventTrackers", {"eventTrackers": [tracker]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})
    record = handler(load("update_campaign_release"), None)
    release = release_store.get_release(table, TABLE, "demo")
    assert release is not None
    assert release.campaigns["user-personalization"] == CAMPAIGN
    assert (release.tracking_id, [*release.filters], release.metadata_columns) == ("t-1", ["not-purchased"], ("PRICE",))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(record["promotedAt"]))
    assert record["datasets"] == {kind: f"{ARN}:dataset/retail-demo/{kind}" for kind in ("ITEMS", "USERS")}


def test_a_release_says_what_requests_may_ask(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    with_items(personalize)
    tracker = {"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}
    personalize.says("ListEventTrackers", {"eventTrackers": [tracker]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})
    handler(load("update_campaign_release"), None)
    release = release_store.get_release(table, TABLE, "demo")
    assert release is not None
    assert (release.context_columns, release.filter_parameters) == (("DEVICE",), {"not-purchased": {}})
    home: dict[str, object] = {"recipe": "user-personalization", "limit": 8, "filter": "not-purchased"}
    home |= {"metadata": ["PRICE", "COLOUR"], "diversity": {"by": ["CATEGORY_L3", "CATEGORY_L2"], "strength": "0.5"}}
    empty: dict[str, object] = {"filterValues": {}, "context": {}, "promotions": []}
    assert list(release.placements) == ["home", "cart"]
    assert release.placements["home"] == {**home, **empty, "fallback": "popular"}


def test_a_release_says_how_lists_are_varied(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    fields = [{"name": name, "type": "string"} for name in ("ITEM_ID", "NAME", "CATEGORY_L1", "CATEGORY_L2")]
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/items"}})
    personalize.says("DescribeSchema", {"schema": {"schema": json.dumps({"fields": fields})}})
    personalize.says("ListEventTrackers", {"eventTrackers": [{"eventTrackerArn": "t", "status": "ACTIVE"}]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})
    handler(load("update_campaign_release"), None)
    release = release_store.get_release(table, TABLE, "demo")
    assert release is not None
    # Which of the columns there are is decided by each answer: items may come later.
    by = {"by": ["CATEGORY_L3", "CATEGORY_L2"], "strength": "0.15"}
    assert (release.diversity, release.placements["home"]["diversity"]) == (by, {**by, "strength": "0.5"})


def test_a_release_knows_which_campaigns_show_columns_of_items(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    with_items(personalize)
    tracker = {"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}
    personalize.says("ListEventTrackers", {"eventTrackers": [tracker]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})
    exploration = {"itemExplorationConfig": {"explorationWeight": "0.1"}}
    personalize.says("DescribeCampaign", configured({"enableMetadataWithRecommendations": True, **exploration}))
    personalize.says("DescribeCampaign", configured({}))
    event = load("update_campaign_release")
    shown, bare = (campaign["alias"] for campaign in event["campaigns"][:2])
    record: Any = handler(event, None)
    assert (record["campaigns"][shown]["metadata"], record["campaigns"][bare]["metadata"]) == (True, False)
    assert record["campaigns"][shown]["config"] == {"enableMetadataWithRecommendations": True, **exploration}
    release = release_store.get_release(table, TABLE, "demo")
    assert release is not None
    assert record["campaigns"][bare]["arn"] in release.without_metadata
    assert record["campaigns"][shown]["arn"] not in release.without_metadata


def test_a_release_needs_a_tracker(personalize: FakePersonalize) -> None:
    with pytest.raises(Rejected, match="no event tracker"):
        handler(load("update_campaign_release"), None)
    assert "CreateEventTracker" not in personalize.operations()


def test_a_release_is_kept_in_the_history(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    tracker = {"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}
    personalize.says("ListEventTrackers", {"eventTrackers": [tracker]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})
    record = handler(load("update_campaign_release"), None)
    release = release_store.get(table, TABLE, "demo", f"release#{record['promotedAt']}")
    assert release == {**record, "record": f"release#{record['promotedAt']}"}


def test_a_restored_release_serves_again_and_later_ones_are_withdrawn(table: "DynamoDBClient") -> None:
    early, late = "2026-11-24T08:30:00Z", "2026-11-25T08:30:00Z"
    for when in (early, late):
        release_store.put(table, TABLE, {**RELEASE, "record": f"release#{when}", "promotedAt": when, "run": when})
    for _ in range(2):
        restored = handler(load("update_campaign_restore"), None)
        assert (restored["run"], restored["promotedAt"]) == (early, early)
        assert (release_store.get(table, TABLE, "demo", f"release#{late}") or {}).get("withdrawnAt")
        assert not (release_store.get(table, TABLE, "demo", f"release#{early}") or {}).get("withdrawnAt")
    assert (release_store.get(table, TABLE, "demo", "release") or {})["run"] == early


@pytest.mark.usefixtures("table")
def test_only_a_release_that_was_can_be_restored() -> None:
    with pytest.raises(Rejected, match="no release of yesterday"):
        handler({**load("update_campaign_restore"), "restore": "yesterday"}, None)


def test_a_restored_release_has_no_campaign_that_has_gone(table: "DynamoDBClient") -> None:
    campaigns: Any = RELEASE["campaigns"]
    now = {alias: campaign for alias, campaign in campaigns.items() if alias != "popularity-count"}
    early = "2026-11-24T08:30:00Z"
    release_store.put(table, TABLE, {**RELEASE, "record": f"release#{early}", "promotedAt": early})
    release_store.put(table, TABLE, {**RELEASE, "campaigns": now})
    restored: Any = handler(load("update_campaign_restore"), None)
    assert set(restored["campaigns"]) == set(now)
    assert restored["baselineArn"] == campaigns["popularity-count"]["solutionVersionArn"]


def test_a_release_remembers_its_baseline(personalize: FakePersonalize) -> None:
    personalize.says("ListEventTrackers", {"eventTrackers": [{"eventTrackerArn": "t", "status": "ACTIVE"}]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})
    event = load("update_campaign_release")
    event["campaigns"] = [{**campaign, "baselineArn": "baseline"} for campaign in event["campaigns"]]
    assert handler(event, None)["baselineArn"] == "baseline"


def test_metadata_is_off_where_the_table_of_items_tells_the_same(
    personalize: FakePersonalize, bucket: "S3Client"
) -> None:
    with_items(personalize)
    told = Table(version="v", shards=1, columns=("PRICE",)).as_json()
    bucket.put_object(Bucket=BUCKET, Key=document_key("demo"), Body=json.dumps(told).encode())
    event = load("update_campaign_campaign")
    target = {"alias": "user-personalization", "campaign": event["campaign"], "run": "r", "recipe": ""}
    event["target"] = {**target, "solutionVersionArn": event["solutionVersionArn"]}
    handler(event, None)
    assert personalize.body_of("CreateCampaign")["campaignConfig"] == {"enableMetadataWithRecommendations": False}
    event["target"]["campaignConfig"] = {"enableMetadataWithRecommendations": True}
    handler(event, None)
    assert personalize.body_of("CreateCampaign")["campaignConfig"] == {"enableMetadataWithRecommendations": True}


def test_campaigns_that_nobody_asks_for_are_deleted(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    name = "retail-demo-popularity-count"
    release_store.delete(table, TABLE, "demo", "release")
    assert handler(load("update_campaign_retire"), None) == {"deleted": [name], "busy": []}
    assert personalize.body_of("DeleteCampaign") == {"campaignArn": f"{ARN}:campaign/{name}"}
    personalize.fails("DeleteCampaign", "ResourceInUseException")
    assert handler(load("update_campaign_retire"), None) == {"deleted": [], "busy": [name]}
    personalize.reset()
    personalize.fails("DeleteCampaign", "ResourceNotFoundException")
    assert handler(load("update_campaign_retire"), None) == {"deleted": [name], "busy": []}


def test_a_campaign_that_still_serves_is_not_deleted(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    release_store.put(table, TABLE, RELEASE)
    assert handler(load("update_campaign_retire"), None) == {"deleted": [], "busy": []}
    assert personalize.operations() == []
