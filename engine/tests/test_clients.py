# SPDX-License-Identifier: Apache-2.0
"""What other people's clients send: notebooks, clean-up scripts and gateways that were written against AWS."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.tests.harness import Argument, Aws, StillAws
from engine.tests.names import RECIPE, ROLE
from engine.tests.shop import Shop, open_shop
from engine.tests.shop_data import FIELDS, columns, interactions, write_csv, write_shop

POPULAR = "aws-popularity-count"
UP = "aws-user-personalization"
EXPRESSION = "INCLUDE ItemID WHERE Items.PRICE > 1"


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1},
        {"version": "1.1"},
        {"version": 1.1},
        {"version": None},
        {"name": "interactions"},
        {"name": "INTERACTIONS"},
    ],
)
def test_schema_with_another_version_or_case_makes_a_dataset(aws: Aws, changes: dict[str, Argument]) -> None:
    head = {"type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}
    text = {**head, "fields": FIELDS["Interactions"], **changes}
    schema = json.dumps({name: value for name, value in text.items() if value is not None})
    arn = aws.control.create_schema(name="theirs", schema=schema)["schemaArn"]
    where: Any = {"datasetGroupArn": aws.group(), "datasetType": "Interactions"}
    dataset = aws.control.create_dataset(name="theirs", schemaArn=arn, **where)["datasetArn"]
    assert aws.settle("Dataset", dataset).endswith("/INTERACTIONS")
    assert aws.control.describe_schema(schemaArn=arn)["schema"]["schema"] == schema


def test_unknown_context_is_ignored_by_every_recipe(shop: Shop) -> None:
    context = {"CloudFront_Viewer_Country": "KR", "MOOD": "good", "ITEM_ID": "i1"}
    request = {"userId": "u1", "itemId": "i5", "numResults": 5}
    for recipe, campaign in shop.campaigns.items():
        if recipe != "aws-personalized-ranking":
            plain = shop.aws.recommended(campaign, **request)
            assert shop.aws.recommended(campaign, context=context, **request) == plain
    ranked = shop.aws.runtime.get_personalized_ranking(
        campaignArn=shop.campaigns["aws-personalized-ranking"], userId="u1", inputList=["i1", "i30"], context=context
    )
    assert len(ranked["personalizedRanking"]) == 2
    assert shop.aws.recommended(shop.personal, context=context | {"device": "phone"}, **request)


def test_context_is_taken_when_the_interactions_are_gone(aws: Aws, bucket: Path) -> None:
    write_csv(bucket / "interactions.csv", columns("Interactions"), interactions())
    group = aws.group(domain="ECOMMERCE")
    dataset = aws.dataset(group, "Interactions", domain="ECOMMERCE")
    aws.imported(dataset, f"s3://{bucket.name}/interactions.csv")
    recipe = RECIPE + "aws-ecomm-popular-items-by-views"
    made = aws.control.create_recommender(name="popular", datasetGroupArn=group, recipeArn=recipe)["recommenderArn"]
    aws.settle("Recommender", made)
    aws.control.delete_dataset(datasetArn=dataset)
    aws.settle("Dataset", dataset, "")
    answer = aws.runtime.get_recommendations(recommenderArn=made, userId="u1", context={"DEVICE": "phone"})
    assert answer["itemList"]


def test_datasets_go_when_nothing_needs_them(aws: Aws) -> None:
    shop = open_shop(aws, [POPULAR])
    control = aws.control
    filter_arn = aws.filter(shop.group, EXPRESSION)
    tracker = control.list_event_trackers(datasetGroupArn=shop.group)["eventTrackers"][0]["eventTrackerArn"]
    worth: Any = [{"eventType": "View", "metricName": "worth", "expression": "SUM(Items.PRICE)"}]
    attribution = control.create_metric_attribution(
        name="sums", datasetGroupArn=shop.group, metrics=worth, metricsOutputConfig={"roleArn": ROLE}
    )["metricAttributionArn"]
    aws.settle("MetricAttribution", attribution)
    datasets = {dataset["datasetType"]: dataset["datasetArn"] for dataset in control.list_datasets()["datasets"]}

    def blocked_by(kind: str) -> str:
        try:
            control.delete_dataset(datasetArn=datasets[kind])
        except control.exceptions.ResourceInUseException as refused:
            return str(refused.response["Error"]["Message"])
        return ""

    campaign = shop.campaigns[POPULAR]
    assert all(campaign in blocked_by(kind) for kind in datasets)
    control.delete_campaign(campaignArn=campaign)
    aws.settle("Campaign", campaign, "")
    assert all(filter_arn in blocked_by(kind) for kind in datasets)
    control.delete_filter(filterArn=filter_arn)
    aws.settle("Filter", filter_arn, "")
    assert blocked_by("USERS") == ""
    assert attribution in blocked_by("ITEMS")
    assert tracker in blocked_by("INTERACTIONS")
    control.delete_event_tracker(eventTrackerArn=tracker)
    aws.settle("EventTracker", tracker, "")
    assert attribution in blocked_by("INTERACTIONS")
    control.delete_metric_attribution(metricAttributionArn=attribution)
    aws.settle("MetricAttribution", attribution, "")
    assert (blocked_by("INTERACTIONS"), blocked_by("ITEMS")) == ("", "")


@pytest.mark.parametrize("work", ["campaign", "batch job"])
def test_dataset_stays_while_a_campaign_or_batch_job_is_made(still: StillAws, work: str) -> None:
    write_shop(still.engine.s3_root / "bucket")
    group = still.group()
    dataset = still.dataset(group, "Interactions")
    still.imported(dataset, "s3://bucket/interactions.csv")
    version = still.version(still.solution(group, POPULAR, performAutoTraining=False))
    if work == "campaign":
        needing = still.control.create_campaign(name="popular", solutionVersionArn=version)["campaignArn"]
    else:
        needing = still.control.create_batch_inference_job(
            jobName="nightly",
            solutionVersionArn=version,
            jobInput={"s3DataSource": {"path": "s3://bucket/users.json"}},
            jobOutput={"s3DataDestination": {"path": "s3://bucket/out/"}},
            roleArn=ROLE,
        )["batchInferenceJobArn"]
    with pytest.raises(still.control.exceptions.ResourceInUseException, match=needing):
        still.control.delete_dataset(datasetArn=dataset)


def test_dataset_group_goes_right_after_its_event_tracker(still: StillAws) -> None:
    group = still.group()
    still.tracker(group)
    tracker = still.control.list_event_trackers()["eventTrackers"][0]["eventTrackerArn"]
    still.control.delete_event_tracker(eventTrackerArn=tracker)
    still.control.delete_dataset_group(datasetGroupArn=group)
    assert still.status("DatasetGroup", group) == "DELETE PENDING"


def test_strictly_a_dataset_group_waits_for_the_end_of_its_tracker(strict: StillAws) -> None:
    group = strict.group()
    strict.tracker(group)
    tracker = strict.control.list_event_trackers()["eventTrackers"][0]["eventTrackerArn"]
    strict.control.delete_event_tracker(eventTrackerArn=tracker)
    with pytest.raises(strict.control.exceptions.ResourceInUseException, match=tracker):
        strict.control.delete_dataset_group(datasetGroupArn=group)


def test_solution_tracker_and_filter_are_used_as_soon_as_they_are_made(still: StillAws) -> None:
    shop = open_shop(still, [POPULAR])
    tracked = still.group("tracked")
    still.dataset(tracked, "Interactions")
    control, campaign = still.control, shop.campaigns[POPULAR]
    made = still.begin_solution(shop.group, UP, name="next", performAutoTraining=False)
    version = control.create_solution_version(solutionArn=made)["solutionVersionArn"]
    assert still.status("SolutionVersion", version) == "CREATE PENDING"
    tracker = control.create_event_tracker(name="events", datasetGroupArn=tracked)
    still.click(tracker["trackingId"], "i1")
    chosen = control.create_filter(name="f", datasetGroupArn=shop.group, filterExpression=EXPRESSION)["filterArn"]
    assert still.recommended(campaign, userId="u1", numResults=3, filterArn=chosen)
    assert {still.status("Solution", made), still.status("Filter", chosen)} == {"ACTIVE"}


def test_strictly_solution_tracker_and_filter_are_pending_first(strict: StillAws) -> None:
    shop = open_shop(strict, [POPULAR])
    tracked = strict.group("tracked")
    strict.dataset(tracked, "Interactions")
    control = strict.control
    made = strict.begin_solution(shop.group, UP, name="next", performAutoTraining=False)
    with pytest.raises(control.exceptions.ResourceInUseException, match="CREATE PENDING"):
        control.create_solution_version(solutionArn=made)
    tracker = control.create_event_tracker(name="events", datasetGroupArn=tracked)
    with pytest.raises(strict.events.exceptions.InvalidInputException):
        strict.click(tracker["trackingId"], "i1")
    chosen = control.create_filter(name="f", datasetGroupArn=shop.group, filterExpression=EXPRESSION)["filterArn"]
    with pytest.raises(strict.runtime.exceptions.InvalidInputException, match="CREATE PENDING"):
        strict.recommended(shop.campaigns[POPULAR], userId="u1", filterArn=chosen)


def test_campaigns_are_listed_by_solution_and_by_version(shop: Shop) -> None:
    version, campaign = shop.versions[UP], shop.personal
    for arn in (version, version.rpartition("/")[0]):
        listed = shop.aws.control.list_campaigns(solutionArn=arn)["campaigns"]
        assert campaign in {campaign["campaignArn"] for campaign in listed}
    other = shop.versions[POPULAR]
    listed = shop.aws.control.list_campaigns(solutionArn=other)["campaigns"]
    assert shop.campaigns[POPULAR] in {campaign["campaignArn"] for campaign in listed}
    assert campaign not in {campaign["campaignArn"] for campaign in listed}


def test_sixth_campaign_is_refused_in_the_words_of_aws(still: StillAws) -> None:
    version = open_shop(still, [POPULAR]).versions[POPULAR]
    for number in range(4):
        still.control.create_campaign(name=f"more-{number}", solutionVersionArn=version)
    words = "Cannot create a campaign. More than 5 resources in ACTIVE state. Please delete some and try again."
    with pytest.raises(still.control.exceptions.LimitExceededException) as refused:
        still.control.create_campaign(name="more-4", solutionVersionArn=version)
    assert refused.value.response["Error"]["Message"] == words


def test_recommender_of_a_custom_group_is_refused_by_its_name(aws: Aws) -> None:
    group = aws.group()
    recipe = RECIPE + "aws-ecomm-popular-items-by-views"
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=f"{group} is a custom dataset group"):
        aws.control.create_recommender(name="r", datasetGroupArn=group, recipeArn=recipe)


@pytest.mark.parametrize("name", ["aws-hrnn", "aws-hrnn-coldstart", "aws-hrnn-metadata"])
def test_retired_recipes_are_described_and_take_no_solutions(aws: Aws, name: str) -> None:
    recipe = aws.control.describe_recipe(recipeArn=RECIPE + name)["recipe"]
    assert (recipe["recipeType"], recipe["status"]) == ("USER_PERSONALIZATION", "ACTIVE")
    assert name in {recipe["name"] for recipe in aws.control.list_recipes()["recipes"]}
    algorithm = aws.control.describe_algorithm(algorithmArn=recipe["algorithmArn"])["algorithm"]
    assert algorithm["defaultHyperParameters"] == {"hidden_dimension": "149", "bptt": "32", "recency_mask": "True"}
    featurized = aws.control.describe_feature_transformation(
        featureTransformationArn=recipe["featureTransformationArn"]
    )["featureTransformation"]
    assert featurized["defaultParameters"]["max_user_history_length_percentile"] == "0.99"
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="retired"):
        aws.solution(aws.group(), name)


def test_filter_values_may_be_escaped_once_more_than_needed(shop: Shop) -> None:
    chosen = shop.aws.filter(shop.group, "INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($C)", "clients-chosen")
    question: Any = {"userId": "u0", "numResults": 500, "filterArn": chosen}
    plain = shop.aws.recommended(shop.personal, filterValues={"C": '"games"'}, **question)
    assert shop.aws.recommended(shop.personal, filterValues={"C": r"\"games\""}, **question) == plain
    both = shop.aws.recommended(shop.personal, filterValues={"C": r"\"books\",\"games\""}, **question)
    assert len(both) == 40
