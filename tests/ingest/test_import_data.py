# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Mapping
from typing import Any

import pytest
from personalization.core.errors import Broken, Rejected, RetryLater
from personalization.core.status import Progress, progress

from functions.import_data.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import load, said

pytestmark = pytest.mark.usefixtures("aws", "table")

CREATES = {
    "dataset_group": "CreateDatasetGroup",
    "schema": "CreateSchema",
    "dataset": "CreateDataset",
    "event_tracker": "CreateEventTracker",
    "metric_attribution": "CreateMetricAttribution",
    "filter": "CreateFilter",
    "recommender": "CreateRecommender",
    "import_job": "CreateDatasetImportJob",
}
RECOMMENDER = {
    "status": "ACTIVE",
    "datasetGroupArn": f"{ARN}:dataset-group/retail-demo",
    "recipeArn": "arn:aws:personalize:::recipe/aws-ecomm-frequently-bought-together",
    "recommenderConfig": {"minRecommendationRequestsPerSecond": 1, "enableMetadataWithRecommendations": False},
}
ATTRIBUTION = {
    "metricAttributionArn": f"{ARN}:metric-attribution/retail-demo-metrics",
    "name": "retail-demo-metrics",
    "status": "ACTIVE",
}
DESCRIBES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "dataset_group": ("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE"}}),
    "schema": ("DescribeSchema", {"schema": {"schema": "{}"}}),
    "dataset": ("DescribeDataset", {"dataset": {"status": "ACTIVE"}}),
    "event_tracker": (
        "ListEventTrackers",
        {"eventTrackers": [{"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}]},
    ),
    "metric_attribution": ("ListMetricAttributions", {"metricAttributions": [ATTRIBUTION]}),
    "filter": ("DescribeFilter", {"filter": {"status": "ACTIVE", "filterExpression": "?"}}),
    "recommender": ("DescribeRecommender", {"recommender": RECOMMENDER}),
    "import_job": ("DescribeDatasetImportJob", {"datasetImportJob": {"status": "ACTIVE"}}),
}


@pytest.mark.parametrize("name", CREATES)
def test_what_is_not_there_is_created(name: str, personalize: FakePersonalize) -> None:
    step = handler(load(f"import_data_{name}"), None)
    assert personalize.operations()[-1] == CREATES[name]
    assert str(step["arn"]).startswith(f"{ARN}:")
    assert step["status"] == ("ACTIVE" if name == "schema" else "CREATE PENDING")


@pytest.mark.parametrize("name", CREATES)
def test_what_is_there_is_found_and_nothing_is_created(name: str, personalize: FakePersonalize) -> None:
    event = load(f"import_data_{name}")
    operation, answer = DESCRIBES[name]
    personalize.says(operation, answer)
    if name == "filter":
        event["filter"]["expression"] = "?"
    more = []
    if name == "metric_attribution":
        more = ["ListMetricAttributionMetrics"]
        personalize.says(more[0], {"metrics": event["plan"]["metricAttribution"]["metrics"]})
    assert handler(event, None)["status"] == "ACTIVE"
    assert personalize.operations() == [operation, *more]


@pytest.mark.parametrize("name", [name for name in CREATES if name not in {"event_tracker", "metric_attribution"}])
def test_somebody_elses_creation_counts_as_found(name: str, personalize: FakePersonalize) -> None:
    personalize.fails(CREATES[name], "ResourceAlreadyExistsException", "Another resource with Arn x already exists.")
    assert str(handler(load(f"import_data_{name}"), None)["arn"]).startswith(f"{ARN}:")


@pytest.mark.parametrize(("status", "deleted"), [("CREATE FAILED", True), ("DELETE IN_PROGRESS", False)])
@pytest.mark.parametrize(
    "name", ["dataset_group", "dataset", "event_tracker", "metric_attribution", "filter", "recommender"]
)
def test_what_never_came_into_being_is_removed_before_it_is_made_again(
    name: str, status: str, deleted: bool, personalize: FakePersonalize
) -> None:
    operation, answer = DESCRIBES[name]
    personalize.says(operation, json.loads(json.dumps(answer).replace("ACTIVE", status)))
    with pytest.raises(RetryLater, match=status):
        handler(load(f"import_data_{name}"), None)
    assert personalize.operations() == [operation, *([CREATES[name].replace("Create", "Delete")] if deleted else [])]


def test_a_tracker_that_somebody_else_made_is_looked_up(personalize: FakePersonalize) -> None:
    personalize.says("ListEventTrackers", {"eventTrackers": []})
    personalize.says(*DESCRIBES["event_tracker"])
    personalize.fails("CreateEventTracker", "ResourceAlreadyExistsException")
    step = handler(load("import_data_event_tracker"), None)
    assert said(step) == {"arn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}


def test_metrics_that_the_settings_change_are_replaced_and_others_stay(personalize: FakePersonalize) -> None:
    event = load("import_data_metric_attribution")
    purchases, revenue = event["plan"]["metricAttribution"]["metrics"]
    personalize.says(*DESCRIBES["metric_attribution"])
    changed = {**revenue, "expression": "SUM(Interactions.AMOUNT)"}
    personalize.says(
        "ListMetricAttributionMetrics", {"metrics": [purchases, changed, {**purchases, "metricName": "x"}]}
    )
    assert handler(event, None)["status"] == "UPDATE PENDING"
    request = personalize.body_of("UpdateMetricAttribution")
    assert (request["addMetrics"], request["removeMetrics"]) == ([revenue], ["revenue", "x"])


def test_metrics_that_change_already_are_waited_for(personalize: FakePersonalize) -> None:
    personalize.says(
        "ListMetricAttributions", {"metricAttributions": [{**ATTRIBUTION, "status": "UPDATE IN_PROGRESS"}]}
    )
    assert handler(load("import_data_metric_attribution"), None)["status"] == "UPDATE IN_PROGRESS"
    assert "UpdateMetricAttribution" not in personalize.operations()


def test_a_metric_attribution_that_somebody_made_by_hand_stays(personalize: FakePersonalize) -> None:
    personalize.says("ListMetricAttributions", {"metricAttributions": [{**ATTRIBUTION, "name": "by-hand"}]})
    with pytest.raises(Rejected, match="by-hand was not made by these settings"):
        handler(load("import_data_metric_attribution"), None)
    assert personalize.operations() == ["ListMetricAttributions"]


def test_a_metric_attribution_that_another_run_just_made_is_looked_up(personalize: FakePersonalize) -> None:
    event = load("import_data_metric_attribution")
    personalize.says("ListMetricAttributions", {"metricAttributions": []})
    personalize.says(*DESCRIBES["metric_attribution"])
    personalize.says("ListMetricAttributionMetrics", {"metrics": event["plan"]["metricAttribution"]["metrics"]})
    personalize.fails("CreateMetricAttribution", "ResourceAlreadyExistsException")
    assert said(handler(event, None)) == {"arn": ATTRIBUTION["metricAttributionArn"], "status": "ACTIVE"}


def test_without_metrics_the_step_does_nothing(personalize: FakePersonalize) -> None:
    event = load("import_data_event_tracker") | {"steps": ["eventTracker", "metricAttribution"]}
    personalize.says(*DESCRIBES["event_tracker"])
    assert handler(event, None)["ready"] is True
    assert personalize.operations() == ["ListEventTrackers"]


def changing(personalize: FakePersonalize, schema: str, **update: str) -> str:
    event = load("import_data_dataset")
    event["plan"]["dataset"]["changes"] = True
    more = {"latestDatasetUpdate": update} if update else {}
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": schema, **more}})
    return str(handler(event, None)["status"])


def test_a_dataset_that_the_plan_changes_gets_its_schema_once(personalize: FakePersonalize) -> None:
    wanted = load("import_data_dataset")["plan"]["schema"]["arn"]
    assert changing(personalize, "arn:another") == "UPDATE PENDING"
    assert personalize.body_of("UpdateDataset")["schemaArn"] == wanted
    personalize.reset()
    assert changing(personalize, wanted) == "ACTIVE"
    assert "UpdateDataset" not in personalize.operations()


def test_a_change_under_way_is_not_asked_for_again(personalize: FakePersonalize) -> None:
    wanted = load("import_data_dataset")["plan"]["schema"]["arn"]
    changing(personalize, "arn:another", schemaArn=wanted, status="UPDATE IN_PROGRESS")
    assert "UpdateDataset" not in personalize.operations()


def test_an_import_names_the_copy_and_the_role(personalize: FakePersonalize) -> None:
    event = load("import_data_import_job")
    handler(event, None)
    request = personalize.body_of("CreateDatasetImportJob")
    assert request["dataSource"] == {"dataLocation": event["plan"]["importJob"]["dataLocation"]}
    assert request["roleArn"] == "arn:aws:iam::123456789012:role/retail-personalize"
    assert request["importMode"] == "FULL"


@pytest.mark.parametrize(
    ("earlier", "status_of_run", "created"),
    [
        ("ACTIVE", None, None),
        ("CREATE IN_PROGRESS", None, None),
        ("CREATE FAILED", None, "own"),
        (None, None, "earlier"),
        ("CREATE FAILED", "ACTIVE", None),
    ],
)
def test_the_import_of_a_dead_run_is_adopted_unless_it_failed(
    earlier: str | None, status_of_run: str | None, created: str | None, personalize: FakePersonalize
) -> None:
    event = load("import_data_import_job")
    job = event["plan"]["importJob"]
    job["earlier"] = [{"name": "earlier", "arn": f"{ARN}:dataset-import-job/earlier"}]
    for status in (earlier, status_of_run):
        if status:
            personalize.says("DescribeDatasetImportJob", {"datasetImportJob": {"status": status}})
        else:
            personalize.fails("DescribeDatasetImportJob", "ResourceNotFoundException")
    step = handler(event, None)
    names = [body["jobName"] for operation, body in personalize.calls if operation.startswith("Create")]
    assert names == ([] if created is None else ["earlier" if created == "earlier" else job["name"]])
    if not created:
        assert step["status"] == (status_of_run or earlier)


def looked_at(personalize: FakePersonalize, name: str, told: Mapping[str, object]) -> dict[str, object]:
    """What a step answers that has made something and is asked again, when Personalize says this of it."""
    event = load(f"import_data_{name}")
    made = handler(event, None)["made"]
    personalize.says(DESCRIBES[name][0], {next(iter(DESCRIBES[name][1])): told})
    return handler({**event, "made": made}, None)


STATUSES = ["CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE", "DELETE PENDING", "DELETE IN_PROGRESS"]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", ["dataset_group", "dataset", "filter", "import_job"])
def test_what_was_made_is_ready_when_the_domain_says_so(name: str, status: str, personalize: FakePersonalize) -> None:
    answer = looked_at(personalize, name, {"status": status})
    assert (answer["status"], answer["ready"]) == (status, progress(status) is Progress.READY)
    assert personalize.operations().count(CREATES[name]) == 1


@pytest.mark.parametrize("status", ["CREATE FAILED", "UPDATE FAILED"])
@pytest.mark.parametrize("name", ["dataset_group", "dataset", "filter", "import_job"])
def test_what_fails_is_named_with_its_reason(name: str, status: str, personalize: FakePersonalize) -> None:
    with pytest.raises(Broken, match=r"retail-demo\S*: (no such bucket|Personalize gives no reason)"):
        looked_at(personalize, name, {"status": status, "failureReason": "no such bucket"})
    assert personalize.operations().count(CREATES[name]) == 1


@pytest.mark.usefixtures("personalize")
def test_what_was_just_made_may_not_be_seen_yet() -> None:
    event = load("import_data_filter")
    made = handler(event, None)["made"]
    with pytest.raises(RetryLater, match="it is not seen yet"):
        handler({**event, "made": made}, None)


def test_a_job_that_has_failed_before_is_told_with_its_reason(personalize: FakePersonalize) -> None:
    told = {"datasetImportJob": {"status": "CREATE FAILED", "failureReason": "no such bucket"}}
    personalize.says("DescribeDatasetImportJob", told)
    with pytest.raises(Broken, match="no such bucket"):
        handler(load("import_data_import_job"), None)
    assert "CreateDatasetImportJob" not in personalize.operations()


def test_the_jobs_of_a_file_follow_its_dataset_and_one_another(personalize: FakePersonalize) -> None:
    event = load("import_data_import_job") | {"steps": ["schema", "dataset", "importJob"]}
    job = event["plan"]["importJob"]
    second = {"name": "second", "arn": f"{ARN}:dataset-import-job/second", "earlier": []}
    event["plan"]["further"] = [{**job, **second}]
    made: object = {}
    stands = []
    for number in range(4):
        answer = handler({**event, "made": made}, None)
        stands.append((answer["name"], answer["ready"]))
        made = answer.get("made")
        if number < 3:
            name = "dataset" if number == 0 else "import_job"
            personalize.reset()
            personalize.says(*DESCRIBES[name])
            personalize.fails(DESCRIBES[name][0], "ResourceNotFoundException")
    assert stands == [
        (event["plan"]["dataset"]["name"], False), (job["name"], False), ("second", False), ("second", True),
    ]  # fmt: skip


CONFIG = {"minRecommendationRequestsPerSecond": 1, "enableMetadataWithRecommendations": False}
OTHER = CONFIG | {"minRecommendationRequestsPerSecond": 3}


@pytest.mark.parametrize(
    ("status", "update", "latest_config", "after"),
    [
        ("CREATE IN_PROGRESS", None, None, "waits"),
        ("ACTIVE", None, None, "ready"),
        ("ACTIVE", "CREATE IN_PROGRESS", CONFIG, "waits"),
        ("ACTIVE", "CREATE FAILED", CONFIG, "the update broke"),
        # What somebody asked for at another time is no business of this run.
        ("ACTIVE", "CREATE FAILED", OTHER, "ready"),
        ("START IN_PROGRESS", "ACTIVE", CONFIG, "waits"),
        ("STOP PENDING", "ACTIVE", CONFIG, "waits"),
        ("INACTIVE", "ACTIVE", CONFIG, "ready"),
        ("CREATE FAILED", None, None, "it broke"),
    ],
)
def test_a_recommender_is_waited_for_until_it_is_as_the_plan_has_it_or_stopped(
    status: str, update: str | None, latest_config: dict[str, object] | None, after: str, personalize: FakePersonalize
) -> None:
    event = load("import_data_recommender")
    latest = {"status": update, "failureReason": "the update broke", "recommenderConfig": latest_config}
    told = {"status": status, "failureReason": "it broke"} | ({"latestRecommenderUpdate": latest} if update else {})
    personalize.says("DescribeRecommender", {"recommender": told})
    event["made"] = {"arn": event["recommender"]["arn"]}
    if after in {"waits", "ready"}:
        assert handler(event, None)["ready"] == (after == "ready")
    else:
        with pytest.raises(Broken, match=f"{event['recommender']['name']}: {after}"):
            handler(event, None)
    assert personalize.operations() == ["DescribeRecommender"]


def test_a_custom_dataset_group_has_no_domain(personalize: FakePersonalize) -> None:
    event = load("import_data_dataset_group")
    handler(event, None)
    assert personalize.body_of("CreateDatasetGroup")["domain"] == "ECOMMERCE"
    event["plan"]["datasetGroup"]["domain"] = None
    handler(event, None)
    assert "domain" not in personalize.body_of("CreateDatasetGroup")


def test_a_filter_never_changes_under_its_name(personalize: FakePersonalize) -> None:
    personalize.says(*DESCRIBES["filter"])
    with pytest.raises(Rejected, match="give the changed one a new name"):
        handler(load("import_data_filter"), None)


def recommended(personalize: FakePersonalize, **more: object) -> dict[str, object]:
    event, there = load("import_data_recommender"), {**RECOMMENDER, **more}
    event["recommender"]["config"]["minRecommendationRequestsPerSecond"] = 2
    personalize.says("DescribeRecommender", {"recommender": there})
    return handler(event, None)


def test_a_new_recommender_is_of_the_shops_dataset_group_with_the_settings(personalize: FakePersonalize) -> None:
    event = load("import_data_recommender")
    handler(event, None)
    request = personalize.body_of("CreateRecommender")
    assert (request["name"], request["datasetGroupArn"]) == ("retail-demo-together", RECOMMENDER["datasetGroupArn"])
    assert (request["recipeArn"], request["recommenderConfig"]) == (
        RECOMMENDER["recipeArn"],
        event["recommender"]["config"],
    )


def test_a_recommender_is_changed_where_it_differs_and_keeps_what_the_settings_do_not_decide(
    personalize: FakePersonalize,
) -> None:
    config = {"itemExplorationConfig": {"explorationWeight": "0.5"}, "minRecommendationRequestsPerSecond": 1}
    assert recommended(personalize, recommenderConfig=config)["status"] == "CREATE PENDING"
    told = personalize.body_of("UpdateRecommender")["recommenderConfig"]
    assert told == config | {"minRecommendationRequestsPerSecond": 2, "enableMetadataWithRecommendations": False}
    personalize.reset()
    # Answers leave out what is as it is by default.
    assert recommended(personalize, recommenderConfig={"minRecommendationRequestsPerSecond": 2})["status"] == "ACTIVE"
    assert personalize.operations() == ["DescribeRecommender"]


WANTED = {"minRecommendationRequestsPerSecond": 2, "enableMetadataWithRecommendations": False}


@pytest.mark.parametrize(
    ("status", "config", "update", "then"),
    [
        ("ACTIVE", {}, {"status": "CREATE IN_PROGRESS", "recommenderConfig": WANTED}, "nothing"),
        ("ACTIVE", WANTED, {"status": "CREATE IN_PROGRESS", "recommenderConfig": {}}, "later"),
        ("ACTIVE", {}, {"status": "CREATE FAILED", "recommenderConfig": WANTED}, "update"),
        ("ACTIVE", WANTED, {"status": "CREATE FAILED", "recommenderConfig": WANTED}, "update"),
        ("ACTIVE", WANTED, {"status": "CREATE FAILED", "recommenderConfig": {}}, "nothing"),
        ("INACTIVE", {}, None, "nothing"),
        ("STOP IN_PROGRESS", {}, None, "later"),
        ("CREATE IN_PROGRESS", WANTED, None, "nothing"),
        ("CREATE IN_PROGRESS", {}, None, "later"),
    ],
)
def test_what_goes_on_with_a_recommender_is_not_asked_for_again(
    status: str,
    config: Mapping[str, object],
    update: Mapping[str, object] | None,
    then: str,
    personalize: FakePersonalize,
) -> None:
    more = {"latestRecommenderUpdate": update} if update else {}
    if then == "later":
        with pytest.raises(RetryLater, match="at work on the recommender"):
            recommended(personalize, status=status, recommenderConfig=config, **more)
    else:
        recommended(personalize, status=status, recommenderConfig=config, **more)
    assert ("UpdateRecommender" in personalize.operations()) == (then == "update")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"recipeArn": "arn:aws:personalize:::recipe/aws-ecomm-popular-items-by-views"}, "for another use case"),
        ({"datasetGroupArn": f"{ARN}:dataset-group/retail-demo-2"}, "of another shop"),
    ],
)
def test_a_name_that_something_else_has_is_refused(
    more: Mapping[str, str], reason: str, personalize: FakePersonalize
) -> None:
    with pytest.raises(Rejected, match=reason):
        recommended(personalize, **more)
    assert personalize.operations() == ["DescribeRecommender"]


