# SPDX-License-Identifier: Apache-2.0
"""The launcher against the ministack that is pinned: the private names that it touches, and what they bring about."""

import ast
import io
import itertools
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import urllib3
from botocore import xform_name
from botocore.exceptions import ClientError

from local.cloud import lifecycle
from local.cloud.environments import cloud_python
from local.cloud.faults import FaultDoor
from local.cloud.home import Home, State, access
from tests.app.waiting import received, until

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "launcher", "workers", "executions", "faults", "api_gateway", "rights", "saving", "guard", "retention", "patching",
    "personalize_types", "cloud_control", "distributed_map", "map_items", "map_results", "objects", "strictness",
)  # fmt: skip
SOURCES = [ROOT / "local" / "cloud" / "aws" / f"{name}.py" for name in PARTS]
"""What runs inside the local AWS."""
ROLE = "arn:aws:iam::000000000000:role/anyone"
TASKS = {"Effect": "Allow", "Action": ["lambda:InvokeFunction", "states:StartExecution"], "Resource": "*"}
"""What machines of these tests need."""

pytestmark = pytest.mark.skipif(not cloud_python().exists(), reason="no .local/cloud: make setup")


def in_cloud(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in the cloud environment, with the launcher importable."""
    line = [str(cloud_python()), "-c", f"from local.cloud.aws import launcher\n{code}"]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def private_names() -> list[str]:
    """Each `module._name` of ministack that the launcher reads or replaces, by `wrapping(module, "_name")` too."""
    nodes = [node for source in SOURCES for node in ast.walk(ast.parse(source.read_text()))]
    read = [node for node in nodes if isinstance(node, ast.Attribute)]
    names = {ast.unparse(node) for node in read if node.attr.startswith("_") and not node.attr.startswith("__")}
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "wrapping"]
    names |= {f"{ast.unparse(call.args[0])}.{ast.literal_eval(call.args[1])}" for call in calls if is_private(call)}
    return sorted(name for name in names if "(" not in name and not name.startswith("self."))


def is_private(call: ast.Call) -> bool:
    name = call.args[1]
    return isinstance(name, ast.Constant) and str(name.value).startswith("_")


def test_every_private_name_that_the_launcher_touches_exists() -> None:
    names = [*private_names(), "app.pin_request_origin", "app.SERVICE_HANDLERS", "router.SERVICE_PATTERNS"]
    assert len(names) > 12
    names_of_parts = " | ".join(f"vars({part})" for part in PARTS)
    done = in_cloud(
        f"from local.cloud.aws import {', '.join(PARTS)}\nfor name in {names!r}: eval(name, {names_of_parts})"
    )
    assert done.returncode == 0, done.stderr


def test_a_short_wait_is_not_made_so_short_that_it_asks_all_the_time() -> None:
    done = in_cloud("""
from ministack.services import stepfunctions
launcher.executions.install()
slept = []
stepfunctions.time.sleep = slept.append
for scale in (0.1, 0.0, 2.0):
    stepfunctions._SFN_WAIT_SCALE = scale
    for seconds in (0.1, 1, 10):
        stepfunctions._scaled_sleep(seconds)
assert slept == [0.1, 0.4, 1.0, 0.2, 2.0, 20.0], slept
""")
    assert done.returncode == 0, done.stderr


def test_what_the_launcher_overrides_has_the_expected_parameters() -> None:
    done = in_cloud("""
import inspect
from ministack.core.lambda_runtime import ProvidedWorker as worker
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as types
for function in (worker.__init__, worker._build_handler_class, worker._drain_stderr_bounded,
                 types['AWS::StepFunctions::StateMachine']['update'], types['AWS::ApiGateway::RestApi']['create']):
    print(*list(inspect.signature(function).parameters)[:5])
""")
    assert done.stdout.splitlines() == [
        "self func_name config code_zip",
        "self generation pending",
        "self first_line_wait idle_confirm hard_cap",
        "physical_id old_props new_props stack_name logical_id",
        "logical_id props stack_name",
    ]


def test_a_call_waits_for_those_before_it_and_not_for_their_end() -> None:
    done = in_cloud("""
import threading
from local.cloud.aws import workers
workers.os.cpu_count = lambda: 1
begun, go = threading.Semaphore(0), threading.Event()
def execute(function, event, request_id):
    if event == "long":
        begun.release()
        go.wait(600)
    return {"event": event}
workers.lambda_svc._execute_function_provided_warm = execute
workers.TURN_SECONDS = 0.05
workers.install()
call, function = workers.lambda_svc._execute_function_warm, {"FunctionArn": "check"}
long = [threading.Thread(target=call, args=(function, "long", "")) for _ in range(2)]
[each.start() for each in long], [begun.acquire() for _ in long]
assert call(function, "short", "") == {"event": "short"}
assert not go.is_set()
go.set(), [each.join() for each in long]
workers.TURN_SECONDS = 600
assert call(function, "short", "") == {"event": "short"}
""")
    assert done.returncode == 0, done.stderr


def test_a_function_that_dies_while_it_starts_has_the_name_of_all_that_die() -> None:
    done = in_cloud("""
from local.cloud.aws import workers
died = {"errorType": "Runtime.Unknown", "errorMessage": "bootstrap exited during init with code -9"}
workers.lambda_svc._execute_function_provided_warm = lambda *_: {"error": True, "body": died}
workers.install()
print(workers.lambda_svc._execute_function_warm({"FunctionArn": "check"}, {}, "")["body"]["errorType"])
""")
    assert done.stdout == "Runtime.ExitError\n", done.stderr


def test_functions_run_under_aws_s_client_where_there_is_one() -> None:
    done = in_cloud("""
import os, tempfile
from local.cloud.aws import workers
stock = workers.importlib.metadata.distribution
def distribution(name):
    if name == "awslambdaric" and not there:
        raise workers.importlib.metadata.PackageNotFoundError(name)
    return stock(name)
workers.importlib.metadata.distribution = distribution
cases = ("", True), ("", False), ("runtime_interface_client", True), ("awslambdaric", False), ("java", True)
for asked, there in cases:
    os.environ["RETAIL_RUNTIME_CLIENT"] = asked
    workers.tempfile.tempdir = tempfile.mkdtemp()
    try:
        client, on_path = workers.client(), [each.stem for each in workers.runtime_folder().iterdir()]
    except SystemExit as refused:
        print(refused)
        continue
    assert client in on_path and ("awslambdaric" in on_path) == (client == "awslambdaric"), on_path
    print(client)
""")
    assert done.stdout.splitlines() == [
        "awslambdaric",
        "runtime_interface_client",
        "runtime_interface_client",
        "RETAIL_RUNTIME_CLIENT asks for awslambdaric, which has no wheel for this machine",
        "RETAIL_RUNTIME_CLIENT is java, and can be awslambdaric or runtime_interface_client",
    ], done.stderr


def test_a_batch_of_messages_needs_the_right_of_a_single_one() -> None:
    done = in_cloud("""
launcher.batches_of_messages()
for target in ('AmazonSQS.ChangeMessageVisibilityBatch', 'AmazonSQS.SendMessage', 'DynamoDB_20120810.BatchGetItem'):
    service = 'sqs' if 'SQS' in target else 'dynamodb'
    print(launcher.iam_actions.extract_iam_action(service, 'POST', '/', {'x-amz-target': target}, b'{}', {}))
""")
    assert done.stdout.split() == ["sqs:ChangeMessageVisibility", "sqs:SendMessage", "dynamodb:BatchGetItem"]


def test_a_nested_stack_has_its_loops_written_out() -> None:
    done = in_cloud("""
from ministack.services.cloudformation import provisioners
launcher.nested_stacks()
loop = {"Fn::ForEach::Topics": ["What", ["A", "B"], {"${What}Topic": {"Type": "AWS::SNS::Topic"}}]}
template = {"Transform": "AWS::LanguageExtensions", "Resources": loop}
provisioners._check_nested_stack_capabilities("parent", template)
print(*template["Resources"])
""")
    assert done.stdout.split() == ["ATopic", "BTopic"], done.stderr


def test_an_update_of_a_nested_stack_keeps_what_it_does_not_change() -> None:
    done = in_cloud("""
import json
from ministack.services.cloudformation import helpers, provisioners
def template(name):
    topics = {"Old": {"Type": "AWS::SNS::Topic"}, name: {"Type": "AWS::SNS::Topic"}}
    return json.dumps({"Resources": topics, "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Old", "TopicArn"]}}}})
