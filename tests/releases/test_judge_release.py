# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core.errors import Broken, Rejected, RetryLater
from personalization.shop.records import release_store
from personalization.shop.records.item_table import Table, document_key, line, pack, shard_key

from functions.judge_release.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, RELEASE, TABLE, interactions, load, served

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

NDCG = "normalized_discounted_cumulative_gain_at_10"
ALIASES = ("user-personalization", "personalized-ranking", "similar-items", "popularity-count")
RUN = load("judge_release_judge")["plan"]["run"]
FOLDER = f"reports/demo/{RUN}"
pytestmark = pytest.mark.usefixtures("aws", "table")


@pytest.fixture(autouse=True)
def _nothing_kept(table: "DynamoDBClient") -> Iterator[None]:
    yield
    for record in release_store.sort_keys(table, TABLE, "demo"):
        release_store.delete(table, TABLE, "demo", record)


@pytest.fixture(autouse=True)
def _copy(bucket: "S3Client") -> None:
    """What the run imported."""
    key = load("judge_release_judge")["plan"]["importJob"]["dataLocation"].partition(f"s3://{BUCKET}/")[2]
    bucket.put_object(Bucket=BUCKET, Key=f"{key}part-0.csv", Body=interactions().encode())


def document(bucket: "S3Client", name: str = "release.json") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bucket.get_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}")["Body"].read())
    return document


def measures(personalize: FakePersonalize, *values: float) -> None:
    """The metrics that are asked for next, in order."""
    for value in values:
        personalize.says("GetSolutionMetrics", {"solutionVersionArn": "v", "metrics": {NDCG: value}})


def recommends(personalize: FakePersonalize, *lists: str) -> None:
    for items in lists:
        personalize.says(
            "GetRecommendations", {"itemList": [{"itemId": item} for item in items], "recommendationId": "r"}
        )


def test_figures_under_other_weights_are_not_compared(
    personalize: FakePersonalize, table: "DynamoDBClient", bucket: "S3Client"
) -> None:
    """Half as good on all events as the serving version, which weighed views as much as purchases."""
    release_store.put(table, TABLE, RELEASE)
    event = load("judge_release_judge")
    event["trained"] = event["trained"][:1]
    event["plan"]["gate"]["minimum_over_popularity"] = 0

    def weighed(view: float) -> dict[str, Any]:
        events = [{"eventType": "Purchase", "weight": 1.0}, {"eventType": "View", "weight": view}]
        return {"solutionVersion": {"solutionConfig": {"eventsConfig": {"eventParametersList": events}}}}

    for now, reason in ((0.1, "The serving version weighs event types otherwise"), (1.0, "the serving one")):
        personalize.reset()
        measures(personalize, 0.15, 0.3)
        recommends(personalize, "ab")
        personalize.says("GetPersonalizedRanking", {"personalizedRanking": [], "recommendationId": "r"})
        personalize.says("DescribeSolutionVersion", weighed(now))
        personalize.says("DescribeSolutionVersion", weighed(1.0))
        handler(event, None)
        (recipe,) = document(bucket)["recipes"]
        assert recipe["decision"] == ("approved" if now < 1 else "refused")
        assert reason in recipe["reason"]


def test_a_first_release_that_beats_popularity_is_approved(personalize: FakePersonalize, bucket: "S3Client") -> None:
    measures(personalize, 0.3, 0.3, 0.2, 0.1)
    verdict = handler(load("judge_release_judge"), None)
    assert (verdict["outcome"], verdict["approved"], verdict["back"], verdict["kept"]) == (
        "promoted",
        [*ALIASES],
        [],
        [],
    )
    targets: Any = verdict["targets"]
    assert {target["baselineArn"] for target in targets} == {f"{ARN}:solution/retail-demo-popularity-count/1f2e3d4c"}
    assert document(bucket)["recipes"][0]["decision"] == "approved"
    assert (
        len(json.loads(bucket.get_object(Bucket=BUCKET, Key="reports/demo/sample.json")["Body"].read())["users"]) == 50
    )


