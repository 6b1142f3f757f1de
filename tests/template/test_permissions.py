# SPDX-License-Identifier: Apache-2.0
"""Each role allows exactly the calls that its function, or the machine, makes: none is missing, none too many."""

import fnmatch
import re
from collections.abc import Iterator

import pytest

from tests.statemachines.machine import MACHINES, tasks
from tests.template.authorization import UNNAMED, dependents, faults, fits
from tests.template.calls import Call, calls, unrecognised
from tests.template.stack import PSEUDO, STACK, Resource, compiled

FOLDERS = {
    name: re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Function")).lower()
    for name in STACK.of("Lambda::Function")
}
"""The folder of each function: its logical id in small letters."""
FUNCTIONS = pytest.mark.parametrize("function", FOLDERS)
S3 = {
    "CopyObject": "PutObject",
    "UploadPartCopy": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "DeleteObjects": "DeleteObject",
}
"""The S3 operations that another action allows."""
SQS = {"ChangeMessageVisibilityBatch": "ChangeMessageVisibility"}
"""The SQS operations that another action allows."""
DYNAMODB = {"TransactWriteItems": "PutItem"}
"""The DynamoDB operations that the actions of their parts allow."""
_MOVES_EVENTS = {"dynamodb:DeleteItem"}
"""What the engine's transactions have besides: a log-in moves events of its session."""
BESIDES = {
    # What Lambda itself does with the queue on the function's behalf.
    "DeliverEventsFunction": {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        *_MOVES_EVENTS,
    },
    # What Lambda does with the stream and the queue on the function's behalf, and where it says what it gave up.
    "CopyEventsFunction": {
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
    },
    "CountEventsFunction": {
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        "sqs:SendMessage",
    },
    # A version is read by an action of its own; without the right to list, a missing object is called forbidden.
    "FitLikelihoodFunction": {"s3:GetObjectVersion"},
    "ValidateDropFunction": {"s3:GetObjectVersion", "s3:ListBucket"},
    "CheckPartFunction": {"s3:GetObjectVersion"},
    "JoinExportFunction": {"s3:GetObjectVersion", "s3:ListBucket"},
    # What two retries of the function do not get done is a dead letter.
    "FollowSettingsFunction": {"s3:ListBucket", "sqs:SendMessage"},
    "SweepDropsFunction": {"s3:ListBucket", "sqs:SendMessage"},
    "KeepHouseFunction": {"s3:ListBucket", "sqs:SendMessage"},
    "EraseUsersFunction": {"sqs:SendMessage"},
    "AnalyseExperimentsFunction": {"sqs:SendMessage"},
    "GetRecommendationsFunction": {"s3:ListBucket"},
    "RecordEventsFunction": {"s3:ListBucket", *_MOVES_EVENTS},
    "RemoveShopFunction": {"s3:DeleteObjectVersion", "s3:ListBucket"},
    # What Secrets Manager does with the secret's key on the function's behalf.
    "AuthorizeRequestFunction": {"kms:Decrypt"},
    "IssueSessionFunction": {"kms:Decrypt"},
}
LOGS = {
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
}  # fmt: skip
"""What Step Functions does for a machine that logs."""


def statements(role: str) -> list[Resource]:
    """The statements of a role's own policies, each with lists of actions and of resources."""
    apart = [policy for policy in STACK.of("IAM::Policy").values() if role in policy["Roles"]]
    policies = STACK.resources[role]["Properties"].get("Policies", []) + apart
    listed_statements = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    return [
        statement | {key: listed(statement[key]) for key in ("Action", "Resource")} for statement in listed_statements
    ]


def listed(value: str | list[str]) -> list[str]:
    """IAM lets one stand for a list of one."""
    return [value] if isinstance(value, str) else value


def actions(role: str) -> list[str]:
    """Every action that a role allows."""
    return [action for statement in statements(role) for action in statement["Action"]]


def action(call: Call) -> str:
    """The IAM action that allows a call."""
    service, name = call
    service = "states" if service == "stepfunctions" else service
    return (
        f"{service.partition('-')[0]}:{ {'s3': S3, 'sqs': SQS, 'dynamodb': DYNAMODB}.get(service, {}).get(name, name) }"
    )


@FUNCTIONS
def test_a_function_may_call_what_it_calls_and_nothing_else(function: str) -> None:
    called = {action(call) for call in calls(FOLDERS[function])}
    wanted = called.union(*map(dependents, called)) | BESIDES.get(function, set())
    assert sorted(actions(f"{function}Role")) == sorted(wanted)


