# SPDX-License-Identifier: Apache-2.0
"""Updates between trainings: new items are considered two hours later, and by trainingMode UPDATE at once."""

import json
from collections.abc import Iterator

import pytest
from personalize_local.testing import FaultDoor

from engine.tests.harness import Argument, Aws, Engine, EngineHere, until
from engine.tests.names import RECIPE, ROLE
from engine.tests.shop_data import columns, interactions, write_csv
from engine.tests.test_actions import ACTIONS, TYPES, history, make_dataset

HOUR = 3600
FAST = {"solutionConfig": {"algorithmHyperParameters": {"tier": "fast"}}, "performAutoTraining": False}
FIRST, SECOND = "aws-user-personalization", "aws-user-personalization-v2"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineHere]:
    with EngineHere(tmp_path_factory.mktemp("updates"), options=["--faults"]) as engine:
        write_csv(engine.s3_root / "b/a.csv", columns("Interactions"), interactions())
        items = [(f"i{n}", n + 0.5, "books" if n < 20 else "games") for n in range(40)]
        write_csv(engine.s3_root / "b/items.csv", columns("Items"), items)
        yield engine


@pytest.fixture
def aws(running: Engine, region: str) -> Aws:
    return Aws(running, region)


@pytest.fixture
def door(aws: Aws) -> FaultDoor:
    return FaultDoor(aws.engine.url)


def filled(aws: Aws, **options: Argument) -> tuple[str, str]:
    """A dataset group with interactions and items; also its Items dataset."""
    group = aws.group(**options)
    aws.imported(aws.dataset(group, "Interactions", **options), "s3://b/a.csv", "interactions")
    items = aws.dataset(group, "Items", **options)
    aws.imported(items, "s3://b/items.csv", "items")
    return group, items


def put(aws: Aws, items: str, item: str = "new") -> None:
    properties = json.dumps({"price": 1.0, "categoryL1": "games"})
    aws.events.put_items(datasetArn=items, items=[{"itemId": item, "properties": properties}])


def listed(aws: Aws, target: str, **question: Argument) -> dict[str, Argument]:
    """All that a campaign or recommender recommends, by item."""
    request: Argument = {"recommenderArn" if ":recommender/" in target else "campaignArn": target, "userId": "u1"}
    answer = aws.runtime.get_recommendations(**request | {"numResults": 100} | question)
    return {item["itemId"]: item for item in answer["itemList"]}


@pytest.mark.parametrize("recipe", [FIRST, SECOND])
def test_a_new_item_is_recommended_two_hours_later_by_the_same_version(aws: Aws, door: FaultDoor, recipe: str) -> None:
    group, items = filled(aws)
    version = aws.version(aws.solution(group, recipe, **FAST))
    campaign = aws.campaign(version)
    before = aws.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    put(aws, items)
    door.advance(HOUR)
    assert "new" not in listed(aws, campaign)
    door.advance(HOUR + 60)
    until(lambda: "new" in listed(aws, campaign), "an update")
    recommended = listed(aws, campaign)
    assert len(recommended) == 41
    assert recommended["new"]["score"] > min(item["score"] for item in recommended.values())
    assert recommended["new"].get("reason") == (["Exploration"] if recipe == SECOND else None)
    assert aws.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"] == before
    cheap = aws.filter(group, "INCLUDE ItemID WHERE Items.PRICE < 2")
    promoted = listed(aws, campaign, numResults=4, promotions=[{"percentPromotedItems": 50, "filterArn": cheap}])
    assert (["Promoted item"] in [item.get("reason") for item in promoted.values()]) == (recipe == SECOND)


def test_an_update_learns_from_events_of_the_new_item(aws: Aws, door: FaultDoor) -> None:
    group, items = filled(aws)
    campaign = aws.campaign(aws.version(aws.solution(group, FIRST, **FAST)))
    tracking_id = aws.tracker(group)
    put(aws, items)
    for number in range(40):
        for item in ("i21", "new"):
            aws.click(tracking_id, item, user=f"n{number}", sentAt=1_700_000_000 + number + (item == "new"))
    door.advance(2 * HOUR + 60)
    until(lambda: "new" in listed(aws, campaign), "an update")
    aws.click(tracking_id, "i21", user="asks")
    assert "new" in list(listed(aws, campaign, userId="asks"))[:3]


