# SPDX-License-Identifier: Apache-2.0
"""CloudFormation's types of Personalize on the local AWS: made, changed, replaced and deleted with their stack."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from local.cloud import lifecycle
from local.cloud.environments import cloud_python
from local.cloud.home import Home, State, access
from tests.app.waiting import until

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "arn:aws:personalize:::recipe/aws-popularity-count"
ROLE = "arn:aws:iam::000000000000:role/anyone"
STRINGS = [{"name": name, "type": "string"} for name in ("USER_ID", "ITEM_ID", "EVENT_TYPE")]
FIELDS = [*STRINGS, {"name": "TIMESTAMP", "type": "long"}]
SCHEMA = {
    "type": "record",
    "name": "Interactions",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": FIELDS,
    "version": "1.0",
}
ROWS = "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n" + "".join(
    f"u{n % 30},i{n % 7},View,{1_780_000_000 + n}\n" for n in range(1200)
)
OFTEN = {"Delay": 0.3, "MaxAttempts": 200}

pytestmark = pytest.mark.skipif(not cloud_python().exists(), reason="no .local/cloud: make setup")


def template(job: str = "first", data: str = "rows.csv", **solution: object) -> dict[str, Any]:
    """A stack of the types that need no model; the properties of `solution` come on top."""
    source = {"DataSource": {"DataLocation": f"s3://shop/{data}"}, "JobName": job, "RoleArn": ROLE}
    group = {"Fn::GetAtt": ["Group", "DatasetGroupArn"]}
    resources: dict[str, tuple[str, dict[str, object]]] = {
        "Group": ("DatasetGroup", {"Name": "stack", "Tags": [{"Key": "team", "Value": "shop"}]}),
        "Schema": ("Schema", {"Name": "stack", "Schema": json.dumps(SCHEMA)}),
        "Data": (
            "Dataset",
            {
                "Name": "stack",
                "DatasetType": "Interactions",
                "DatasetGroupArn": group,
                "SchemaArn": {"Ref": "Schema"},
                "DatasetImportJob": source,
            },
        ),
        "Solution": (
            "Solution",
            {"Name": "stack", "DatasetGroupArn": group, "RecipeArn": RECIPE, "PerformHPO": "false", **solution},
        ),
        "Tracker": ("EventTracker", {"Name": "stack", "DatasetGroupArn": group}),
        "Filter": (
            "Filter",
            {
                "Name": "stack",
                "DatasetGroupArn": group,
                "FilterExpression": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("View")',
            },
        ),
        "Attribution": (
            "MetricAttribution",
            {
                "Name": "stack",
                "DatasetGroupArn": group,
                "Metrics": [{"EventType": "View", "MetricName": "VIEWS", "Expression": "SAMPLECOUNT()"}],
                "MetricsOutputConfig": {"RoleArn": ROLE},
            },
        ),
    }
    made: dict[str, Any] = {
        name: {"Type": f"AWS::Personalize::{kind}", "Properties": properties}
        for name, (kind, properties) in resources.items()
    }
    for name in ("Solution", "Tracker", "Filter", "Attribution"):
        made[name]["DependsOn"] = "Data"
    outputs: dict[str, object] = {f"{name}Ref": {"Value": {"Ref": name}} for name in made}
    outputs |= {f"{name}Arn": {"Value": {"Fn::GetAtt": [name, f"{kind}Arn"]}} for name, (kind, _) in resources.items()}
    outputs["Tracking"] = {"Value": {"Fn::GetAtt": ["Tracker", "TrackingId"]}}
    return {"Resources": made, "Outputs": outputs}


def served(version: str, **properties: object) -> dict[str, Any]:
    """The stack with a campaign that answers from a solution version."""
    source = template(job="second", Name="renamed", EventType="View")
    campaign = {"Name": "stack", "SolutionVersionArn": version, **properties}
    source["Resources"]["Campaign"] = {
        "Type": "AWS::Personalize::Campaign",
        "Properties": campaign,
        "DependsOn": "Solution",
    }
    source["Outputs"]["CampaignRef"] = {"Value": {"Ref": "Campaign"}}
    source["Outputs"]["CampaignStatus"] = {"Value": {"Fn::GetAtt": ["Campaign", "Status"]}}
    for name in ("Tracker", "Filter"):
        source["Resources"][name]["Properties"]["Tags"] = [{"Key": "team", "Value": "web"}]
    output = {"RoleArn": ROLE, "S3DataDestination": {"Path": "s3://shop/metrics/"}}
    source["Resources"]["Attribution"]["Properties"]["MetricsOutputConfig"] = output
    return source


class Stacks:
    """A local AWS, seen by a template's author."""

    def __init__(self, state: State) -> None:
        self.stacks = boto3.client("cloudformation", **access(state))
        self.resources = boto3.client("cloudcontrol", **access(state))
        self.personalize = boto3.client("personalize", **access(state, engine=True))

    def outputs(self, name: str) -> dict[str, str]:
        """The outputs of a stack, and its `status`."""
        (described,) = self.stacks.describe_stacks(StackName=name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])} | {
            "status": described["StackStatus"]
        }

    def create(self, name: str, source: dict[str, Any]) -> dict[str, str]:
        self.stacks.create_stack(StackName=name, TemplateBody=json.dumps(source))
        with suppress(WaiterError):
            self.stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=OFTEN)
        return self.outputs(name)

    def update(self, name: str, source: dict[str, Any]) -> dict[str, str]:
        self.stacks.update_stack(StackName=name, TemplateBody=json.dumps(source))
        with suppress(WaiterError):
            self.stacks.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=OFTEN)
        return self.outputs(name)

    def gone(self, name: str) -> bool:
        """Delete a stack."""
        self.stacks.delete_stack(StackName=name)
        try:
            self.stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=OFTEN)
        except WaiterError:
            return False
        return True

    def reasons(self, name: str) -> str:
        events = self.stacks.describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def carried_out(self, event: Any) -> Any:  # noqa: ANN401 - the SDK's own types are per operation
        """Wait until a request of Cloud Control has ended; returns its event."""
        token = event["ProgressEvent"]["RequestToken"]

        def seen() -> Any:  # noqa: ANN401
            return self.resources.get_resource_request_status(RequestToken=token)["ProgressEvent"]

        until(lambda: seen()["OperationStatus"] != "IN_PROGRESS", "Cloud Control has carried out a request")
        return seen()

    def make(self, noun: str, **properties: object) -> str:
        """Create a resource by Cloud Control; returns its identifier."""
        made = self.resources.create_resource(TypeName=f"AWS::Personalize::{noun}", DesiredState=json.dumps(properties))
        event = self.carried_out(made)
        assert event["OperationStatus"] == "SUCCESS", event
        return str(event["Identifier"])

    def described(self, noun: str, identifier: str) -> dict[str, Any]:
        """What Cloud Control tells of a resource."""
        answer = self.resources.get_resource(TypeName=f"AWS::Personalize::{noun}", Identifier=identifier)
        properties: dict[str, Any] = json.loads(answer["ResourceDescription"]["Properties"])
        return properties

    def names(self) -> dict[str, list[str]]:
        """The names of everything in Personalize."""
        resources: dict[str, Any] = {
            "groups": self.personalize.list_dataset_groups()["datasetGroups"],
            "schemas": self.personalize.list_schemas()["schemas"],
            "datasets": self.personalize.list_datasets()["datasets"],
            "solutions": self.personalize.list_solutions()["solutions"],
        }
        return {kind: [str(resource["name"]) for resource in several] for kind, several in resources.items()}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    home = Home(tmp_path_factory.mktemp("stacks"))
    state = lifecycle.start(home)
    try:
        lifecycle.wait_ready(home, state)
        s3 = boto3.client("s3", **access(state))
        s3.create_bucket(Bucket="shop")
        s3.put_object(Bucket="shop", Key="rows.csv", Body=ROWS.encode())
        yield Stacks(state)
    finally:
        lifecycle.stop(home)


