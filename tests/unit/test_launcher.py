# SPDX-License-Identifier: Apache-2.0
"""The launcher against the ministack that is pinned: the private names that it touches, and what they bring about."""

import ast
import io
import json
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import psutil
import pytest

from local import cloud
from local.environments import cloud_python
from local.home import Home, State, access

LAUNCHER = Path(__file__).resolve().parents[2] / "local" / "launcher.py"
ROLE = "arn:aws:iam::000000000000:role/anyone"

pytestmark = pytest.mark.skipif(not cloud_python().exists(), reason="no .local/cloud: make setup")


def in_cloud(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in the cloud environment, with the launcher importable."""
    line = [str(cloud_python()), "-c", f"import sys; sys.path.insert(0, {str(LAUNCHER.parent)!r})\n{code}"]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def private_names() -> list[str]:
    """Each `module._name` of ministack that the launcher reads or replaces."""
    nodes = [node for node in ast.walk(ast.parse(LAUNCHER.read_text())) if isinstance(node, ast.Attribute)]
    names = {ast.unparse(node) for node in nodes if node.attr.startswith("_") and not node.attr.startswith("__")}
    return sorted(name for name in names if "(" not in name)


def test_every_private_name_that_the_launcher_touches_exists() -> None:
    names = [*private_names(), "app.pin_request_origin", "app.SERVICE_HANDLERS", "router.SERVICE_PATTERNS"]
    assert len(names) > 12
    found = in_cloud(f"import launcher\nfor name in {names!r}: eval('launcher.' + name)")
    assert found.returncode == 0, found.stderr


def test_what_the_launcher_overrides_has_the_expected_parameters() -> None:
    found = in_cloud("""
import inspect
from ministack.core.lambda_runtime import ProvidedWorker as worker
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as types
for function in (worker.__init__, worker._build_handler_class, worker._drain_stderr_bounded,
                 types['AWS::StepFunctions::StateMachine']['update'], types['AWS::ApiGateway::RestApi']['create']):
    print(*list(inspect.signature(function).parameters)[:5])
""")
    assert found.stdout.splitlines() == [
        "self func_name config code_zip",
        "self generation pending",
        "self first_line_wait idle_confirm hard_cap",
        "physical_id old_props new_props stack_name logical_id",
        "logical_id props stack_name",
    ]


def test_another_ministack_is_refused() -> None:
    refused = in_cloud("import launcher; launcher.importlib.metadata.version = lambda _: '9.9.9'; launcher.main()")
    assert refused.returncode == 1
    assert "written for ministack 1.5.33" in refused.stderr
    assert "python -m local setup" in refused.stderr


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """A local AWS and an engine, with nothing deployed."""
    home = Home(tmp_path_factory.mktemp("launcher"))
    state = cloud.start(home)
    try:
        cloud.wait_ready(home, state)
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        boto3.client("iam", **access(state.endpoint)).create_role(
            RoleName="anyone", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )
        yield state
    finally:
        cloud.stop(home)


def function(state: State, name: str, source: str) -> str:
    """Create a Python function that is this source, and return its ARN."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", source)
    created = boto3.client("lambda", **access(state.endpoint)).create_function(
        FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": package.getvalue()}
    )
    return str(created["FunctionArn"])


def run(state: State, name: str, task: Mapping[str, object]) -> dict[str, object]:
    """Run a machine of one task whose error is its output."""
    caught = {"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "End"}
    states = {"Try": {"Type": "Task", "Next": "End", "Catch": [caught], **task}, "End": {"Type": "Pass", "End": True}}
    client = boto3.client("stepfunctions", **access(state.endpoint))
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Try", "States": states})
    machine = client.create_state_machine(name=name, definition=definition, roleArn=ROLE, type="EXPRESS")
    done = client.start_sync_execution(stateMachineArn=machine["stateMachineArn"])
    output: dict[str, object] = json.loads(done["output"])
    return output


def test_a_function_s_error_reaches_the_state_machine_by_its_class_name(started: State) -> None:
    arn = function(
        started, "failing", "class Rejected(Exception): pass\ndef handler(event, _): raise Rejected('row 7')"
    )
    task = {"Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": arn, "Payload": {}}}
    error = run(started, "failing", task)
    assert error["Error"] == "Rejected"
    assert json.loads(str(error["Cause"]))["errorMessage"] == "row 7"


def test_a_function_finds_nothing_that_aws_would_not_give_it(started: State) -> None:
    source = "import importlib.util as u\ndef handler(names, _): return [name for name in names if u.find_spec(name)]"
    function(started, "looking", source)
    payload = json.dumps(["awslambdaric", "json", "ministack", "boto3", "pydantic", "yaml"])
    answer = boto3.client("lambda", **access(started.endpoint)).invoke(FunctionName="looking", Payload=payload)
    assert json.loads(answer["Payload"].read()) == ["awslambdaric", "json"]


def test_personalize_errors_have_aws_s_names_in_a_state_machine(started: State) -> None:
    group = "arn:aws:personalize:us-east-1:000000000000:dataset-group/none"
    describe = "arn:aws:states:::aws-sdk:personalize:describeDatasetGroup"
    task = {"Resource": describe, "Arguments": {"DatasetGroupArn": group}}
    assert run(started, "unknown", task)["Error"] == "Personalize.ResourceNotFoundException"
    engine = next(process for process in started.processes if process.name == "engine")
    psutil.Process(engine.pid).kill()
    assert run(started, "away", task)["Error"] == "Personalize.PersonalizeException"
