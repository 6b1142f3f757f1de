# SPDX-License-Identifier: Apache-2.0
"""Reading the state machine: its scopes (the machine itself, and each Map's states), its states, its expressions."""

import json
import math
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonata
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "statemachines" / "retrain.asl.yaml"
SUBSTITUTIONS = {"SettleSeconds": "120", "PollSeconds": "60", "WaitMinutes": "300", "Prefix": "retail",
                 "MapConcurrency": "20", "EngineConcurrency": "2"}  # fmt: skip
"""What the tests put in place of the template's substitutions; other names stand for themselves."""

State = dict[str, Any]


@dataclass(frozen=True)
class Scope:
    """States that see each other: the machine's own, or those of one Map, whose name is `owner`."""

    owner: str
    start: str
    states: dict[str, State]
    apart: bool = False
    """Whether each item is an execution of its own, which sees no variable of the machine."""

    def assigned(self) -> set[str]:
        """The variables that this scope's states assign, Catch and Choice rules included."""
        return {
            name for state in self.states.values() for position in places(state) for name in position.get("Assign", {})
        }


def substituted(text: str) -> str:
    """`text` as the deployed machine has it."""
    return re.sub(r"\$\{(\w+)\}", lambda match: SUBSTITUTIONS.get(match[1], match[1]), text)


MACHINES: dict[str, State] = {
    path.name.partition(".")[0]: yaml.safe_load(substituted(path.read_text()))
    for path in sorted(FILE.parent.glob("*.asl.yaml"))
}
"""Every machine, by its file's name."""
MACHINE = MACHINES["retrain"]
"""The main one, which is meant where no other is named."""


def scopes(machine: State = MACHINE) -> list[Scope]:
    """The machine's scope, then those of its Maps, and of the Maps in them."""
    return list(_with_inner(Scope("", machine["StartAt"], machine["States"]), distributed(machine)))


def _with_inner(scope: Scope, apart: Mapping[str, State]) -> Iterator[Scope]:
    yield scope
    for name, state in scope.states.items():
        if state["Type"] == "Map":
            inner = state["ItemProcessor"]
            yield from _with_inner(Scope(name, inner["StartAt"], inner["States"], name in apart), apart)


def outside(scope: Scope, machine: State) -> list[Scope]:
    """The scopes around a scope, the nearest first."""
    outer = [other for other in scopes(machine) if scope.owner in other.states]
    return [other for near in outer for other in (near, *outside(near, machine))]


def distributed(machine: State) -> dict[str, State]:
    """The machine's Distributed Maps."""
    maps = {name: state for name, state in machine["States"].items() if state["Type"] == "Map"}
    return {name: state for name, state in maps.items() if "ProcessorConfig" in state["ItemProcessor"]}


def states(*types: str, machine: State = MACHINE) -> dict[str, State]:
    """All states of the given types (all types, if none is given), whatever their scope."""
    every = {name: state for scope in scopes(machine) for name, state in scope.states.items()}
    return {name: state for name, state in every.items() if not types or state["Type"] in types}


def every_scope() -> dict[str, Scope]:
    """The scopes of all machines, by machine and owner."""
    named = [(name, scope) for name, machine in MACHINES.items() for scope in scopes(machine)]
    return {f"{name}: {scope.owner or 'machine'}": scope for name, scope in named}


def every_state(*types: str) -> dict[str, State]:
    """The states of all machines of the given types, by machine and name."""
    named = [(name.partition(":")[0], scope) for name, scope in every_scope().items()]
    every = {f"{machine}: {name}": state for machine, scope in named for name, state in scope.states.items()}
    return {name: state for name, state in every.items() if state["Type"] in types}


def integration(task: State) -> str:
    """The service that a task calls, and the service's operation; a task whose resource is a function calls that."""
    return task["Resource"].partition("arn:aws:states:::")[2] or "lambda:invoke"


def tasks(start: str, machine: State = MACHINE) -> dict[str, State]:
    """The Task states whose integration starts so."""
    return {name: task for name, task in states("Task", machine=machine).items() if integration(task).startswith(start)}


def requests_of(machine: State = MACHINE) -> dict[str, tuple[str, Any]]:
    """What each state asks of a function, itself or by way of `ensure`: the function, and what it is sent."""
    requests = {}
    for name, task in tasks("", machine).items():
        given = task["Arguments"]
        if task["Resource"].startswith("arn:aws:states:::lambda:"):
            requests[name] = (given["FunctionName"], given["Payload"])
        elif integration(task) == "lambda:invoke":
            requests[name] = (task["Resource"], given)
        elif given.get("StateMachineArn") == "EnsureStateMachine":
            requests[name] = (given["Input"]["function"], given["Input"]["request"])
    return requests


def places(state: State) -> list[State]:
    """A state and the parts of it that lead on: its catchers and its choices."""
    return [state, *state.get("Catch", []), *state.get("Choices", [])]


def successors(state: State) -> set[str]:
    """The names of the states that may come next."""
    return {position[key] for position in places(state) for key in ("Next", "Default") if key in position}


def expressions(node: object) -> Iterator[str]:
    """Every JSONata expression below `node`, without its delimiters; a Map's inner states included."""
    if isinstance(node, str) and node.startswith("{%"):
        yield node.removeprefix("{%").removesuffix("%}").strip()
    elif isinstance(node, Mapping):
        yield from (expression for value in node.values() for expression in expressions(value))
    elif isinstance(node, list):
        yield from (expression for value in node for expression in expressions(value))


def evaluate(node: object, states_value: State, **variables: object) -> Any:  # noqa: ANN401 - any JSON
    """`node` with its expressions evaluated, where `$states` is `states_value` and `$name` comes from `variables`."""
    if isinstance(node, str) and node.startswith("{%"):
        (text,) = expressions(node)
        compiled = jsonata.Jsonata.jsonata(text)
        # Step Functions' own, beside those of JSONata.
        compiled.register_lambda("parse", json.loads)
        compiled.register_lambda("uuid", lambda: str(uuid.uuid4()))
        return compiled.evaluate(None, {"states": states_value, **variables})
    if isinstance(node, Mapping):
        return {key: evaluate(value, states_value, **variables) for key, value in node.items()}
    if isinstance(node, list):
        return [evaluate(value, states_value, **variables) for value in node]
    return node


def pauses(rule: State) -> list[float]:
    """The longest pause before each attempt of a retrier, by the defaults of Amazon States Language."""
    first, growth, most = (
        rule.get(key, default)
        for key, default in (("IntervalSeconds", 1), ("BackoffRate", 2), ("MaxDelaySeconds", math.inf))
    )
    return [min(first * growth**attempt, most) for attempt in range(rule["MaxAttempts"])]


def chosen(state: State, seen: State, **variables: object) -> str:
    """Where a Choice state goes when its input is `seen`."""
    rules = (rule["Next"] for rule in state["Choices"] if evaluate(rule["Condition"], {"input": seen}, **variables))
    return next(rules, str(state.get("Default")))