def test_a_stack_makes_what_needs_no_model(cloud: Stacks) -> None:
    outputs = cloud.create("shop", template())
    assert outputs["status"] == "CREATE_COMPLETE", cloud.reasons("shop")
    for name in ("Group", "Schema", "Data", "Solution", "Tracker", "Filter", "Attribution"):
        assert outputs[f"{name}Ref"] == outputs[f"{name}Arn"]
    assert cloud.names() == {kind: ["stack"] for kind in ("groups", "schemas", "datasets", "solutions")}
    (job,) = cloud.personalize.list_dataset_import_jobs(datasetArn=outputs["DataRef"])["datasetImportJobs"]
    assert (job["jobName"], job["status"]) == ("first", "ACTIVE")
    assert cloud.personalize.describe_solution(solutionArn=outputs["SolutionRef"])["solution"]["performHPO"] is False
    tracker = cloud.personalize.describe_event_tracker(eventTrackerArn=outputs["TrackerRef"])["eventTracker"]
    assert tracker["trackingId"] == outputs["Tracking"]
    assert cloud.personalize.list_tags_for_resource(resourceArn=outputs["GroupRef"])["tags"] == [
        {"tagKey": "team", "tagValue": "shop"}
    ]


def test_another_import_job_changes_the_dataset_in_place(cloud: Stacks) -> None:
    before = cloud.outputs("shop")
    after = cloud.update("shop", template(job="second"))
    assert after == before | {"status": "UPDATE_COMPLETE"}, cloud.reasons("shop")
    jobs = cloud.personalize.list_dataset_import_jobs(datasetArn=after["DataRef"])["datasetImportJobs"]
    assert {job["jobName"] for job in jobs} == {"first", "second"}


