# SPDX-License-Identifier: Apache-2.0
"""Batch jobs: a line of answers for every line of questions, and segments of users."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.tests.harness import Argument, Aws, EngineProcess
from engine.tests.names import ROLE
from engine.tests.shop import Shop, open_shop
from engine.tests.shop_data import columns, interactions, write_csv

UP, RANKING = "aws-user-personalization", "aws-personalized-ranking"
SIMILAR, POPULAR = "aws-similar-items", "aws-popularity-count"
AFFINITY, KINDS = "aws-item-affinity", "aws-item-attribute-affinity"


@pytest.fixture(scope="module")
def shop(engine: EngineProcess) -> Shop:
    """A shop of these tests alone: a batch job takes in what other tests would put since the training."""
    return open_shop(Aws(engine, "test-batch"), (UP, RANKING, SIMILAR, POPULAR))


def lines(*rows: Argument) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def paths(shop: Shop, name: str, text: str) -> dict[str, Any]:
    folder = shop.aws.engine.s3_root / "questions"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return {
        "jobInput": {"s3DataSource": {"path": f"s3://questions/{name}.json"}},
        "jobOutput": {"s3DataDestination": {"path": "s3://answers/batch/"}},
        "jobName": name,
        "roleArn": ROLE,
    }


def answers(shop: Shop, name: str) -> list[dict[str, Any]]:
    text = (shop.aws.engine.s3_root / f"answers/batch/{name}.json.out").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def inferred(shop: Shop, recipe: str, name: str, *rows: Argument, **options: Argument) -> list[dict[str, Any]]:
    request = paths(shop, name, lines(*rows)) | {"solutionVersionArn": shop.versions[recipe]} | options
    arn = shop.aws.control.create_batch_inference_job(**request)["batchInferenceJobArn"]
    shop.aws.settle("BatchInferenceJob", arn)
    return answers(shop, name)


def test_recommendations_are_those_of_the_campaign(shop: Shop) -> None:
    (answer,) = inferred(shop, UP, "up", {"userId": "u1"}, numResults=5)
    live = shop.aws.runtime.get_recommendations(campaignArn=shop.personal, userId="u1", numResults=5)["itemList"]
    assert answer["input"] == {"userId": "u1"}
    assert answer["output"]["recommendedItems"] == [item["itemId"] for item in live]
    assert answer["output"]["scores"] == [item["score"] for item in live]
    assert answer["error"] is None


def test_ranking_and_related_items(shop: Shop) -> None:
    (ranked,) = inferred(shop, RANKING, "rank", {"userId": "u1", "itemList": ["i1", "i21", "no"]})
    assert ranked["output"]["recommendedItems"][0] == "i21"
    assert ranked["output"]["scores"][2] is None
    (related,) = inferred(shop, SIMILAR, "like", {"itemId": "i2"}, numResults=3)
    assert len(related["output"]["recommendedItems"]) == 3
    assert set(related["output"]) == {"recommendedItems"}


def test_bad_line_is_answered_by_its_error(shop: Shop) -> None:
    answers = inferred(shop, UP, "bad", {"itemId": "i1"}, "no json", {"userId": "u1", "context": 3}, {"userId": "é"})
    required = "User error: Required fields for the provided recipe are userId"
    assert answers[0] == {"input": {"itemId": "i1"}, "output": {"recommendedItems": []}, "error": required}
    assert [bool(row["error"]) for row in answers] == [True, True, True, False]
    assert len(answers[3]["output"]["recommendedItems"]) == 25


def test_filter_takes_its_values_from_each_line(shop: Shop) -> None:
    arn = shop.aws.filter(shop.group, "INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($KIND)", "batch-kind")
    rows = [{"userId": "u1", "filterValues": {"KIND": f'"{kind}"'}} for kind in ("books", "games")]
    books, games, unbound = inferred(shop, POPULAR, "kinds", *rows, {"userId": "u1"}, filterArn=arn)
    assert {int(item[1:]) < 20 for item in books["output"]["recommendedItems"]} == {True}
    assert {int(item[1:]) < 20 for item in games["output"]["recommendedItems"]} == {False}
    assert "KIND" in unbound["error"]


def test_missing_input_fails_the_job(shop: Shop) -> None:
    request = paths(shop, "none", "{}") | {"solutionVersionArn": shop.versions[UP]}
    request["jobInput"]["s3DataSource"]["path"] = "s3://questions/nowhere.json"
    arn = shop.aws.control.create_batch_inference_job(**request)["batchInferenceJobArn"]
    shop.aws.settle("BatchInferenceJob", arn, "CREATE FAILED")
    job = shop.aws.control.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]
    assert job["failureReason"] == "Invalid S3 input path"
    listed = shop.aws.control.list_batch_inference_jobs(solutionVersionArn=shop.versions[UP])["batchInferenceJobs"]
    assert "none" in {job["jobName"] for job in listed}


@pytest.fixture(scope="module")
def segmenting(shop: Shop) -> dict[str, str]:
    """Versions of the two recipes that make segments."""
    return {
        recipe: shop.aws.version(shop.aws.solution(shop.group, recipe, performAutoTraining=False))
        for recipe in (AFFINITY, KINDS)
    }


def segmented(shop: Shop, version: str, name: str, *rows: Argument, **options: Argument) -> list[dict[str, Any]]:
    request = paths(shop, name, lines(*rows)) | {"solutionVersionArn": version} | options
    arn = shop.aws.control.create_batch_segment_job(**request)["batchSegmentJobArn"]
    shop.aws.settle("BatchSegmentJob", arn)
    return answers(shop, name)


def test_segment_of_an_item_has_those_who_like_its_kind(shop: Shop, segmenting: dict[str, str]) -> None:
    segment, unknown, bad = segmented(
        shop, segmenting[AFFINITY], "item", {"itemId": "i2"}, {"itemId": "none"}, {"userId": "u1"}, numResults=20
    )
    users = segment["output"]["usersList"]
    assert len(users) == 20
    assert {int(user[1:]) % 2 for user in users} == {0}
    assert unknown["output"]["usersList"] == []
    assert bad["error"] == "User error: Required fields for the provided recipe are itemId"


def test_segment_of_a_kind_can_be_filtered_by_users(shop: Shop, segmenting: dict[str, str]) -> None:
    young = shop.aws.filter(shop.group, 'INCLUDE UserID WHERE Users.AGE_GROUP IN ("young")', "young-users")
    kinds = [{"itemAttributes": f'ITEMS.category_l1 = "{kind}"'} for kind in ("games", "books")]
    games, books = segmented(shop, segmenting[KINDS], "kind", *kinds, filterArn=young, numResults=60)
    assert {int(user[1:]) % 2 for user in games["output"]["usersList"]} == {1}
    assert books["output"]["usersList"] == []
    # The guide has the conditions at the top of the line, AWS's samples read them within `input`.
    assert games["itemAttributes"] == games["input"]["itemAttributes"] == kinds[0]["itemAttributes"]


@pytest.mark.parametrize("text", ["ITEMS.PRICE > 3", 'ITEMS.A = "x"', "ITEMS.PRICE = 1 OR ITEMS.PRICE = 2", ""])
def test_attributes_are_equalities_joined_by_and(shop: Shop, segmenting: dict[str, str], text: str) -> None:
    name = f"attributes-{len(text)}"
    (segment,) = segmented(shop, segmenting[KINDS], name, {"itemAttributes": text})
    assert segment["error"].startswith("User error: ")


def test_segments_are_measured(shop: Shop, segmenting: dict[str, str]) -> None:
    for version in segmenting.values():
        metrics = shop.aws.control.get_solution_metrics(solutionVersionArn=version)["metrics"]
        assert set(metrics) == {"coverage", "hits_at_1_percent", "recall_at_1_percent"}
        assert 0 <= metrics["recall_at_1_percent"] <= metrics["hits_at_1_percent"] <= 1
    assert metrics["hits_at_1_percent"] == 1


def test_segments_know_full_imports_and_events_but_no_incremental_imports(engine: EngineProcess) -> None:
    """The guide's page on user segments: of bulk data those of FULL imports only, and all individual data."""
    aws = Aws(engine, "test-full-only")
    group, folder = aws.group(), engine.s3_root / "full-only"
    dataset, header = aws.dataset(group, "Interactions"), columns("Interactions")
    write_csv(folder / "whole.csv", header, interactions())
    aws.imported(dataset, "s3://full-only/whole.csv", "whole")
    item = str(interactions()[0][1])
    later = [(f"late{n % 50}", item, "View", "", 1_700_000_000 + n, "") for n in range(1_000)]
    write_csv(folder / "later.csv", header, later)
    aws.imported(dataset, "s3://full-only/later.csv", "later", importMode="INCREMENTAL")
    tracking_id = aws.tracker(group)
    for at in range(5):
        aws.click(tracking_id, item, user="streamed", eventType="View", sentAt=1_700_000_000 + at)
    version = aws.version(aws.solution(group, AFFINITY, performAutoTraining=False))
    shop = Shop(aws, group, tracking_id, {}, {})
    (segment,) = segmented(shop, version, "full-only", {"itemId": item}, numResults=500)
    users = set(segment["output"]["usersList"])
    assert "streamed" in users
    assert users & {row[0] for row in interactions()}
    assert not {user for user in users if user.startswith("late")}


def test_recipes_must_fit_the_kind_of_job(shop: Shop, segmenting: dict[str, str]) -> None:
    control = shop.aws.control
    with pytest.raises(ClientError, match="not for batch inference"):
        control.create_batch_inference_job(**paths(shop, "x", "{}"), solutionVersionArn=segmenting[KINDS])
    with pytest.raises(ClientError, match="not for batch segment"):
        control.create_batch_segment_job(**paths(shop, "x", "{}"), solutionVersionArn=shop.versions[UP])
    with pytest.raises(ClientError, match="not for campaigns"):
        shop.aws.campaign(segmenting[KINDS], "segments")
    listed = control.list_batch_segment_jobs(solutionVersionArn=segmenting[KINDS])["batchSegmentJobs"]
    assert all(job["solutionVersionArn"] == segmenting[KINDS] for job in listed)
