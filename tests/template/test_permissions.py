# SPDX-License-Identifier: Apache-2.0
"""Each role allows exactly the calls that its function, or the machine, makes: none is missing, none too many."""

import fnmatch
from collections.abc import Iterator

import pytest

from tests.statemachines.machine import MACHINES, tasks
from tests.template.calls import Call, calls, unrecognised
from tests.template.stack import PSEUDO, STACK, Resource, compiled

FOLDERS = {
    "ClaimDropFunction": "claim_drop",
    "ValidateDropFunction": "validate_drop",
    "ImportDataFunction": "import_data",
    "TrainSolutionFunction": "train_solution",
    "JudgeReleaseFunction": "judge_release",
    "UpdateCampaignFunction": "update_campaign",
    "FitLikelihoodFunction": "fit_likelihood",
    "GetRecommendationsFunction": "get_recommendations",
    "RecordEventsFunction": "record_events",
    "DeliverEventsFunction": "deliver_events",
    "CopyEventsFunction": "copy_events",
    "EraseUsersFunction": "erase_users",
    "FollowSettingsFunction": "follow_settings",
    "SweepDropsFunction": "sweep_drops",
    "KeepHouseFunction": "keep_house",
    "RemoveShopFunction": "remove_shop",
    "AuthorizeRequestFunction": "authorize_request",
    "IssueSessionFunction": "issue_session",
    "SplitHistoryFunction": "split_history",
    "EvaluateReleaseFunction": "evaluate_release",
}
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
BESIDES = {
    # What Lambda itself does with the queue on the function's behalf.
    "DeliverEventsFunction": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    # What Lambda does with the stream on the function's behalf, and where it says what it gave up.
    "CopyEventsFunction": {
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        "sqs:SendMessage",
    },
    # A version is read by an action of its own; without the right to list, a missing object is called forbidden.
    "ValidateDropFunction": {"s3:GetObjectVersion", "s3:ListBucket"},
    # The role goes along with the import job.
    "ImportDataFunction": {"iam:PassRole"},
    # The role goes along with a schedule; what two retries of the function do not get done is a dead letter.
    "FollowSettingsFunction": {"s3:ListBucket", "iam:PassRole", "sqs:SendMessage"},
    "SweepDropsFunction": {"sqs:SendMessage"},
    "KeepHouseFunction": {"s3:ListBucket", "sqs:SendMessage"},
    "EraseUsersFunction": {"iam:PassRole", "sqs:SendMessage"},
    "RemoveShopFunction": {"s3:DeleteObjectVersion", "s3:ListBucket"},
    # What Secrets Manager does with the secret's key on the function's behalf.
    "AuthorizeRequestFunction": {"kms:Decrypt"},
    "IssueSessionFunction": {"kms:Decrypt"},
    # The role goes along with the jobs that write to the bucket.
    "EvaluateReleaseFunction": {"iam:PassRole"},
}
NO_RESOURCE = {
    "personalize:ListEventTrackers", "personalize:ListSolutionVersions", "personalize:ListRecommenders",
    "personalize:ListCampaigns", "personalize:ListFilters", "personalize:ListSolutions", "personalize:ListSchemas",
    "personalize:ListMetricAttributions", "personalize:ListDatasets", "personalize:ListDataDeletionJobs",
    "personalize:PutEvents", "scheduler:ListSchedules", "dynamodb:ListStreams",
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
}  # fmt: skip
"""The actions for which AWS's authorization reference names no resource type, so that they are allowed on `*`."""
TYPES = {
    "Campaign": "campaign", "Dataset": "dataset", "DatasetGroup": "dataset-group", "EventTracker": "event-tracker",
    "DatasetImportJob": "dataset-import-job", "Filter": "filter", "Schema": "schema", "Solution": "solution",
    "SolutionVersion": "solution", "Recommender": "recommender", "MetricAttribution": "metric-attribution",
    "DatasetExportJob": "dataset-export-job", "BatchInferenceJob": "batch-inference-job",
    "DataDeletionJob": "data-deletion-job",
}  # fmt: skip
OTHERS = {
    "GetRecommendations": "campaign", "GetPersonalizedRanking": "campaign",
    "PutUsers": "dataset", "PutItems": "dataset", "GetSolutionMetrics": "solution",
}  # fmt: skip
BEYOND = {
    # What is created below something else, and what a request names, may be asked about too.
    "CreateSolution": {"dataset-group", "recipe"}, "CreateRecommender": {"dataset-group", "recipe"},
    "CreateCampaign": {"solution"}, "CreateBatchInferenceJob": {"solution"},
    "CreateDataDeletionJob": {"dataset-group"},
    "GetRecommendations": {"filter", "recommender"}, "GetPersonalizedRanking": {"filter"},
}  # fmt: skip


def statements(role: str) -> list[Resource]:
    """The statements of a role's own policies, each with lists of actions and of resources."""
    apart = [policy for policy in STACK.of("IAM::Policy").values() if role in policy["Roles"]]
    policies = STACK.resources[role]["Properties"].get("Policies", []) + apart
    found = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    return [each | {key: listed(each[key]) for key in ("Action", "Resource")} for each in found]


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
    return f"{service.partition('-')[0]}:{ {'s3': S3, 'sqs': SQS}.get(service, {}).get(name, name) }"