def test_a_worse_recipe_is_refused_and_keeps_its_campaign(
    personalize: FakePersonalize, table: "DynamoDBClient", bucket: "S3Client"
) -> None:
    serving: Any = {alias: served(f"{ARN}:campaign/c", f"{ARN}:solution/{alias}/1") for alias in ALIASES}
    release_store.put(table, TABLE, {**RELEASE, "campaigns": serving})
    # Four new versions, then those that serve: popularity is asked for beside the first.
    measures(personalize, 0.2, 0.3, 0.3, 0.1, 0.3, 0.1, 0.3)
    recommends(personalize, "ab")
    personalize.says("GetPersonalizedRanking", {"personalizedRanking": [], "recommendationId": "r"})
    verdict = handler(load("judge_release_judge"), None)
    assert verdict["outcome"] == "partly promoted"
    refused: Any = verdict["refused"]
    verdicts: Any = verdict["kept"]
    back: Any = verdict["back"]
    assert [recipe["alias"] for recipe in refused] == ["user-personalization"]
    assert [(recipe["alias"], recipe["solutionVersionArn"]) for recipe in verdicts] == [
        ("user-personalization", f"{ARN}:solution/user-personalization/1")
    ]
    assert {recipe["alias"] for recipe in back} == set(ALIASES[1:3])
    assert document(bucket)["lists"]["user-personalization"][0]["before"] == [
        {"itemId": "a", "name": ""},
        {"itemId": "b", "name": ""},
    ]


def test_a_version_without_metrics_is_refused(personalize: FakePersonalize) -> None:
    personalize.fails("GetSolutionMetrics", "ResourceNotFoundException")
    verdict = handler(load("judge_release_judge"), None)
    assert (verdict["outcome"], verdict["targets"]) == ("refused", [])


def test_a_campaign_that_does_not_answer_does_not_stop_the_judge(
    personalize: FakePersonalize, table: "DynamoDBClient", bucket: "S3Client"
) -> None:
    release_store.put(table, TABLE, RELEASE)
    measures(personalize, 0.3)
    personalize.fails("GetRecommendations", "ResourceNotFoundException")
    personalize.fails("GetPersonalizedRanking", "ResourceNotFoundException")
    assert handler(load("judge_release_judge"), None)["outcome"] == "promoted"
    assert document(bucket)["lists"] == {}


def refuse_everything(personalize: FakePersonalize) -> None:
    personalize.fails("GetSolutionMetrics", "ResourceNotFoundException")
    handler(load("judge_release_judge"), None)


@pytest.mark.parametrize("wanted", [RUN, None])
def test_an_override_promotes_what_was_refused(wanted: str | None, personalize: FakePersonalize) -> None:
    refuse_everything(personalize)
    answer = handler({**load("judge_release_override"), "wanted": wanted}, None)
    verdict: Any = answer["verdict"]
    assert (verdict["outcome"], verdict["run"], verdict["approved"]) == ("promoted", RUN, [*ALIASES])
    plan: Any = answer["plan"]
    assert plan["recipes"] == load("judge_release_judge")["plan"]["recipes"]


def test_an_override_deletes_no_campaign_but_one_whose_recipe_moves(personalize: FakePersonalize) -> None:
    personalize.fails("GetSolutionMetrics", "ResourceNotFoundException")
    event = load("judge_release_judge")
    names = [f"retail-demo-{alias}" for alias in ("popularity-count", ALIASES[0])]
    event["plan"]["unused"] = [{"name": name, "arn": f"arn:aws:personalize:::campaign/{name}"} for name in names]
    handler(event, None)
    plan: Any = handler(load("judge_release_override"), None)["plan"]
    assert [campaign["name"] for campaign in plan["unused"]] == names[1:]


