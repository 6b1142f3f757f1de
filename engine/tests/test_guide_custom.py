# SPDX-License-Identifier: Apache-2.0
"""The flows of AWS's developer guide in a custom dataset group: by boto3 by day, by every client at night."""

import json
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from engine.tests.calls import Json, Refused
from engine.tests.doors import gone, opened, settled
from engine.tests.guide import MOVIES, START, Tutorial, custom_tutorial
from engine.tests.harness import Engine, EngineProcess, until
from engine.tests.names import RECIPE, ROLE
from engine.tests.shop_data import schema, write_csv

DAY: Final = 86_400
DOORS: Final = ["boto3", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("cli", "javascript"))]


@pytest.fixture(scope="module")
def slow_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine as it starts by itself, whose statuses take a while."""
    with EngineProcess(tmp_path_factory.mktemp("guide"), step_seconds=0.05) as process:
        yield process


def getting_started(tutorial: Tutorial) -> None:
    """getting-started-python.html: from an empty account to recommendations."""
    described = tutorial.door.call("DescribeDatasetGroup", datasetGroupArn=tutorial.group)["datasetGroup"]
    assert (described["name"], described["status"]) == ("getting-started", "ACTIVE")
    assert len(tutorial.ids(userId="u1", numResults=10)) == 10
    metrics = tutorial.door.call("GetSolutionMetrics", solutionVersionArn=tutorial.version)["metrics"]
    assert {"coverage", "precision_at_5", "mean_reciprocal_rank_at_25"} <= set(metrics)


def filter_with_values_in_it(tutorial: Tutorial) -> None:
    """filter-real-time.html, filter-expressions.html: fixed values, and what the user saw."""
    comedies = tutorial.filter("comedies", 'INCLUDE ItemID WHERE Items.GENRES IN ("comedy")')
    assert set(tutorial.ids(userId="u1", filterArn=comedies)) <= {f"i{n}" for n in range(20)}
    unseen = tutorial.filter("unseen", 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")')
    assert len(tutorial.ids(userId="u0", filterArn=unseen, numResults=40)) == 20
    gold = 'EXCLUDE ItemID WHERE Items.GENRES IN ("comedy") IF CurrentUser.MEMBERSHIP IN ("gold")'
    members = tutorial.filter("members", gold)
    assert not set(tutorial.ids(userId="u0", filterArn=members)) & {f"i{n}" for n in range(20)}


def filter_with_placeholders(tutorial: Tutorial) -> None:
    """filter-real-time.html: each value in quotation marks, several with commas; an EXCLUDE may go without."""
    genre = tutorial.filter("genre", "INCLUDE ItemID WHERE Items.GENRES IN ($GENRE)")
    both = tutorial.ids(userId="u1", filterArn=genre, filterValues={"GENRE": '"comedy","drama"'}, numResults=40)
    assert len(both) == 40
    with pytest.raises(Refused, match="InvalidInputException"):
        tutorial.ids(userId="u1", filterArn=genre)
    old = tutorial.filter("old", "EXCLUDE ItemID WHERE Items.CREATION_TIMESTAMP < $DATE")
    assert tutorial.ids(userId="u1", filterArn=old, numResults=40) == tutorial.ids(userId="u1", numResults=40)
    recent = tutorial.ids(userId="u1", filterArn=old, filterValues={"DATE": str(START - 10 * DAY)}, numResults=40)
    assert set(recent) == {f"i{n}" for n in range(11)}


def promoted_items(tutorial: Tutorial) -> None:
    """promoting-items.html: half of an answer from a promotion's filter, the rest from the request's."""
    chosen = tutorial.filter("not-i3", "INCLUDE ItemID WHERE Items.LENGTH >= $LENGTH")
    in_house = tutorial.filter("in-house", "INCLUDE ItemID WHERE Items.OWNER IN ($OWNER)")
    promotion = {"name": "promotionName", "percentPromotedItems": 50, "filterArn": in_house}
    promotion["filterValues"] = {"OWNER": '"in-house"'}
    items = tutorial.items(
        userId="u1", numResults=10, filterArn=chosen, filterValues={"LENGTH": "70"}, promotions=[promotion]
    )
    promoted = [item["itemId"] for item in items if item.get("promotionName") == "promotionName"]
    assert (len(items), len(promoted)) == (10, 5)
    assert all(int(item[1:]) % 2 == 0 for item in promoted)
    assert all(int(item["itemId"][1:]) >= 10 for item in items if "promotionName" not in item)


def contextual_metadata(tutorial: Tutorial) -> None:
    """contextual-metadata.html: a column of Interactions as the context of a request, known or new."""
    for device in ("phone", "mobile phone"):
        assert len(tutorial.ids(userId="u1", context={"DEVICE": device}, numResults=5)) == 5


def metadata_in_answers(tutorial: Tutorial) -> None:
    """getting-recommendations-with-metadata.html: columns of Items in the answer."""
    items = tutorial.items(userId="u1", numResults=3, metadataColumns={"ITEMS": ["GENRES", "OWNER"]})
    assert {name for item in items for name in item["metadata"]} == {"GENRES", "OWNER"}


def recorded_events(tutorial: Tutorial) -> None:
    """recording-item-interaction-events.html: a tracker, and events right after it, old form and new."""
    made = tutorial.door.call("CreateEventTracker", name="MovieClickTracker", datasetGroupArn=tutorial.group)
    event: Json = {"sentAt": START + 10**6, "eventType": "click", "eventId": "event1"}
    old_form = event | {"properties": json.dumps({"itemId": "i7", "device": "tv"})}
    new_form = event | {"itemId": "i9", "eventId": "event2", "eventValue": 4.5, "impression": ["i9", "i1"]}
    common = {"trackingId": made["trackingId"], "userId": "guide-user", "sessionId": "session_id"}
    tutorial.door.call("PutEvents", eventList=[old_form, new_form], **common)
    seen = tutorial.filter("seen", 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Click")')
    assert set(tutorial.ids(userId="guide-user", filterArn=seen)) == {"i7", "i9"}


def records_put_one_by_one(tutorial: Tutorial) -> None:
    """importing-items.html, importing-users.html: `properties` in camelCase."""
    film = {"genres": "drama", "owner": "in-house", "creationTimestamp": START, "length": 90}
    item = {"itemId": "new-film", "properties": json.dumps(film)}
    tutorial.door.call("PutItems", datasetArn=tutorial.datasets["Items"], items=[item])
    user = {"userId": "new-viewer", "properties": json.dumps({"membership": "gold", "age": 30})}
    tutorial.door.call("PutUsers", datasetArn=tutorial.datasets["Users"], users=[user])
    comedies = 'EXCLUDE ItemID WHERE Items.GENRES IN ("comedy") IF CurrentUser.AGE = 30'
    chosen = tutorial.filter("aged", comedies)
    assert not set(tutorial.ids(userId="new-viewer", filterArn=chosen)) & {f"i{n}" for n in range(20)}


def batch_inference(tutorial: Tutorial) -> None:
    """creating-batch-inference-job.html: users in JSON Lines, answers beside, with a placeholder's values."""
    genre = tutorial.filter("batch", "INCLUDE ItemID WHERE Items.GENRES IN ($GENRES)")
    queries = [{"userId": f"u{n}", "filterValues": {"GENRES": '"drama"'}} for n in range(3)]
    (tutorial.folder / "in.json").write_text("\n".join(map(json.dumps, queries)))
    job = tutorial.made(
        "CreateBatchInferenceJob",
        solutionVersionArn=tutorial.version,
        jobName="getting-started-batch",
        roleArn=ROLE,
        filterArn=genre,
        numResults=7,
        batchInferenceJobConfig={
            "itemExplorationConfig": {"explorationWeight": "0.3", "explorationItemAgeCutOff": "30"}
        },
        jobInput={"s3DataSource": {"path": f"s3://{tutorial.bucket}/in.json"}},
        jobOutput={"s3DataDestination": {"path": f"s3://{tutorial.bucket}/out/"}},
    )
    settled(tutorial.door, "BatchInferenceJob", job)
    lines = [json.loads(line) for line in (tutorial.folder / "out/in.json.out").read_text().splitlines()]
    assert [line["input"]["userId"] for line in lines] == ["u0", "u1", "u2"]
    dramas = {"new-film", *(f"i{n}" for n in range(20, 40))}
    answers = [line["output"]["recommendedItems"] for line in lines]
    assert all(len(items) == 7 and set(items) <= dramas for items in answers)


