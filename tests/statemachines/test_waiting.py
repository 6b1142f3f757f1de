# SPDX-License-Identifier: Apache-2.0
"""The machine that waits for all others: its pauses, its budgets, and how long a history may become."""

import pytest

from tests.statemachines.machine import MACHINES, SUBSTITUTIONS, Scope, State, chosen, evaluate, scopes

MINUTE = 60_000
POLL, BUDGET = int(SUBSTITUTIONS["PollSeconds"]), int(SUBSTITUTIONS["WaitMinutes"]) * 60
STATES = MACHINES["ensure"]["States"]
ASK, QUESTION, PAUSE = STATES["Ask the function"], STATES["Is it ready?"], STATES["Wait until it is asked again"]
STARTED: State = {"function": "arn:function:1", "request": {"step": "train", "shop": "demo"}}
WAITS = {
    "status": "WAITING",
    "ready": False,
    "name": "job",
    "reason": "LimitExceededException: full",
    "made": {"stage": 1},
}
WORKS = {"status": "CREATE IN_PROGRESS", "ready": False, "name": "job", "made": {"stage": 1, "arn": "arn:job"}}
DONE = {"status": "ACTIVE", "ready": True, "name": "job", "arn": "arn:job"}
QUOTAS = {
    "Check each drop": 5,
    "Import each file": 3,
    "Ensure each filter": 30,
    "Start each recommender": 5,
    "Wait for each recommender": 5,
    "Train each recipe": 5,
    "Promote each approved recipe": 5,
    "Put each campaign back": 5,
    "Export each dataset": 3,
    "Import each dataset": 3,
    "Train and ask each recipe": 2,
    "Run each job": 20,
}
"""The most items of each Map: kinds of drops and of data, Personalize's quotas of filters and campaigns, recipes."""


def asks(state: State, answer: State, minutes: float = 0) -> State:
    """What the machine keeps when the function answers so many minutes after its last answer."""
    begun = dict(state)
    if "at" in begun:
        begun["at"] = evaluate("{% $millis() %}", {}) - minutes * MINUTE
    kept: State = evaluate(ASK["Output"], {"input": begun, "result": {"Payload": answer}})
    return kept


def after(*answers: tuple[State, float]) -> State:
    """What the machine keeps after these answers, each so many minutes after the one before it."""
    kept: State = STARTED
    for answer, minutes in answers:
        kept = asks(kept, answer, minutes)
    return kept


def test_a_function_is_asked_again_about_what_it_has_made() -> None:
    first = evaluate(ASK["Arguments"], {"input": STARTED})
    assert first == {"FunctionName": "arn:function:1", "Payload": STARTED["request"]}
    again = evaluate(ASK["Arguments"], {"input": after((WORKS, 0))})
    assert again["Payload"] == {**STARTED["request"], "made": WORKS["made"]}
    # What a caller says that it has made holds until the function says something else.
    given = {**STARTED, "request": {"made": {"arn": "arn:old"}}}
    assert evaluate(ASK["Arguments"], {"input": given})["Payload"] == {"made": {"arn": "arn:old"}}


def test_it_ends_when_the_function_says_so_with_all_that_was_said() -> None:
    kept = after(({**WORKS, "foundFrom": "2026", "notes": ["a note"]}, 0), (DONE, 5))
    assert chosen(QUESTION, kept) == "It is ready"
    told = evaluate(STATES["It is ready"]["Output"], {"input": kept})
    assert (told["arn"], told["foundFrom"], told["notes"]) == ("arn:job", "2026", ["a note"])


def test_a_wait_beyond_its_budget_fails() -> None:
    assert chosen(QUESTION, after((WORKS, 0), (WORKS, 299))) == "Wait until it is asked again"
    late = after((WORKS, 0), (WORKS, 301))
    assert chosen(QUESTION, late) == "It failed"
    told = evaluate(QUESTION["Choices"][2]["Output"], {"input": late})
    assert told == {"Error": "Broken", "Cause": "job: still CREATE IN_PROGRESS after 300 minutes"}
    # A last look counts, however late it is.
    assert chosen(QUESTION, after((WORKS, 0), (DONE, 301))) == "It is ready"