def test_there_may_be_nothing_to_override() -> None:
    with pytest.raises(Rejected, match="was not judged"):
        handler(load("judge_release_override"), None)
    with pytest.raises(Rejected, match="no run of it was refused"):
        handler({**load("judge_release_override"), "wanted": None}, None)


def released(table: "DynamoDBClient", day: int, version: str, **more: str) -> dict[str, Any]:
    campaigns = {"similar-items": served(f"{ARN}:campaign/c", version, baselineArn=None)}
    when = f"2026-11-{day}T08:30:00Z"
    record: dict[str, Any] = {**RELEASE, "campaigns": campaigns, "promotedAt": when, "run": version, **more}
    release_store.put(table, TABLE, {**record, "record": f"release#{when}"})
    release_store.put(table, TABLE, {**record, "record": "release"})
    return record


def test_a_rollback_finds_the_newest_release_that_was_good(table: "DynamoDBClient") -> None:
    released(table, 10, "v1")
    released(table, 11, "v2")
    released(table, 12, "v3", withdrawnAt="2026-11-12T09:00:00Z")
    released(table, 13, "v4")
    # A repeated step recorded the release of the 13th twice.
    released(table, 14, "v4")
    verdict: Any = handler(load("judge_release_rollback"), None)
    assert (verdict["outcome"], verdict["restore"], verdict["run"]) == ("rolled back", "2026-11-11T08:30:00Z", "v2")
    assert [target["solutionVersionArn"] for target in verdict["targets"]] == ["v2"]
    assert [target["solutionVersionArn"] for target in verdict["back"]] == ["v4"]


def test_there_may_be_nothing_to_go_back_to(table: "DynamoDBClient") -> None:
    with pytest.raises(Rejected, match="nothing of this shop was ever promoted"):
        handler(load("judge_release_rollback"), None)
    released(table, 10, "v1")
    with pytest.raises(Rejected, match="no earlier release"):
        handler(load("judge_release_rollback"), None)


@pytest.fixture
def judged(personalize: FakePersonalize) -> None:
    measures(personalize, 0.3)
    handler(load("judge_release_judge"), None)


@pytest.mark.usefixtures("judged")
def test_a_campaign_with_good_answers_passes_its_probe(personalize: FakePersonalize, bucket: "S3Client") -> None:
    recommends(personalize, "ab", "ba")
    bucket.put_object(Bucket=BUCKET, Key=f"{FOLDER}/data-interactions.html", Body=b"<!doctype html>")
    assert handler(load("judge_release_probe"), None) == {"answers": 20, "throttled": 0}
    key = handler(load("judge_release_report"), None)["report"]
    assert key == f"{FOLDER}/release.html"
    page = bucket.get_object(Bucket=BUCKET, Key=str(key))["Body"].read()
    assert b"Release of demo" in page
    assert b'<a href="data-interactions.html">' in page
    assert document(bucket)["lists"]["user-personalization"][0]["after"][0]["itemId"] == "a"


@pytest.mark.parametrize(("items", "reason"), [("", "answers were empty"), ("ab", "the same items in the same order")])
@pytest.mark.usefixtures("judged")
def test_a_campaign_with_bad_answers_fails_its_probe(
    items: str, reason: str, personalize: FakePersonalize, bucket: "S3Client"
) -> None:
    recommends(personalize, items)
    with pytest.raises(Broken, match=reason):
        handler(load("judge_release_probe"), None)
    assert (document(bucket)["outcome"], reason in document(bucket)["reason"]) == ("rolled back", True)