def user_segments(tutorial: Tutorial) -> None:
    """creating-batch-seg-job.html: those who like a film."""
    version = tutorial.trained("aws-item-affinity", "segments")
    (tutorial.folder / "films.json").write_text('{"itemId": "i1"}\n{"itemId": "i30"}\n')
    job = tutorial.made(
        "CreateBatchSegmentJob",
        solutionVersionArn=version,
        jobName="getting-started-segments",
        roleArn=ROLE,
        numResults=10,
        jobInput={"s3DataSource": {"path": f"s3://{tutorial.bucket}/films.json"}},
        jobOutput={"s3DataDestination": {"path": f"s3://{tutorial.bucket}/segments/"}},
    )
    settled(tutorial.door, "BatchSegmentJob", job)
    lines = (tutorial.folder / "segments/films.json.out").read_text().splitlines()
    assert [len(json.loads(line)["output"]["usersList"]) for line in lines] == [10, 10]


def exported_data(tutorial: Tutorial) -> None:
    """export-data.html: a folder in S3 with a file of the schema's columns."""
    mode = "ALL"
    job = tutorial.made(
        "CreateDatasetExportJob",
        jobName=f"export-{mode}",
        datasetArn=tutorial.datasets["Users"],
        ingestionMode=mode,
        roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": f"s3://{tutorial.bucket}/export-{mode}/"}},
    )
    settled(tutorial.door, "DatasetExportJob", job)
    (file,) = (tutorial.folder / f"export-{mode}").glob("**/*.csv")
    assert file.read_text().splitlines()[0] == "USER_ID,MEMBERSHIP,AGE"