def own_type(name: str) -> str:
    """The type of resource that a Personalize action is about."""
    return (
        OTHERS.get(name)
        or TYPES[name.removeprefix("Create").removeprefix("Describe").removeprefix("Update").removeprefix("Delete")]
    )


@FUNCTIONS
def test_a_function_may_call_what_it_calls_and_nothing_else(function: str) -> None:
    wanted = {action(call) for call in calls(FOLDERS[function])} | BESIDES.get(function, set())
    granted = actions(f"{function}Role")
    assert sorted(granted) == sorted(wanted)


WAITING = {
    "states:StartExecution", "states:DescribeExecution", "states:StopExecution", "events:PutTargets", "events:PutRule",
    "events:DescribeRule",
}  # fmt: skip
"""What Step Functions does for a machine that starts another one and waits for it."""


@pytest.mark.parametrize(
    ("machine", "besides"), [("Retrain", {"events:PutEvents", *WAITING}), ("Evaluate", set[str]())]
)
def test_a_machine_may_call_what_it_calls_and_nothing_else(machine: str, besides: set[str]) -> None:
    asked = tasks("aws-sdk:personalize:", MACHINES[machine.lower()]).values()
    described = {f"personalize:D{task['Resource'].rpartition(':d')[2]}" for task in asked}
    logs = {name for name in NO_RESOURCE if name.startswith("logs:")}
    wanted = {"lambda:InvokeFunction"} | besides | described | logs
    assert sorted(actions(f"{machine}StateMachineRole")) == sorted(wanted)


def test_a_run_starts_and_stops_tests_alone() -> None:
    found = {name: each["Resource"] for each in statements("RetrainStateMachineRole") for name in each["Action"]}
    # Tests on held-out time are waited for, fits of the purchase likelihood are not.
    assert found["states:StartExecution"] == ["EvaluateStateMachine", "LikelihoodStateMachine"]
    executions = ["arn:aws:states:us-east-1:123456789012:execution:EvaluateStateMachine.Name:*"]
    assert found["states:StopExecution"] == found["states:DescribeExecution"] == executions
    (rule,) = found["events:PutRule"]
    assert rule.endswith(":rule/StepFunctionsGetEventsForStepFunctionsExecutionRule")


@pytest.mark.parametrize("function", ["ClaimDropFunction", "SweepDropsFunction"])
def test_runs_are_started_and_looked_at_on_their_own_machine_alone(function: str) -> None:
    found = {each["Action"][0]: each["Resource"] for each in statements(f"{function}Role")}
    assert found["states:StartExecution"] == ["RetrainStateMachine"]
    start = "arn:aws:states:us-east-1:123456789012:execution:"
    assert f"{start}RetrainStateMachine.Name:*" in found["states:DescribeExecution"]
    assert all(each.startswith(start) for each in found["states:DescribeExecution"])


@pytest.mark.parametrize("machine", ["Retrain", "Evaluate"])
def test_a_machine_may_invoke_what_it_invokes(machine: str) -> None:
    every = statements(f"{machine}StateMachineRole")
    (invoked,) = [each for each in every if each["Action"] == ["lambda:InvokeFunction"]]
    named = {task["Arguments"]["FunctionName"] for task in tasks("lambda:invoke", MACHINES[machine.lower()]).values()}
    assert set(invoked["Resource"]) == {f"{name}.Arn" for name in named}


def test_the_removing_machine_calls_one_function_and_announces() -> None:
    logs = {name for name in NO_RESOURCE if name.startswith("logs:")}
    assert sorted(actions("TeardownStateMachineRole")) == sorted({"lambda:InvokeFunction", "events:PutEvents"} | logs)
    (invoked,) = [
        each for each in statements("TeardownStateMachineRole") if each["Action"] == ["lambda:InvokeFunction"]
    ]
    assert invoked["Resource"] == ["RemoveShopFunction.Arn"]


def test_a_schedule_of_a_shop_may_start_the_machine_and_leave_dead_letters_and_nothing_else() -> None:
    allowed = {name: each["Resource"] for each in statements("ShopScheduleRole") for name in each["Action"]}
    assert allowed == {"states:StartExecution": ["RetrainStateMachine"], "sqs:SendMessage": ["ChoresQueue.Arn"]}


def test_schedules_are_made_in_the_stacks_own_group_alone() -> None:
    group = f"arn:aws:scheduler:{PSEUDO['AWS::Region']}:{PSEUDO['AWS::AccountId']}:schedule/ShopScheduleGroup/*"
    for function in ("FollowSettingsFunction", "RemoveShopFunction"):
        (made,) = [each for each in statements(f"{function}Role") if "scheduler:DeleteSchedule" in each["Action"]]
        assert made["Resource"] == [group]
    assert {each["GroupName"] for each in STACK.of("Scheduler::Schedule").values()} == {"ShopScheduleGroup"}