templates = [template("First"), template("Second")]
helpers._resolve_template = lambda _: (templates.pop(0), None)
launcher.nested_stacks()
made, first = provisioners._cfn_nested_stack_create("Child", {"TemplateURL": "first"}, "parent")
again, second = provisioners._cfn_nested_stack_update(made, {}, {"TemplateURL": "second"}, "parent")
print(made == again, first == second, bool(first))
""")
    assert done.stdout.split() == ["True", "True", "True"], done.stderr


def test_an_alarm_on_a_sum_is_there_and_looks_at_its_first_metric() -> None:
    done = in_cloud("""
from ministack.services.cloudformation import provisioners
launcher.alarms_on_sums()
one = {"Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": []}, "Stat": "Sum", "Period": 60}
metrics = [{"Id": "every", "Expression": "SUM(METRICS())"}, {"Id": "one", "ReturnData": False, "MetricStat": one}]
rest = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 0, "EvaluationPeriods": 1}
made = provisioners._cw_metric_alarm_record("sum", {"Metrics": metrics, **rest})
print(made["Namespace"], made["MetricName"], made["Statistic"], made["Period"])
""")
    assert done.stdout.split() == ["AWS/Lambda", "Errors", "Sum", "60"], done.stderr
    assert "of its 1 metrics only the first is watched here" in done.stderr


def test_executions_are_named_as_aws_names_them() -> None:
    done = in_cloud("""
