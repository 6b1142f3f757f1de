# SPDX-License-Identifier: Apache-2.0
"""The rules of others that are suppressed, each with the fact behind it; and ours, for what none of them see."""

import json
import re

import pytest

from tests.template.audit import MOST, SUPPRESSED, expanded, written_out
from tests.template.stack import NESTED, STACK

LAMBDAS = STACK.of("Lambda::Function")
OPEN = {"/health", "/shops/{shop}/sessions"}
"""Routes that anybody may call: whether the API answers, and where a browser's token is made."""


def test_rules_are_suppressed_with_a_reason_and_few_of_them() -> None:
    assert len(SUPPRESSED) <= MOST
    assert all(len(reason.split()) > 6 for reason in SUPPRESSED.values())
    held = {name for name in globals() if name.startswith("test_ckv_")}
    assert held == {f"test_{rule.lower()}" for rule in SUPPRESSED}
    # No rule is suppressed anywhere else.
    assert "checkov" not in json.dumps(STACK.source)


def test_ckv_aws_18() -> None:
    # The storefront's holds public pages; the log of who reads them is CloudFront's, by a parameter.
    assert set(STACK.of("S3::Bucket")) == {"DropBucket", "StorefrontBucket"}
    assert {bucket["VersioningConfiguration"]["Status"] for bucket in STACK.of("S3::Bucket").values()} == {"Enabled"}


def test_ckv_aws_26() -> None:
    # Alarms and rules publish to the topic: services that SNS's own key does not know.
    (policy,) = STACK.of("SNS::TopicPolicy").values()
    publishers = {
        service for statement in policy["PolicyDocument"]["Statement"] for service in statement["Principal"].values()
    }
    assert publishers & {"events.amazonaws.com", "cloudwatch.amazonaws.com"}


def test_ckv_aws_27() -> None:
    assert all(queue["SqsManagedSseEnabled"] is True for queue in STACK.of("SQS::Queue").values())


def test_ckv_aws_115() -> None:
    assert all(stage["MethodSettings"][0]["ThrottlingRateLimit"] for stage in STACK.of("ApiGateway::Stage").values())
    mappings = STACK.of("Lambda::EventSourceMapping").values()
    # A stream brings one batch at a time of each of its shards.
    queues = [mapping for mapping in mappings if "StartingPosition" not in mapping]
    assert all(queue["ScalingConfig"]["MaximumConcurrency"] for queue in queues)


def test_ckv_aws_116() -> None:
    # Whom EventBridge, a schedule or another service calls without waiting for an answer.
    called = {
        permission["FunctionName"]
        for permission in STACK.of("Lambda::Permission").values()
        if permission["Principal"] not in {"apigateway.amazonaws.com"}
    }
    called |= {schedule["Target"]["Arn"].removesuffix(".Arn") for schedule in STACK.of("Scheduler::Schedule").values()}
    asynchronous = called & set(LAMBDAS)
    assert asynchronous
    assert {name for name in asynchronous if "DeadLetterConfig" not in LAMBDAS[name]} == set()


def test_ckv_aws_117() -> None:
    vpc = {"AWS::EC2::VPC", "AWS::RDS::DBInstance", "AWS::ElastiCache::CacheCluster"}
    assert not vpc & {resource["Type"] for resource in STACK.resources.values()}


def test_ckv_aws_119() -> None:
    assert all(table["SSESpecification"] == {"SSEEnabled": False} for table in STACK.of("DynamoDB::Table").values())


def test_ckv_aws_120() -> None:
    assert all("CacheClusterEnabled" not in stage for stage in STACK.of("ApiGateway::Stage").values())


def test_ckv_aws_124() -> None:
    # Alarms and rules tell of what happens to shops; a nested stack's own events are those of a deployment.
    assert all(nested["TemplateURL"].startswith("stacks/") for nested in STACK.of("CloudFormation::Stack").values())


def test_ckv_aws_149() -> None:
    # What proves who somebody is has a key of its own.
    secrets = STACK.of("SecretsManager::Secret")
    assert {name for name, secret in secrets.items() if "KmsKeyId" not in secret} == {"ListIdKeys"}


def test_ckv_aws_158() -> None:
    # That the functions log nothing of a shopper is held by tests/hostile; here, that the gateway does not.
    logged = {stage["AccessLogSetting"]["Format"] for stage in STACK.of("ApiGateway::Stage").values()}
    told = {value for text in logged for value in json.loads(text).values()}
    named = re.compile(r"context\.(path|identity\.(sourceIp|userAgent|apiKey)|authorizer\.(user|session))$")
    assert not {line for line in told if named.search(line)}


def test_ckv_aws_173() -> None:
    for name, function in LAMBDAS.items():
        for variable, value in function["Environment"]["Variables"].items():
            assert "resolve:" not in str(value), (name, variable)
            assert not re.search(r"PASSWORD|SECRET|TOKEN$|PRIVATE", variable), (name, variable)


@pytest.mark.parametrize("api", STACK.of("ApiGateway::RestApi"))
def test_every_route_asks_who_calls(api: str) -> None:
    for path, operations in STACK.of("ApiGateway::RestApi")[api]["Body"]["paths"].items():
        for method, operation in operations.items():
            guards = {name for requirement in operation.get("security", []) for name in requirement}
            assert guards or method == "options" or path in OPEN, (api, method, path)


@pytest.mark.parametrize("stage", STACK.of("ApiGateway::Stage"))
def test_every_stage_and_every_plan_has_a_rate(stage: str) -> None:
    (settings,) = STACK.of("ApiGateway::Stage")[stage]["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert min(settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) > 0
    plans = [
        plan
        for plan in STACK.of("ApiGateway::UsagePlan").values()
        for stage_of_plan in plan["ApiStages"]
        if stage_of_plan["Stage"] == stage
    ]
    assert plans
    assert all(plan["Throttle"]["RateLimit"] and plan["Throttle"]["BurstLimit"] for plan in plans)


def test_no_page_of_any_origin_reads_answers_where_origins_are_named() -> None:
    # The preflight and the gateway's own refusals say which origin; a star is there only for several (ADR 0024).
    source = json.dumps(STACK.source["Resources"]) + json.dumps(STACK.source["Globals"])
    stars = re.findall(r'\{"Fn::If": \["OneOrigin", \{"Fn::Sub": "\'\$\{AllowedOrigin\}\'"\}, "\'\*\'"\]\}', source)
    assert len(stars) == source.count("\"'*'\"")
    assert "AllowCredentials" not in source


def test_every_queue_that_feeds_a_function_has_dead_letters() -> None:
    queues = STACK.of("SQS::Queue")
    sources = [mapping["EventSourceArn"] for mapping in STACK.of("Lambda::EventSourceMapping").values()]
    fed = {source.removesuffix(".Arn") for source in sources if source.endswith(".Arn")}
    assert fed
    for queue in fed:
        assert queues[queue]["RedrivePolicy"]["deadLetterTargetArn"].removesuffix(".Arn") in set(queues) - {queue}


def test_what_is_audited_is_the_whole_stack() -> None:
    made = expanded()
    parts = [made, *map(written_out, NESTED)]
    # Versions are named by what they have, and some parameters differ.
    whole = {name for name, resource in STACK.resources.items() if resource["Type"] != "AWS::Lambda::Version"}
    assert whole <= {name for part in parts for name in part["Resources"]}
    assert made["Parameters"]["Browsers"]["Default"] == "true"