@pytest.mark.usefixtures("judged")
def test_a_probe_that_is_off_only_asks(personalize: FakePersonalize) -> None:
    event = load("judge_release_probe")
    event["verdict"]["probe"]["enabled"] = False
    recommends(personalize, "")
    assert handler(event, None) == {"answers": 20, "throttled": 0}


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize("requests", [1, 20, 50])
def test_a_probe_sends_what_its_setting_says(requests: int, personalize: FakePersonalize) -> None:
    event = load("judge_release_probe")
    event["verdict"]["probe"]["requests"] = requests
    recommends(personalize, "ab", "ba")
    before = personalize.operations().count("GetRecommendations")
    assert handler(event, None) == {"answers": requests, "throttled": 0}
    assert personalize.operations().count("GetRecommendations") - before == requests


@pytest.mark.usefixtures("judged")
def test_a_request_that_is_throttled_is_made_again(personalize: FakePersonalize) -> None:
    recommends(personalize, "ab")
    for _ in range(5):
        personalize.fails("GetRecommendations", "ThrottlingException", status=429)
    recommends(personalize, "ba")
    assert handler(load("judge_release_probe"), None) == {"answers": 20, "throttled": 0}


@pytest.mark.usefixtures("judged")
def test_throttling_alone_takes_no_release_back(personalize: FakePersonalize, bucket: "S3Client") -> None:
    personalize.fails("GetRecommendations", "ThrottlingException", status=429)
    assert handler(load("judge_release_probe"), None) == {"answers": 0, "throttled": 20}
    assert document(bucket)["outcome"] == "promoted"


@pytest.mark.usefixtures("judged")
def test_a_campaign_that_fails_is_asked_again_later(personalize: FakePersonalize) -> None:
    personalize.fails("GetRecommendations", "InternalFailure", status=500)
    with pytest.raises(RetryLater, match="InternalFailure"):
        handler(load("judge_release_probe"), None)


@pytest.mark.usefixtures("judged")
def test_an_old_campaign_without_columns_is_asked_without_them(personalize: FakePersonalize) -> None:
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/items"}})
    columns = [{"name": name, "type": "string"} for name in ("ITEM_ID", "PRODUCT_NAME")]
    personalize.says("DescribeSchema", {"schema": {"schema": json.dumps({"fields": columns})}})
    personalize.fails("GetRecommendations", "InvalidInputException", "no metadata")
    recommends(personalize, "ab", "ba")
    handler(load("judge_release_probe"), None)
    requests = [body for operation, body in personalize.calls if operation == "GetRecommendations"]
    assert requests[0]["metadataColumns"] == {"ITEMS": ["PRODUCT_NAME"]}
    assert "metadataColumns" not in requests[1]


@pytest.mark.usefixtures("judged")
def test_names_of_items_reach_the_page_escaped(personalize: FakePersonalize, bucket: "S3Client") -> None:
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/items"}})
    columns = [{"name": name, "type": "string"} for name in ("ITEM_ID", "NAME")]
    personalize.says("DescribeSchema", {"schema": {"schema": json.dumps({"fields": columns})}})
    for item in ("a", "b"):
        named = {"itemId": item, "metadata": {"NAME": "<b>Salt & Pepper</b>"}}
        personalize.says("GetRecommendations", {"itemList": [named], "recommendationId": "r"})
    handler(load("judge_release_probe"), None)
    handler(load("judge_release_report"), None)
    page = bucket.get_object(Bucket=BUCKET, Key=f"{FOLDER}/release.html")["Body"].read().decode()
    assert "&lt;b&gt;Salt &amp; Pepper&lt;/b&gt;" in page
    assert "<b>Salt" not in page


@pytest.mark.usefixtures("judged")
def test_a_rollback_that_fails_leaves_the_report_of_then(personalize: FakePersonalize, bucket: "S3Client") -> None:
    event = load("judge_release_probe")
    event["verdict"]["restore"] = "2026-11-25T08:30:00Z"
    recommends(personalize, "")
    with pytest.raises(Broken):
        handler(event, None)
    assert document(bucket)["outcome"] == "promoted"