def test_room_for_a_job_is_waited_for_as_long_as_the_budget_lasts() -> None:
    assert chosen(QUESTION, after((WAITS, 0), (WAITS, 299))) == "Wait until it is asked again"
    late = after((WAITS, 0), (WAITS, 301))
    assert chosen(QUESTION, late) == "It failed"
    told = evaluate(QUESTION["Choices"][1]["Output"], {"input": late})
    assert told == {"Error": "LimitReached", "Cause": "job: no room after 300 minutes: LimitExceededException: full"}


def test_the_wait_for_room_is_no_part_of_a_jobs_time_and_is_shared_by_all_parts() -> None:
    """Two jobs, one after the other, that wait 100 minutes each and run for 140 each."""
    job = ((WAITS, 50), (WORKS, 50), (WORKS, 90))
    kept = after((WAITS, 0), (WAITS, 50), (WORKS, 50), (WORKS, 140), *job[:1])
    assert chosen(QUESTION, kept) == "Wait until it is asked again"
    kept = asks(asks(kept, WORKS, 50), WORKS, 90)
    assert chosen(QUESTION, kept) == "Wait until it is asked again"
    assert kept["worked"] / MINUTE == pytest.approx(140 + 50 + 90, abs=1)
    assert kept["queued"] / MINUTE == pytest.approx(50 + 50 + 50, abs=1)


def test_who_waited_for_room_says_how_long_and_why() -> None:
    kept = after((WAITS, 0), (WORKS, 42), (DONE, 5))
    told = evaluate(STATES["It is ready"]["Output"], {"input": kept})
    assert told["notes"] == ["job waited 42 minutes for room: LimitExceededException: full"]
    assert evaluate(STATES["It is ready"]["Output"], {"input": after((DONE, 0))})["notes"] == []


EARLY, LATE = 0.9, 1.1
"""The least and the most of a pause that is waited: chance decides, so that runs do not ask in step."""


@pytest.mark.parametrize(("answer", "growth"), [(WORKS, 10), (WAITS, 2)])
@pytest.mark.parametrize("waited", [0, 1, 100])
def test_pauses_are_whole_seconds_that_grow_by_a_tenth_or_those_for_room_by_half(
    answer: State, growth: int, waited: int
) -> None:
    seconds = evaluate(PAUSE["Seconds"], {"input": after((answer, 0), (answer, waited))})
    whole = POLL + waited * 60 // growth
    assert isinstance(seconds, int)
    assert int(EARLY * whole) <= seconds <= LATE * whole


def test_runs_that_begin_together_do_not_ask_together() -> None:
    kept = after((WORKS, 0), (WORKS, 60))
    assert len({evaluate(PAUSE["Seconds"], {"input": kept}) for _ in range(40)}) > 10


def test_a_pause_of_the_local_cloud_is_a_second() -> None:
    text = str(PAUSE["Seconds"]).replace(f"({POLL} +", "(1 +")
    assert evaluate(text, {"input": after((WORKS, 0))}) == 1


def longest_wait(growth: int) -> int:
    """The most looks of a wait that uses up its budget, when looks take no time."""
    waited = looks = 0
    while waited <= BUDGET:
        waited += int(EARLY * (POLL + waited // growth))
        looks += 1
    return looks + 1


def events(scope: Scope, machine: State) -> float:
    """The most history events of one pass through a scope, with every retry."""
    total = 0.0
    for state in scope.states.values():
        attempts = sum(rule["MaxAttempts"] for rule in state.get("Retry", []))
        total += {"Task": 5, "Map": 5}.get(state["Type"], 2) + 3 * attempts
    # Those of a Distributed Map have histories of their own.
    inside = [inner for inner in scopes(machine) if inner.owner and not inner.apart and not scope.owner]
    inner = {each.owner: events(each, machine) for each in inside}
    return total + sum(QUOTAS[owner] * (2 + each) for owner, each in inner.items())


@pytest.mark.parametrize("name", [name for name in MACHINES if name != "ensure"])
def test_the_longest_run_fits_into_an_executions_history(name: str) -> None:
    assert events(scopes(MACHINES[name])[0], MACHINES[name]) < 25_000


def test_the_longest_wait_fits_into_an_executions_history() -> None:
    # Each look is a task, a question and a pause; room is waited for before.
    looks = longest_wait(10) + longest_wait(2)
    retried = 3 * sum(rule["MaxAttempts"] for rule in ASK["Retry"])
    assert looks * (5 + 2 + 2) < 2_500
    assert looks * (5 + 2 + 2 + retried) < 25_000
