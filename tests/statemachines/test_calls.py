# SPDX-License-Identifier: Apache-2.0
"""Every call of the machine is held against botocore's models: operation, parameters, what is read of the answer."""

import re

import botocore.session
import pytest
from botocore.model import OperationModel, Shape, StructureShape

from tests.statemachines.machine import State, expressions, pauses, states, successors, tasks

SESSION = botocore.session.get_session()
SDK = tasks("aws-sdk:")
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
    assert named <= modelled | {"Personalize.PersonalizeException"}


@pytest.mark.parametrize("task", tasks("events:").values(), ids=tasks("events:"))
def test_an_announcement_is_an_entry_of_put_events(task: State) -> None:
    shape = SESSION.get_service_model("events").shape_for("PutEventsRequestEntry")
    assert isinstance(shape, StructureShape)
    (entry,) = task["Arguments"]["Entries"]
    assert set(entry) <= set(shape.members)
    assert entry["Source"] == "retail-personalization"
    assert set(entry["Detail"]) >= {"prefix", "run", "shop", "kind", "key"}


def test_every_outcome_is_announced_once() -> None:
    announced = [task["Arguments"]["Entries"][0]["DetailType"] for task in tasks("events:").values()]
    # A release is taken back by a failed probe, or by hand.
    twice = ["Run rolled back", "Run rolled back"]
    once = ["Drop refused", "Run approved", "Run failed", "Run imported", "Run promoted", "Run refused", "Run started"]
    assert sorted(announced) == sorted(once + twice)


def test_every_wait_is_a_look_a_question_and_a_pause() -> None:
    for name in pauses():
        noun = name.removeprefix("Wait for the ")
        look, ask = f"Look at the {noun}", f"Is the {noun} ready?"
        assert look in SDK
        assert ask in successors(SDK[look])
        assert states()[ask]["Default"] == name
        assert states()[name]["Next"] == look
    assert len(pauses()) == len(SDK)
    assert set(states("Wait")) - set(pauses()) == {"Let the burst settle"}