def test_every_client_of_the_code_is_recognised() -> None:
    assert unrecognised() == []


def roles() -> Iterator[str]:
    """The roles that have statements of their own."""
    return (name for name in STACK.of("IAM::Role") if statements(name))


@pytest.mark.parametrize("role", list(roles()))
def test_a_star_stands_only_where_aws_takes_no_resource(role: str) -> None:
    for statement in statements(role):
        assert statement["Effect"] == "Allow"
        assert not [name for name in statement["Action"] if "*" in name]
        free = set(statement["Action"]) <= NO_RESOURCE
        assert (statement["Resource"] == ["*"]) == free, statement
        assert free or "*" not in statement["Resource"]


@pytest.mark.parametrize("role", list(roles()))
def test_personalize_is_allowed_on_the_actions_own_resources_of_the_prefix(role: str) -> None:
    start = f"arn:aws:personalize:{PSEUDO['AWS::Region']}:{PSEUDO['AWS::AccountId']}:"
    for statement in statements(role):
        names = [name.partition(":")[2] for name in statement["Action"] if name.startswith("personalize:")]
        if not names or statement["Resource"] == ["*"]:
            continue
        # Neither a probe, nor the list of bestsellers, nor a snapshot names a filter or a placement's recommender.
        unfiltered = role in {"JudgeReleaseFunctionRole", "UpdateCampaignFunctionRole", "FitLikelihoodFunctionRole"}
        beyond = {name: more for name, more in BEYOND.items() if not (unfiltered and "filter" in more)}
        types = {own_type(name) for name in names}.union(*(beyond.get(name, set()) for name in names))
        # What clears up after a test on held-out time may remove nothing that a shop serves from.
        tests = role == "EvaluateReleaseFunctionRole" and all(name.startswith("Delete") for name in names)
        own = "retail-heldout_*" if tests else "retail-*"
        unnamed = {"event-tracker", "data-deletion-job"}
        wanted = {f"{start}{kind}/" + ("*" if kind in unnamed else own) for kind in types - {"recipe"}}
        recipes = {"arn:aws:personalize:::recipe/*"} if "recipe" in types else set[str]()
        assert set(statement["Resource"]) == wanted | recipes


def test_the_prefix_limits_the_rights() -> None:
    other = compiled({"Prefix": "b2"}).resources["GetRecommendationsFunctionRole"]["Properties"]["Policies"]
    arn = "arn:aws:personalize:us-east-1:123456789012:campaign/"
    (allowed,) = [s for s in other[0]["PolicyDocument"]["Statement"] if "personalize:GetRecommendations" in s["Action"]]
    assert any(fnmatch.fnmatchcase(f"{arn}b2-shop-similar-items", each) for each in allowed["Resource"])
    assert not any(fnmatch.fnmatchcase(f"{arn}retail-shop-similar-items", each) for each in allowed["Resource"])


def test_each_role_that_is_passed_is_passed_to_one_service() -> None:
    passing = {
        role: (each["Resource"], each["Condition"])
        for role in roles()
        for each in statements(role)
        if "iam:PassRole" in each["Action"]
    }
    to = {
        "ImportDataFunctionRole": ("PersonalizeRole", "personalize"),
        "EvaluateReleaseFunctionRole": ("PersonalizeRole", "personalize"),
        "EraseUsersFunctionRole": ("PersonalizeRole", "personalize"),
        "FollowSettingsFunctionRole": ("ShopScheduleRole", "scheduler"),
    }
    assert passing == {
        role: ([f"{passed}.Arn"], {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}})
        for role, (passed, service) in to.items()
    }


@pytest.mark.parametrize(
    "role", ["PersonalizeRole", "ShopScheduleRole", "DailyRoundRole", "ErasureRoundRole", "SweepRole"]
)
def test_a_service_assumes_a_role_for_this_account_only(role: str) -> None:
    (trust,) = STACK.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert list(trust["Principal"]) == ["Service"]
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": PSEUDO["AWS::AccountId"]}


def test_api_gateway_assumes_its_log_role_without_a_condition() -> None:
    (trust,) = STACK.resources["ApiGatewayLogRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    service = {"Service": "apigateway.amazonaws.com"}
    assert trust == {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}


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
            name: each["Resource"]
            for each in statements(f"{function}Role")
            for name in each["Action"]
            if name in {"sqs:SendMessage", "sqs:ChangeMessageVisibility"}
        }
        for function in ("RecordEventsFunction", "DeliverEventsFunction")
    }
    assert queues["RecordEventsFunction"] == {"sqs:SendMessage": ["EventsQueue.Arn"]}
    assert queues["DeliverEventsFunction"] == {
        "sqs:SendMessage": ["DeadEventsQueue.Arn"],
        "sqs:ChangeMessageVisibility": ["EventsQueue.Arn"],
    }


def test_both_api_functions_read_the_shops_table_alone() -> None:
    for function in ("GetRecommendationsFunction", "RecordEventsFunction"):
        (table,) = [each for each in statements(f"{function}Role") if "dynamodb:GetItem" in each["Action"]]
        assert table["Resource"] == ["ShopsTable.Arn"]
