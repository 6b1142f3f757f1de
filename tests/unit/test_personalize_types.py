# SPDX-License-Identifier: Apache-2.0
"""CloudFormation's types of Personalize on the local AWS: made, changed, replaced and deleted with their stack."""

import json
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

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "arn:aws:personalize:::recipe/aws-popularity-count"
ROLE = "arn:aws:iam::000000000000:role/anyone"
FIELDS = [{"name": name, "type": "string"} for name in ("USER_ID", "ITEM_ID")] + [{"name": "TIMESTAMP", "type": "long"}]
SCHEMA = {
    "type": "record",
    "name": "Interactions",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": FIELDS,
    "version": "1.0",
}
ROWS = "USER_ID,ITEM_ID,TIMESTAMP\n" + "".join(f"u{n % 30},i{n % 7},{1_780_000_000 + n}\n" for n in range(1200))
OFTEN = {"Delay": 0.3, "MaxAttempts": 200}

pytestmark = pytest.mark.skipif(not cloud_python().exists(), reason="no .local/cloud: make setup")


def template(job: str = "first", data: str = "rows.csv", **solution: object) -> dict[str, Any]:
    """A stack of all four types; the properties of `solution` come on top."""
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
    }
    made: dict[str, Any] = {
        name: {"Type": f"AWS::Personalize::{kind}", "Properties": properties}
        for name, (kind, properties) in resources.items()
    }
    made["Solution"]["DependsOn"] = "Data"
    outputs: dict[str, object] = {f"{name}Ref": {"Value": {"Ref": name}} for name in made}
    outputs |= {f"{name}Arn": {"Value": {"Fn::GetAtt": [name, f"{kind}Arn"]}} for name, (kind, _) in resources.items()}
    return {"Resources": made, "Outputs": outputs}


class Stacks:
    """A local AWS, seen by a template's author."""

    def __init__(self, state: State) -> None:
        self.stacks = boto3.client("cloudformation", **access(state))
        self.personalize = boto3.client("personalize", **access(state, engine=True))

    def outputs(self, name: str) -> dict[str, str]:
        """The outputs of a stack, and its `status`."""
        (found,) = self.stacks.describe_stacks(StackName=name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])} | {
            "status": found["StackStatus"]
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

    def names(self) -> dict[str, list[str]]:
        """The names of everything in Personalize."""
        found: dict[str, Any] = {
            "groups": self.personalize.list_dataset_groups()["datasetGroups"],
            "schemas": self.personalize.list_schemas()["schemas"],
            "datasets": self.personalize.list_datasets()["datasets"],
            "solutions": self.personalize.list_solutions()["solutions"],
        }
        return {kind: [str(each["name"]) for each in several] for kind, several in found.items()}


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


def test_a_stack_makes_all_four(cloud: Stacks) -> None:
    outputs = cloud.create("shop", template())
    assert outputs["status"] == "CREATE_COMPLETE", cloud.reasons("shop")
    for name in ("Group", "Schema", "Data", "Solution"):
        assert outputs[f"{name}Ref"] == outputs[f"{name}Arn"]
    assert cloud.names() == {kind: ["stack"] for kind in ("groups", "schemas", "datasets", "solutions")}
    (job,) = cloud.personalize.list_dataset_import_jobs(datasetArn=outputs["DataRef"])["datasetImportJobs"]
    assert (job["jobName"], job["status"]) == ("first", "ACTIVE")
    assert cloud.personalize.describe_solution(solutionArn=outputs["SolutionRef"])["solution"]["performHPO"] is False
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
    refused = cloud.update("shop", template(job="second", EventType="Purchase"))
    assert refused["status"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "CloudFormation cannot update a stack when a custom-named resource requires replacing" in cloud.reasons(
        "shop"
    )
    after = cloud.update("shop", template(job="second", Name="renamed", EventType="Purchase"))
    assert after["status"] == "UPDATE_COMPLETE", cloud.reasons("shop")
    assert after["SolutionRef"] != before["SolutionRef"]
    assert cloud.names()["solutions"] == ["renamed"]


@pytest.mark.parametrize(("source", "reason"), [
    (template("third", RecipeArn=RECIPE + "s", PerformHPO=False), "(HandlerErrorCode: NotFound)"),
    (template("fourth", data="none.csv"), "(HandlerErrorCode: NotStabilized)"),
])  # fmt: skip
def test_what_fails_says_why_and_leaves_nothing(cloud: Stacks, source: dict[str, Any], reason: str) -> None:
    for name, resource in source["Resources"].items():
        resource["Properties"]["Name"] = f"failing-{name}"
    outputs = cloud.create("failing", source)
    assert outputs["status"] == "ROLLBACK_COMPLETE"
    assert reason in cloud.reasons("failing")
    assert not [name for several in cloud.names().values() for name in several if "failing" in name]
    assert cloud.gone("failing")


def test_a_deleted_stack_leaves_nothing(cloud: Stacks) -> None:
    schema = cloud.outputs("shop")["SchemaRef"]
    cloud.personalize.delete_solution(solutionArn=cloud.outputs("shop")["SolutionRef"])  # by hand, before its stack
    while cloud.names()["solutions"]:
        pass
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
    found = [json.loads(line) for line in done.stdout.splitlines()]
    created = {"name": "a", "datasetGroupArn": "arn"}
    assert found == [wanted if isinstance(wanted, str) else {**created, **wanted} for _, wanted in TRANSLATED]


def test_properties_and_what_replaces_are_those_of_the_registry() -> None:
    listed = "{k.type: [k.required, k.optional, k.in_place, k.arn] for k in types.KINDS}"
    known = json.loads(in_cloud(f"print(json.dumps({listed} | types.NESTED))").stdout)
    nested = {name: set(known.pop(name)) for name in ("SolutionConfig", "DatasetImportJob")}
    for kind, (required, optional, in_place, arn) in known.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        identifier = f"{arn[0].upper()}{arn[1:]}"
        assert set(required) == set(schema["required"])
        assert {*required, *optional, *in_place, identifier} == set(schema["properties"])
        assert {f"/properties/{name}" for name in (*required, *optional)} == set(schema["createOnlyProperties"])
        assert schema["readOnlyProperties"] == [f"/properties/{identifier}"] == schema["primaryIdentifier"]
        for name in nested.keys() & schema.get("definitions", {}).keys():
            assert nested.pop(name) == set(schema["definitions"][name]["properties"])
    assert not nested
