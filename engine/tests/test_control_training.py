# SPDX-License-Identifier: Apache-2.0
"""Solutions, solution versions and campaigns."""

import re
from pathlib import Path
from typing import Any

import pytest

from engine.tests.harness import Argument, Aws, EngineProcess, until
from engine.tests.names import RECIPE
from engine.tests.shop import Shop
from engine.tests.shop_data import avro, columns, interactions, write_csv

UP = "aws-user-personalization"


@pytest.fixture
def group(aws: Aws, bucket: Path) -> str:
    """A dataset group with interactions."""
    group = aws.group()
    write_csv(bucket / "interactions.csv", columns("Interactions"), interactions())
    aws.imported(aws.dataset(group, "Interactions"), f"s3://{bucket.name}/interactions.csv")
    return group


def test_solution_is_described_as_made(aws: Aws) -> None:
    config: Any = {"algorithmHyperParameters": {"bptt": "16"}, "eventValueThreshold": "0.5"}
    solution = aws.solution(aws.group(), eventType="View", solutionConfig=config, performAutoTraining=False)
    description = aws.control.describe_solution(solutionArn=solution)["solution"]
    assert (description["recipeArn"], description["eventType"], description["solutionConfig"]) == (
        RECIPE + UP,
        "View",
        config,
    )
    assert (description["performAutoTraining"], description["performHPO"], "latestSolutionVersion" in description) == (
        False,
        False,
        False,
    )


def weights(*numbers: float) -> Argument:
    """The configuration of event types with these weights."""
    events = [{"eventType": f"type-{number}", "weight": weight} for number, weight in enumerate(numbers)]
    return {"eventsConfig": {"eventParametersList": events}}


@pytest.mark.parametrize(
    ("recipe", "config", "reason"),
    [
        (f"{UP}-v2", weights(1.5), "less than or equal to 1"),
        (f"{UP}-v2", weights(*[1.0] * 11), "less than or equal to 10"),
        ("aws-personalized-ranking", weights(1.0), "takes no eventsConfig: it is for the -v2 recipes"),
        ("aws-similar-items", weights(1.0), "takes no eventsConfig"),
        (f"{UP}-v2", {"optimizationObjective": {"itemAttribute": "PRICE"}}, "takes no optimizationObjective"),
    ],
)
def test_weights_that_aws_refuses_are_refused_in_a_new_solution_and_in_an_update(
    aws: Aws, recipe: str, config: Argument, reason: str
) -> None:
    group, invalid = aws.group(), aws.control.exceptions.InvalidInputException
    with pytest.raises(invalid, match=reason):
        aws.solution(group, recipe, solutionConfig=config)
    if "eventsConfig" in config:
        solution = aws.solution(group, recipe)
        with pytest.raises(invalid, match=reason):
            aws.control.update_solution(solutionArn=solution, solutionUpdateConfig=config)


def test_changed_weights_train_the_next_version_and_replace_all_before(aws: Aws, group: str) -> None:
    before, after = weights(1.0, 0.1), weights(0.5)
    for config, name in ((before, "type-0"), (after, "View")):
        config["eventsConfig"]["eventParametersList"][0]["eventType"] = name
    before["eventsConfig"]["eventParametersList"].append({"eventType": "View", "weight": 0.2})
    solution = aws.solution(group, f"{UP}-v2", solutionConfig=before)
    first = aws.version(solution, name="before")
    aws.control.update_solution(solutionArn=solution, solutionUpdateConfig=after)
    aws.settled_update("Solution", solution)
    second = aws.version(solution, name="after")
    trained = [
        aws.control.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]["solutionConfig"]
        for arn in (first, second)
    ]
    assert trained == [before, after]