WAITING = {
    "states:StartExecution", "states:DescribeExecution", "states:StopExecution", "events:PutTargets", "events:PutRule",
    "events:DescribeRule",
}  # fmt: skip
"""What Step Functions does for a machine that starts another one and waits for it."""


MAPS = {
    "states:RedriveExecution", "s3:GetObject", "s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload",
}  # fmt: skip
"""What Step Functions does for a machine with Distributed Maps, beside starting and stopping their executions."""


@pytest.mark.parametrize(
    ("machine", "besides"),
    [
        ("Retrain", {"events:PutEvents", *WAITING}),
        ("Evaluate", {*WAITING, *MAPS}),
        ("Ensure", set[str]()),
    ],
)
def test_a_machine_may_call_what_it_calls_and_nothing_else(machine: str, besides: set[str]) -> None:
    assert not tasks("aws-sdk:", MACHINES[machine.lower()])
    wanted = {"lambda:InvokeFunction"} | besides | LOGS
    assert set(actions(f"{machine}StateMachineRole")) == wanted


def test_a_run_starts_and_stops_its_waits_and_tests_alone() -> None:
    resources = {
        name: statement["Resource"]
        for statement in statements("RetrainStateMachineRole")
        for name in statement["Action"]
    }
    # Checks and tests are waited for, fits of the purchase likelihood and batch jobs are not.
    assert resources["states:StartExecution"] == [
        "EnsureStateMachine", "CheckStateMachine", "EvaluateStateMachine", "LikelihoodStateMachine",
        "BatchStateMachine",
    ]  # fmt: skip
    start = "arn:aws:states:us-east-1:123456789012:execution"
    executions = [f"{start}:{machine}StateMachine.Name:*" for machine in ("Ensure", "Evaluate", "Check")]
    assert resources["states:StopExecution"] == resources["states:DescribeExecution"] == executions
    (rule,) = resources["events:PutRule"]
    assert rule.endswith(":rule/StepFunctionsGetEventsForStepFunctionsExecutionRule")


@pytest.mark.parametrize("function", ["ClaimDropFunction", "SweepDropsFunction"])
def test_runs_are_started_and_looked_at_on_their_own_machine_alone(function: str) -> None:
    resources = {statement["Action"][0]: statement["Resource"] for statement in statements(f"{function}Role")}
    assert resources["states:StartExecution"] == ["RetrainStateMachine"]
    start = "arn:aws:states:us-east-1:123456789012:execution:"
    assert f"{start}RetrainStateMachine.Name:*" in resources["states:DescribeExecution"]
    assert all(arn.startswith(start) for arn in resources["states:DescribeExecution"])


def test_the_removing_machine_calls_one_function_and_announces() -> None:
    wanted = {"lambda:InvokeFunction", "events:PutEvents", *WAITING} | LOGS
    assert sorted(actions("TeardownStateMachineRole")) == sorted(wanted)
    (invoked,) = [
        statement
        for statement in statements("TeardownStateMachineRole")
        if statement["Action"] == ["lambda:InvokeFunction"]
    ]
    assert invoked["Resource"] == ["RemoveShopFunction.Arn", "RemoveShopFunction.Arn:*"]


def test_a_schedule_of_a_shop_may_start_the_machine_and_leave_dead_letters_and_nothing_else() -> None:
    allowed = {
        name: statement["Resource"] for statement in statements("ShopScheduleRole") for name in statement["Action"]
    }
    assert allowed == {
        "states:StartExecution": ["RetrainStateMachine", "BatchStateMachine"],
        "sqs:SendMessage": ["ChoresQueue.Arn"],
    }


def test_schedules_are_made_in_the_stacks_own_group_alone() -> None:
    group = f"arn:aws:scheduler:{PSEUDO['AWS::Region']}:{PSEUDO['AWS::AccountId']}:schedule/ShopScheduleGroup/*"
    for function in ("FollowSettingsFunction", "SweepDropsFunction", "RemoveShopFunction"):
        (made,) = [
            statement
            for statement in statements(f"{function}Role")
            if "scheduler:DeleteSchedule" in statement["Action"]
        ]
        assert made["Resource"] == [group]
    assert {schedule["GroupName"] for schedule in STACK.of("Scheduler::Schedule").values()} == {"ShopScheduleGroup"}


