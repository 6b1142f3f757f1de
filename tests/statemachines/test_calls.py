# SPDX-License-Identifier: Apache-2.0
"""What a run announces is held against botocore's model; whatever takes time is waited for in one place."""

import re
from typing import Any

import botocore.session
import pytest
from botocore.model import StructureShape

from tests.statemachines.machine import FILE, MACHINES, State, evaluate, states, substituted, successors, tasks
from tests.statemachines.test_payloads import VARIABLES

SESSION = botocore.session.get_session()
ARN = "arn:aws:states:eu-west-1:123456789012:execution:retrain:run-1"
REFUSED = {"key": "b", "outcome": "refused", "reason": "it is empty", "kind": "interactions"}
TOLD: dict[str, Any] = {
    **VARIABLES, "checked": {"drop": REFUSED, "others": []}, "undone": ["Run rolled back"],
    "news": [{"type": "Run promoted", "detail": {"rows": 5}}],
}  # fmt: skip
STARTED = {"detail": {"object": {"key": "drops/demo/interactions/a b.csv"}}}


@pytest.mark.parametrize("task", tasks("events:").values(), ids=tasks("events:"))
def test_an_announcement_is_an_entry_of_put_events(task: State) -> None:
    shape = SESSION.get_service_model("events").shape_for("PutEventsRequestEntry")
    assert isinstance(shape, StructureShape)
    context = {"Execution": {"Id": ARN, "Name": "run-1"}, "StateMachine": {"Id": "arn:machine"}}
    noted = evaluate(states()["Note what started the run"]["Assign"], {"context": context, "input": STARTED})
    entries = evaluate(task["Arguments"]["Entries"], {}, **TOLD | noted)
    assert entries
    for entry in entries:
        assert set(entry) <= set(shape.members)
        assert entry["Source"] == "retail-personalization"
        detail = entry["Detail"]
        assert (detail["prefix"], detail["run"], detail["shop"]) == ("retail", "run-1", "demo")
        assert {"kind", "key"} <= set(detail)
        assert detail["links"]["reports"] == "s3://DropBucket/reports/demo/run-1/"
        assert detail["links"]["run"].endswith(f"region=eu-west-1#/v2/executions/details/{ARN}")


def test_every_outcome_is_announced() -> None:
    ways = sorted(
        re.findall(r"(?:Run|Drop|Likelihood|Batch) [a-z]+(?: [a-z]+)?(?=[',}\]\n])", substituted(FILE.read_text()))
    )
    # A release is taken back by a failed probe, or by hand.
    twice = ["Run rolled back"]
    once = [
        "Batch not exported", "Drop refused", "Likelihood not fitted", "Run approved", "Run failed", "Run imported",
        "Run promoted",        "Run refused", "Run started", "Run validated",
    ]  # fmt: skip
    assert ways == sorted(once + 2 * twice)


def test_a_release_may_be_refused_and_approved_at_once() -> None:
    entries = states()["Announce the verdict"]["Arguments"]["Entries"]
    for outcome, told in (
        ("promoted", ["Run approved"]),
        ("refused", ["Run refused"]),
        ("partly promoted", ["Run refused", "Run approved"]),
    ):
        verdict = VARIABLES["verdict"] | {"outcome": outcome}
        entries_sent = evaluate(entries, {}, verdict=verdict, about={"run": "run-1"})
        assert [entry["DetailType"] for entry in entries_sent] == told


def test_a_run_that_failed_says_so_last() -> None:
    entries = states()["Announce that the run failed"]["Arguments"]["Entries"]
    for undone in ([], ["Run rolled back"]):
        entries_sent = evaluate(
            entries, {}, undone=undone, about={"run": "run-1"}, failure={"Error": "Broken", "Cause": "it"}
        )
        assert [entry["DetailType"] for entry in entries_sent] == [*undone, "Run failed"]
        assert entries_sent[-1]["Detail"] == {"run": "run-1", "error": "Broken", "reason": "it"}


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("retrain", {"Let the burst settle", "Let its drops be claimed"}),
        ("evaluate", set()),
        ("likelihood", set()),
        ("batch", set()),
        ("teardown", {"Let the API forget the shop"}),
        ("ensure", {"Wait until it is asked again"}),
    ],
)
def test_what_takes_time_is_waited_for_in_one_place(name: str, waits: set[str]) -> None:
    machine = MACHINES[name]
    assert set(states("Wait", machine=machine)) == waits
    assert tasks("aws-sdk:", machine) == {}


def test_a_wait_is_a_look_a_question_and_a_pause() -> None:
    every = states(machine=MACHINES["ensure"])
    assert every["Ask the function"]["Next"] == "Is it ready?"
    assert every["Is it ready?"]["Default"] == "Wait until it is asked again"
    assert successors(every["Wait until it is asked again"]) == {"Ask the function"}