@pytest.mark.parametrize(
    ("recipe", "options", "reason"),
    [
        (UP, {"solutionConfig": {"algorithmHyperParameters": {"depth": "3"}}}, "named depth"),
        (UP, {"solutionConfig": {"algorithmHyperParameters": {"bptt": "99"}}}, "out of the range of bptt"),
        (UP, {"solutionConfig": {"algorithmHyperParameters": {"tier": "deepest"}}}, "out of the range of tier"),
        (UP, {"solutionConfig": {"featureTransformationParameters": {"bptt": "9"}}}, "named bptt"),
        (UP, {"solutionConfig": {"eventsConfig": {"eventParametersList": []}}}, "-v2"),
        (UP, {"solutionConfig": {"eventValueThreshold": "high"}}, "is a number"),
        (UP, {"solutionConfig": {"autoTrainingConfig": {"schedulingExpression": "rate(31 days)"}}}, "rate"),
        (
            UP,
            {"performAutoTraining": False, "solutionConfig": {"autoTrainingConfig": {}}},
            "needs performAutoTraining",
        ),
        (UP, {"performIncrementalUpdate": True}, "aws-semantic-similarity"),
        ("aws-ecomm-recommended-for-you", {}, "domain use case"),
    ],
)
def test_configuration_must_fit_the_recipe(aws: Aws, recipe: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=reason):
        aws.solution(aws.group(), recipe, **options)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"excludedDatasetColumns": {"Interactions": ["NOPE"]}}, "has no column NOPE"),
        ({"excludedDatasetColumns": {"INTERACTIONS": ["DEVICE", "EVENT_TYPE"]}}, "EVENT_TYPE of INTERACTIONS cannot"),
        ({"excludedDatasetColumns": {"ITEMS": ["ITEM_ID"]}}, "ITEM_ID of ITEMS cannot be excluded"),
        ({"excludedDatasetColumns": {"ITEMS": ["ITEM_ID", "PRICE", "CATEGORY_L1"]}}, "ITEM_ID of ITEMS cannot"),
        ({"excludedDatasetColumns": {"FOO": ["PRICE"]}}, "dataset FOO: it is Interactions, Items or Users"),
        ({"excludedDatasetColumns": {"USERS": ["AGE_GROUP"]}}, "USERS, which the dataset group doesn't have"),
        ({"excludedDatasetColumns": {"ITEMS": ["PRICE"], "items": ["CATEGORY_L1"]}}, "ITEMS more than once"),
        ({"includedDatasetColumns": {"ITEMS": []}}, "includes no column of ITEMS"),
        ({"includedDatasetColumns": {"ITEMS": ["COLOUR"]}}, "has no column COLOUR"),
        (
            {"includedDatasetColumns": {"ITEMS": ["PRICE"]}, "excludedDatasetColumns": {"ITEMS": ["PRICE"]}},
            "excludedDatasetColumns or includedDatasetColumns, not both",
        ),
    ],
)
def test_training_columns_must_be_there_and_leave_what_every_training_needs(
    aws: Aws, columns: dict[str, Any], reason: str
) -> None:
    group = aws.group()
    for kind in ("Interactions", "Items"):
        aws.dataset(group, kind)
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=reason):
        aws.solution(group, solutionConfig={"trainingDataConfig": columns})
    fine: Any = {"includedDatasetColumns": {"Items": ["PRICE"]}}
    assert aws.solution(group, solutionConfig={"trainingDataConfig": fine})


def test_recipe_must_exist_and_be_named(aws: Aws) -> None:
    group = aws.group()
    with pytest.raises(aws.control.exceptions.ResourceNotFoundException):
        aws.solution(group, "aws-crystal-ball")
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="recipeArn"):
        aws.control.create_solution(name="x", datasetGroupArn=group)


def test_eleventh_solution_of_a_group_is_over_quota(aws: Aws) -> None:
    group = aws.group()
    for number in range(10):
        aws.solution(group, name=f"s{number}")
    with pytest.raises(aws.control.exceptions.LimitExceededException, match="More than 10 solutions"):
        aws.solution(group, name="s10")


def test_solution_update_takes_effect_and_shows(aws: Aws) -> None:
    solution = aws.solution(aws.group())
    schedule: Any = {"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}
    aws.control.update_solution(solutionArn=solution, performAutoTraining=True, solutionUpdateConfig=schedule)
    aws.settled_update("Solution", solution)
    description = aws.control.describe_solution(solutionArn=solution)["solution"]
    assert description["latestSolutionUpdate"]["solutionUpdateConfig"] == schedule
    assert description["solutionConfig"]["autoTrainingConfig"] == schedule["autoTrainingConfig"]


def test_version_has_metrics_and_training_hours(aws: Aws, group: str) -> None:
    solution = aws.solution(group)
    version = aws.version(solution, name="nightly-1")
    description = aws.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    metrics = aws.control.get_solution_metrics(solutionVersionArn=version)["metrics"]
    latest = aws.control.describe_solution(solutionArn=solution)["solution"]["latestSolutionVersion"]
    assert re.fullmatch(re.escape(solution) + "/[0-9a-f]{8}", version)
    assert (description["name"], description["trainingMode"], description["trainingType"]) == (
        "nightly-1",
        "FULL",
        "MANUAL",
    )
    assert description["trainingHours"] > 0
    assert latest["solutionVersionArn"] == version
    assert {"coverage", "mean_reciprocal_rank_at_25", "precision_at_5"} <= set(metrics)
    assert all(0 <= value <= 1 for value in metrics.values())


def test_version_name_is_found_again_and_taken_once(aws: Aws, group: str) -> None:
    solution = aws.solution(group)
    aws.version(solution, name="run-1")
    with pytest.raises(aws.control.exceptions.ResourceAlreadyExistsException, match="run-1"):
        aws.control.create_solution_version(solutionArn=solution, name="run-1")
    assert len(aws.control.list_solution_versions(solutionArn=solution)["solutionVersions"]) == 1


def test_too_little_data_fails_the_training_with_the_reason(aws: Aws) -> None:
    group = aws.group()
    aws.dataset(group, "Interactions")
    made = aws.control.create_solution_version(solutionArn=aws.solution(group))["solutionVersionArn"]
    aws.settle("SolutionVersion", made, "CREATE FAILED")
    version = aws.control.describe_solution_version(solutionVersionArn=made)["solutionVersion"]
    assert "interactions" in version["failureReason"]
    with pytest.raises(aws.control.exceptions.ResourceInUseException):
        aws.control.get_solution_metrics(solutionVersionArn=made)
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="CREATE FAILED"):
        aws.campaign(made)