def test_every_client_of_the_code_is_recognised() -> None:
    assert unrecognised() == []


def roles() -> Iterator[str]:
    """The roles that have statements of their own."""
    return (name for name in STACK.of("IAM::Role") if statements(name))


@pytest.mark.parametrize("role", list(roles()))
def test_a_role_is_as_the_authorization_reference_has_it(role: str) -> None:
    assert faults(statements(role)) == []


def on(actions: str | list[str], *resources: str, **more: object) -> Resource:
    """A statement of a role; a resource without a colon is one of Personalize."""
    start = f"arn:aws:personalize:{PSEUDO['AWS::Region']}:{PSEUDO['AWS::AccountId']}:"
    named = [arn if arn == "*" or ":" in arn else start + arn for arn in resources]
    return {"Effect": "Allow", "Action": listed(actions), "Resource": named, **more}


RECIPES = "arn:aws:personalize:::recipe/*"
PASSED = "arn:aws:iam::123456789012:role/personalize"
IMPORT = on("personalize:CreateDatasetImportJob", "dataset/retail-*", "dataset-import-job/retail-*")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([on("personalize:CreateSolutions", "solution/retail-*")], "is no action"),
        ([on("personalize:createSolution", "solution/retail-*")], "is no action"),
        ([on("personalise:CreateSolution", "solution/retail-*")], "is no action"),
        ([on("personalize:*", "solution/retail-*")], "is no action"),
        ([on("personalize:CreateSolution", "solution/retail-*", "dataset-group/retail-*")], "of type recipe"),
        ([on("personalize:CreateRecommender", "recommender/retail-*", "dataset-group/retail-*")], "of type recipe"),
        ([on("personalize:CreateDataset", "dataset/retail-*", "dataset-group/retail-*")], "of type schema"),
        ([on("personalize:CreateSolution", "solution/retail-*", RECIPES)], "of type datasetGroup"),
        ([on("personalize:UpdateCampaign", "campaign/retail-*")], "of type solution"),
        ([on("personalize:PutEvents", "event-tracker/*")], "takes no resource: only * allows it"),
        ([on("personalize:ListSolutions", "solution/*")], "takes no resource"),
        ([on("personalize:DescribeSolution", "*")], "is allowed on everything"),
        ([on("personalize:DescribeSolution", "solution/retail-*", "campaign/retail-*")], "retail-* is of no type"),
        ([on("personalize:DescribeSolution", "arn:aws:s3:::solution/retail-*")], "is of no type"),
        ([on("s3:GetObject", "arn:aws:s3:::bucket")], "is of no type"),
        ([on("s3:ListBucket", "arn:aws:s3:::bucket/imports/*")], "is of no type"),
        ([IMPORT], "personalize:CreateDatasetImportJob needs iam:PassRole"),
        ([on("scheduler:UpdateSchedule", "arn:aws:scheduler:us-east-1:1:schedule/group/*")], "needs iam:PassRole"),
        ([on("iam:PassRole", PASSED, Condition={"StringEquals": {"iam:PassedTo": "x"}})], "knows no iam:PassedTo"),
        ([on("personalize:DescribeSolution", "solution/retail-*") | {"Effect": "Deny"}], "deny nothing"),
    ],
)  # fmt: skip
def test_what_the_authorization_reference_does_not_have_is_found(given: list[Resource], fault: str) -> None:
    assert any(fault in problem for problem in faults(given))


def test_what_the_authorization_reference_has_is_taken() -> None:
    passing = on("iam:PassRole", PASSED, Condition={"StringEquals": {"iam:PassedToService": "x"}})
    read = on("personalize:GetRecommendations", "campaign/retail-*", "recommender/retail-*", "filter/retail-*")
    made = on("personalize:CreateSolution", "solution/retail-*", "dataset-group/retail-*", RECIPES)
    assert faults([passing, IMPORT, read, made, on("personalize:PutEvents", "*")]) == []


@pytest.mark.parametrize("role", list(roles()))
def test_personalize_is_allowed_under_the_prefix_alone(role: str) -> None:
    for statement in statements(role):
        for resource in statement["Resource"]:
            kinds = set[str]().union(*(fits(resource, action) for action in statement["Action"]))
            if not resource.startswith("arn:aws:personalize:"):
                continue
            if kinds & UNNAMED.keys():
                assert resource.endswith("/*")
                continue
            # What clears up after a test on held-out time may remove nothing that a shop serves from.
            deletes = all(name.startswith("personalize:Delete") for name in statement["Action"])
            tests = role == "EvaluateReleaseFunctionRole" and deletes
            assert resource.partition("/")[2] == ("retail-heldout_*" if tests else "retail-*")