def test_a_recommender_is_updated_until_a_dataset_of_it_is_deleted(aws: Aws, door: FaultDoor) -> None:
    group, items = filled(aws, domain="ECOMMERCE")
    recipe = f"{RECIPE}aws-ecomm-recommended-for-you"
    made = aws.control.create_recommender(name="you", datasetGroupArn=group, recipeArn=recipe)["recommenderArn"]
    aws.settle("Recommender", made)
    put(aws, items)
    door.advance(2 * HOUR + 60)
    until(lambda: "new" in listed(aws, made), "an update")
    aws.control.delete_dataset(datasetArn=items)
    until(lambda: not aws.status("Dataset", items), "deletion")
    aws.click(aws.tracker(group), "later")
    door.advance(2 * HOUR + 60)
    other = aws.group("other")
    assert aws.status("DatasetGroup", other) == "ACTIVE"
    assert "later" not in listed(aws, made)


def test_training_mode_update_adds_new_items_and_is_left_alone_then(aws: Aws, door: FaultDoor) -> None:
    group, items = filled(aws)
    solution = aws.solution(group, FIRST, **FAST)
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="ACTIVE solution version"):
        aws.control.create_solution_version(solutionArn=solution, trainingMode="UPDATE")
    full = aws.version(solution)
    put(aws, items)
    version = aws.version(solution, trainingMode="UPDATE")
    described = aws.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert (described["trainingMode"], described["trainingType"]) == ("UPDATE", "MANUAL")
    assert [
        v["trainingMode"] for v in aws.control.list_solution_versions(solutionArn=solution)["solutionVersions"]
    ] == [
        "FULL",
        "UPDATE",
    ]
    metrics = [
        aws.control.get_solution_metrics(solutionVersionArn=version_arn)["metrics"] for version_arn in (full, version)
    ]
    assert metrics[0] == metrics[1]
    campaign = aws.campaign(version)
    assert "new" in listed(aws, campaign)
    put(aws, items, "newer")
    door.advance(2 * HOUR + 60)
    follower = aws.campaign(full, "follower")
    door.advance(60)
    until(lambda: "newer" in listed(aws, follower), "an update of the full version")
    assert "newer" not in listed(aws, campaign)


def test_an_older_version_stays_as_it_is(aws: Aws, door: FaultDoor) -> None:
    group, items = filled(aws)
    solution = aws.solution(group, FIRST, **FAST)
    older, newest = (aws.campaign(aws.version(solution), name) for name in ("older", "newest"))
    put(aws, items)
    door.advance(2 * HOUR + 60)
    until(lambda: "new" in listed(aws, newest), "an update")
    assert "new" not in listed(aws, older)


def test_trends_are_found_anew_in_the_rhythm_of_their_windows(aws: Aws, door: FaultDoor) -> None:
    group, items = filled(aws)
    config = {"featureTransformationParameters": {"trend_discovery_frequency": "30 minutes"}}
    solution = aws.solution(group, "aws-trending-now", performAutoTraining=False, solutionConfig=config)
    campaign, tracking_id = aws.campaign(aws.version(solution)), aws.tracker(group)
    put(aws, items)
    for number in range(20):
        aws.click(tracking_id, "new", user=f"t{number}", sentAt=1_700_000_000 + number)
    assert "new" not in listed(aws, campaign)
    door.advance(HOUR / 2 + 60)
    until(lambda: next(iter(listed(aws, campaign))) == "new", "an update")


def test_trends_have_no_batch_jobs(aws: Aws) -> None:
    group, _ = filled(aws)
    version = aws.version(aws.solution(group, "aws-trending-now", performAutoTraining=False))
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="not for batch inference jobs"):
        aws.control.create_batch_inference_job(
            jobName="trends",
            solutionVersionArn=version,
            jobInput={"s3DataSource": {"path": "s3://reading/asked.json"}},
            jobOutput={"s3DataDestination": {"path": "s3://reading/answers/"}},
            roleArn=ROLE,
        )


def test_an_update_that_fails_leaves_no_files(
    aws: Aws, door: FaultDoor, running: EngineHere, caplog: pytest.LogCaptureFixture
) -> None:
    group, items = filled(aws)
    version = aws.version(aws.solution(group, FIRST, **FAST))
    aws.campaign(version)
    folder = running.data_dir / "files" / aws.region / "123456789012" / version.split(":")[5]
    (folder / "trained-until").unlink()  # as when the version is deleted meanwhile
    put(aws, items)
    door.advance(3 * HOUR)
    assert f"no update of {version}" in caplog.text
    assert not list(folder.glob("update-*"))


