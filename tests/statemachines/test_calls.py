# SPDX-License-Identifier: Apache-2.0
"""Every call of the machine is held against botocore's models: operation, parameters, what is read of the answer."""

import re

import botocore.session
import pytest
from botocore.model import OperationModel, Shape, StructureShape

from tests.statemachines.machine import MACHINES, State, evaluate, expressions, pauses, states, successors, tasks

SESSION = botocore.session.get_session()
RUN = "arn:aws:states:eu-west-1:123456789012:execution:retrain:run-1"
SDK = {f"{name}: {task}": state for name, each in MACHINES.items() for task, state in tasks("aws-sdk:", each).items()}
DESCRIBES = pytest.mark.parametrize("task", SDK.values(), ids=SDK)


def operation(task: State) -> OperationModel:
    """The model of the operation that an SDK integration calls."""
    service, name = task["Resource"].split(":")[-2:]
    return SESSION.get_service_model(service).operation_model(name[0].upper() + name[1:])


def member(shape: Shape | None, path: str) -> Shape:
    """What a dotted path leads to in a structure, by the names that Step Functions gives: with a capital."""
    assert isinstance(shape, StructureShape)
    name, _, rest = path.partition(".")
    found = {key[0].upper() + key[1:]: value for key, value in shape.members.items()}[name]
    return member(found, rest) if rest else found


@DESCRIBES
def test_parameters_are_those_of_the_operation(task: State) -> None:
    shape = operation(task).input_shape
    assert isinstance(shape, StructureShape)
    given = {name[0].lower() + name[1:] for name in task["Arguments"]}
    assert set(shape.required_members) <= given <= set(shape.members)
    assert all(name[0].isupper() for name in task["Arguments"])


@DESCRIBES
def test_what_is_read_of_the_answer_is_in_it(task: State) -> None:
    read = [path for text in expressions(task["Output"]) for path in re.findall(r"\$states\.result\.([\w.]+)", text)]
    assert read
    for path in read:
        assert member(operation(task).output_shape, path).name


@DESCRIBES
def test_errors_are_those_of_the_operation(task: State) -> None:
    modelled = {f"Personalize.{shape.name}" for shape in operation(task).error_shapes}
    named = {name for rule in task["Retry"] for name in rule["ErrorEquals"] if name.startswith("Personalize.")}
    assert named <= modelled | {"Personalize.PersonalizeException", "Personalize.SdkClientException"}


@pytest.mark.parametrize("task", tasks("events:").values(), ids=tasks("events:"))
def test_an_announcement_is_an_entry_of_put_events(task: State) -> None:
    shape = SESSION.get_service_model("events").shape_for("PutEventsRequestEntry")
    assert isinstance(shape, StructureShape)
    for entry in task["Arguments"]["Entries"]:
        assert set(entry) <= set(shape.members)
        assert entry["Source"] == "retail-personalization"
        assert set(entry["Detail"]) >= {"prefix", "run", "shop", "kind", "key", "links"}
        links = evaluate(entry["Detail"]["links"], {"context": {"Execution": {"Id": RUN}}}, shop="demo", run="run-1")
        assert links["reports"] == "s3://DropBucket/reports/demo/run-1/"
        assert links["run"].endswith(f"region=eu-west-1#/v2/executions/details/{RUN}")


def test_every_outcome_is_announced_once() -> None:
    announced = [entry["DetailType"] for task in tasks("events:").values() for entry in task["Arguments"]["Entries"]]
    # A release is taken back by a failed probe, or by hand; a file is refused alone, or among those that it came with.
    twice = ["Run rolled back", "Run rolled back", "Drop refused", "Drop refused"]
    once = [
        "Likelihood not fitted",
        "Run approved",
        "Run failed",
        "Run imported",
        "Run promoted",
        "Run refused",
        "Run started",
        "Run validated",
    ]
    assert sorted(announced) == sorted(once + twice)


JOBS = ("import job", "solution version", "export", "lists")
"""What is waited for until there is room for it; the first two by a run itself."""


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("retrain", {"Let the burst settle"} | {f"Wait until there is room for the {job}" for job in JOBS[:2]}),
        (
            "evaluate",
            {f"Wait until {what}" for what in ("the way is clear", "it is cleared up", "the failure is cleared up")}
            | {f"Wait until there is room for the {job}" for job in JOBS},
        ),
    ],
)
def test_every_wait_is_a_look_a_question_and_a_pause(name: str, others: set[str]) -> None:
    machine = MACHINES[name]
    every, looks = states(machine=machine), tasks("aws-sdk:", machine)
    for wait in pauses(machine):
        noun = wait.removeprefix("Wait for the ")
        look, ask = f"Look at the {noun}", f"Is the {noun} ready?"
        assert ask in successors(looks[look])
        assert every[ask]["Default"] == wait
        assert every[wait]["Next"] == look
    assert len(pauses(machine)) == len(looks)
    assert set(states("Wait", machine=machine)) - set(pauses(machine)) == others
