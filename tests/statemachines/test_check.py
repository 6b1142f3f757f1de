# SPDX-License-Identifier: Apache-2.0
"""The machine that checks a large drop, and the branch of a run that starts it."""

import json
from typing import Any

import pytest

from functions.check_part.steps import STEPS
from tests.statemachines.machine import MACHINES, chosen, distributed, evaluate, requests_of, states

MACHINE = MACHINES["check"]
MAPS = distributed(MACHINE)
REQUESTS = requests_of(MACHINE)
VARIABLES: dict[str, Any] = {"work": "work/demo/run/drop/", "turn": 2, "fit": {"partitions": 4}}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_function_understands_what_it_is_sent(name: str) -> None:
    item = {"context": {"Map": {"Item": {"Value": 3}}}}
    selected = {state["ItemProcessor"]["StartAt"]: state["ItemSelector"] for state in MAPS.values()}
    given = evaluate(selected[name], item, **VARIABLES) if name in selected else None
    sent = evaluate(REQUESTS[name][1], {"input": given}, **VARIABLES)
    understood = STEPS.read(sent).as_json()
    assert {key: understood[key] for key in sent} == sent
    assert sent["work"] == VARIABLES["work"]


def test_a_round_reads_its_own_items_and_every_partition_is_counted() -> None:
    reader = evaluate(MAPS["Check each range"]["ItemReader"]["Arguments"], {}, **VARIABLES)
    assert reader["Key"] == "work/demo/run/drop/items-2.json"
    assert evaluate(MAPS["Count each partition"]["Items"], {}, **VARIABLES) == [0, 1, 2, 3]
    assert evaluate(MAPS["Count each partition"]["Items"], {}, fit={"partitions": 1}) == [0]


@pytest.mark.parametrize(
    ("fit", "then"),
    [
        ({"round": 1, "again": True, "partitions": 0}, "Check each range"),
        ({"round": 0, "again": False, "partitions": 4}, "Count each partition"),
        ({"round": 0, "again": False, "partitions": 0}, "The check is complete"),
    ],
)
def test_ranges_are_checked_until_they_fit(fit: dict[str, Any], then: str) -> None:
    machine = states(machine=MACHINE)
    assigned = evaluate(machine["See whether the ranges fit"]["Assign"], {"result": fit})
    assert assigned["turn"] == fit["round"]
    assert chosen(machine["What is left to do?"], {}, **assigned) == then


@pytest.mark.parametrize(("outcome", "then"), [("divided", "Check its ranges"), ("imported", "Is a file refused?")])
def test_a_run_checks_the_ranges_of_a_large_drop_and_then_the_drop_again(outcome: str, then: str) -> None:
    every = states()
    item = {"id": "1", "key": "drops/demo/items/x.csv", "kind": "items", "mode": "FULL", "request": {"also": []}}
    payload = {"outcome": outcome, "reason": "", "rows": 0, "work": "work/demo/run/drop/"}
    assigned = evaluate(every["Check the drop"]["Assign"], {"input": item, "result": payload})
    assert chosen(every["Is it too large for one function?"], {}, **assigned) == then
    started = evaluate(
        every["Check its ranges"]["Arguments"]["Input"], {"context": {"Execution": {"Id": "e"}}}, **assigned
    )
    assert started["work"] == "work/demo/run/drop/"
    assert every["Check its ranges"]["Next"] == "Check the drop"
    # What the drop was asked with is still there.
    assert json.loads(json.dumps(evaluate(every["Check its ranges"]["Output"], {"input": item}))) == item