def test_a_batch_job_begins_with_an_update(aws: Aws, running: Engine) -> None:
    group, items = filled(aws)
    version = aws.version(aws.solution(group, FIRST, **FAST))
    put(aws, items)
    (running.s3_root / "b/users.json").write_text('{"userId": "u1"}\n')
    output: Argument = {"s3DataDestination": {"path": f"s3://b/{aws.region}/"}}
    made = aws.control.create_batch_inference_job(
        jobName="batch",
        solutionVersionArn=version,
        numResults=100,
        jobInput={"s3DataSource": {"path": "s3://b/users.json"}},
        jobOutput=output,
        roleArn=ROLE,
    )
    aws.settle("BatchInferenceJob", made["batchInferenceJobArn"])
    assert '"new"' in (running.s3_root / "b" / aws.region / "users.json.out").read_text()


def test_texts_are_read_anew_half_an_hour_later_where_the_solution_asks(aws: Aws, door: FaultDoor) -> None:
    texts = [{"name": "NAME", "type": "string", "itemName": True}, {"name": "TEXT", "type": "string", "textual": True}]
    head = {"type": "record", "name": "Items", "namespace": "com.amazonaws.personalize.schema"}
    schema = json.dumps(head | {"fields": [{"name": "ITEM_ID", "type": "string"}, *texts]})
    group, arn = aws.group(), aws.control.create_schema(name="texts", schema=schema)["schemaArn"]
    made = aws.control.create_dataset(name="texts", schemaArn=arn, datasetGroupArn=group, datasetType="Items")
    rows = [(f"i{n}", f"N{n}", "green tea leaves" if n % 2 else "camping tent poles") for n in range(8)]
    write_csv(aws.engine.s3_root / "b/texts.csv", ["ITEM_ID", "NAME", "TEXT"], rows)
    aws.imported(made["datasetArn"], "s3://b/texts.csv", "texts")
    solution = aws.solution(group, "aws-semantic-similarity")
    campaign = aws.campaign(aws.version(solution))
    new: Argument = {"itemId": "new", "properties": json.dumps({"name": "Pot", "text": "leaves of tea"})}
    aws.events.put_items(datasetArn=made["datasetArn"], items=[new])
    door.advance(3 * HOUR)
    aws.control.update_solution(solutionArn=solution, performIncrementalUpdate=True)
    aws.settled_update("Solution", solution)
    assert len(listed(aws, campaign, itemId="i1")) == 7
    door.advance(60)
    until(lambda: "new" in listed(aws, campaign, itemId="i1"), "an update")
    assert set(list(listed(aws, campaign, itemId="new"))[:4]) == {"i1", "i3", "i5", "i7"}
    door.advance(7 * 24 * HOUR)
    until(lambda: len(aws.control.list_solution_versions(solutionArn=solution)["solutionVersions"]) == 2, "a training")


def test_a_new_action_is_explored_two_hours_later(aws: Aws, door: FaultDoor, running: Engine) -> None:
    write_csv(running.s3_root / "b/actions.csv", columns("Actions"), ACTIONS)
    write_csv(running.s3_root / "b/actioninteractions.csv", columns("ActionInteractions"), history())
    group = aws.group()
    made = {kind: make_dataset(aws, group, kind) for kind in TYPES}
    for kind, dataset in made.items():
        aws.imported(dataset, f"s3://b/{kind.lower()}.csv", kind)
    campaign = aws.campaign(aws.version(aws.solution(group, "aws-next-best-action", performAutoTraining=False)))
    aws.events.put_actions(datasetArn=made["Actions"], actions=[{"actionId": "new", "properties": '{"value": 10}'}])

    def scores() -> dict[str, float]:
        answer = aws.runtime.get_action_recommendations(campaignArn=campaign, userId="u1", numResults=100)
        return {action["actionId"]: action["score"] for action in answer["actionList"]}

    before = scores()
    assert "new" not in before
    door.advance(2 * HOUR + 60)
    until(lambda: "new" in scores(), "an update")
    assert scores() == before | {"new": 0.0}
