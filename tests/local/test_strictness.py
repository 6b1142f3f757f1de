# SPDX-License-Identifier: Apache-2.0
"""What the local AWS refuses because AWS does: the rows of the table that need a local AWS and nothing deployed."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError
from personalization.core.errors import Rejected
from personalization.shop.settings.settings import parse

from local.cloud.aws.event_patterns import complexity
from local.cloud.aws.schedule_expressions import refusal
from local.cloud.environments import cloud_python
from local.cloud.faults import FaultDoor
from local.cloud.home import State, access
from tests.app.waiting import until
from tests.local.test_launcher import ROLE, function, open_doors, role, run
from tests.template.stack import STACK

LIMIT = 10

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:nothing"
ENTRY = {"Source": "test", "DetailType": "Nothing", "Detail": "{}"}
needs_cloud = pytest.mark.skipif(not cloud_python().exists(), reason="no .local/cloud: make setup")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with open_doors(tmp_path_factory.mktemp("strict")) as state:
        yield state


def client(state: State, service: str) -> Any:  # noqa: ANN401 - of whichever service
    """A client that asks once."""
    how = access(state)
    return boto3.client(service, **how | {"config": how["config"].merge(Config(retries={"total_max_attempts": 1}))})  # type: ignore[call-overload]


TAKEN = (
    "rate(1 minute)", "rate(5 hours)", "rate(7 days)", "at(2026-11-30T03:00:00)",
    "cron(0 3 * * ? *)", "cron(0/15 8-18 ? * MON-FRI *)", "cron(15 10 ? * 6L 2026-2027)", "cron(0 9 ? * 3#2 *)",
    "cron(0 9 L * ? *)", "cron(0 9 15W * ? *)", "cron(0 9 1,15 JAN,JUL ? 2199)", "cron(*/5 * ? * TUE#1 *)",
    # A reporter of localstack/localstack#13572 had AWS take these.
    "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)", "cron(1-31/30 1-1 ? * 1,7 *)",
)  # fmt: skip
REFUSED = (
    "", "daily", "rate(0 days)", "rate(1 week)", "rate(1.5 hours)", "rate(5)", "at(2026-02-30T03:00:00)", "at(03:00)",
    "0 3 * * ? *", "cron(0 3 * * ?)", "cron(0 3 * * ? * *)", "cron(0 3 * * * *)", "cron(0 3 ? * ? *)",
    "cron(60 3 * * ? *)", "cron(0 25 * * ? *)", "cron(0 3 32 * ? *)", "cron(0 3 0 * ? *)", "cron(0 3 * 13 ? *)",
    "cron(0 3 ? * 8 *)", "cron(0 3 ? * 0 *)", "cron(0 3 ? * MON-XYZ *)", "cron(0 3 ? * 2#6 *)",
    "cron(0 3 ? * 3#1,6#3 *)", "cron(0 3 * * ? 1969)", "cron(0 3 * * ? 2200)", "cron(? 3 * * ? *)", "cron(0 3 W * ? *)",
    "cron(*/0 3 * * ? *)", "cron(0/60 3 * * ? *)", "cron(0 3 * JANUARY ? *)", "cron(0 -3 * * ? *)",
    "cron(0 5-3 * * ? *)", "cron(@daily)",
)  # fmt: skip


@pytest.mark.parametrize("expression", TAKEN)
def test_an_expression_of_the_documentation_is_taken(expression: str) -> None:
    assert refusal(expression, "Europe/Paris") == ""


@pytest.mark.parametrize("expression", REFUSED)
def test_an_expression_that_the_documentation_excludes_is_refused_here_and_in_settings(expression: str) -> None:
    assert refusal(expression, "UTC") == f"Invalid Schedule Expression {expression}."
    with pytest.raises(Rejected):
        parse("settings.yaml", yaml.safe_dump({"schedules": [{"name": "a", "every": expression}]}))


@needs_cloud
def test_scheduler_refuses_expressions_and_zones_and_makes_nothing(cloud: State) -> None:
    scheduler = client(cloud, "scheduler")
    schedule = {"Name": "nightly", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": {"Arn": ROLE, "RoleArn": ROLE}}
    good = {"ScheduleExpression": "cron(0 3 * * ? *)", "ScheduleExpressionTimezone": "Asia/Seoul"}
    wrong = [good | {"ScheduleExpression": "cron(0 3 * * * *)"}, good | {"ScheduleExpressionTimezone": "Mars/Base"}]
    for members in wrong:
        with pytest.raises(scheduler.exceptions.ValidationException, match="Invalid Schedule"):
            scheduler.create_schedule(**schedule, **members)
    assert scheduler.list_schedules()["Schedules"] == []
    scheduler.create_schedule(**schedule, **good)
    for members in wrong:
        with pytest.raises(scheduler.exceptions.ValidationException, match="Invalid Schedule"):
            scheduler.update_schedule(**schedule, **members)
    assert scheduler.get_schedule(Name="nightly")["ScheduleExpression"] == good["ScheduleExpression"]


def wildcards(*values: str) -> dict[str, Any]:
    return {"detail": {"key": [{"wildcard": value} for value in values]}}


EXPLODING = (
    "aahed* aal*ii aargh* aarti* a*baca *abaci a*back ab*acs abaf*t *abaka ab*amp a*band *abase abash* abas*k ab*ate"
    " aba*ya abbas* abbed* ab*bes abbey* *abbot ab*cee abea*m abe*ar a*bele a*bers abet*s *abhor abi*de a*bies *abled"
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["*"], 1), (["abc"], 1), (["*ab"], 2), (["*aa"], 3), (["aa*"], 2), (["a*bbb"], 4), (["*ab*ad"], 4),
        (["ab*b*"], 3), (["*ab*b*b*"], 7), (["*", "ab*c"], 3), (["abc*", "abcde*"], 3), (["ab*c", "ab*c"], 2),
        (["a*aaa", "aa*aa"], 7), (["ab*cd", "ab*wx", "ab*yz"], 6),
        (["F*eatureFeature", "Fe*atureFeature", "Fea*tureFeature"], 10), (EXPLODING.split(), 45),
    ],
)  # fmt: skip
def test_patterns_are_as_complex_as_event_ruler_finds_them(values: list[str], expected: int) -> None:
    """The figures are those of `MachineComplexityEvaluatorTest` in aws/event-ruler."""
    assert complexity(wildcards(*values), most=100) == expected


def test_the_template_s_rules_are_as_complex_as_they_were() -> None:
    """A wildcard more may be one too many: EventBridge refuses a rule above the limit, and with it the deployment."""
    rules = {name: rule.get("EventPattern", {}) for name, rule in STACK.of("Events::Rule").items()}
    complexities = {name: complexity(pattern) for name, pattern in rules.items()}
    assert {name: count for name, count in complexities.items() if count} == {
        "RetrainStateMachineDrop": 7,
        "RetrainStateMachineDropInFolder": 8,
        "FollowSettingsFunctionSettings": 8,
    }
    assert max(complexities.values()) <= LIMIT


@needs_cloud
def test_eventbridge_refuses_a_rule_that_is_too_complex(cloud: State) -> None:
    events = client(cloud, "events")
    most = wildcards("*a*a*a*a*a")
    assert complexity(most) == LIMIT
    events.put_rule(Name="most", EventPattern=json.dumps(most))
    with pytest.raises(events.exceptions.InvalidEventPatternException, match="Rule is too complex"):
        events.put_rule(Name="more", EventPattern=json.dumps(wildcards("*a*a*a*a*a*")))
    assert [rule["Name"] for rule in events.list_rules()["Rules"]] == ["most"]


@needs_cloud
@pytest.mark.parametrize(
    ("resource", "arguments", "action", "error"),
    [
        (
            ":states:::lambda:invoke",
            {"FunctionName": "granted", "Payload": {}},
            "lambda:InvokeFunction",
            "Lambda.AWSLambda",
        ),
        (":lambda:us-east-1:000000000000:function:called", {}, "lambda:InvokeFunction", "Lambda.AWSLambda"),
        (
            ":states:::states:startExecution",
            {"StateMachineArn": MACHINE},
            "states:StartExecution",
            "StepFunctions.AWSStepFunctions",
        ),
        (":states:::events:putEvents", {"Entries": [ENTRY]}, "events:PutEvents", "EventBridge.AmazonEventBridge"),
    ],
)
def test_a_machine_needs_the_rights_for_its_tasks(
    cloud: State, resource: str, arguments: dict[str, Any], action: str, error: str
) -> None:
    if action.startswith("lambda"):
        function(cloud, arguments.get("FunctionName", "called"), "def handler(event, _): return 'done'")
    task = {"Resource": f"arn:aws{resource}", "Arguments": arguments}
    name = f"{action}-{len(resource)}".replace(":", "-")
    elsewhere = {"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::elsewhere"}
    without = run(cloud, f"{name}-without", task, role(cloud, f"{name}-without", elsewhere))
    assert without["Error"] == f"{error}Exception"
    assert f"is not authorized to perform: {action}" in str(without["Cause"])
    granted = run(cloud, f"{name}-granted", task, role(cloud, f"{name}-granted", elsewhere | {"Resource": "*"}))
    assert "is not authorized" not in str(granted)


WAITING = """
import pathlib, time
def handler(event, _):
    pathlib.Path(event["begun"]).touch()
    while not pathlib.Path(event["go"]).exists():
        time.sleep(0.01)