def test_training_needs_an_interactions_dataset(aws: Aws) -> None:
    solution = aws.solution(aws.group())
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="no Interactions dataset"):
        aws.control.create_solution_version(solutionArn=solution)


def test_new_columns_of_items_train_new_solutions_only(aws: Aws) -> None:
    bucket = aws.engine.s3_root / aws.region
    write_csv(bucket / "interactions.csv", columns("Interactions"), interactions())
    old_rows = [(f"i{number}", 1.0, "all", "ab"[number // 20]) for number in range(40)]
    rows = [*old_rows, ("new-a", 1.0, "all", "a"), ("new-b", 1.0, "all", "b")]
    write_csv(bucket / "before.csv", columns("Items"), [row[:3] for row in rows])
    write_csv(bucket / "after.csv", [*columns("Items"), "TASTE"], rows)
    group = aws.group()
    aws.imported(aws.dataset(group, "Interactions"), f"s3://{aws.region}/interactions.csv", "interactions")
    items = aws.dataset(group, "Items")
    aws.imported(items, f"s3://{aws.region}/before.csv", "before")
    old = aws.solution(group, "aws-similar-items", name="old", performAutoTraining=False)
    taste = {"name": "TASTE", "type": ["null", "string"], "categorical": True}
    wider = aws.control.create_schema(name=f"wider-{aws.region}", schema=avro("Items", taste))["schemaArn"]
    aws.control.update_dataset(datasetArn=items, schemaArn=wider)
    aws.settle("Dataset", items)
    aws.imported(items, f"s3://{aws.region}/after.csv", "after")
    new = aws.solution(group, "aws-similar-items", name="new", performAutoTraining=False)
    assert "columns" not in aws.control.describe_solution(solutionArn=new)["solution"]

    def like(solution: str, item: str) -> set[str]:
        campaign = aws.campaign(aws.version(solution), f"{solution.rpartition('/')[2]}-{item}")
        return set(aws.recommended(campaign, itemId=item, numResults=10)) - {"new-a", "new-b"}

    assert like(old, "new-a") == like(old, "new-b")
    assert like(new, "new-a") <= {f"i{number}" for number in range(20)}
    assert like(new, "new-b") <= {f"i{number}" for number in range(20, 40)}


def test_update_mode_needs_the_recipe_and_a_full_version(aws: Aws, group: str) -> None:
    similar, personal = aws.solution(group, "aws-similar-items"), aws.solution(group)
    for solution in (similar, personal):
        with pytest.raises(aws.control.exceptions.InvalidInputException, match="UPDATE"):
            aws.control.create_solution_version(solutionArn=solution, trainingMode="UPDATE")
    aws.version(personal)
    updated = aws.version(personal, trainingMode="UPDATE")
    version = aws.control.describe_solution_version(solutionVersionArn=updated)["solutionVersion"]
    assert version["trainingMode"] == "UPDATE"


def test_events_train_as_well_as_imports(aws: Aws, group: str) -> None:
    tracking_id = aws.tracker(group)
    for user in range(30):
        aws.click(tracking_id, "brand-new", user=f"u{user}", session=f"s{user}")
    aws.click(tracking_id, "of-nobody", user=None, session="anonymous")
    campaign = aws.campaign(aws.version(aws.solution(group, "aws-popularity-count")))
    recommended = aws.recommended(campaign, userId="u0", numResults=100)
    assert "brand-new" in recommended
    assert "of-nobody" not in recommended


def test_campaign_is_described_as_made(aws: Aws, group: str) -> None:
    version = aws.version(aws.solution(group))
    config: Any = {"itemExplorationConfig": {"explorationWeight": "0.1"}}
    campaign = aws.campaign(version, campaignConfig=config, minProvisionedTPS=2)
    description = aws.control.describe_campaign(campaignArn=campaign)["campaign"]
    assert (description["solutionVersionArn"], description["minProvisionedTPS"], description["campaignConfig"]) == (
        version,
        2,
        config,
    )
    assert "latestCampaignUpdate" not in description
    assert [campaign["name"] for campaign in aws.control.list_campaigns()["campaigns"]] == ["campaign"]


def test_campaign_update_shows_and_ends_in_the_new_version(aws: Aws, group: str) -> None:
    solution = aws.solution(group)
    first, second = aws.version(solution), aws.version(solution)
    campaign = aws.campaign(first)
    aws.control.update_campaign(campaignArn=campaign, solutionVersionArn=second)
    aws.settled_update("Campaign", campaign)
    description = aws.control.describe_campaign(campaignArn=campaign)["campaign"]
    assert (description["status"], description["solutionVersionArn"]) == ("ACTIVE", second)
    assert description["latestCampaignUpdate"]["minProvisionedTPS"] == 1
    assert aws.recommended(campaign, userId="u0", numResults=3)


def test_campaign_may_change_to_another_recipe_of_its_group_with_a_warning(
    aws: Aws, group: str, bucket: Path, engine: EngineProcess
) -> None:
    popular = aws.version(aws.solution(group, "aws-popularity-count"))
    similar = aws.version(aws.solution(group, "aws-sims"))
    campaign = aws.campaign(popular)
    aws.control.update_campaign(campaignArn=campaign, solutionVersionArn=similar)
    aws.settled_update("Campaign", campaign)
    told = f"WARNING: {campaign} answers with {RECIPE}aws-sims now, no longer with {RECIPE}aws-popularity-count"
    until(lambda: told in (engine.data_dir.parent / "engine.log").read_text(), told)
    other = aws.group("other")
    aws.imported(aws.dataset(other, "Interactions"), f"s3://{bucket.name}/interactions.csv", "other")
    version = aws.version(aws.solution(other, "aws-popularity-count", name="other"))
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="belongs to another dataset group"):
        aws.control.update_campaign(campaignArn=campaign, solutionVersionArn=version)


def test_campaign_of_latest_follows_new_versions(aws: Aws, group: str) -> None:
    solution = aws.solution(group)
    aws.version(solution)
    config: Any = {"syncWithLatestSolutionVersion": True}
    campaign = aws.campaign(f"{solution}/$LATEST", campaignConfig=config)
    newest = aws.version(solution)
    aws.settled_update("Campaign", campaign)
    description = aws.control.describe_campaign(campaignArn=campaign)["campaign"]
    assert description["solutionVersionArn"] == newest


def test_latest_and_synchronisation_go_together(aws: Aws, group: str) -> None:
    solution = aws.solution(group)
    config: Any = {"syncWithLatestSolutionVersion": True}
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match="no ACTIVE solution version"):
        aws.campaign(f"{solution}/$LATEST", campaignConfig=config)
    version = aws.version(solution)
    for arn, options in ((f"{solution}/$LATEST", {}), (version, {"campaignConfig": config})):
        with pytest.raises(aws.control.exceptions.InvalidInputException, match="go together"):
            aws.campaign(arn, **options)
    with pytest.raises(aws.control.exceptions.ResourceNotFoundException):
        aws.campaign(solution)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"itemExplorationConfig": {"explorationWeight": "2"}}, "out of the range"),
        ({"itemExplorationConfig": {"luck": "1"}}, "named luck"),
        ({"rankingInfluence": {"POPULARITY": 0.5}}, "aws-semantic-similarity"),
    ],
)
def test_campaign_configuration_must_fit_the_recipe(shop: Shop, config: Argument, reason: str) -> None:
    with pytest.raises(shop.aws.control.exceptions.InvalidInputException, match=reason):
        shop.aws.campaign(shop.versions[UP], "other", campaignConfig=config)


def test_sixth_campaign_of_a_group_is_over_quota(aws: Aws, group: str) -> None:
    version = aws.version(aws.solution(group, "aws-popularity-count"))
    for number in range(5):
        aws.campaign(version, f"c{number}")
    with pytest.raises(
        aws.control.exceptions.LimitExceededException,
        match=r"Cannot create a campaign\. More than 5 resources in ACTIVE",
    ):
        aws.campaign(version, "c5")


def test_solution_goes_after_its_campaign_and_takes_its_versions_along(aws: Aws, group: str) -> None:
    solution = aws.solution(group, "aws-popularity-count")
    version = aws.version(solution)
    campaign = aws.campaign(version)
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match=re.escape(campaign)):
        aws.control.delete_solution(solutionArn=solution)
    aws.control.delete_campaign(campaignArn=campaign)
    aws.settle("Campaign", campaign, "")
    aws.control.delete_solution(solutionArn=solution)
    aws.settle("Solution", solution, "")
    assert aws.status("SolutionVersion", version) == ""