for second in (0x69cbb740, 0x69ca65c0):
    print(launcher.executions.name_of({'Source': 'aws.scheduler', 'Time': second}, {'Arn': 'arn:weekly'}))
print(launcher.executions.name_of({'Source': 'aws.s3', 'EventId': 'id-of-the-event'}, {'Name': 'drops'}))
target = {'Input': '{"at":"<aws.scheduler.scheduled-time>"}'}
print(launcher.executions.with_time(target, {'Source': 'aws.scheduler', 'Time': 0x69cbb740})['Input'])
print(launcher.executions.with_time(target, {'Source': 'aws.s3'})['Input'])
""")
    first, second, by_rule, *inputs = done.stdout.split()
    assert inputs == ['{"at":"2026-03-31T12:00:00Z"}', '{"at":"<aws.scheduler.scheduled-time>"}']
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", first)
    assert (first[2:8] + first[9:11], second[2:8] + second[9:11]) == ("69cbb740", "69ca65c0")
    assert first[:2] + first[11:] == second[:2] + second[11:]
    assert re.fullmatch(r"id-of-the-event_[0-9a-f-]{36}", by_rule)


def test_the_past_is_kept_as_far_as_it_goes_into_memory() -> None:
    done = in_cloud("""
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc, stepfunctions
launcher.retention.install()
function = {'FunctionName': 'f', 'Version': '1', 'LoggingConfig': {'LogGroup': 'lines'}}
for number in range(1500):
    lambda_svc._emit_lambda_logs(function, f'request-{number}', 'a line', False, 5)
streams = list(cloudwatch_logs._log_groups['lines']['streams'].values())
print(len(streams), streams[-1]['events'][0]['message'])
for number in range(12_000):
    cloudwatch.record_metric('N', 'Invocations', 1, 'Count', {'FunctionName': 'f'})
    cloudwatch.record_metric('N', 'Duration', number, 'Milliseconds', {'FunctionName': 'f'})
counted, timed = cloudwatch._metrics.values()
print(len(counted) <= 3, cloudwatch._calc_stats(counted)['Sum'], len(timed), timed[-1]['Value'])
for number in range(1500):
    one = {'status': 'SUCCEEDED' if number else 'RUNNING', 'sync': True}
    stepfunctions._executions[f'arn-{number}'] = one
    stepfunctions._emit_execution_status_event(one)