def test_a_request_that_names_a_filter_or_a_recommender_is_allowed_on_them() -> None:
    # Neither a probe, nor the list of bestsellers, nor a snapshot names either.
    reading = {"personalize:GetRecommendations", "personalize:GetPersonalizedRanking"}
    kinds_of_role = {
        role: {kind for arn in statement["Resource"] for name in statement["Action"] for kind in fits(arn, name)}
        for role in roles()
        for statement in statements(role)
        if reading & set(statement["Action"])
    }
    assert kinds_of_role.pop("GetRecommendationsFunctionRole") == {"campaign", "recommender", "filter"}
    assert all(not {"recommender", "filter"} & kinds for kinds in kinds_of_role.values())


def test_the_prefix_limits_the_rights() -> None:
    other = compiled({"Prefix": "b2"}).resources["GetRecommendationsFunctionRole"]["Properties"]["Policies"]
    arn = "arn:aws:personalize:us-east-1:123456789012:campaign/"
    (allowed,) = [s for s in other[0]["PolicyDocument"]["Statement"] if "personalize:GetRecommendations" in s["Action"]]
    assert any(fnmatch.fnmatchcase(f"{arn}b2-shop-similar-items", pattern) for pattern in allowed["Resource"])
    assert not any(fnmatch.fnmatchcase(f"{arn}retail-shop-similar-items", pattern) for pattern in allowed["Resource"])


def test_each_role_that_is_passed_is_passed_to_one_service() -> None:
    passing = {
        role: (statement["Resource"], statement["Condition"])
        for role in roles()
        for statement in statements(role)
        if "iam:PassRole" in statement["Action"]
    }
    to = {
        "ImportDataFunctionRole": ("PersonalizeRole", "personalize"),
        "EvaluateReleaseFunctionRole": ("PersonalizeRole", "personalize"),
        "EraseUsersFunctionRole": ("PersonalizeRole", "personalize"),
        "AnswerBatchFunctionRole": ("PersonalizeRole", "personalize"),
        "FollowSettingsFunctionRole": ("ShopScheduleRole", "scheduler"),
        "SweepDropsFunctionRole": ("ShopScheduleRole", "scheduler"),
    }
    assert passing == {
        role: ([f"{passed}.Arn"], {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}})
        for role, (passed, service) in to.items()
    }


def test_no_broad_managed_policy_is_attached() -> None:
    narrow = {
        "service-role/AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess",
        "service-role/AWSCodeDeployRoleForLambda", "service-role/AmazonAPIGatewayPushToCloudWatchLogs",
    }  # fmt: skip
    attached = {arn for role in STACK.of("IAM::Role").values() for arn in role.get("ManagedPolicyArns", [])}
    assert {arn.partition(":policy/")[2] for arn in attached} == narrow


def test_events_are_put_into_their_queue_and_buried_in_the_other_one() -> None:
    queues = {
        function: {
            name: statement["Resource"]
            for statement in statements(f"{function}Role")
            for name in statement["Action"]
            if name in {"sqs:SendMessage", "sqs:ChangeMessageVisibility"}
        }
        for function in ("RecordEventsFunction", "DeliverEventsFunction")
    }
    assert queues["RecordEventsFunction"] == {"sqs:SendMessage": ["EventsQueue.Arn", "ImpressionsQueue.Arn"]}
    assert queues["DeliverEventsFunction"] == {
        "sqs:SendMessage": ["DeadEventsQueue.Arn"],
        "sqs:ChangeMessageVisibility": ["EventsQueue.Arn"],
    }


def test_both_api_functions_read_single_records_of_what_they_need_alone() -> None:
    # Which visitor a user first was, is in the table of users' events.
    tables = {
        "GetRecommendationsFunction": ["ShopsTable.Arn", "ShopperEventsTable.Arn"],
        # A log-in of a session, for the engine.
        "RecordEventsFunction": ["ShopsTable.Arn", "LiveTable.Arn"],
    }
    for function, resources in tables.items():
        (table,) = [
            statement for statement in statements(f"{function}Role") if "dynamodb:GetItem" in statement["Action"]
        ]
        assert table["Resource"] == resources