def test_a_change_of_anything_else_replaces_a_resource_that_has_a_new_name(cloud: Stacks) -> None:
    before = cloud.outputs("shop")
    refused = cloud.update("shop", template(job="second", EventType="View"))
    assert refused["status"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "CloudFormation cannot update a stack when a custom-named resource requires replacing" in cloud.reasons(
        "shop"
    )
    after = cloud.update("shop", template(job="second", Name="renamed", EventType="View"))
    assert after["status"] == "UPDATE_COMPLETE", cloud.reasons("shop")
    assert after["SolutionRef"] != before["SolutionRef"]
    assert cloud.names()["solutions"] == ["renamed"]


def test_a_campaign_serves_changes_and_goes_back_with_its_stack(cloud: Stacks) -> None:
    solution = cloud.outputs("shop")["SolutionRef"]
    version = cloud.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]

    def status() -> str:
        described = cloud.personalize.describe_solution_version(solutionVersionArn=version)
        return str(described["solutionVersion"]["status"])

    until(lambda: status() in {"ACTIVE", "CREATE FAILED"}, "the training has ended")
    made = cloud.update("shop", served(version))
    assert (made["status"], made["CampaignStatus"]) == ("UPDATE_COMPLETE", "ACTIVE"), cloud.reasons("shop")
    for name in ("TrackerRef", "FilterRef"):
        tags = cloud.personalize.list_tags_for_resource(resourceArn=made[name])["tags"]
        assert tags == [{"tagKey": "team", "tagValue": "web"}]
    attribution = cloud.personalize.describe_metric_attribution(metricAttributionArn=made["AttributionRef"])
    assert attribution["metricAttribution"]["metricsOutputConfig"]["s3DataDestination"] == {
        "path": "s3://shop/metrics/"
    }
    config = {"EnableMetadataWithRecommendations": "true"}
    changed = cloud.update("shop", served(version, MinProvisionedTPS="3", CampaignConfig=config))
    assert changed == made | {"status": "UPDATE_COMPLETE"}
    back = cloud.update("shop", served(version + "0", MinProvisionedTPS=4))
    assert back["status"] == "UPDATE_ROLLBACK_COMPLETE"
    campaign = cloud.personalize.describe_campaign(campaignArn=made["CampaignRef"])["campaign"]
    assert (campaign["minProvisionedTPS"], campaign["solutionVersionArn"]) == (3, version)
    assert campaign["campaignConfig"] == {"enableMetadataWithRecommendations": True}


