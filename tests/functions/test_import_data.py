# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

import pytest
from personalization.errors import Broken, LimitReached, Rejected, RetryLater

from functions.import_data.app import handler
from tests.functions.fakes import ARN, FakePersonalize
from tests.functions.samples import load

CREATES = {
    "dataset_group": "CreateDatasetGroup",
    "schema": "CreateSchema",
    "dataset": "CreateDataset",
    "event_tracker": "CreateEventTracker",
    "filter": "CreateFilter",
    "import_job": "CreateDatasetImportJob",
}
DESCRIBES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "dataset_group": ("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE"}}),
    "schema": ("DescribeSchema", {"schema": {"schema": "{}"}}),
    "dataset": ("DescribeDataset", {"dataset": {"status": "ACTIVE"}}),
    "event_tracker": (
        "ListEventTrackers",
        {"eventTrackers": [{"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}]},
    ),
    "filter": ("DescribeFilter", {"filter": {"status": "ACTIVE", "filterExpression": "?"}}),
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
    assert handler(event, None)["status"] == "ACTIVE"
    assert personalize.operations() == [operation]


@pytest.mark.parametrize("name", [name for name in CREATES if name != "event_tracker"])
def test_somebody_elses_creation_counts_as_found(name: str, personalize: FakePersonalize) -> None:
    personalize.fails(CREATES[name], "ResourceAlreadyExistsException", "Another resource with Arn x already exists.")
    assert str(handler(load(f"import_data_{name}"), None)["arn"]).startswith(f"{ARN}:")


def test_a_tracker_that_somebody_else_made_is_looked_up(personalize: FakePersonalize) -> None:
    personalize.says("ListEventTrackers", {"eventTrackers": []})
    personalize.says(*DESCRIBES["event_tracker"])
    personalize.fails("CreateEventTracker", "ResourceAlreadyExistsException")
    step = handler(load("import_data_event_tracker"), None)
    assert step == {"arn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}


def changing(personalize: FakePersonalize, schema: str, **update: str) -> str:
    event = load("import_data_dataset")
    event["plan"]["dataset"]["changes"] = True
    more = {"latestDatasetUpdate": update} if update else {}
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": schema, **more}})
    return str(handler(event, None)["status"])


def test_a_dataset_that_the_plan_changes_gets_its_schema_once(personalize: FakePersonalize) -> None:
    wanted = load("import_data_dataset")["plan"]["schema"]["arn"]
    assert changing(personalize, "arn:another") == "UPDATE PENDING"
    assert personalize.asked("UpdateDataset")["schemaArn"] == wanted
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
    asked = personalize.asked("CreateDatasetImportJob")
    assert asked["dataSource"] == {"dataLocation": event["plan"]["importJob"]["dataLocation"]}
    assert asked["roleArn"] == "arn:aws:iam::123456789012:role/retail-personalize"
    assert asked["importMode"] == "FULL"


def test_a_custom_dataset_group_has_no_domain(personalize: FakePersonalize) -> None:
    event = load("import_data_dataset_group")
    handler(event, None)
    assert personalize.asked("CreateDatasetGroup")["domain"] == "ECOMMERCE"
    event["plan"]["datasetGroup"]["domain"] = None
    handler(event, None)
    assert "domain" not in personalize.asked("CreateDatasetGroup")


def test_a_filter_never_changes_under_its_name(personalize: FakePersonalize) -> None:
    personalize.says(*DESCRIBES["filter"])
    with pytest.raises(Rejected, match="give the changed one a new name"):
        handler(load("import_data_filter"), None)


def test_a_quota_says_what_to_do(personalize: FakePersonalize) -> None:
    personalize.fails("CreateDatasetGroup", "LimitExceededException", "More than 5 resources in ACTIVE state.")
    with pytest.raises(LimitReached, match=r"More than 5 .*delete what is no longer used, or ask for more"):
        handler(load("import_data_dataset_group"), None)


def test_too_many_jobs_at_once_are_tried_again(personalize: FakePersonalize) -> None:
    message = "More than 5 resources with PENDING or IN_PROGRESS status."
    personalize.fails("CreateDatasetImportJob", "LimitExceededException", message)
    with pytest.raises(RetryLater, match="More than 5"):
        handler(load("import_data_import_job"), None)


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
    with pytest.raises(error, match=r"dataset/retail-demo/INTERACTIONS: .*because"):
        handler(load("import_data_dataset"), None)


def test_a_step_that_nobody_knows_is_an_error(personalize: FakePersonalize) -> None:
    with pytest.raises(Broken, match=r"the step's input: .*step"):
        handler({**load("import_data_schema"), "step": "cake"}, None)
    with pytest.raises(Broken, match="needs a filter"):
        handler({**load("import_data_filter"), "filter": None}, None)
    assert personalize.calls == []
