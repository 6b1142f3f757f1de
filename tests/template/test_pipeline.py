# SPDX-License-Identifier: Apache-2.0
"""The bucket, the way from a drop to a run, and what Personalize may read."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from personalization.personalize import removal

from tests.statemachines.machine import FILE
from tests.template.stack import PSEUDO, ROOT, STACK, compiled
from tests.template.test_permissions import statements

BUCKET = STACK.of("S3::Bucket")["DropBucket"]
POLICY = {
    statement["Sid"]: statement
    for statement in STACK.of("S3::BucketPolicy")["DropBucketPolicy"]["PolicyDocument"]["Statement"]
}
RULES = {
    name: STACK.of("Events::Rule")[name] for name in ("RetrainStateMachineDrop", "RetrainStateMachineDropInFolder")
}


def test_the_bucket_is_private_encrypted_and_announces_what_is_dropped() -> None:
    assert set(BUCKET["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    # A KMS key would be one that Personalize may not use.
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert BUCKET["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert BUCKET["VersioningConfiguration"] == {"Status": "Enabled"}


def test_import_copies_expire_and_drops_do_not() -> None:
    rules = BUCKET["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {
        "imports/": 7, "evaluations/": 7, "erasures/": 7, "events/": 30, "exposures/": 30, "aggregates/": 400,
        "impressions/": 30,
        "exports/": 30, "reports/": 365,
        "rejects/": 30, "work/": 7,
    }  # fmt: skip
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    # S3 takes no two rules of the same name, nor for the same folder.
    assert len({rule["Id"] for rule in rules}) == len(rules) == len({rule.get("Prefix", "") for rule in rules})


def test_no_marker_of_a_deleted_object_stays_for_ever() -> None:
    rules = BUCKET["LifecycleConfiguration"]["Rules"]
    # Where current objects expire as well, S3 removes such markers by itself.
    replaced = {rule["Prefix"] for rule in rules if rule.get("ExpiredObjectDeleteMarker")}
    assert replaced == {
        rule["Prefix"] for rule in rules if "NoncurrentVersionExpiration" in rule and "ExpirationInDays" not in rule
    }


def test_the_bucket_answers_over_tls_only() -> None:
    deny = POLICY["TlsOnly"]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert deny["Resource"] == ["DropBucket.Arn", "DropBucket.Arn/*"]


def test_personalize_reads_lists_and_tests_for_this_account_only() -> None:
    reading, listing = POLICY["PersonalizeReadsImports"], POLICY["PersonalizeListsTheBucket"]
    assert reading["Action"] == "s3:GetObject"
    assert reading["Resource"] == ["DropBucket.Arn/imports/*", "DropBucket.Arn/erasures/*"]
    assert (listing["Action"], listing["Resource"]) == ("s3:ListBucket", "DropBucket.Arn")
    testing = POLICY["PersonalizeReadsAndWritesEvaluationsAndExports"]
    assert (testing["Action"], testing["Resource"]) == (
        ["s3:GetObject", "s3:PutObject"],
        ["DropBucket.Arn/evaluations/*", "DropBucket.Arn/exports/*"],
    )
    for statement in (reading, listing, testing):
        assert statement["Principal"] == {"Service": "personalize.amazonaws.com"}
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": PSEUDO["AWS::AccountId"]}
        assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:personalize:us-east-1:123456789012:*"}


def test_data_outlives_the_stack() -> None:
    # With its policy, a bucket goes on answering over TLS only.
    for name in ("DropBucket", "DropBucketPolicy", "ShopsTable"):
        resource = STACK.resources[name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert STACK.of("DynamoDB::Table")["ShopsTable"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]


def rules_that_take(key: str) -> list[str]:
    """Which rules start a run for an object."""

    def matches(filters: list[dict[str, Any]]) -> bool:
        return any(
            not any(fnmatchcase(key, pattern) for pattern in condition["anything-but"]["wildcard"])
            if "anything-but" in condition
            else fnmatchcase(key, condition["wildcard"])
            for condition in filters
        )

    return [name for name, rule in RULES.items() if matches(rule["EventPattern"]["detail"]["object"]["key"])]


def test_a_drop_starts_a_run_with_the_event_itself() -> None:
    for rule in RULES.values():
        pattern = rule["EventPattern"]
        assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
        assert pattern["detail"]["bucket"] == {"name": ["DropBucket"]}
        assert rule["Targets"][0]["Arn"] == "RetrainStateMachine"
        assert "Input" not in rule["Targets"][0]


@pytest.mark.parametrize(
    "name",
    ["settings.yaml", "items/a b.csv", "users/incremental/a.csv", "items/2026/_SUCCESS", "items/x/y/unload_manifest",
     "interactions/incremental/x/manifest.json", "wrong/a.csv", "a.csv"],
)  # fmt: skip
def test_every_drop_is_taken_by_one_rule(name: str) -> None:
    assert len(rules_that_take(f"drops/demo/{name}")) == 1


@pytest.mark.parametrize(
    "key",
    ["drops/demo/items/2026/part-0.csv", "drops/demo/items/2026/11/part-0", "imports/demo/run/items/part-0.csv",
     "likelihood/demo/x", "work/demo/run/manifest", "reports/demo/incremental/x/y"],
)  # fmt: skip
def test_parts_and_what_runs_write_start_nothing(key: str) -> None:
    assert rules_that_take(key) == []


def test_the_rule_names_all_folders_but_that_of_drops() -> None:
    (keys,) = RULES["RetrainStateMachineDrop"]["EventPattern"]["detail"]["object"]["key"]
    others = {rule["Prefix"] for rule in BUCKET["LifecycleConfiguration"]["Rules"] if "Prefix" in rule} - {"drops/"}
    assert set(keys["anything-but"]["wildcard"]) == {f"{folder}*" for folder in others} | {
        "drops/*/*/*/*",
        "drops/*/experiments.yaml",
    }
    # The removal of a shop empties all of them.
    folders = {f"{folder}/" for folder in removal.FOLDERS}
    assert folders == others | {"drops/"}
    (deletes,) = [rule for rule in statements("RemoveShopFunctionRole") if "s3:DeleteObjectVersion" in rule["Action"]]
    assert {resource.removeprefix("DropBucket.Arn/").removesuffix("*") for resource in deletes["Resource"]} == folders


def test_what_cannot_be_delivered_is_kept_and_seen() -> None:
    for rule in RULES.values():
        (target,) = rule["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": "UnstartedRunsQueue.Arn"}
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    queue = STACK.of("SQS::Queue")["UnstartedRunsQueue"]
    assert (queue["MessageRetentionPeriod"], queue["SqsManagedSseEnabled"]) == (14 * 86400, True)


def test_queued_events_are_delivered_within_bounds_and_end_as_dead_letters() -> None:
    mapping = STACK.of("Lambda::EventSourceMapping")["EventsDelivery"]
    assert (mapping["EventSourceArn"], mapping["FunctionName"]) == ("EventsQueue.Arn", "DeliverEventsFunction")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] <= 10 or mapping["MaximumBatchingWindowInSeconds"] >= 1
    variables = STACK.of("Lambda::Function")["DeliverEventsFunction"]["Environment"]["Variables"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": int(variables["EVENT_DELIVERIES"])}
    queue, function = STACK.of("SQS::Queue")["EventsQueue"], STACK.of("Lambda::Function")["DeliverEventsFunction"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == "DeadEventsQueue.Arn"


def test_what_all_users_do_is_counted_within_two_minutes() -> None:
    mapping = STACK.of("Lambda::EventSourceMapping")["EventsCount"]
    assert (mapping["EventSourceArn"], mapping["FunctionName"]) == ("LiveTable.StreamArn", "CountEventsFunction")
    assert mapping["MaximumBatchingWindowInSeconds"] == 30
    # A repetition begins where its batch did; with shards divided it would not.
    assert "ParallelizationFactor" not in mapping
    assert "MaximumRetryAttempts" not in mapping
    assert 23 * 3600 <= mapping["MaximumRecordAgeInSeconds"] < 24 * 3600
    assert mapping["DestinationConfig"]["OnFailure"] == {"Destination": "ChoresQueue.Arn"}
    (rule,) = mapping["FilterCriteria"]["Filters"]
    assert json.loads(rule["Pattern"])["eventName"] == ["INSERT"]


def test_impressions_become_few_files_and_are_kept_until_they_are_one() -> None:
    mapping = STACK.of("Lambda::EventSourceMapping")["ImpressionsCopy"]
    assert (mapping["EventSourceArn"], mapping["FunctionName"]) == ("ImpressionsQueue.Arn", "CopyEventsFunction")
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (10_000, 300)
    queue, function = STACK.of("SQS::Queue")["ImpressionsQueue"], STACK.of("Lambda::Function")["CopyEventsFunction"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"] + mapping["MaximumBatchingWindowInSeconds"]


def test_accepted_events_are_copied_from_the_stream_of_their_table() -> None:
    mapping = STACK.of("Lambda::EventSourceMapping")["EventsCopy"]
    assert (mapping["EventSourceArn"], mapping["FunctionName"]) == (
        "ShopperEventsTable.StreamArn",
        "CopyEventsFunction",
    )
    # From the first record on, and given up only shortly before the stream forgets it: nobody is told of that.
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert "MaximumRetryAttempts" not in mapping
    assert 23 * 3600 <= mapping["MaximumRecordAgeInSeconds"] < 24 * 3600
    assert mapping["DestinationConfig"]["OnFailure"] == {"Destination": "ChoresQueue.Arn"}
    assert STACK.of("DynamoDB::Table")["ShopperEventsTable"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    rules = STACK.of("S3::Bucket")["DropBucket"]["LifecycleConfiguration"]["Rules"]
    assert [rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") == "events/"] == [30]


def test_every_queue_is_encrypted_and_keeps_for_two_weeks() -> None:
    queues = STACK.of("SQS::Queue").values()
    assert {(queue["MessageRetentionPeriod"], queue["SqsManagedSseEnabled"]) for queue in queues} == {
        (14 * 86400, True)
    }


def test_every_rule_and_schedule_leaves_what_it_cannot_deliver() -> None:
    targets = [target for rule in STACK.of("Events::Rule").values() for target in rule["Targets"]]
    targets += [schedule["Target"] for schedule in STACK.of("Scheduler::Schedule").values()]
    queues = {f"{queue}.Arn" for queue in STACK.of("SQS::Queue")}
    assert {target["DeadLetterConfig"]["Arn"] for target in targets} <= queues


def test_a_function_that_nobody_waits_for_leaves_a_dead_letter() -> None:
    called = [target["Arn"] for rule in STACK.of("Events::Rule").values() for target in rule["Targets"]]
    called += [schedule["Target"]["Arn"] for schedule in STACK.of("Scheduler::Schedule").values()]
    functions = STACK.of("Lambda::Function")
    alone = {name.removesuffix(".Arn") for name in called} & set(functions)
    assert len(alone) >= 4
    for function in alone:
        assert functions[function]["DeadLetterConfig"] == {"TargetArn": "ChoresQueue.Arn"}


def test_rules_may_leave_dead_letters_in_the_chores_queue() -> None:
    (statement,) = STACK.of("SQS::QueuePolicy")["ChoresQueuePolicy"]["PolicyDocument"]["Statement"]
    rules = STACK.of("Events::Rule")
    leaving = {
        name for name, rule in rules.items() if rule["Targets"][0]["DeadLetterConfig"] == {"Arn": "ChoresQueue.Arn"}
    }
    assert set(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == {f"{name}.Arn" for name in leaving}


def test_only_what_starts_runs_may_leave_dead_letters() -> None:
    (statement,) = STACK.of("SQS::QueuePolicy")["UnstartedRunsQueuePolicy"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == [f"{name}.Arn" for name in RULES]


def test_a_stopped_run_and_the_clock_start_the_sweep() -> None:
    stopped = STACK.of("Events::Rule")["SweepDropsFunctionStopped"]
    assert stopped["EventPattern"]["detail"] == {
        "stateMachineArn": ["RetrainStateMachine"],
        "status": ["ABORTED", "TIMED_OUT"],
    }
    assert stopped["Targets"][0]["Arn"] == "SweepDropsFunction.Arn"
    # The whole event: it says what the stopped run was started for.
    assert not {"Input", "InputPath", "InputTransformer"} & set(stopped["Targets"][0])
    timed = STACK.of("Scheduler::Schedule")["SweepDropsFunctionClock"]
    assert (timed["ScheduleExpression"], timed["Target"]["Arn"]) == ("rate(15 minutes)", "SweepDropsFunction.Arn")


def test_the_clock_starts_no_run() -> None:
    # Nor does anything else that comes round without a person's wish: such runs hide the others in every list.
    timed = {schedule["Target"]["Arn"] for schedule in STACK.of("Scheduler::Schedule").values()}
    assert timed == {
        *("SweepDropsFunction.Arn", "KeepHouseFunction.Arn", "EraseUsersFunction.Arn"),
        "AnalyseExperimentsFunction.Arn",
    }
    starting = [
        name for name, rule in STACK.of("Events::Rule").items() if rule["Targets"][0]["Arn"] == "RetrainStateMachine"
    ]
    assert starting == [*RULES]


def test_a_run_waits_for_events_that_are_late_and_for_the_next_file_of_a_burst() -> None:
    # S3 sends most events within seconds, and some after a minute; a training without the items is paid for, too.
    late, upload = 60, 60
    settle = STACK.source["Parameters"]["SettleSeconds"]["Default"]
    assert settle >= late + upload
    machine = STACK.of("StepFunctions::StateMachine")["RetrainStateMachine"]
    assert machine["DefinitionSubstitutions"]["SettleSeconds"] == settle
    # Events of the laptop come at once, and its demo waits for nobody.
    assert "SettleSeconds=5 " in (ROOT / "samconfig.toml").read_text()


def test_claims_and_leases_expire() -> None:
    table = STACK.of("DynamoDB::Table")["ShopsTable"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}


def test_the_machine_is_the_file_in_the_repository_and_logs_its_failures() -> None:
    machine = STACK.source["Resources"]["RetrainStateMachine"]["Properties"]
    assert ROOT / machine["DefinitionUri"] == FILE
    made = STACK.of("StepFunctions::StateMachine")["RetrainStateMachine"]
    assert made["LoggingConfiguration"]["Level"] == "ERROR"
    assert made["TracingConfiguration"] == {"Enabled": False}


def test_traces_cost_money_and_are_off_unless_a_parameter_asks_for_them() -> None:
    traced = compiled({"Tracing": "true"})
    assert {function["TracingConfig"]["Mode"] for function in traced.of("Lambda::Function").values()} == {"Active"}
    assert all(stage["TracingEnabled"] for stage in traced.of("ApiGateway::Stage").values())
    machines = traced.of("StepFunctions::StateMachine")
    assert all(machine["TracingConfiguration"] == {"Enabled": True} for machine in machines.values())
    roles = traced.of("IAM::Role")
    for machine in machines:
        assert "xray:PutTraceSegments" in json.dumps(roles[f"{machine}Role"]["Policies"])
    assert "xray:" not in json.dumps([STACK.of("IAM::Role")[f"{machine}Role"]["Policies"] for machine in machines])


def test_the_prefix_is_the_stacks_name_unless_it_is_given() -> None:
    for stack, prefix in ((STACK, "retail"), (compiled({"Prefix": "b2"}), "b2")):
        told = {function["Environment"]["Variables"]["PREFIX"] for function in stack.of("Lambda::Function").values()}
        machine = stack.of("StepFunctions::StateMachine")["RetrainStateMachine"]
        assert told == {machine["DefinitionSubstitutions"]["Prefix"]} == {prefix}
