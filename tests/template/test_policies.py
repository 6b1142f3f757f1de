# SPDX-License-Identifier: Apache-2.0
"""Who may assume a role, and whom a resource's policy lets in: services, under the conditions that AWS documents."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.template.authorization import arn, details, types
from tests.template.stack import PSEUDO, STACK, Resource

ACCOUNT: Final = {"StringEquals": {"aws:SourceAccount": PSEUDO["AWS::AccountId"]}}
PERSONALIZE: Final = ACCOUNT | {
    "ArnLike": {"aws:SourceArn": f"arn:aws:personalize:{PSEUDO['AWS::Region']}:{PSEUDO['AWS::AccountId']}:*"}
}
ASSUMED: Final[dict[str, Resource]] = {
    # docs.aws.amazon.com/personalize/latest/dg/cross-service-confused-deputy-prevention.html
    "personalize.amazonaws.com": PERSONALIZE,
    # docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    "scheduler.amazonaws.com": ACCOUNT,
    # API Gateway assumes its role when it is set, and no document names a key of that request.
    "apigateway.amazonaws.com": {},
    # As SAM writes them.
    "lambda.amazonaws.com": {},
    "states.amazonaws.com": {},
    "events.amazonaws.com": {},
    "codedeploy.amazonaws.com": {},
}
"""The condition under which each service may assume a role of the stack."""
LET_IN: Final[dict[tuple[str, str], set[str]]] = {
    # docs.aws.amazon.com/personalize/latest/dg/granting-personalize-s3-access.html
    ("personalize.amazonaws.com", "s3"): {"aws:SourceAccount", "aws:SourceArn"},
    # docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
    ("cloudfront.amazonaws.com", "s3"): {"aws:SourceArn"},
    # docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html: none in the policy of a topic.
    ("events.amazonaws.com", "sqs"): {"aws:SourceArn"},
    ("events.amazonaws.com", "sns"): set(),
    # docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    ("cloudwatch.amazonaws.com", "sns"): {"aws:SourceAccount"},
}
"""The condition keys under which the policy of a resource lets a service in."""
OWNERS: Final = {"S3::BucketPolicy": "Bucket", "SQS::QueuePolicy": "Queues", "SNS::TopicPolicy": "Topics"}
"""The kinds of policies, and the property that says whose they are."""


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - one, or a list of them
    """IAM lets one stand for a list of one."""
    return value if isinstance(value, list) else [value]


def resource_statements() -> Iterator[tuple[Resource, set[str]]]:
    """Each statement of a resource's policy, with the ARNs of the resources that the policy belongs to."""
    for kind, owners in OWNERS.items():
        for policy in STACK.of(kind).values():
            for statement in policy["PolicyDocument"]["Statement"]:
                yield statement, {arn(owner) for owner in listed(policy[owners])}


@pytest.mark.parametrize("role", STACK.of("IAM::Role"))
def test_one_service_assumes_a_role_under_the_condition_that_aws_documents(role: str) -> None:
    (trust,) = STACK.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Effect"], listed(trust["Action"]), list(trust["Principal"])) == (
        "Allow",
        ["sts:AssumeRole"],
        ["Service"],
    )
    (service,) = listed(trust["Principal"]["Service"])
    assert trust.get("Condition", {}) == ASSUMED[service]


def test_the_policy_of_a_resource_lets_services_in_under_keys_that_they_send() -> None:
    seen = set()
    for statement, _ in resource_statements():
        if statement["Effect"] == "Deny":
            continue
        (service,) = statement["Principal"].values()
        services = {action.partition(":")[0] for action in listed(statement["Action"])}
        keys = {key for block in statement.get("Condition", {}).values() for key in block}
        assert [keys] == [LET_IN[service, principal] for principal in services]
        seen |= {(service, principal) for principal in services}
    assert seen == LET_IN.keys()


def test_the_policy_of_a_resource_is_about_its_own_and_known_actions_on_types_that_they_take() -> None:
    for statement, owners in resource_statements():
        resources = [arn(resource) for resource in listed(statement["Resource"])]
        assert all(
            any(resource == owner or resource.startswith(f"{owner}/") for owner in owners) for resource in resources
        )
        for action in listed(statement["Action"]):
            if statement["Effect"] == "Deny" and action.endswith(":*"):
                continue
            action_details = details(action)
            assert action_details, action
            kinds = types(action.partition(":")[0])
            taken = [kinds[type_["name"]] for type_ in action_details["resourceTypes"]]
            assert all(any(kind.fullmatch(resource) for kind in taken) for resource in resources)


@pytest.mark.parametrize("policy", STACK.of("S3::BucketPolicy").values(), ids=STACK.of("S3::BucketPolicy"))
def test_a_bucket_denies_nothing_but_what_is_not_encrypted(policy: Resource) -> None:
    (denied,) = [statement for statement in policy["PolicyDocument"]["Statement"] if statement["Effect"] == "Deny"]
    assert (denied["Principal"], denied["Action"]) == ("*", "s3:*")
    assert denied["Resource"] == [f"{policy['Bucket']}.Arn", f"{policy['Bucket']}.Arn/*"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_personalize_may_in_the_bucket_what_its_role_may() -> None:
    (inline,) = STACK.resources["PersonalizeRole"]["Properties"]["Policies"]
    allowed = [
        statement
        for statement in STACK.of("S3::BucketPolicy")["DropBucketPolicy"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    rights = [
        {
            (action, resource)
            for statement in policy
            for action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        }
        for policy in (inline["PolicyDocument"]["Statement"], allowed)
    ]
    assert rights[0] - {("cloudwatch:PutMetricData", "*")} == rights[1]


@pytest.mark.parametrize("key", STACK.of("KMS::Key").values(), ids=STACK.of("KMS::Key"))
def test_a_key_leaves_it_to_the_roles_of_the_account(key: Resource) -> None:
    (only,) = key["KeyPolicy"]["Statement"]
    assert only["Principal"] == {"AWS": f"arn:aws:iam::{PSEUDO['AWS::AccountId']}:root"}
    assert (only["Effect"], only["Action"], only["Resource"]) == ("Allow", "kms:*", "*")


@pytest.mark.parametrize("permission", STACK.of("Lambda::Permission").values(), ids=STACK.of("Lambda::Permission"))
def test_a_function_is_invoked_by_the_stacks_own_apis_and_rules(permission: Resource) -> None:
    assert permission["Action"] == "lambda:InvokeFunction"
    start = f"arn:aws:execute-api:{PSEUDO['AWS::Region']}:{PSEUDO['AWS::AccountId']}:"
    conditions = {
        "apigateway.amazonaws.com": any(
            permission["SourceArn"].startswith(f"{start}{api}/") for api in STACK.of("ApiGateway::RestApi")
        ),
        "events.amazonaws.com": permission["SourceArn"].removesuffix(".Arn") in STACK.of("Events::Rule"),
        "logs.amazonaws.com": permission["SourceArn"].rpartition("log-group:")[2].removesuffix(":*")
        in STACK.of("Logs::LogGroup"),
    }
    assert conditions[permission["Principal"]]


def test_an_api_has_no_policy_of_its_own() -> None:
    # Keys and authorizers decide there; a policy would be asked too.
    for api in STACK.of("ApiGateway::RestApi").values():
        assert "Policy" not in api
        assert "x-amazon-apigateway-policy" not in api["Body"]