def schema_with_new_columns(tutorial: Tutorial) -> None:
    """updating-dataset-schema.html: new columns allow null; then an import with them, and a filter on them."""
    column = {"STUDIO": {"type": ["null", "string"], "categorical": True}}
    new = tutorial.made("CreateSchema", name="updated-movies", schema=schema("Items", {**MOVIES, **column}))
    items = tutorial.datasets["Items"]
    tutorial.door.call("UpdateDataset", datasetArn=items, schemaArn=new)
    settled(tutorial.door, "Dataset", items)
    described = tutorial.door.call("DescribeDataset", datasetArn=items)["dataset"]
    assert (described["schemaArn"], described["latestDatasetUpdate"]["status"]) == (new, "ACTIVE")
    films = [(f"i{n}", "comedy", "studio", START, 60, ("A", "")[n % 2]) for n in range(40)]
    write_csv(tutorial.folder / "more.csv", [*MOVIES, "STUDIO"], films)
    tutorial.imported(items, "more.csv", "with-studios", importMode="INCREMENTAL")
    studio = tutorial.filter("studio", 'INCLUDE ItemID WHERE Items.STUDIO IN ("A")')
    assert len(tutorial.ids(userId="u1", filterArn=studio, numResults=40)) == 20


def metric_attribution(tutorial: Tutorial) -> None:
    """creating-metric-attribution.html, event-metrics.html: made, listed, changed; events with their source."""
    door = tutorial.door
    metrics = [
        {"eventType": "click", "expression": "SAMPLECOUNT()", "metricName": "clicks"},
        {"eventType": "watch", "expression": "SUM(Items.LENGTH)", "metricName": "minutes"},
    ]
    output = {"roleArn": ROLE, "s3DataDestination": {"path": f"s3://{tutorial.bucket}/reports/"}}
    common = {"name": "impact", "datasetGroupArn": tutorial.group, "metrics": metrics, "metricsOutputConfig": output}
    arn = settled(door, "MetricAttribution", tutorial.made("CreateMetricAttribution", **common))
    more = {"eventType": "click", "expression": "SUM(Items.LENGTH)", "metricName": "clicked"}
    door.call("UpdateMetricAttribution", metricAttributionArn=arn, addMetrics=[more], removeMetrics=["clicks"])
    settled(door, "MetricAttribution", arn)

    def names() -> set[str]:
        listed = door.call("ListMetricAttributionMetrics", metricAttributionArn=arn)["metrics"]
        return {metric["metricName"] for metric in listed}

    until(lambda: names() == {"minutes", "clicked"}, "the update of the metrics")
    (tracker,) = door.call("ListEventTrackers", datasetGroupArn=tutorial.group)["eventTrackers"]
    tracking = door.call("DescribeEventTracker", eventTrackerArn=tracker["eventTrackerArn"])["eventTracker"][
        "trackingId"
    ]
    event = {"eventId": "event9", "eventType": "watch", "itemId": "i1", "sentAt": START, "eventValue": 1.0}
    source = {"metricAttribution": {"eventAttributionSource": "thirdPartyServiceXYZ"}}
    common = {"trackingId": tracking, "userId": "u1", "sessionId": "s"}
    door.call("PutEvents", eventList=[event | source], **common)
    gone(door, "MetricAttribution", arn)


