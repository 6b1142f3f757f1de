# SPDX-License-Identifier: Apache-2.0
"""The machine that removes shops: what it sends, what it decides, and how long it may take."""

from typing import Any

import pytest
from personalization.personalize.removal import (
    STAGES,
    Finished,
    Forgotten,
    Left,
    Objects,
    Removal,
    Schemas,
)

from functions.remove_shop.app import STEPS
from tests.statemachines.machine import MACHINES, State, chosen, evaluate, requests_of, scopes
from tests.statemachines.test_payloads import words

MACHINE = MACHINES["teardown"]
STATES = scopes(MACHINE)[0].states
REQUESTS = requests_of(MACHINE)
VARIABLES: dict[str, Any] = {
    "shop": "green", "run": "run-1", "execution": "arn:execution", "has": {"schemas": ["arn:schema"], "resources": []},
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_the_function_understands_what_it_is_sent(name: str) -> None:
    sent = evaluate(REQUESTS[name][1], {}, **VARIABLES)
    understood = STEPS.read(sent).as_json()
    assert {key: understood[key] for key in sent} == sent


def test_every_step_of_the_function_is_taken_once() -> None:
    taken = [request["step"] for _, request in REQUESTS.values()]
    assert sorted(taken) == sorted(word for request in STEPS.acts for word in words(request))
    assert len({Finished, Forgotten, Left, Objects, Removal, Schemas}) == len(taken)


@pytest.mark.parametrize(
    ("wish", "dry", "objects"),
    [({}, False, False), ({"dryRun": True}, True, False), ({"dryRun": "yes", "objects": True}, False, True)],
)
def test_a_removal_is_a_dry_run_or_takes_objects_only_if_that_is_said(wish: State, dry: bool, objects: bool) -> None:
    seen = {"context": {"Execution": {"Name": "run-1", "Id": "arn"}}, "input": {"shop": "green", **wish}}
    noted = evaluate(STATES["Note what is asked"]["Assign"], seen)
    assert (noted["shop"], noted["dryRun"], noted["withObjects"]) == ("green", dry, objects)
    after = "The removal is complete" if dry else "Forget what the API serves"
    assert chosen(STATES["Is it a dry run?"], {}, dryRun=noted["dryRun"]) == after


def test_it_goes_on_when_nothing_is_left_and_fails_when_the_budget_is_used_up() -> None:
    task = STATES["Remove what nothing needs any more"]
    (caught,) = task["Catch"]
    assert (task["Next"], caught["Next"]) == ("Remove the schemas", "Note why it failed")
    some = Left(left=2, waiting_for=("retail-green-popular", "retail-green")).as_json()
    assert (some["ready"], some["name"], some["status"]) == (False, "retail-green-popular, retail-green", "there")
    assert Left(left=0, waiting_for=()).as_json()["ready"]


def test_objects_are_removed_until_there_are_no_more() -> None:
    assert chosen(STATES["Are there more objects?"], {"more": True}) == "Remove the objects"
    assert chosen(STATES["Are there more objects?"], {"more": False}) == "Give the shop's name back"


def test_the_api_has_a_minute_to_forget_the_shop() -> None:
    assert evaluate(STATES["Let the API forget the shop"]["Seconds"], {}) == 65
    assert STATES["Forget what the API serves"]["Next"] == "Let the API forget the shop"


def test_what_is_based_on_something_goes_before_it() -> None:
    places = {kind: number for number, stage in enumerate(STAGES) for kind in stage}
    for first, then in (("campaign", "solution"), ("solution", "dataset"), ("dataset", "datasetGroup")):
        assert places[first] < places[then]  # type: ignore[index]
    assert max(places.values()) == places["datasetGroup"]
