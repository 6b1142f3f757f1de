# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a cell of a table is a line
"""The rules and limits of AWS that this project relies on: what AWS answers, and whether the laptop answers the same.

:data:`REFUSALS` is the one table of them. Whoever makes the laptop refuse something as AWS does adds a row with its
source and with the test that plays it. The documentation's site shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A rule of AWS. Texts are Markdown, and stand in tables: neither a line end nor a bar."""

    id: str
    """Its name here: the service, a dot, and a word or two."""
    rule: str
    """What AWS asks for, as a whole sentence."""
    answer: str
    """What AWS answers to whoever breaks it: the error's code, or what happens in place of an error."""
    source: str
    """Where AWS says so: an address, or `botocore: service.Shape`, a shape or operation of its service model."""
    test: str = ""
    """The test that plays it, as pytest names it: `path::function`. Empty where the laptop does not refuse."""
    kinder: str = ""
    """In what the laptop is kinder than AWS, and why; empty where it is not."""


DEVELOPER_GUIDE: Final = "https://docs.aws.amazon.com/personalize/latest/dg/"
REFUSALS: Final = (
    Refusal(
        id="api-gateway.models",
        rule="A request body must fit the JSON schema of its method.",
        answer="400 `BAD_REQUEST_BODY`",
        source="https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html",
        kinder="ministack hands every body to the function, which checks it itself.",
    ),
    Refusal(
        id="cloudcontrol.create-only",
        rule="Cloud Control cannot update a property whose change replaces the resource.",
        answer="`NotUpdatableException`",
        source="botocore: cloudcontrol.NotUpdatableException",
        test="tests/local/test_personalize_types.py::test_cloud_control_makes_changes_and_deletes_a_recommender_and_what_it_needs",
    ),
    Refusal(
        id="cloudcontrol.types",
        rule="Cloud Control knows only the types of the registry.",
        answer="`TypeNotFoundException`",
        source="botocore: cloudcontrol.TypeNotFoundException",
        test="tests/local/test_personalize_types.py::test_cloud_control_refuses_what_it_cannot_make",
    ),
    Refusal(
        id="events.complexity",
        rule="A rule is not too complex: about 10 prefixes of its wildcards may match one value.",
        answer="`InvalidEventPatternException`: “Rule is too complex”",
        source="https://github.com/aws/event-ruler",
        test="tests/local/test_strictness.py::test_eventbridge_refuses_a_rule_that_is_too_complex",
    ),
    Refusal(
        id="lambda.memory",
        rule="The processes of a function have no more memory than its MemorySize.",
        answer="`Runtime.OutOfMemory`: “Runtime exited with error: signal: killed”",
        source="https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html",
        test="tests/local/test_launcher.py::test_a_function_beyond_its_memory_is_killed",
        kinder="Memory is measured ten times a second, once a second on macOS, and on Linux without mapped files, since no container holds the processes.",
    ),
    Refusal(
        id="lambda.shared-memory",
        rule="Functions have no `/dev/shm`, so no locks, queues or semaphores of Python's `multiprocessing`.",
        answer="`OSError: [Errno 38] Function not implemented`",
        source="https://aws.amazon.com/blogs/compute/parallel-processing-in-python-with-aws-lambda/",
        kinder="A laptop has it, but no function uses it: the child process that reads files talks over pipes.",
    ),
    Refusal(
        id="lambda.slots",
        rule="No more functions run at the same time than the account has slots: 1,000, or 10 in a new account.",
        answer="429 `TooManyRequestsException`; to a machine `Lambda.TooManyRequestsException`; an asynchronous call waits",
        source="https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
        test="tests/local/test_strictness.py::test_a_call_of_a_function_without_a_free_slot_is_refused_and_an_asynchronous_one_waits",
        kinder="As many functions run as memory allows, unless `up --function-slots 10` says otherwise, since a laptop has few users.",
    ),
    Refusal(
        id="personalize.batch-of-trends",
        rule="There are no batch inference jobs for Trending-Now and Next-Best-Action.",
        answer="`InvalidInputException`",
        source=f"{DEVELOPER_GUIDE}native-recipe-trending-now.html",
        test="engine/tests/test_updates.py::test_trends_have_no_batch_jobs",
    ),
    Refusal(
        id="personalize.columns-of-filters",
        rule="The filters of a dataset group name at most 20 columns.",
        answer="`LimitExceededException`",
        source=f"{DEVELOPER_GUIDE}limits.html",
        test="engine/tests/test_control.py::test_distinct_columns_of_filters_are_limited",
    ),
    Refusal(
        id="personalize.dataset-groups",
        rule="A region has 5 dataset groups.",
        answer="`LimitExceededException`",
        source=f"{DEVELOPER_GUIDE}limits.html",
        test="engine/tests/test_control.py::test_sixth_dataset_group_of_a_region_is_over_quota",
        kinder="The local cloud's engine has 500, since each demo and each test makes some; AWS raises the quota on request.",
    ),
    Refusal(
        id="personalize.deletions",
        rule="Nothing that uses a group's datasets, such as a training, a batch job or an import, may run before or beside a data deletion job.",
        answer="the job is `COMPLETED`, and the deletion is not guaranteed",
        source=f"{DEVELOPER_GUIDE}delete-records.html",
        test="tests/app/test_reliability.py::test_a_case_comes_out_as_the_page_says[users are deleted beside the training of a segment]",
    ),
    Refusal(
        id="personalize.event-weights",
        rule="A solution weighs at most ten event types, from 0 to 1 each, and only one of the second generation does.",
        answer="`InvalidInputException`",
        source=f"{DEVELOPER_GUIDE}optimizing-solution-events-config.html",
        test="engine/tests/test_control_training.py::test_weights_that_aws_refuses_are_refused_in_a_new_solution_and_in_an_update",
        kinder="Weights of 0 for all types are taken, as no page says that they are refused; the training then fails.",
    ),
    Refusal(
        id="personalize.first-import",
        rule="The first import of a dataset is a full one.",
        answer="`InvalidInputException`",
        source=f"{DEVELOPER_GUIDE}updating-datasets.html",
        test="engine/tests/test_control_imports.py::test_first_import_must_be_full",
    ),
    Refusal(
        id="personalize.incremental-bytes",
        rule="An incremental import of interactions has at most 1 GB.",
        answer="the job ends in CREATE FAILED",
        source=f"{DEVELOPER_GUIDE}limits.html",
        test="engine/tests/test_control_imports.py::test_an_incremental_import_has_a_quota_of_bytes",
    ),
    Refusal(
        id="personalize.interactions",
        rule="An import of interactions has at least 1,000 records.",
        answer="the job ends in CREATE FAILED",
        source=f"{DEVELOPER_GUIDE}limits.html",
        test="engine/tests/test_importing.py::test_fewer_than_a_thousand_interactions_are_refused",
    ),
    Refusal(
        id="personalize.limit-exceeded",
        rule="Calls that create something are limited by a rate of requests as well as by their quota.",
        answer="`LimitExceededException` for both",
        source="botocore: personalize.LimitExceededException",
        test="tests/app/test_reliability.py::test_a_case_comes_out_as_the_page_says[CreateFilter exceeds a rate]",
        kinder="Amazon publishes no rate, so the engine has none; a fault on demand simulates one.",
    ),
    Refusal(
        id="personalize.pass-role",
        rule="A caller that hands a role to Personalize needs `iam:PassRole` on it.",
        answer="`AccessDeniedException`",
        source=f"{DEVELOPER_GUIDE}aws-personalize-set-up-permissions.html",
        test="tests/local/test_launcher.py::test_a_role_is_handed_over_by_whoever_may_and_to_personalize_alone",
        kinder="It is checked for Personalize alone, and no role's trust policy is: only roles of this template are handed over.",
    ),
    Refusal(
        id="personalize.put-events-rights",
        rule="The right to PutEvents is on `*`; a right on an event tracker has no effect.",
        answer="`AccessDeniedException`",
        source=f"{DEVELOPER_GUIDE}API_UBS_PutEvents.html",
        test="tests/app/test_rights.py::test_events_wait_where_the_role_may_put_them_on_trackers_alone",
    ),
    Refusal(
        id="personalize.recipe-rights",
        rule="A role that creates a solution or a recommender needs the right on the recipe as well.",
        answer="`AccessDeniedException`",
        source="https://github.com/aws-samples/retail-demo-store/pull/627",
        test="tests/app/test_rights.py::test_a_run_fails_at_its_first_training_where_the_role_has_no_recipes",
    ),
    Refusal(
        id="personalize.running-imports",
        rule="Five import jobs of a region are pending or in progress at the same time.",
        answer="`LimitExceededException`",
        source=f"{DEVELOPER_GUIDE}limits.html",
        test="engine/tests/test_lifecycle.py::test_sixth_running_import_of_a_region_is_over_quota",
    ),
    Refusal(
        id="personalize.segments",
        rule="Of bulk data, user segments use only what was imported with the mode FULL.",
        answer="no error: what incremental imports brought is left out",
        source=f"{DEVELOPER_GUIDE}getting-user-segments.html",
        test="engine/tests/test_batch.py::test_segments_know_full_imports_and_events_but_no_incremental_imports",
    ),
    Refusal(
        id="personalize.semantic-texts",
        rule="Semantic-Similarity needs an Items dataset with a column marked as `itemName` and a `textual` one, and no update of a dataset changes the marks of a column.",
        answer="`InvalidInputException`",
        source=f"{DEVELOPER_GUIDE}native-recipe-semantic-similarity.html",
        test="engine/tests/test_semantic.py::test_items_without_a_name_or_a_text_are_refused",
    ),
    Refusal(
        id="personalize.solutions",
        rule="A dataset group has 10 solutions and 5 campaigns.",
        answer="`LimitExceededException`",
        source=f"{DEVELOPER_GUIDE}limits.html",
        test="engine/tests/test_control_training.py::test_eleventh_solution_of_a_group_is_over_quota",
    ),
    Refusal(
        id="scheduler.expression",
        rule="A schedule's expression is a `rate`, an `at`, or a `cron` of six fields in their ranges, with one `?`.",
        answer="`ValidationException`",
        source="https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html",
        test="tests/local/test_strictness.py::test_scheduler_refuses_expressions_and_zones_and_makes_nothing",
    ),
    Refusal(
        id="scheduler.zone",
        rule="A schedule's time zone is one of IANA's names.",
        answer="`ValidationException`",
        source="https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html",
        test="tests/local/test_strictness.py::test_scheduler_refuses_expressions_and_zones_and_makes_nothing",
        kinder="On a machine without a database of time zones, every name is taken.",
    ),
    Refusal(
        id="sns.rule-publishes",
        rule="EventBridge publishes to a topic whose policy allows it without a condition.",
        answer="the message is dropped, and FailedInvocations counts it",
        source="https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html",
        test="tests/local/test_launcher.py::test_eventbridge_publishes_where_the_policy_of_a_topic_has_no_condition",
    ),
    Refusal(
        id="states.data-limit",
        rule="Inputs, results and outputs of states have at most 256 KiB.",
        answer="`States.DataLimitExceeded`, which `States.ALL` does not catch",
        source="https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html",
        test="tests/local/test_distributed_map.py::test_more_than_a_state_holds_fails_it_and_no_states_all_catches_that",
    ),
    Refusal(
        id="states.rights",
        rule="A machine's role needs the rights for its tasks: to call functions, to start executions, to put events.",
        answer="`Lambda.AWSLambdaException`, `StepFunctions.AWSStepFunctionsException` and so on, with “is not authorized to perform”",
        source="https://github.com/awslabs/aws-deployment-framework/issues/460",
        test="tests/local/test_strictness.py::test_a_machine_needs_the_rights_for_its_tasks",
        kinder="What `startExecution.sync` needs to make its own rule of EventBridge is left to tests of the template.",
    ),
    Refusal(
        id="states.timeout",
        rule="A machine ends when its `TimeoutSeconds` have passed, a task when its heartbeat stays away.",
        answer="`States.Timeout`, `States.HeartbeatTimeout`",
        source="https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html",
        kinder="Neither ends a machine or a task, since ministack ignores both.",
    ),
)  # fmt: skip
"""Every rule, sorted by its id."""


def table(refusals: Sequence[Refusal] = REFUSALS) -> str:
    """Return the table as Markdown: what is played, and in what the laptop is kinder."""
    rows = [f"| {row.rule} | {row.answer} | {row.kinder} | {_source(row)} |" for row in refusals]
    return "\n".join(["| rule | AWS answers | the laptop is kinder | source |", "|---|---|---|---|", *rows])


def _source(row: Refusal) -> str:
    return f"[AWS]({row.source})" if row.source.startswith("https://docs.aws.") else row.source
