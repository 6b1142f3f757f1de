# SPDX-License-Identifier: Apache-2.0
"""The machine of batch jobs: what it sends its function, and how a run starts it."""

from typing import Any

from personalization.batch.plan import (
    Exported,
    Job,
    PlanRequest,
    ReportRequest,
    WriteRequest,
)
from personalization.shop.plan import Resource
from personalization.shop.settings.batch import BatchJob

from functions.answer_batch import app as answer_batch
from functions.run_batch.steps import STEPS
from tests.statemachines.machine import MACHINES, evaluate, states
from tests.template.test_permissions import LOGS, WAITING, actions

MACHINE = MACHINES["batch"]
STATES = states(machine=MACHINE)
JOB = Job(
    name="mail", shop="demo", run="r", release="run", kind="lists", settings=BatchJob(),
    resource=Resource(name="retail-demo-mail-1", arn="arn:job"), solution_version_arn="arn:version",
)  # fmt: skip
WRITTEN = {"lines": 2, "size": 30, "answers": 2, "dollars": 0.1}
SEEN = {"context": {"Execution": {"Id": "arn:e", "Name": "r"}, "State": {"EnteredTime": "t", "RetryCount": 0}}}


def job_of(read_request: Any) -> Job:  # noqa: ANN401 - one of several requests
    job: Job = read_request.job
    return job


def test_the_function_understands_what_it_is_sent() -> None:
    for given, name, after in (
        ({"action": "batch", "shop": "demo", "batch": "mail"}, "mail", ""),
        ({"action": "batch", "shop": "demo", "batch": "mail", "scheduled": "2026-11-28T05:00:00Z"}, "mail", ""),
        ({"shop": "demo", "after": "promotion"}, "", "promotion"),
    ):
        noted = evaluate(STATES["Note what is asked"]["Assign"], {**SEEN, "input": given})
        read = PlanRequest.read(noted["asked"])
        assert (read.shop, read.run, read.batch, read.after) == ("demo", "r", name, after)
        assert read.scheduled == given.get("scheduled", "")
    variables: dict[str, Any] = {"job": JOB.as_json(), "written": WRITTEN, "made": {"lists": 2}}
    failed = {"batch": "fans", "error": "Rejected", "reason": "too dear"}
    for done, names in (([], ()), ([{"batch": "tea"}], ()), ([{"batch": "tea"}, failed], ("fans",))):
        written = evaluate(STATES["Write what is asked"]["Arguments"], {}, done=done, **variables)
        assert (WriteRequest.read(written).job, WriteRequest.read(written).failed) == (JOB, names)
    for name in ("Train the segment recipe", "Answer what is left", "Convert the answers"):
        sent = evaluate(STATES[name]["Arguments"], SEEN, **variables)
        assert len(sent["Name"]) <= 80
        request = sent["Input"]["request"]
        assert job_of((STEPS if request["step"] == "convert" else answer_batch.STEPS).read(request)) == JOB
    ended = evaluate(STATES["End the job that failed"]["Arguments"], {}, **variables)
    assert job_of(STEPS.read(ended)) == JOB
    told = evaluate(STATES["Report on the export"]["Arguments"], {}, **variables)
    assert ReportRequest.read(told).made.lists == 2


def test_calls_answer_the_engines_jobs_side_by_side() -> None:
    items = STATES["Have it answered"]["Items"]
    for engine, jobs, calls in ((True, 1, [1, 2]), (True, 2, [1]), (True, 20, [1]), (False, 1, [1])):
        job = JOB.replaced(engine=engine).as_json()
        assert evaluate(items, {}, job=job, jobs=[job] * jobs) == calls


def test_jobs_run_in_two_waves_and_one_failure_fails_the_execution_with_its_reason() -> None:
    jobs = [{"name": "fans", "wave": 0}, {"name": "mail", "wave": 1}]
    for wave, names in ((0, ["fans"]), (1, ["mail"]), (2, [])):
        jobs_run = evaluate(STATES["Run each job"]["Items"], {}, jobs=jobs, wave=wave)
        assert [job["name"] for job in jobs_run] == names
    exported = Exported(batch="fans", folder="s3://b/", files=1, lists=1, rows=5, errors=0, dollars=0.1, report="r")
    failed = {"batch": "mail", "error": "Rejected", "reason": "too dear"}
    left, fails = STATES["Is a job left?"]["Choices"]
    for done, ends in (([exported.as_json()], False), ([exported.as_json(), failed], True)):
        assert evaluate(left["Condition"], {}, jobs=jobs, wave=2) is False
        assert evaluate(fails["Condition"], {}, done=done) is ends
    assert evaluate(fails["Assign"], {}, done=[exported.as_json(), failed]) == {
        "ending": {"Error": "Rejected", "Cause": "mail: too dear"}
    }


def test_a_run_starts_it_where_jobs_follow_and_goes_on_whatever_comes_of_it() -> None:
    run = states()
    (follow,) = run["Do batch jobs follow?"]["Choices"]
    assert [evaluate(follow["Condition"], {}, plan=plan) for plan in ({"batches": True}, {}, {"batches": False})] == [
        True, False, False,
    ]  # fmt: skip
    start = run["Start the batch jobs"]
    sent = evaluate(start["Arguments"], SEEN, about={"run": "run", "shop": "demo"})
    assert (sent["StateMachineArn"], sent["Name"]) == ("BatchStateMachine", "run")
    noted = evaluate(STATES["Note what is asked"]["Assign"], {**SEEN, "input": sent["Input"]})
    assert PlanRequest.read(noted["asked"]).after == "promotion"
    (caught,) = start["Catch"]
    assert start["Next"] == caught["Next"] == "Announce what came of the run"


def test_its_role_may_do_what_it_does_and_nothing_else() -> None:
    wanted = {"lambda:InvokeFunction", "events:PutEvents", *WAITING, *LOGS}
    assert sorted(actions("BatchStateMachineRole")) == sorted(wanted)