@pytest.mark.parametrize(
    ("operation", "event"),
    [("CreateDatasetGroup", "import_data_dataset_group"), ("CreateFilter", "import_data_filter")],
)
def test_what_may_be_a_rate_or_a_quota_is_waited_for_some_minutes_and_says_what_to_do(
    operation: str, event: str, personalize: FakePersonalize
) -> None:
    """Personalize has one word for both, and publishes the message of one quota only."""
    personalize.fails(operation, "LimitExceededException", "More than 5 resources with PENDING or IN_PROGRESS status.")
    step = handler(load(event), None)
    assert (step["status"], step["patience"], step["ready"]) == ("WAITING", 10, False)
    assert "delete what is no longer used, or ask for more" in str(step["reason"])
    personalize.says(operation, {})
    again = handler({**load(event), "made": step["made"]}, None)
    assert again["status"] == "CREATE PENDING"
    assert "patience" not in again


@pytest.mark.parametrize("words", ["More than 5 resources with PENDING or IN_PROGRESS status.", "Too many.", ""])
def test_where_there_is_no_room_for_a_job_the_machine_is_told_so(words: str, personalize: FakePersonalize) -> None:
    personalize.fails("CreateDatasetImportJob", "LimitExceededException", words)
    event = load("import_data_import_job")
    step = handler(event, None)
    assert (step["arn"], step["status"]) == (event["plan"]["dataset"]["arn"], "WAITING")
    assert "patience" not in step
    assert str(step["reason"]).startswith("LimitExceededException: ")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ResourceInUseException", RetryLater),
        ("ThrottlingException", RetryLater),
        ("InvalidInputException", Rejected),
        ("AccessDeniedException", Broken),
        ("ResourceNotFoundException", Broken),
    ],
)
def test_every_refusal_has_our_word(code: str, error: type[Exception], personalize: FakePersonalize) -> None:
    personalize.fails("CreateDataset", code, "because")
    with pytest.raises(error, match=r"retail-demo-interactions: .*because"):
        handler(load("import_data_dataset"), None)