def automatic_training(tutorial: Tutorial) -> None:
    """solution-config-auto-training.html: on by default, with a schedule; a campaign follows the newest version."""
    door = tutorial.door
    config = {"autoTrainingConfig": {"schedulingExpression": "rate(1 day)"}}
    common = {"name": "automatic", "datasetGroupArn": tutorial.group, "solutionConfig": config}
    solution = tutorial.made("CreateSolution", recipeArn=f"{RECIPE}aws-popularity-count", **common)
    settled(door, "Solution", solution)
    described = door.call("DescribeSolution", solutionArn=solution)["solution"]
    assert (described["performAutoTraining"], described["solutionConfig"]) == (True, config)
    settled(door, "SolutionVersion", tutorial.made("CreateSolutionVersion", solutionArn=solution))
    follows = {"campaignConfig": {"syncWithLatestSolutionVersion": True}}
    campaign = tutorial.made("CreateCampaign", name="follows", solutionVersionArn=f"{solution}/$LATEST", **follows)
    settled(door, "Campaign", campaign)
    weekly = {"autoTrainingConfig": {"schedulingExpression": "rate(7 days)"}}
    door.call("UpdateSolution", solutionArn=solution, performAutoTraining=True, solutionUpdateConfig=weekly)


def deleted_users(tutorial: Tutorial) -> None:
    """delete-records.html: users in a CSV file, found in no dataset afterwards."""
    write_csv(tutorial.folder / "leaving/users.csv", ["USER_ID"], [("u58",), ("u59",)])
    common = {"datasetGroupArn": tutorial.group, "jobName": "leaving", "roleArn": ROLE}
    source = {"dataLocation": f"s3://{tutorial.bucket}/leaving/"}
    job = tutorial.made("CreateDataDeletionJob", dataSource=source, **common)
    settled(tutorial.door, "DataDeletionJob", job, "COMPLETED")
    described = tutorial.door.call("DescribeDataDeletionJob", dataDeletionJobArn=job)["dataDeletionJob"]
    assert described["numDeleted"] > 0


def cleaned_up(tutorial: Tutorial) -> None:
    """deleting-resources.html: campaigns, filters, solutions, tracker, datasets, schemas, group, in this order."""
    door, group = tutorial.door, {"datasetGroupArn": tutorial.group}
    for solution in door.call("ListSolutions", **group)["solutions"]:
        for campaign in door.call("ListCampaigns", solutionArn=solution["solutionArn"])["campaigns"]:
            settled(door, "Campaign", campaign["campaignArn"])
            gone(door, "Campaign", campaign["campaignArn"])
    for filter_ in door.call("ListFilters", **group)["Filters"]:
        gone(door, "Filter", filter_["filterArn"])
    for solution in door.call("ListSolutions", **group)["solutions"]:
        gone(door, "Solution", solution["solutionArn"])
    for tracker in door.call("ListEventTrackers", **group)["eventTrackers"]:
        gone(door, "EventTracker", tracker["eventTrackerArn"])
    for dataset in door.call("ListDatasets", **group)["datasets"]:
        gone(door, "Dataset", dataset["datasetArn"])
    for listed_schema in door.call("ListSchemas")["schemas"]:
        door.call("DeleteSchema", schemaArn=listed_schema["schemaArn"])
    gone(door, "DatasetGroup", tutorial.group)
    assert door.call("ListDatasetGroups")["datasetGroups"] == []


FLOWS: Final[tuple[Callable[[Tutorial], None], ...]] = (
    getting_started,
    filter_with_values_in_it,
    filter_with_placeholders,
    promoted_items,
    contextual_metadata,
    metadata_in_answers,
    recorded_events,
    records_put_one_by_one,
    batch_inference,
    user_segments,
    exported_data,
    schema_with_new_columns,
    metric_attribution,
    automatic_training,
    deleted_users,
    cleaned_up,
)
"""In an order in which each finds what it needs, and the last one nothing but what is left."""


@pytest.mark.parametrize("name", DOORS)
def test_flows_of_the_guide(slow_engine: Engine, subtests: pytest.Subtests, name: str) -> None:
    region = f"guide-{name}"
    with opened(name, slow_engine, region) as door:
        tutorial = custom_tutorial(door, slow_engine, region)
        for flow in FLOWS:
            with subtests.test(flow.__name__):
                flow(tutorial)