kept = list(stepfunctions._executions)
print(len(kept), kept[0], kept[1], kept[-1])
""")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "1000 START RequestId: request-1499 Version: 1",
        "True 12000.0 10000 11999.0",
        "1000 arn-0 arn-501 arn-1499",
    ]


def test_another_ministack_is_refused() -> None:
    refused = in_cloud("launcher.importlib.metadata.version = lambda _: '9.9.9'; launcher.main()")
    assert refused.returncode == 1
    assert "written for ministack 1.5.33" in refused.stderr
    assert "python -m local setup" in refused.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The folder of the local AWS that `started` is."""
    return Home(tmp_path_factory.mktemp("launcher"))


@pytest.fixture(scope="module")
def started(home: Home) -> Iterator[State]:
    """A local AWS and an engine, with nothing deployed."""
    state = lifecycle.start(home)
    try:
        lifecycle.wait_ready(home, state)
        role(state, "anyone", TASKS)
        yield state
    finally:
        lifecycle.stop(home)


def role(state: State, name: str, *statements: Mapping[str, object]) -> str:
    """Create a role that everybody may assume, with these statements, and return its ARN."""
    client = boto3.client("iam", **access(state))
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": "*", "Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    made = client.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    if statements:
        client.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return str(made["Role"]["Arn"])


def policy(*statements: Mapping[str, object]) -> str:
    """A policy's document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def function(state: State, name: str, source: str) -> str:
    """Create a Python function that is this source, and return its ARN."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", source)
    created = boto3.client("lambda", **access(state)).create_function(
        FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": package.getvalue()}
    )
    return str(created["FunctionArn"])