def test_a_step_that_nobody_knows_is_an_error(personalize: FakePersonalize) -> None:
    with pytest.raises(Broken, match=r"the step's input: .*steps"):
        handler({**load("import_data_schema"), "steps": ["cake"]}, None)
    with pytest.raises(Broken, match="needs a filter"):
        handler({**load("import_data_filter"), "filter": None}, None)
    with pytest.raises(Broken, match="needs a recommender"):
        handler({**load("import_data_recommender"), "recommender": None}, None)
    assert personalize.calls == []


def test_an_import_job_that_is_older_than_its_run_is_none_of_its_drop(personalize: FakePersonalize) -> None:
    event = load("import_data_import_job")
    event["plan"]["begunAt"] = "2026-11-25T08:30:00+00:00"
    job = {"status": "ACTIVE", "creationDateTime": 1_794_990_600}
    personalize.says("DescribeDatasetImportJob", {"datasetImportJob": job})
    with pytest.raises(Broken, match="was made at 2026-11-18T08:30:00"):
        handler(event, None)


@pytest.mark.usefixtures("table")
def test_the_engine_imports_the_same_files_after_personalize(personalize: FakePersonalize) -> None:
    work = load("import_data_dataset_group")
    work["plan"]["isOnBoth"] = True
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE"}})
    made: Any = handler(work, None)
    assert (made["ready"], made["made"]["stage"]) == (False, 1)
    step = handler({**work, "made": made["made"]}, None)
    group = "dataset-group/retail-demo"
    assert (step["ready"], step["arn"]) == (True, f"{ARN.replace(':personalize:', ':engine:')}:{group}")
    assert personalize.operations() == ["DescribeDatasetGroup"]


@pytest.mark.usefixtures("table", "bucket")
def test_files_are_imported_on_the_backend_that_the_machine_names(personalize: FakePersonalize) -> None:
    work = load("import_data_import_job")
    work["plan"]["isOnBoth"] = True
    job = {"status": "ACTIVE", "creationDateTime": 1_794_990_600}
    personalize.says("DescribeDatasetImportJob", {"datasetImportJob": job})
    assert handler(work, None)["ready"] is True
    personalize.calls.clear()
    with pytest.raises(Broken):
        # The engine, unlike Amazon Personalize, has no dataset yet.
        handler({**work, "backend": "engine"}, None)
    assert personalize.operations() == []
