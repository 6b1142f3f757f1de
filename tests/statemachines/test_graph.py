# SPDX-License-Identifier: Apache-2.0
"""Every state can be reached, every path ends, and every failure is announced before it ends."""

import json
import re

import pytest
from statelint.linter import Linter

from tests.statemachines.machine import MACHINES, Scope, State, chosen, evaluate, every_scope, scopes, successors

SCOPES = pytest.mark.parametrize("scope", every_scope().values(), ids=every_scope())
FOR_EACH_MACHINE = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)


TRAINING = ("Train each recipe", "Train the recipe")
IMPORT = ("Import each file", "Import the file")


def spread(graph: dict[str, set[str]], names: set[str]) -> set[str]:
    """The nodes of `graph` that lead on from `names`, itself included."""
    while more := {after for name in names for after in graph[name]} - names:
        names = names | more
    return names


@SCOPES
def test_no_next_dangles_and_every_state_is_reached(scope: Scope) -> None:
    graph = {name: successors(state) for name, state in scope.states.items()}
    assert set().union(*graph.values()) <= set(scope.states)
    assert spread(graph, {scope.start}) == set(scope.states)


@SCOPES
def test_every_path_ends(scope: Scope) -> None:
    ends = {name for name, state in scope.states.items() if state["Type"] in {"Succeed", "Fail"} or state.get("End")}
    before = {name: {was for was, state in scope.states.items() if name in successors(state)} for name in scope.states}
    assert spread(before, ends) == set(scope.states)


@SCOPES
def test_a_task_or_map_that_fails_ends_in_fail(scope: Scope) -> None:
    graph = {name: successors(state) for name, state in scope.states.items()}
    for name, state in scope.states.items():
        # A refused file does not stop the others, and a test's result stands though it could not be cleared up after;
        # a release serves whether or not a purchase likelihood could be fitted, or an unused campaign deleted. An
        # import hands its failure on to a run that lets the others come to their end.
        fine = {"Is a file refused?", "Report the result", "Announce what came of the run", "The import failed"}
        fine |= {"Start the fit", "Do batch jobs follow?", "Note why it failed"}
        # A fallback that cannot be imported or trained keeps no release back.
        fine |= {"May the run do without the import?", "May the release do without it?"}
        fine |= {"The job failed", "Announce the failure", "The check failed"}
        for caught in {catcher["Next"] for catcher in state.get("Catch", [])} - fine:
            ends = {end for end in spread(graph, {caught}) if not graph[end]}
            assert {scope.states[end]["Type"] for end in ends} == {"Fail"}, name


def inside(machine: State) -> dict[str, State]:
    """All states of a machine, whatever their scope."""
    return {name: state for scope in scopes(machine) for name, state in scope.states.items()}


def test_a_removal_fails_only_after_the_announcement() -> None:
    top = scopes(MACHINES["teardown"])[0].states
    assert {name for name, state in top.items() if state["Type"] == "Fail"} == {"The removal failed"}
    assert [name for name, state in top.items() if "The removal failed" in successors(state)] == [
        "Announce that the removal failed"
    ]


def test_the_machine_fails_only_after_the_announcement() -> None:
    top = scopes()[0].states
    assert {name for name, state in top.items() if state["Type"] == "Fail"} == {
        "The run failed",
        "Leave it to the sweep",
    }
    assert {name for name, state in top.items() if "The run failed" in successors(state)} == {"Close the failed run"}
    assert [name for name, state in top.items() if "Close the failed run" in successors(state)] == [
        "Announce that the run failed"
    ]