def test_a_run_of_one_recipe_leaves_the_others_serving(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    release_store.put(table, TABLE, RELEASE)
    event = load("judge_release_judge")
    event["plan"]["recipes"], event["trained"] = event["plan"]["recipes"][:1], event["trained"][:1]
    # The new version, the serving one beside its popularity, and the popularity that serves.
    measures(personalize, 0.3, 0.3, 0.1, 0.1)
    recommends(personalize, "ab")
    personalize.says("GetPersonalizedRanking", {"personalizedRanking": [], "recommendationId": "r"})
    verdict: Any = handler(event, None)
    assert [recipe["alias"] for recipe in verdict["kept"]] == list(ALIASES[1:3])
    assert [target["baselineArn"] for target in verdict["targets"]] == [f"{ARN}:solution/x/1f2e3d4c"]


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ({"alias": f"engine/{ALIASES[1]}"}, f"training of {ALIASES[1]}"),
        ({"kind": "items"}, "import of items"),
    ],
)
def test_a_fallback_that_was_not_trained_whole_stays_as_it_was(
    lost: dict[str, str], told: str, personalize: FakePersonalize
) -> None:
    event = load("judge_release_judge")
    (recipe, *_), (version, *_) = event["plan"]["recipes"], event["trained"]
    spare = [recipe | {"alias": f"engine/{alias}", "isSpare": True} for alias in ALIASES[:2]]
    event["plan"]["recipes"] = [recipe, *spare]
    event["trained"] = [version, version | {"alias": spare[0]["alias"]}]
    event["untrained"] = [lost | {"reason": "there is no memory"}]
    measures(personalize, 0.3)
    verdict: Any = handler(event, None)
    assert (verdict["outcome"], [target["alias"] for target in verdict["targets"]]) == ("promoted", [recipe["alias"]])
    assert [note for note in verdict["notes"] if "there is no memory" in note] == [
        f"the fallback has no new versions, since the engine's {told} failed: there is no memory"
    ]


def test_a_version_that_was_there_before_the_run_is_told_and_passed_on(personalize: FakePersonalize) -> None:
    event = load("judge_release_judge")
    for recipe in event["trained"]:
        recipe["foundFrom"] = "2026-11-18T08:30:00+00:00"
    measures(personalize, 0.3, 0.3, 0.2, 0.1)
    verdict: Any = handler(event, None)
    told = "was not trained: the version of 2026-11-18T08:30:00+00:00 has this run's name"
    assert [note for note in verdict["notes"] if told in note] == [f"{alias} {told}" for alias in ALIASES]
    assert {target["foundFrom"] for target in verdict["targets"]} == {"2026-11-18T08:30:00+00:00"}