@pytest.mark.parametrize(("source", "reason"), [
    (template("third", RecipeArn=RECIPE + "s", PerformHPO=False), "(HandlerErrorCode: NotFound)"),
    (template("fourth", data="none.csv"), "(HandlerErrorCode: NotStabilized)"),
])  # fmt: skip
def test_what_fails_says_why_and_leaves_nothing(cloud: Stacks, source: dict[str, Any], reason: str) -> None:
    for name, resource in source["Resources"].items():
        resource["Properties"]["Name"] = f"failing-{name}"
    if "NotFound" in reason:
        del source["Resources"]["Data"]["Properties"]["DatasetImportJob"]  # nothing that takes a while
    outputs = cloud.create("failing", source)
    assert outputs["status"] == "ROLLBACK_COMPLETE"
    assert reason in cloud.reasons("failing")
    assert not [name for several in cloud.names().values() for name in several if "failing" in name]
    assert cloud.gone("failing")


def test_a_deleted_stack_leaves_nothing(cloud: Stacks) -> None:
    schema = cloud.outputs("shop")["SchemaRef"]
    cloud.personalize.delete_filter(filterArn=cloud.outputs("shop")["FilterRef"])  # by hand, before its stack
    assert cloud.gone("shop"), cloud.reasons("shop")
    assert not any(cloud.names().values())
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.personalize.describe_schema(schemaArn=schema)


