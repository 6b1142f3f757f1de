# SPDX-License-Identifier: Apache-2.0
"""Use cases of the ECOMMERCE domain: made, asked, changed, stopped and started again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.tests.harness import Argument, Aws, Engine
from engine.tests.names import RECIPE
from engine.tests.shop_data import columns, interactions, write_csv

FOR_YOU, ALSO_VIEWED = "recommended-for-you", "customers-who-viewed-x-also-viewed"
TOGETHER, SOLD, VIEWED = "frequently-bought-together", "popular-items-by-purchases", "popular-items-by-views"
QUESTIONS: dict[str, dict[str, Argument]] = {
    FOR_YOU: {"userId": "u1"},
    ALSO_VIEWED: {"userId": "u1", "itemId": "i25"},
    TOGETHER: {"itemId": "i25"},
    SOLD: {"userId": "u1"},
    VIEWED: {"userId": "u1"},
}


@dataclass(frozen=True)
class Boutique:
    """A domain dataset group with interactions and items, and a recommender for each of its use cases."""

    aws: Aws
    group: str
    tracking_id: str
    recommenders: Mapping[str, str]

    def ask(self, case: str, **more: Argument) -> list[dict[str, Any]]:
        request = {"recommenderArn": self.recommenders[case]} | QUESTIONS[case] | more
        return list(self.aws.runtime.get_recommendations(**request)["itemList"])  # type: ignore[arg-type]


def recommender(aws: Aws, group: str, case: str, **options: Argument) -> str:
    arguments: Argument = {"name": case, "datasetGroupArn": group, "recipeArn": f"{RECIPE}aws-ecomm-{case}"} | options
    return aws.control.create_recommender(**arguments)["recommenderArn"]


def described(aws: Aws, arn: str) -> dict[str, Any]:
    return dict(aws.control.describe_recommender(recommenderArn=arn)["recommender"])


@pytest.fixture(scope="module")
def boutique(engine: Engine) -> Boutique:
    aws = Aws(engine, "boutique")
    rows: list[Argument] = list(interactions())
    sold = [(user, item, "Purchase", value, time + 5, device) for user, item, _, value, time, device in rows]
    write_csv(engine.s3_root / "boutique/interactions.csv", columns("Interactions"), [*rows, *sold[: len(sold) - 10]])
    items = [(f"i{n}", n + 0.5, "books" if n < 20 else "games") for n in range(40)]
    write_csv(engine.s3_root / "boutique/items.csv", columns("Items"), items)
    group = aws.group(domain="ECOMMERCE")
    for kind in ("Interactions", "Items"):
        dataset = aws.dataset(group, kind, domain="ECOMMERCE")
        aws.imported(dataset, f"s3://boutique/{kind.lower()}.csv", kind.lower())
    made = {case: recommender(aws, group, case) for case in QUESTIONS}
    return Boutique(
        aws, group, aws.tracker(group), {case: aws.settle("Recommender", arn) for case, arn in made.items()}
    )


@pytest.mark.parametrize("case", QUESTIONS)
def test_use_case_answers_without_scores(boutique: Boutique, case: str) -> None:
    items = boutique.ask(case, userId="somebody", numResults=3)
    assert [set(item) for item in items] == [{"itemId"}] * 3
    metrics = described(boutique.aws, boutique.recommenders[case])["modelMetrics"]
    assert 0 <= metrics["precision_at_5"] <= 1


@pytest.mark.parametrize("case", [FOR_YOU, ALSO_VIEWED])
def test_purchased_items_are_not_recommended_again(boutique: Boutique, case: str) -> None:
    question = {"userId": "buyer", "numResults": 40}
    before = [item["itemId"] for item in boutique.ask(case, **question)]
    boutique.aws.click(boutique.tracking_id, before[3], user="buyer", eventType="View")
    assert before[3] in {item["itemId"] for item in boutique.ask(case, **question)}
    boutique.aws.click(boutique.tracking_id, before[3], user="buyer", eventType="purchase")
    assert before[3] not in {item["itemId"] for item in boutique.ask(case, **question)}


def test_best_sellers_are_named_to_buyers_too(boutique: Boutique) -> None:
    best = boutique.ask(SOLD, numResults=1)[0]["itemId"]
    boutique.aws.click(boutique.tracking_id, best, user="fan", eventType="Purchase")
    assert boutique.ask(SOLD, userId="fan", numResults=1)[0]["itemId"] == best


def test_filter_comes_after_the_automatic_one(boutique: Boutique) -> None:
    arn = boutique.aws.filter(boutique.group, 'INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("books")')
    recommended = boutique.ask(FOR_YOU, userId="nobody", filterArn=arn, numResults=40)
    assert {int(item["itemId"][1:]) < 20 for item in recommended} == {True}


@pytest.mark.parametrize(("case", "missing"), [(FOR_YOU, "userId"), (ALSO_VIEWED, "itemId"), (TOGETHER, "itemId")])
def test_question_must_say_what_the_use_case_needs(boutique: Boutique, case: str, missing: str) -> None:
    request = {name: value for name, value in QUESTIONS[case].items() if name != missing}
    with pytest.raises(ClientError, match=f"{missing} is required"):
        boutique.aws.runtime.get_recommendations(recommenderArn=boutique.recommenders[case], **request)


def test_stopped_recommender_refuses_until_it_is_started(boutique: Boutique) -> None:
    aws, arn = boutique.aws, boutique.recommenders[VIEWED]
    before = boutique.ask(VIEWED)
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match="must be INACTIVE"):
        aws.control.start_recommender(recommenderArn=arn)
    assert aws.control.stop_recommender(recommenderArn=arn)["recommenderArn"] == arn
    aws.settle("Recommender", arn, "INACTIVE")
    with pytest.raises(aws.runtime.exceptions.ResourceNotFoundException, match="INACTIVE"):
        boutique.ask(VIEWED)
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match="must be ACTIVE"):
        aws.control.stop_recommender(recommenderArn=arn)
    aws.control.start_recommender(recommenderArn=arn)
    aws.settle("Recommender", arn)
    assert boutique.ask(VIEWED) == before


def test_update_changes_the_configuration_and_trains_where_it_must(boutique: Boutique) -> None:
    aws, arn = boutique.aws, boutique.recommenders[SOLD]
    config: Any = {
        "enableMetadataWithRecommendations": True,
        "trainingDataConfig": {"excludedDatasetColumns": {"ITEMS": ["PRICE"]}},
    }
    aws.control.update_recommender(recommenderArn=arn, recommenderConfig=config)
    aws.settled_update("Recommender", arn)
    description = described(aws, arn)
    assert description["recommenderConfig"] == config | {"minRecommendationRequestsPerSecond": 1}
    assert description["latestRecommenderUpdate"]["recommenderConfig"] == description["recommenderConfig"]
    item = boutique.ask(SOLD, metadataColumns={"ITEMS": ["PRICE"]})[0]
    assert item["metadata"] == {"PRICE": f"{int(item['itemId'][1:]) + 0.5}"}
    unknown: Any = {"trainingDataConfig": {"excludedDatasetColumns": {"ITEMS": ["NOPE"]}}}
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="has no column NOPE"):
        aws.control.update_recommender(recommenderArn=arn, recommenderConfig=unknown)


def test_recommenders_are_listed_by_group(boutique: Boutique) -> None:
    listed = boutique.aws.control.list_recommenders(datasetGroupArn=boutique.group)["recommenders"]
    assert {recommender["recommenderArn"] for recommender in listed} == set(boutique.recommenders.values())
    with pytest.raises(boutique.aws.control.exceptions.LimitExceededException, match="More than 5 recommenders"):
        recommender(boutique.aws, boutique.group, FOR_YOU, name="sixth")


def test_group_is_held_by_its_recommenders(boutique: Boutique) -> None:
    with pytest.raises(boutique.aws.control.exceptions.ResourceInUseException):
        boutique.aws.control.delete_dataset_group(datasetGroupArn=boutique.group)


def test_too_few_events_of_its_type_fail_the_recommender(aws: Aws, engine: Engine) -> None:
    write_csv(engine.s3_root / aws.region / "a.csv", columns("Interactions"), interactions())
    group = aws.group(domain="ECOMMERCE")
    aws.imported(aws.dataset(group, "Interactions", domain="ECOMMERCE"), f"s3://{aws.region}/a.csv")
    arn = aws.settle("Recommender", recommender(aws, group, SOLD), "CREATE FAILED")
    description = described(aws, arn)
    assert (
        description["failureReason"]
        == "Dataset has fewer than 1000 interactions after filtering by event type: Purchase"
    )
    assert "modelMetrics" not in description
    aws.control.delete_recommender(recommenderArn=arn)
    aws.settle("Recommender", arn, "")


@pytest.mark.parametrize(
    ("domain", "recipe", "reason"),
    [
        (None, "aws-ecomm-popular-items-by-views", "is a custom dataset group"),
        ("VIDEO_ON_DEMAND", "aws-ecomm-popular-items-by-views", "is for domain ECOMMERCE"),
        ("ECOMMERCE", "aws-sims", "custom recipe"),
        ("ECOMMERCE", "aws-ecomm-popular-items-by-views", "no INTERACTIONS dataset"),
    ],
)
def test_recipe_must_fit_the_group(aws: Aws, domain: str | None, recipe: str, reason: str) -> None:
    group = aws.group(**({"domain": domain} if domain else {}))
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=reason):
        recommender(aws, group, "x", recipeArn=RECIPE + recipe)


def test_exploration_is_for_the_use_case_that_explores(aws: Aws) -> None:
    config = {"itemExplorationConfig": {"explorationWeight": "0.5"}}
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="itemExplorationConfig"):
        recommender(aws, aws.group(domain="ECOMMERCE"), VIEWED, recommenderConfig=config)