@pytest.mark.parametrize("served", [False, True])
def test_the_baseline_is_judged_without_a_campaign(
    served: bool, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    if served:
        release_store.put(table, TABLE, RELEASE)
        recommends(personalize, "ab")
        personalize.says("GetPersonalizedRanking", {"personalizedRanking": [], "recommendationId": "r"})
    event = load("judge_release_judge")
    event["plan"]["recipes"][3]["deployed"], event["plan"]["deploys"] = False, list(ALIASES[:3])
    measures(personalize, 0.3, 0.3, 0.2, 0.1)
    verdict: Any = handler(event, None)
    assert (verdict["outcome"], verdict["approved"], verdict["kept"]) == ("promoted", [*ALIASES], [])
    assert [target["alias"] for target in verdict["targets"]] == [*ALIASES[:3]]
    assert [recipe["alias"] for recipe in verdict["back"]] == ([*ALIASES[:3]] if served else [])
    baseline = f"{ARN}:solution/retail-demo-popularity-count/1f2e3d4c"
    assert {target["baselineArn"] for target in verdict["targets"]} == {baseline}


def test_a_shop_without_campaigns_is_judged_and_keeps_none_that_it_had(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    release_store.put(table, TABLE, RELEASE)
    event = load("judge_release_judge")
    event["plan"]["deploys"] = []
    for recipe in event["plan"]["recipes"]:
        recipe["deployed"] = False
    measures(personalize, 0.05, 0.3, 0.2, 0.1)
    recommends(personalize, "ab")
    personalize.says("GetPersonalizedRanking", {"personalizedRanking": [], "recommendationId": "r"})
    verdict: Any = handler(event, None)
    assert [recipe["alias"] for recipe in verdict["refused"]] == ["user-personalization"]
    assert (verdict["targets"], verdict["kept"], verdict["back"]) == ([], [], [])


def test_a_run_of_one_recipe_is_measured_by_a_baseline_without_a_campaign(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    campaigns: Any = RELEASE["campaigns"]
    serving = {alias: campaign for alias, campaign in campaigns.items() if alias != "popularity-count"}
    release_store.put(table, TABLE, {**RELEASE, "campaigns": serving, "baselineArn": "the baseline"})
    event = load("judge_release_judge")
    event["plan"]["recipes"], event["trained"] = event["plan"]["recipes"][:1], event["trained"][:1]
    measures(personalize, 0.3)
    recommends(personalize, "ab")
    personalize.says("GetPersonalizedRanking", {"personalizedRanking": [], "recommendationId": "r"})
    verdict: Any = handler(event, None)
    assert [target["baselineArn"] for target in verdict["targets"]] == ["the baseline"]


def test_a_rollback_makes_no_popularity_campaign_again(table: "DynamoDBClient") -> None:
    early = released(table, 10, "v1")
    both = {**early["campaigns"], "popularity-count": served(f"{ARN}:campaign/p", "p1")}
    release_store.put(table, TABLE, {**early, "campaigns": both, "record": f"release#{early['promotedAt']}"})
    released(table, 11, "v2")
    verdict: Any = handler(load("judge_release_rollback"), None)
    assert [target["alias"] for target in verdict["targets"]] == ["similar-items"]
    # Only a popularity campaign differs, so that there would be nothing to go back to.
    released(table, 11, "v1")
    with pytest.raises(Rejected, match="no earlier release"):
        handler(load("judge_release_rollback"), None)


@pytest.mark.parametrize("alias", ["user-personalization", "similar-items"])
def test_a_report_names_items_by_the_table_and_asks_each_question_once(
    alias: str, personalize: FakePersonalize, bucket: "S3Client"
) -> None:
    def event_of(name: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(json.dumps(load(name)).replace("user-personalization", alias))
        return event

    measures(personalize, 0.3)
    handler(event_of("judge_release_judge"), None)
    sample = json.loads(bucket.get_object(Bucket=BUCKET, Key="reports/demo/sample.json")["Body"].read())
    item, user = sample["items"][0], sample["users"][0]
    table, rows = (
        Table(version="v", shards=1, columns=("PRICE", "NAME")),
        [line("a", {1: "Salt"}), line("b", {1: "Pepper"}), line(item, {1: "Oil"}), line(user, {1: "No user's"})],
    )
    for key, data in (
        (document_key("demo"), json.dumps(table.as_json()).encode()),
        (shard_key("demo", "v", 0), pack(rows)),
    ):
        bucket.put_object(Bucket=BUCKET, Key=key, Body=data)
    recommends(personalize, "ab", "ba")
    handler(event_of("judge_release_probe"), None)
    page = str(handler(event_of("judge_release_report"), None)["report"])
    requests = [body for operation, body in personalize.calls if operation == "GetRecommendations"]
    assert all("metadataColumns" not in request for request in requests)
    first = document(bucket)["lists"][alias][0]
    assert [item["name"] for item in first["after"]] == ["Salt", "Pepper"]
    title = f"Similar to item Oil ({item})" if alias == "similar-items" else f"User {user}"
    assert f"<h4>{title}</h4>" in bucket.get_object(Bucket=BUCKET, Key=page)["Body"].read().decode()