def test_a_drop_that_no_function_was_free_to_claim_is_left_to_the_sweep_and_all_else_is_announced() -> None:
    top = scopes()[0].states
    leaving, asking = "Leave it to the sweep", "Will the sweep claim it?"
    assert [name for name, state in top.items() if leaving in successors(state)] == [asking]
    (claiming,) = (name for name, state in top.items() if asking in successors(state))
    assert (claiming, top[claiming]["Catch"][0]["ErrorEquals"]) == (
        "Claim what started the run",
        ["Lambda.TooManyRequestsException"],
    )
    (choice,) = top[asking]["Choices"]
    for key, leaves in (("drops/demo/items/a.csv", True), ("", False)):
        assert evaluate(choice["Condition"], {}, about={"key": key}) is leaves
    assert top[asking]["Default"] == "Note why the run failed"


def test_whatever_fails_is_read_once() -> None:
    for machine, note in (("retrain", "Note why the run failed"), ("teardown", "Note why it failed")):
        caught = {catch["Next"]: catch for scope in scopes(MACHINES[machine])[:1] for state in scope.states.values()
                  for catch in state.get("Catch", [])}  # fmt: skip
        announced = {name for name, catch in caught.items() if "failure" in catch["Assign"]} - {
            "Will the sweep claim it?"
        }
        assert announced == {note}


@FOR_EACH_MACHINE
def test_names_are_unique_and_sentences_and_choices_are_questions(machine: State) -> None:
    states = inside(machine)
    assert len(states) == sum(len(scope.states) for scope in scopes(machine))
    for name, state in states.items():
        assert name[0].isupper(), name
        assert " " in name, name
        assert name.endswith("?") == (state["Type"] == "Choice"), name


@FOR_EACH_MACHINE
def test_what_is_not_obvious_is_commented(machine: State) -> None:
    branching = {name: state for name, state in inside(machine).items() if state["Type"] in {"Choice", "Map"}}
    for name, state in (branching | {"": machine}).items():
        assert "Comment" in state, name


@FOR_EACH_MACHINE
def test_statelint_finds_nothing(machine: State) -> None:
    # It takes an expression for a missing number where a wait's seconds, or a map's children at a time, stand.
    whole = re.sub(r'"(Seconds|MaxConcurrency)": "{%[^"]*%}"', r'"\1": 1', json.dumps(machine))
    # A function's ARN stands where the tests leave its name.
    whole = re.sub(r'"Resource": "(\w+)"', r'"Resource": "arn:aws:lambda:eu-west-1:123456789012:function:\1:1"', whole)
    # It does not know what AWS adds to the specification for Distributed Maps.
    problems = [
        problem
        for problem in Linter.validate(json.loads(whole))
        if "Label" not in problem and "ReaderConfig" not in problem
    ]
    assert problems == []


ERROR = {"Error": "States.TaskFailed", "Cause": "there is no memory"}


def after(mapping: str, task: str, item: State) -> State:
    """What comes of an item of a Map whose task fails."""
    states = MACHINES["retrain"]["States"][mapping]["ItemProcessor"]["States"]
    (rule,) = states[task]["Catch"]
    handed = evaluate(rule["Output"], {"input": item, "errorOutput": ERROR})
    state = states[chosen(states[rule["Next"]], handed)]
    parts = [state[key] for key in ("Error", "Cause") if key in state]
    outcome: State = evaluate(
        dict(zip(("Error", "Cause"), parts, strict=True)) if parts else state["Output"], {"input": handed}
    )
    return outcome


def test_a_release_does_without_a_fallback_that_cannot_be_trained() -> None:
    every = MACHINES["retrain"]["States"]["Train each recipe"]
    assert after(*TRAINING, {"alias": "similar-items", "campaign": {"name": "c"}}) == ERROR
    spare = after(*TRAINING, {"alias": "engine/similar-items", "isSpare": True})
    trained = {"alias": "similar-items", "solutionVersionArn": "arn:v", "foundFrom": "", "notes": []}
    variables: State = {"wave": 1, "trained": [trained], "unimported": []}
    assert evaluate(every["Assign"], {"result": [spare]}, **variables) == {
        "wave": 2,
        "trained": [trained],
        "untrained": [{"alias": "engine/similar-items", "reason": "there is no memory"}],
    }
    variables |= {"wave": 0, "trained": []}
    assert evaluate(every["Assign"], {"result": [trained]}, **variables) == {
        "wave": 1, "trained": [trained], "untrained": [],
    }  # fmt: skip