def in_cloud(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in the cloud environment."""
    imports = "import json, botocore.session\nfrom local.cloud.aws import personalize_types as types\n"
    line = [str(cloud_python()), "-c", imports + code]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


UNKNOWN = "extraneous key [{}] is not permitted"
CREATED = {"Name": "a", "DatasetGroupArn": "arn"}


TRANSLATED: list[tuple[dict[str, Any], dict[str, Any] | str]] = [
    ({"PerformHPO": "true"}, {"performHPO": True}),
    ({"Tags": [{"Key": "Team", "Value": 7}]}, {"tags": [{"tagKey": "Team", "tagValue": "7"}]}),
    (
        {"SolutionConfig": {"AlgorithmHyperParameters": {"Bptt": 5}, "HpoConfig": {"AlgorithmHyperParameterRanges": {
            "IntegerHyperParameterRanges": [{"Name": "k", "MinValue": "1", "MaxValue": 9}]}}}},
        {"solutionConfig": {"algorithmHyperParameters": {"Bptt": "5"}, "hpoConfig": {"algorithmHyperParameterRanges": {
            "integerHyperParameterRanges": [{"name": "k", "minValue": 1, "maxValue": 9}]}}}},
    ),
    ({"PerformHPO": "perhaps"}, "#/PerformHPO: expected type: Boolean, found: perhaps"),
    ({"Tags": {"Key": "Team"}}, "#/Tags: expected type: List, found: dict"),
    ({"PerformAutoTraining": True}, f"#: {UNKNOWN.format('PerformAutoTraining')}"),
    ({"SolutionConfig": {"AutoTrainingConfig": {}}}, f"#/SolutionConfig: {UNKNOWN.format('AutoTrainingConfig')}"),
    ({"SolutionConfig": {"HpoConfig": {"Seed": 1}}}, f"#/SolutionConfig/HpoConfig: {UNKNOWN.format('Seed')}"),
]  # fmt: skip


def test_properties_become_members_of_the_api() -> None:
    done = in_cloud(f"""
solution, = (kind for kind in types.KINDS if kind.noun == "Solution")
shape = botocore.session.get_session().get_service_model("personalize").operation_model("CreateSolution").input_shape
for given in {[CREATED | given for given, _ in TRANSLATED]!r}:
    try:
        types.checked(solution, "Solution", given)
        print(json.dumps(types.translated(given, shape, "#")))
    except ValueError as error:
        print(json.dumps(str(error).splitlines()[-1]))
""")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    created = {"name": "a", "datasetGroupArn": "arn"}
    assert lines == [wanted if isinstance(wanted, str) else {**created, **wanted} for _, wanted in TRANSLATED]


RECOMMENDER: dict[str, Any] = {
    "required": ["DatasetGroupArn", "Name", "RecipeArn"],
    "properties": dict.fromkeys([
        "CreationDateTime", "DatasetGroupArn", "LastUpdatedDateTime", "Name", "RecipeArn", "RecommenderArn",
        "RecommenderConfig", "Status", "Tags",
    ]),
    "createOnlyProperties": [f"/properties/{name}" for name in ("DatasetGroupArn", "Name", "RecipeArn")],
    "readOnlyProperties": [
        f"/properties/{name}" for name in ("RecommenderArn", "Status", "CreationDateTime", "LastUpdatedDateTime")
    ],
    "primaryIdentifier": ["/properties/RecommenderArn"],
}  # fmt: skip
"""As AWS's template reference describes the type; cfn-lint has no schema of it yet."""


def test_properties_and_what_replaces_are_those_of_the_registry() -> None:
    listed = "{k.type: [k.required, k.replacing, k.in_place, k.read_only, k.identifier] for k in types.KINDS}"
    tables = json.loads(in_cloud(f"print(json.dumps([{listed}, types.NESTED]))").stdout)
    published = {name for name in PROVIDER_SCHEMA_MANAGER.get_resource_types("us-east-1") if "::Personalize::" in name}
    assert set(tables[0]) == {*published, "AWS::Personalize::Recommender"}
    nested = {name: set(several) for name, several in tables[1].items() if "Recommender" not in name}
    for kind, (required, replacing, in_place, read_only, identifier) in tables[0].items():
        schema = (
            PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema if kind in published else RECOMMENDER
        )
        assert set(required) == set(schema["required"])
        assert {*replacing, *in_place, *read_only, identifier} == set(schema["properties"])
        assert {f"/properties/{name}" for name in replacing} == set(schema["createOnlyProperties"])
        assert {f"/properties/{name}" for name in (*read_only, identifier)} == set(schema["readOnlyProperties"])
        assert [f"/properties/{identifier}"] == schema["primaryIdentifier"]
        for name in nested.keys() & schema.get("definitions", {}).keys():
            assert nested.pop(name) == set(schema["definitions"][name]["properties"])
    assert not nested


def test_cloud_control_makes_changes_and_deletes_a_recommender_and_what_it_needs(cloud: Stacks) -> None:
    group = cloud.make("DatasetGroup", Name="control", Domain="ECOMMERCE")
    schema = cloud.make("Schema", Name="control", Domain="ECOMMERCE", Schema=json.dumps(SCHEMA))
    source = {"DataSource": {"DataLocation": "s3://shop/rows.csv"}, "JobName": "control", "RoleArn": ROLE}
    properties = {"Name": "control", "DatasetType": "Interactions", "DatasetGroupArn": group, "SchemaArn": schema}
    dataset = cloud.make("Dataset", **properties, DatasetImportJob=source)
    recipe = "arn:aws:personalize:::recipe/aws-ecomm-popular-items-by-views"
    config: dict[str, Any] = {"MinRecommendationRequestsPerSecond": 1}
    made = {"Name": "control", "DatasetGroupArn": group, "RecipeArn": recipe}
    arn = cloud.make("Recommender", **made, RecommenderConfig=config, Tags=[{"Key": "team", "Value": "web"}])
    described = cloud.described("Recommender", arn)
    assert described.items() >= (made | {"RecommenderArn": arn, "Status": "ACTIVE"}).items()
    assert described["Tags"] == [{"Key": "team", "Value": "web"}]
    patch = [
        {"op": "replace", "path": "/RecommenderConfig/MinRecommendationRequestsPerSecond", "value": 2},
        {"op": "add", "path": "/Tags/-", "value": {"Key": "stage", "Value": "dev"}},
    ]
    which = {"TypeName": "AWS::Personalize::Recommender", "Identifier": arn}
    changed = cloud.carried_out(cloud.resources.update_resource(**which, PatchDocument=json.dumps(patch)))
    assert changed["OperationStatus"] == "SUCCESS", changed
    described = cloud.described("Recommender", arn)
    assert (described["RecommenderConfig"]["MinRecommendationRequestsPerSecond"], len(described["Tags"])) == (2, 2)
    listed = cloud.resources.list_resources(TypeName=which["TypeName"])["ResourceDescriptions"]
    assert [resource["Identifier"] for resource in listed] == [arn]
    rename = json.dumps([{"op": "replace", "path": "/Name", "value": "other"}])
    with pytest.raises(cloud.resources.exceptions.NotUpdatableException, match="/properties/Name"):
        cloud.resources.update_resource(**which, PatchDocument=rename)
    used = cloud.carried_out(
        cloud.resources.delete_resource(TypeName="AWS::Personalize::DatasetGroup", Identifier=group)
    )
    assert (used["OperationStatus"], used["ErrorCode"]) == ("FAILED", "ResourceConflict")
    for noun, gone in (("Recommender", arn), ("Dataset", dataset), ("Schema", schema), ("DatasetGroup", group)):
        which = {"TypeName": f"AWS::Personalize::{noun}", "Identifier": gone}
        assert cloud.carried_out(cloud.resources.delete_resource(**which))["OperationStatus"] == "SUCCESS"
        with pytest.raises(cloud.resources.exceptions.ResourceNotFoundException):
            cloud.resources.get_resource(**which)
    assert not any(cloud.names().values())


@pytest.mark.parametrize(("kind", "state", "code", "reason"), [
    ("Nobody::Knows::This", {}, "TypeNotFoundException", "'Nobody::Knows::This' cannot be found"),
    ("AWS::S3::Bucket", {"BucketName": "b"}, "UnsupportedActionException", "use CloudFormation"),
    ("AWS::Personalize::DatasetGroup", {}, "ValidationException", "(#: required key [Name] not found)"),
    ("AWS::Personalize::DatasetGroup", {"Name": "g", "Nme": 1}, "ValidationException", UNKNOWN.format("Nme")),
    ("AWS::Personalize::Filter", {"Name": [1]}, "ValidationException", "required key [DatasetGroupArn] not found"),
    ("AWS::Personalize::DatasetGroup", [], "InvalidRequestException", "DesiredState must be a JSON object"),
])  # fmt: skip
def test_cloud_control_refuses_what_it_cannot_make(
    cloud: Stacks, kind: str, state: object, code: str, reason: str
) -> None:
    with pytest.raises(ClientError, match=re.escape(reason)) as refused:
        cloud.resources.create_resource(TypeName=kind, DesiredState=json.dumps(state))
    assert refused.value.response["Error"]["Code"] == code
    assert not any(cloud.names().values())


def test_cloud_control_tells_what_failed_and_repeats_no_request(cloud: Stacks) -> None:
    bad: Any = {
        "TypeName": "AWS::Personalize::DatasetGroup",
        "DesiredState": '{"Name": "not a name"}',
        "ClientToken": "t",
    }
    event = cloud.resources.create_resource(**bad)
    failed = cloud.carried_out(event)
    assert (failed["OperationStatus"], failed["ErrorCode"]) == ("FAILED", "InvalidRequest")
    assert "failed to satisfy constraint: Member must satisfy regular expression" in failed["StatusMessage"]
    again = cloud.resources.create_resource(**bad)["ProgressEvent"]["RequestToken"]
    assert again == event["ProgressEvent"]["RequestToken"]
    with pytest.raises(cloud.resources.exceptions.ClientTokenConflictException):
        cloud.resources.create_resource(**bad | {"DesiredState": '{"Name": "other"}'})
    with pytest.raises(cloud.resources.exceptions.RequestTokenNotFoundException):
        cloud.resources.get_resource_request_status(RequestToken="none")