"""


@needs_cloud
def test_a_call_of_a_function_without_a_free_slot_is_refused_and_an_asynchronous_one_waits(
    cloud: State, tmp_path: Path
) -> None:
    functions, arn = client(cloud, "lambda"), function(cloud, "waiting", WAITING)
    functions.update_function_configuration(FunctionName=arn, Timeout=60)
    files = {name: str(tmp_path / name) for name in ("begun", "go")}
    later = {**files, "begun": str(tmp_path / "later")}
    door = FaultDoor(f"{cloud.endpoint}/_local")
    before = door.function_slots(1)
    try:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(functions.invoke, FunctionName=arn, Payload=json.dumps(files))
            until((tmp_path / "begun").exists, "the function has begun")
            with pytest.raises(ClientError) as refused:
                functions.invoke(FunctionName=arn, Payload=json.dumps(files))
            assert refused.value.response["Error"]["Code"] == "TooManyRequestsException"
            task = {"Resource": arn, "Arguments": files}
            assert run(cloud, "refused", task)["Error"] == "Lambda.TooManyRequestsException"
            accepted = functions.invoke(FunctionName=arn, Payload=json.dumps(later), InvocationType="Event")
            assert accepted["Payload"].read() == b""
            assert not (tmp_path / "later").exists()
            (tmp_path / "go").touch()
            assert "FunctionError" not in first.result()
            assert first.result()["Payload"].read() == b"null"
            until((tmp_path / "later").exists, "the later call has begun")
    finally:
        (tmp_path / "go").touch()
        door.function_slots(before)