def test_a_run_does_without_what_a_fallback_cannot_import() -> None:
    every = MACHINES["retrain"]["States"]["Import each file"]
    plan = {"kind": "items", "isOnBoth": True, "isSpareEngine": True}
    lost = {"unimported": {"kind": "items", "reason": "there is no memory"}}
    broken = {"failed": "items", "failure": ERROR}
    assert after(*IMPORT, {"plan": plan, "backend": "engine"}) == lost
    # Of Amazon Personalize itself, and of an engine with recipes of the shop, nothing can be left out.
    assert after(*IMPORT, {"plan": plan, "backend": None}) == broken
    assert after(*IMPORT, {"plan": plan | {"isSpareEngine": False}, "backend": "engine"}) == broken
    first = {"kind": "items", "notes": []}
    assert evaluate(every["Assign"], {"result": [lost]}, wave=1, imported=[first]) == {
        "wave": 2, "imported": [first], "unimported": [lost["unimported"]],
    }  # fmt: skip
    question = MACHINES["retrain"]["States"]["Is everything imported?"]
    variables: State = {"imported": [first], "imports": [plan], "trainings": [plan], "unimported": []}
    assert chosen(question, {}, **variables, wave=1) == "Import each file"
    assert chosen(question, {}, **variables, wave=2) == "Make sure that the run still leads"
    assert chosen(question, {}, **variables | {"imports": [{"kind": "items"}]}, wave=1) == question["Default"]
    assert chosen(question, {}, **variables | {"imported": [first, broken]}, wave=2) == "Note why the run failed"
    # Users and items alone train nothing; the run says what the fallback lacks.
    variables |= {"trainings": [], "unimported": [lost["unimported"]], "plan": {"rows": 3, "notes": ["a note"]}}
    ended = evaluate(question["Choices"][-1]["Assign"], {}, **variables)
    said = "the fallback goes on without the items, which the engine did not import: there is no memory"
    assert ended["ending"]["notes"] == ["a note", said]


def test_the_engine_imports_after_amazon_personalize() -> None:
    items = MACHINES["retrain"]["States"]["Import each file"]["Items"]
    both, alone = {"kind": "items", "isOnBoth": True}, {"kind": "users"}
    assert evaluate(items, {}, imports=[both, alone], wave=0) == [
        {"plan": both, "backend": None}, {"plan": alone, "backend": None},
    ]  # fmt: skip
    assert evaluate(items, {}, imports=[both, alone], wave=1) == [{"plan": both, "backend": "engine"}]


def test_what_failed_on_one_of_two_backends_counts_as_not_imported() -> None:
    closing = MACHINES["retrain"]["States"]["Close the failed run"]["Arguments"]
    imported = [{"kind": "items"}, {"kind": "users"}, {"failed": "items", "failure": ERROR}]
    told = evaluate(closing, {}, caller={}, about={"shop": "demo"}, drops=[], failure=ERROR, imported=imported)
    assert told["imported"] == ["users"]


def test_a_fallback_without_its_data_trains_nothing() -> None:
    items = MACHINES["retrain"]["States"]["Train each recipe"]["Items"]
    of_service, of_engine = {"alias": "user-personalization"}, {"alias": "similar-items", "engine": True}
    spare = {"alias": "engine/user-personalization", "engine": True, "isSpare": True}
    plan = {"recipes": [of_service, of_engine, spare]}
    assert evaluate(items, {}, plan=plan, wave=0, unimported=[]) == [of_service]
    assert evaluate(items, {}, plan=plan, wave=1, unimported=[]) == [of_engine, spare]
    assert evaluate(items, {}, plan=plan, wave=1, unimported=[{"kind": "items"}]) == [of_engine]
    assert evaluate(items, {}, plan=plan | {"engine": True}, wave=0, unimported=[]) == [*plan["recipes"]]
