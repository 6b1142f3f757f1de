# SPDX-License-Identifier: Apache-2.0
"""What holds for the whole stack: descriptions, names, alarms, logs, environments."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

from tests.template.stack import FILE, NESTED, ROOT, STACK, compiled, looped, watched

ALARMS = STACK.of("CloudWatch::Alarm")
WATCHED = [metric for alarm in ALARMS.values() for metric in watched(alarm)]
REFUSALS = STACK.of("ApiGateway::RestApi")["Api"]["Body"]["x-amazon-apigateway-gateway-responses"]
CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())


def test_every_parameter_and_output_is_explained() -> None:
    for name, entry in (STACK.source["Parameters"] | STACK.source["Outputs"]).items():
        assert len(entry["Description"].split()) > 3, name


def test_cloudformation_names_the_resources() -> None:
    # A fixed name stops a second stack in the account, and a replacement of the resource.
    fixed = {"FunctionName", "RoleName", "QueueName", "BucketName", "TableName", "StateMachineName", "AlarmName"}
    for name, resource in STACK.source["Resources"].items():
        # These have no name; they name their function.
        nameless = {"AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission"}
        named = fixed - {"FunctionName"} if resource["Type"] in nameless else fixed
        assert not named & set(resource.get("Properties", {})), name


@pytest.mark.parametrize("file", [FILE, *NESTED], ids=lambda file: file.name)
def test_the_sam_cli_writes_out_what_a_template_says_once(file: Path) -> None:
    # CloudFormation refuses aliases; `sam build` and `sam package` read and write every template by these two.
    script = "import sys; from samcli.yamlhelper import *; print(yaml_dump(yaml_parse(sys.stdin.read())))"
    python = ROOT / ".local/sam/bin/python"
    written = subprocess.run([python, "-c", script], input=file.read_text(), capture_output=True, text=True, check=True)
    tokens = list(yaml.scan(written.stdout))
    assert not [token for token in tokens if isinstance(token, yaml.AliasToken | yaml.AnchorToken)]
    assert yaml_parse(written.stdout) == yaml_parse(file.read_text())


@pytest.mark.parametrize("file", [FILE, *NESTED], ids=lambda file: file.name)
def test_an_anchor_of_a_template_is_used_again(file: Path) -> None:
    tokens = list(yaml.scan(file.read_text()))
    anchors = {token.value for token in tokens if isinstance(token, yaml.AnchorToken)}
    assert anchors == {token.value for token in tokens if isinstance(token, yaml.AliasToken)}


@pytest.mark.parametrize("file", [FILE, *NESTED], ids=lambda file: file.name)
def test_a_template_can_be_read(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert max(map(len, lines)) <= 120
    assert len(lines) <= 2500


@pytest.mark.parametrize("file", [FILE, *NESTED], ids=lambda file: file.name)
def test_a_template_has_no_null(file: Path) -> None:
    # CloudFormation refuses it. An unquoted text with a comma makes one: {Description: a, b}.
    assert re.findall(r'"[^"]*": null', json.dumps(yaml_parse(file.read_text()))) == []


def test_every_nested_stack_is_made() -> None:
    made = [nested["TemplateURL"] for nested in STACK.of("CloudFormation::Stack").values()]
    assert sorted(ROOT / path for path in made) == NESTED


def test_what_has_data_or_an_address_is_in_the_stack_itself() -> None:
    # CloudFormation cannot move a resource from one stack to another.
    apart = {
        "AWS::ApiGateway::ApiKey", "AWS::CloudFront::Distribution", "AWS::DynamoDB::Table", "AWS::KMS::Key",
        "AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::S3::Bucket", "AWS::SNS::Topic", "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret", "AWS::Serverless::Api", "AWS::Serverless::Function",
        "AWS::StepFunctions::StateMachine",
    }  # fmt: skip
    # The storefront stands in a stack of its own since before the first release, and stays there.
    born_there = {"storefront.yaml": {"AWS::CloudFront::Distribution", "AWS::S3::Bucket"}}
    for file in NESTED:
        types = {resource["Type"] for resource in looped(file)["Resources"].values()}
        assert apart & types == born_there.get(file.name, set())


def test_every_log_group_forgets_and_is_written_to() -> None:
    groups = STACK.of("Logs::LogGroup")
    assert {group["RetentionInDays"] for group in groups.values()} == {30}
    whole = str(STACK.resources)
    assert {name for name in groups if f"{name}.Arn" not in whole and f"'LogGroup': '{name}'" not in whole} == set()


def test_no_stack_of_the_same_name_before_this_one_can_have_left_a_log_group_of_a_name() -> None:
    # A line that is written late makes a deleted group again, and CloudFormation refuses to make what is there.
    named = {
        name: group["LogGroupName"] for name, group in STACK.of("Logs::LogGroup").items() if "LogGroupName" in group
    }
    assert set(named) == {
        f"{machine}LogGroup"
        for machine in ("Batch", "Check", "Ensure", "Evaluate", "Likelihood", "Retrain", "Teardown")
    }
    # The prefix keeps AWS's resource policy for the delivery of logs short; the id is the stack's own.
    assert all(name.startswith("/aws/vendedlogs/states/retail-51af3dc0-") for name in named.values())


def test_an_update_that_replaces_a_log_group_keeps_its_lines() -> None:
    groups = [STACK.resources[name] for name in STACK.of("Logs::LogGroup")]
    assert {(group["DeletionPolicy"], group["UpdateReplacePolicy"]) for group in groups} == {("Delete", "Retain")}


@pytest.mark.parametrize(
    ("namespace", "metric"),
    [
        ("AWS/States", "ExecutionsFailed"),
        ("AWS/States", "ExecutionsTimedOut"),
        ("AWS/ApiGateway", "5XXError"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
        ("AWS/Events", "Invocations"),
        ("RetailPersonalization", "DaysSincePromotion"),
        ("AWS/Lambda", "Duration"),
        ("AWS/Lambda", "Throttles"),
        ("RetailPersonalization", "DegradedAnswers"),
        ("RetailPersonalization", "FailedAnswers"),
        ("RetailPersonalization", "ThrottledRequests"),
        ("RetailPersonalization", "Events"),
        ("RetailPersonalization", "RejectsAboveLimit"),
    ],
)
def test_what_goes_wrong_raises_an_alarm(namespace: str, metric: str) -> None:
    assert (namespace, metric) in {(metric["Namespace"], metric["MetricName"]) for metric in WATCHED}


def test_every_function_has_an_alarm_on_its_errors() -> None:
    errors = [metric for metric in WATCHED if (metric["Namespace"], metric["MetricName"]) == ("AWS/Lambda", "Errors")]
    assert sorted(error["Dimensions"][0]["Value"] for error in errors) == sorted(STACK.of("Lambda::Function"))


def test_an_alarm_adds_up_as_many_metrics_as_cloudwatch_takes() -> None:
    assert max(len(alarm.get("Metrics", [])) for alarm in ALARMS.values()) <= 10


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_says_what_to_do_and_rests_when_nothing_happens(alarm: str) -> None:
    assert len(ALARMS[alarm]["AlarmDescription"].split()) > 5
    assert ALARMS[alarm]["TreatMissingData"] == ("breaching" if alarm == "NoEventsAlarm" else "notBreaching")
    assert ALARMS[alarm]["AlarmActions"] == ["NotifyTopic"]


def test_silence_rings_after_the_minutes_that_a_shop_gives_and_never_for_none() -> None:
    alarm = compiled({"QuietMinutes": 480}).of("CloudWatch::Alarm")["NoEventsAlarm"]
    assert (alarm["EvaluationPeriods"], alarm["Period"], alarm["Statistic"]) == (480, 60, "Sum")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    # CloudWatch looks back over a day at most.
    assert STACK.source["Parameters"]["QuietMinutes"]["MaxValue"] * alarm["Period"] == 86400
    without = compiled({"QuietMinutes": 0})
    assert set(STACK.resources) - set(without.resources) == {"NoEventsAlarm"}


@pytest.mark.parametrize("function", ["GetRecommendations", "RecordEvents"])
def test_slow_is_what_one_answer_of_a_hundred_takes_for_several_minutes(function: str) -> None:
    alarm = compiled({"SlowMilliseconds": 700}).of("CloudWatch::Alarm")[f"{function}SlowAlarm"]
    assert (alarm["Threshold"], alarm["ExtendedStatistic"], "Statistic" in alarm) == (700, "p99", False)
    assert alarm["DatapointsToAlarm"] < alarm["EvaluationPeriods"]
    # A canary has five minutes, in which it must be heard.
    assert alarm["EvaluationPeriods"] * alarm["Period"] <= 300


def test_requests_over_the_rate_are_counted_from_the_access_log_of_the_stack() -> None:
    logged = {
        json.dumps(json.loads(stage["AccessLogSetting"]["Format"])) for stage in STACK.of("ApiGateway::Stage").values()
    }
    counted = STACK.of("Logs::MetricFilter")["ThrottledRequests"]
    (told,) = counted["MetricTransformations"]
    for line in map(json.loads, logged):
        assert (line["service"], line["errorType"]) == ("retail", "$context.error.responseType")
    assert told["Dimensions"] == [{"Key": "service", "Value": "$.service"}]
    refused = {kind for kind, refusal in REFUSALS.items() if str(refusal.get("statusCode")) == "429"}
    assert (
        set(re.findall(r'errorType = "(\w+)"', counted["FilterPattern"])) == refused == {"THROTTLED", "QUOTA_EXCEEDED"}
    )


def test_alarms_notify_a_topic_that_is_given() -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:operators"
    told = [alarm["AlarmActions"] for alarm in compiled({"AlarmTopicArn": topic}).of("CloudWatch::Alarm").values()]
    assert told == [[topic]] * len(ALARMS)


def test_every_dead_letter_queue_has_an_alarm() -> None:
    queues = {metric["Dimensions"][0]["Value"] for metric in WATCHED if metric["Namespace"] == "AWS/SQS"}
    assert queues == {f"{queue}.QueueName" for queue in STACK.of("SQS::Queue")}


def test_the_stale_alarm_counts_what_the_daily_round_measures() -> None:
    alarm, handler = ALARMS["StaleShopAlarm"], (ROOT / "functions/keep_house/app.py").read_text()
    variables = STACK.of("Lambda::Function")["KeepHouseFunction"]["Environment"]["Variables"]
    assert f'"{alarm["MetricName"]}"' in handler
    assert alarm["Namespace"] == variables["POWERTOOLS_METRICS_NAMESPACE"]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}]
    assert compiled({"StaleDays": 3}).of("CloudWatch::Alarm")["StaleShopAlarm"]["Threshold"] == 3


def test_the_accounts_log_role_may_be_left_to_another_stack() -> None:
    resources = compiled({"ManageApiGatewayLogRole": "false"}).resources
    assert set(STACK.resources) - set(resources) == {"ApiGatewayAccount", "ApiGatewayLogRole"}


@pytest.mark.parametrize("environment", ["default", "dev", "prod", "local"])
def test_an_environment_deploys_this_template(environment: str) -> None:
    settings = CONFIG[environment]["deploy"]["parameters"]
    assert settings["resolve_s3"]
    assert settings["capabilities"] == "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"
    given = dict(pair.split("=") for pair in settings.get("parameter_overrides", "").split())
    assert set(given) <= set(STACK.source["Parameters"])
    assert given.get("LogLevel") != "DEBUG", "its lines have user ids"
    # A hyphen would let the rights of one prefix reach the resources of another.
    assert re.fullmatch(
        r"[a-z0-9]{1,11}", given.get("Prefix", CONFIG[environment]["global"]["parameters"]["stack_name"])
    )