def run(state: State, name: str, task: Mapping[str, object], role_arn: str = ROLE) -> dict[str, object]:
    """Run a machine of one task whose error is its output."""
    caught = {"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "End"}
    states = {"Try": {"Type": "Task", "Next": "End", "Catch": [caught], **task}, "End": {"Type": "Pass", "End": True}}
    client = boto3.client("stepfunctions", **access(state))
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Try", "States": states})
    machine = client.create_state_machine(name=name, definition=definition, roleArn=role_arn, type="EXPRESS")
    done = client.start_sync_execution(stateMachineArn=machine["stateMachineArn"])
    output: dict[str, object] = json.loads(done["output"])
    return output


def test_a_function_s_error_reaches_the_state_machine_by_its_class_name(started: State) -> None:
    arn = function(
        started, "failing", "class Rejected(Exception): pass\ndef handler(event, _): raise Rejected('row 7')"
    )
    error = run(started, "failing", {"Resource": arn, "Arguments": {}})
    assert error["Error"] == "Rejected"
    assert json.loads(str(error["Cause"]))["errorMessage"] == "row 7"


def test_a_function_beyond_its_memory_is_killed(started: State) -> None:
    # Half of it is a child's, as of the functions that read files. The default is 128 MB.
    child = "import time; held = bytearray(b'x') * (100 << 20); time.sleep(600)"
    source = "import subprocess, sys\ndef handler(event, _):\n    if event:\n        return 'small'\n"
    source += f"    held = bytearray(b'x') * (60 << 20)\n    subprocess.run([sys.executable, '-c', {child!r}])\n"
    function(started, "greedy", source)
    client = boto3.client("lambda", **access(started))
    answer = client.invoke(FunctionName="greedy", Payload="0")
    told = json.loads(answer["Payload"].read())
    assert (answer["FunctionError"], told["errorType"]) == ("Unhandled", "Runtime.OutOfMemory")
    assert told["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert client.invoke(FunctionName="greedy", Payload="1")["Payload"].read() == b'"small"'


def test_a_function_finds_nothing_that_aws_would_not_give_it(started: State) -> None:
    source = "import importlib.util as u\ndef handler(names, _): return [name for name in names if u.find_spec(name)]"
    function(started, "looking", source)
    payload = json.dumps(["awslambdaric", "json", "ministack", "boto3", "pydantic", "yaml"])
    answer = boto3.client("lambda", **access(started)).invoke(FunctionName="looking", Payload=payload)
    assert json.loads(answer["Payload"].read()) == ["awslambdaric", "json"]


HERE = "arn:aws:personalize:us-east-1:000000000000"
RECIPES = "arn:aws:personalize:::recipe/*"
SOLUTION = {"name": "a", "datasetGroupArn": f"{HERE}:dataset-group/a", "recipeArn": RECIPES[:-1] + "aws-sims"}
READ = {"campaignArn": f"{HERE}:campaign/a", "itemId": "1"}
FILTERED = READ | {"filterArn": f"{HERE}:filter/a"}
FROM_S3 = {"dataLocation": "s3://none/users.csv"}
PERSONALIZE_ROLE = "arn:aws:iam::000000000000:role/personalize"
DELETION = {
    "jobName": "a",
    "datasetGroupArn": f"{HERE}:dataset-group/a",
    "roleArn": PERSONALIZE_ROLE,
    "dataSource": FROM_S3,
}
EVENTS = {"trackingId": "none", "sessionId": "s", "eventList": [{"eventType": "View", "sentAt": 1_780_000_000}]}
PASSING = ("iam:PassRole", [PERSONALIZE_ROLE])
NUMBERS = itertools.count(1)
"""Of roles."""


def allowed(action: str, resources: list[str]) -> dict[str, object]:
    """A statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resources}


GROUPS, CAMPAIGNS, FILTERS = (f"{HERE}:{kind}/*" for kind in ("dataset-group", "campaign", "filter"))
SOLUTIONS, RECOMMENDERS, SCHEMAS = (f"{HERE}:{kind}/*" for kind in ("solution", "recommender", "schema"))
DATASET = {
    "name": "a",
    "datasetType": "Items",
    "datasetGroupArn": f"{HERE}:dataset-group/a",
    "schemaArn": f"{HERE}:schema/a",
}
UPDATE = {"campaignArn": f"{HERE}:campaign/a", "solutionVersionArn": f"{HERE}:solution/a/0"}
JOBS = f"{HERE}:data-deletion-job/*"
RANKING = {"campaignArn": f"{HERE}:campaign/a", "userId": "1", "inputList": ["1"], "filterArn": f"{HERE}:filter/a"}


@pytest.mark.parametrize(
    ("service", "operation", "given", "enough", "lacks"),
    [
        ("personalize", "CreateSolution", SOLUTION, [GROUPS, SOLUTIONS, RECIPES], RECIPES),
        ("personalize", "CreateRecommender", SOLUTION, [GROUPS, RECOMMENDERS, RECIPES], RECIPES),
        ("personalize", "CreateDataset", DATASET, [GROUPS, f"{HERE}:dataset/a/ITEMS", SCHEMAS], SCHEMAS),
        ("personalize", "UpdateCampaign", UPDATE, [CAMPAIGNS, SOLUTIONS], SOLUTIONS),
        ("personalize", "CreateDataDeletionJob", DELETION, [GROUPS, JOBS], JOBS),
        ("personalize", "ListSolutions", {}, ["*"], "*"),
        ("personalize-events", "PutEvents", EVENTS, ["*"], "*"),
        ("personalize-runtime", "GetRecommendations", READ, [CAMPAIGNS], CAMPAIGNS),
        ("personalize-runtime", "GetRecommendations", FILTERED, [CAMPAIGNS, FILTERS], FILTERS),
        ("personalize-runtime", "GetPersonalizedRanking", RANKING, [CAMPAIGNS, FILTERS], FILTERS),
    ],
)
def test_an_operation_of_personalize_needs_its_right_on_all_that_it_names_and_makes(
    started: State, service: str, operation: str, given: Mapping[str, object], enough: list[str], lacks: str
) -> None:
    # What an event tracker's ARN or a prefix allows is less than everything, and than an id of Personalize's choice.
    less = {"*": [f"{HERE}:event-tracker/*", f"{HERE}:solution/*"]}.get(lacks, [lacks.replace("/*", "/b-*")])
    rest = [line for line in enough if line != lacks]
    for resources, refused in ((rest + less, True), (enough, False)):
        made = role(started, f"role-{next(NUMBERS)}", allowed(f"personalize:{operation}", resources), allowed(*PASSING))
        code, message = answer(as_role(started, made, service), operation, given)
        assert (code == "AccessDeniedException") is refused, message
        assert (f"not authorized to perform: personalize:{operation} on resource: " in message) is refused


def test_a_role_is_handed_over_by_whoever_may_and_to_personalize_alone(started: State) -> None:
    making = allowed("personalize:CreateDataDeletionJob", [f"{HERE}:dataset-group/*", f"{HERE}:data-deletion-job/*"])
    for service, refused in (("scheduler", True), ("personalize", False)):
        condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
        made = role(started, f"passing-{service}", making, allowed(*PASSING) | {"Condition": condition})
        code, message = answer(as_role(started, made, "personalize"), "CreateDataDeletionJob", DELETION)
        assert (code == "AccessDeniedException") is refused
        assert ("iam:PassRole" in message) is refused


def as_role(state: State, arn: str, service: str) -> Any:  # noqa: ANN401 - a client of any service
    """A client of the engine that has assumed a role, as a function has its own."""
    session = boto3.client("sts", **access(state)).assume_role(RoleArn=arn, RoleSessionName="test")
    keys = session["Credentials"]
    told = access(state, engine=True) | {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    return boto3.client(service, **told)  # type: ignore[call-overload]


def answer(client: Any, operation: str, given: Mapping[str, object]) -> tuple[str, str]:  # noqa: ANN401 - of any service
    """Code and message of the error that a request ends in, if it does."""
    try:
        getattr(client, xform_name(operation))(**given)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "", ""


def test_a_task_of_a_machine_needs_the_right_of_the_machine_s_role(started: State) -> None:
    describe = "arn:aws:states:::aws-sdk:personalize:describeDatasetGroup"
    task = {"Resource": describe, "Arguments": {"DatasetGroupArn": f"{HERE}:dataset-group/a-shop"}}
    other = role(started, "other-prefix", allowed("personalize:DescribeDatasetGroup", [f"{HERE}:dataset-group/b-*"]))
    narrow_role = role(
        started, "own-prefix", allowed("personalize:DescribeDatasetGroup", [f"{HERE}:dataset-group/a-*"])
    )
    refused = run(started, "refused", task, other)
    assert refused["Error"] == "Personalize.PersonalizeException"
    assert "other-prefix/refused is not authorized to perform: personalize:DescribeDatasetGroup" in str(
        refused["Cause"]
    )
    assert run(started, "allowed", task, narrow_role)["Error"] == "Personalize.ResourceNotFoundException"


@pytest.fixture(scope="module")
def echo(started: State) -> str:
    """The address of a REST API that answers with the path and the parameters that its function gets."""
    source = """
import json
def handler(event, _): return {"statusCode": 200, "body": json.dumps([event["path"], event["pathParameters"]])}
"""
    gateway = boto3.client("apigateway", **access(started))
    api = gateway.create_rest_api(name="echo")["id"]
    (parent,) = [item["id"] for item in gateway.get_resources(restApiId=api)["items"]]
    for part in ("users", "{userId}", "items"):
        parent = gateway.create_resource(restApiId=api, parentId=parent, pathPart=part)["id"]
    method = {"restApiId": api, "resourceId": parent, "httpMethod": "GET"}
    gateway.put_method(**method, authorizationType="NONE")
    arn = (
        f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function(started, 'echo', source)}/invocations"
    )
    gateway.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=arn)
    gateway.create_deployment(restApiId=api, stageName="v1")
    return f"{started.endpoint}/_aws/execute-api/{api}/v1"


@pytest.mark.parametrize(
    "sent",
    [
        "plain",
        "a%20b",
        "a+b",
        "a%2Bb",
        "a%2Fb",
        "vqzi%2541",
        "%25",
        "a%3Fb",
        "a%23b",
        "%E3%81%AF",
        "%2E%2E",
        "~!'",
    ],
)
def test_a_function_gets_the_path_as_it_was_sent(echo: str, sent: str) -> None:
    answer = urllib3.request("GET", f"{echo}/users/{sent}/items?a=%2F", retries=False)
    assert (answer.status, answer.json()) == (200, [f"/users/{sent}/items", {"userId": sent}])


def test_eventbridge_publishes_where_the_policy_of_a_topic_has_no_condition(home: Home, started: State) -> None:
    sns, sqs = boto3.client("sns", **access(started)), boto3.client("sqs", **access(started))
    events = boto3.client("events", **access(started))
    queue = sqs.create_queue(QueueName="published")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="published", EventPattern=json.dumps({"source": ["test"]}))
    account = {"Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}}
    for name, more in (("with-condition", account), ("without", {})):
        topic = sns.create_topic(Name=name)["TopicArn"]
        rules = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish"}
        statement = rules | {"Resource": topic} | more
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(statement))
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
        events.put_targets(Rule="published", Targets=[{"Id": name, "Arn": topic}])
    let_in = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy(let_in | {"Resource": queue_arn})})
    events.put_events(Entries=[{"Source": "test", "DetailType": "told", "Detail": "{}"}])
    message = received(sqs, queue)
    assert json.loads(message["Body"])["TopicArn"].endswith(":without")
    log = home.log("cloud").read_text()
    assert "EventBridge may not publish to arn:aws:sns:us-east-1:000000000000:with-condition" in log


def test_personalize_errors_have_aws_s_names_in_a_state_machine(started: State) -> None:
    group = "arn:aws:personalize:us-east-1:000000000000:dataset-group/none"
    describe = "arn:aws:states:::aws-sdk:personalize:describeDatasetGroup"
    task = {"Resource": describe, "Arguments": {"DatasetGroupArn": group}}
    asking = role(started, "asking", {"Effect": "Allow", "Action": "personalize:*", "Resource": group})
    assert run(started, "unknown", task, asking)["Error"] == "Personalize.ResourceNotFoundException"
    engine = next(process for process in started.processes if process.name == "engine")
    psutil.Process(engine.pid).kill()
    assert run(started, "away", task, asking)["Error"] == "Personalize.PersonalizeException"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with open_doors(tmp_path_factory.mktemp("faulty")) as state:
        yield state


@contextmanager
def open_doors(folder: Path) -> Iterator[State]:
    """A local AWS whose doors are open, with a role."""
    home = Home(folder)
    state = lifecycle.start(home, faults=True)
    try:
        lifecycle.wait_ready(home, state)
        role(state, "anyone", TASKS)
        yield state
    finally:
        lifecycle.stop(home, save=False)


@pytest.fixture
def door(faulty: State) -> Iterator[FaultDoor]:
    """The door of the local AWS, without rules at the end."""
    door = FaultDoor(f"{faulty.endpoint}/_local")
    yield door
    door.clear()


def test_the_doors_are_shut_unless_they_were_asked_for(started: State) -> None:
    answer = urllib3.request("GET", f"{started.endpoint}/_local/faults", retries=False)
    assert answer.status >= 400


@pytest.mark.parametrize("performed", [False, True])
def test_a_function_is_killed_at_a_step_before_or_after_its_work(
    faulty: State, door: FaultDoor, tmp_path: Path, performed: bool
) -> None:
    name, file = f"writing-{performed}", tmp_path / "written"
    source = "import pathlib\ndef handler(event, _): pathlib.Path(event['file']).write_text('done')"
    payload = {"step": "write", "file": str(file)}
    task = {"Resource": function(faulty, name, source), "Arguments": payload}
    door.add("killFunction", f"{name}.write", str(file), performed=performed, times=1)
    assert run(faulty, name, task)["Error"] == "Runtime.ExitError"
    assert file.exists() is performed


def test_an_answer_is_lost_when_the_request_was_performed(faulty: State, door: FaultDoor) -> None:
    table = boto3.client("dynamodb", **access(faulty))
    keys = [{"AttributeName": "k", "AttributeType": "S"}]
    table.create_table(
        TableName="lost",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=keys,  # type: ignore[arg-type]
        BillingMode="PAY_PER_REQUEST",
    )
    door.add("internalFailure", "PutItem", "blue", performed=True, times=1)
    # The client tries again by itself, and finds what its first attempt has done.
    with pytest.raises(table.exceptions.ConditionalCheckFailedException):
        table.put_item(TableName="lost", Item={"k": {"S": "blue"}}, ConditionExpression="attribute_not_exists(k)")
    assert door.rules()[0]["fired"] == 1


def test_an_event_of_s3_comes_twice_another_late_and_another_never(faulty: State, door: FaultDoor) -> None:
    s3, sqs = boto3.client("s3", **access(faulty)), boto3.client("sqs", **access(faulty))
    events = boto3.client("events", **access(faulty))
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.create_bucket(Bucket="told")
    s3.put_bucket_versioning(Bucket="told", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket="told", NotificationConfiguration={"EventBridgeConfiguration": {}})
    events.put_rule(Name="told", EventPattern=json.dumps({"source": ["aws.s3"]}))
    events.put_targets(Rule="told", Targets=[{"Id": "1", "Arn": arn}])
    # No letter alone: ids in an event are random and begin with any.
    door.add("holdEvent", "ObjectCreated", "late-*", times=1)
    door.add("repeatEvent", "ObjectCreated", "c")
    door.add("loseEvent", "ObjectCreated", "lost")
    written = {s3.put_object(Bucket="told", Key="late-1")["VersionId"]}
    # Events are told by threads of their own: the next object waits until this one's is held.
    until(lambda: door.rules()[0]["fired"] == 1, "the first event is held")
    for key in ("b", "lost", "late-2", "c"):
        written.add(s3.put_object(Bucket="told", Key=key)["VersionId"])
    until(lambda: door.rules()[2]["fired"] == 1, "an event is lost")
    seen: list[str] = []
    versions: set[str] = set()
    while len(seen) < 5:
        told = json.loads(received(sqs, queue)["Body"])["detail"]["object"]
        seen.append(told["key"])
        versions.add(told["version-id"])
    assert sorted(seen) == ["b", "c", "c", "late-1", "late-2"]
    assert seen.index("late-2") < seen.index("late-1")
    assert (len(versions), versions < written) == (4, True)


def test_a_stopped_execution_is_redriven_with_its_variables_and_its_definition(faulty: State, tmp_path: Path) -> None:
    client, file = boto3.client("stepfunctions", **access(faulty)), tmp_path / "go"
    source = "import pathlib\ndef handler(event, _):\n    if not pathlib.Path(event).exists(): raise OSError('not yet')"
    retry = [{"ErrorEquals": ["OSError"], "IntervalSeconds": 1, "MaxAttempts": 99, "BackoffRate": 1.0}]
    arguments = {"FunctionName": function(faulty, "waiting", source), "Payload": str(file)}
    states = {
        "Note": {"Type": "Pass", "Assign": {"noted": "seven"}, "Next": "Try"},
        "Try": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments, "Retry": retry,
                "Output": "{% $noted %}", "End": True},
    }  # fmt: skip
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Note", "States": states})
    machine = client.create_state_machine(name="redriven", definition=definition, roleArn=ROLE)["stateMachineArn"]
    arn = client.start_execution(stateMachineArn=machine)["executionArn"]

    def failed() -> bool:
        events = client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        return any(event["type"] == "TaskFailed" for event in events)

    until(failed, "the task has failed")
    client.stop_execution(executionArn=arn)
    file.touch()
    other = {"Try": {"Type": "Pass", "Output": "another release", "End": True}}
    changed = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Try", "States": other})
    client.update_state_machine(stateMachineArn=machine, definition=changed)
    client.redrive_execution(executionArn=arn)
    until(lambda: client.describe_execution(executionArn=arn)["status"] == "SUCCEEDED", "the run has ended")
    assert client.describe_execution(executionArn=arn)["output"] == '"seven"'


def test_the_machine_s_clock_moves_for_some_executions_alone(faulty: State, door: FaultDoor) -> None:
    door.advance(3600, "blue*")
    client = boto3.client("stepfunctions", **access(faulty))
    states = {"Tell": {"Type": "Pass", "Output": "{% $millis() %}", "End": True}}
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Tell", "States": states})
    machine = client.create_state_machine(name="clock", definition=definition, roleArn=ROLE, type="EXPRESS")
    told = [
        int(client.start_sync_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(given))["output"])
        for given in ({"key": "drops/blue-1/x.csv"}, {"key": "drops/green/x.csv"})
    ]
    assert 3500 < (told[0] - told[1]) / 1000 < 3700


def test_a_bad_rule_is_refused(door: FaultDoor) -> None:
    with pytest.raises(ValueError, match="killFunction"):
        door.add("createFailed", "CreateCampaign")
