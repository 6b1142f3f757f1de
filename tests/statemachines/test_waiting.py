# SPDX-License-Identifier: Apache-2.0
"""The machine that waits for all others: its pauses, its budgets, and how long a history may become."""

import math
from collections.abc import Callable

import pytest

from tests.statemachines.machine import MACHINES, SUBSTITUTIONS, Scope, State, chosen, evaluate, scopes

MINUTE = 60_000
POLL, BUDGET = int(SUBSTITUTIONS["PollSeconds"]), int(SUBSTITUTIONS["WaitMinutes"]) * 60
STATES = MACHINES["ensure"]["States"]
PAUSE_NAME = "Wait until it is asked again"
ASK, QUESTION, PAUSE = STATES["Ask the function"], STATES["Is it ready?"], STATES[PAUSE_NAME]
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
    "Import each file": 6,
    "Ensure each filter": 30,
    "Start each recommender": 5,
    "Wait for each recommender": 5,
    "Train each recipe": 10,
    "Promote each approved recipe": 5,
    "Put each campaign back": 5,
    "Export each dataset": 3,
    "Import each dataset": 3,
    "Train and ask each recipe": 2,
    "Run each job": 20,
    "Have it answered": 1,
}
"""The most items of each Map: kinds of drops and of data, Personalize's quotas of filters and campaigns, recipes; where
two backends import and train, those of both. Fewer batch jobs have more calls, together no more than the most jobs."""


def asks(state: State, answer: State, minutes: float = 0) -> State:
    """What the machine keeps when the function answers so many minutes after its last answer."""
    begun = dict(state)
    if "at" in begun:
        begun["at"] = evaluate("{% $millis() %}", {}) - minutes * MINUTE
    after_answer: State = evaluate(ASK["Output"], {"input": begun, "result": {"Payload": answer}})
    return after_answer


def after(*answers: tuple[State, float]) -> State:
    """What the machine keeps after these answers, each so many minutes after the one before it."""
    state: State = STARTED
    for answer, minutes in answers:
        state = asks(state, answer, minutes)
    return state


def test_a_function_is_asked_again_about_what_it_has_made() -> None:
    first = evaluate(ASK["Arguments"], {"input": STARTED})
    assert first == {"FunctionName": "arn:function:1", "Payload": STARTED["request"]}
    again = evaluate(ASK["Arguments"], {"input": after((WORKS, 0))})
    assert again["Payload"] == {**STARTED["request"], "made": WORKS["made"]}
    # What a caller says that it has made holds until the function says something else.
    given = {**STARTED, "request": {"made": {"arn": "arn:old"}}}
    assert evaluate(ASK["Arguments"], {"input": given})["Payload"] == {"made": {"arn": "arn:old"}}


def test_it_ends_when_the_function_says_so_with_all_that_was_said() -> None:
    state = after(({**WORKS, "foundFrom": "2026", "notes": ["a note"]}, 0), (DONE, 5))
    assert chosen(QUESTION, state) == "It is ready"
    told = evaluate(STATES["It is ready"]["Output"], {"input": state})
    assert (told["arn"], told["foundFrom"], told["notes"]) == ("arn:job", "2026", ["a note"])


def played(function: Callable[[State, float], State]) -> tuple[str, float]:
    """Play a wait on a simulated clock; return how it ends, and after how many minutes.

    The function gets what it made before and the time in minutes; its answer may say how many `minutes` it took.
    """
    state, now, passed = STARTED, 0.0, 0.0
    for _ in range(2_000):
        sent = evaluate(ASK["Arguments"], {"input": state})["Payload"]
        answer = dict(function(sent.get("made") or {}, now))
        took = float(answer.pop("minutes", 0))
        state, now = asks(state, answer, passed + took), now + took
        following = chosen(QUESTION, state)
        if following not in {PAUSE_NAME, "Ask the function"}:
            break
        passed = evaluate(PAUSE["Seconds"], {"input": state}) / 60 if following == PAUSE_NAME else 0.0
        now += passed
    return following, now


def test_ten_jobs_of_half_an_hour_one_after_the_other_are_waited_for() -> None:
    ends = {0: 30.0}

    def imports(made: State, now: float) -> State:
        stage = made.get("stage", 0)
        if now >= ends[stage]:
            stage += 1
            ends.setdefault(stage, now + 30)
        return DONE if stage == 10 else {**WORKS, "made": {"stage": stage, "arn": f"arn:job/{stage}"}}

    end, minutes = played(imports)
    assert end == "It is ready"
    # An end is noticed within a pause, which is a tenth of the job at most.
    assert 300 < minutes < 10 * (30 * 1.1 + 1.1 * POLL / 60)


def test_an_export_of_37_million_lists_is_converted_without_a_pause() -> None:
    parts = math.ceil(37_000_000 / (2_500_000 // 25))

    def converts(made: State, _: float) -> State:
        some = min(math.ceil(120 / 30), parts - made.get("parts", 0))
        made = {"parts": made.get("parts", 0) + some}
        left = {"ready": True} if made["parts"] == parts else {"ready": False, "more": True}
        return {**WORKS, **left, "made": made, "minutes": some / 2}

    assert played(converts) == ("It is ready", parts / 2)


def test_a_job_that_stands_still_is_not_asked_at_once_and_its_time_ends() -> None:
    end, minutes = played(lambda _, __: {**WORKS, "more": True})
    assert end == "It failed"
    assert BUDGET / 60 < minutes < 1.2 * BUDGET / 60


def test_a_wait_beyond_its_budget_fails() -> None:
    assert chosen(QUESTION, after((WORKS, 0), (WORKS, 299))) == "Wait until it is asked again"
    late = after((WORKS, 0), (WORKS, 301))
    assert chosen(QUESTION, late) == "It failed"
    told = evaluate(QUESTION["Choices"][3]["Output"], {"input": late})
    assert told == {"Error": "Broken", "Cause": "job: still CREATE IN_PROGRESS after 300 minutes"}
    # A last look counts, however late it is.
    assert chosen(QUESTION, after((WORKS, 0), (DONE, 301))) == "It is ready"


def test_room_for_a_job_is_waited_for_as_long_as_the_budget_lasts() -> None:
    assert chosen(QUESTION, after((WAITS, 0), (WAITS, 299))) == "Wait until it is asked again"
    late = after((WAITS, 0), (WAITS, 301))
    assert chosen(QUESTION, late) == "It failed"
    told = evaluate(QUESTION["Choices"][2]["Output"], {"input": late})
    assert told == {"Error": "LimitReached", "Cause": "job: no room after 300 minutes: LimitExceededException: full"}


def test_what_may_be_a_rate_is_waited_for_as_long_as_its_answer_says() -> None:
    rate = {**WAITS, "patience": 10, "reason": "Too many requests. (delete …)"}
    assert chosen(QUESTION, after((rate, 0), (rate, 9))) == PAUSE_NAME
    late = after((rate, 0), (rate, 9), (rate, 2))
    told = evaluate(QUESTION["Choices"][2]["Output"], {"input": late})
    assert (chosen(QUESTION, late), told["Error"]) == ("It failed", "LimitReached")
    assert told["Cause"] == "job: no room after 10 minutes: Too many requests. (delete …)"
    # A quota of jobs that follows has the machine's own patience again.
    assert chosen(QUESTION, after((rate, 0), (rate, 9), (WAITS, 50))) == PAUSE_NAME


def test_the_wait_for_room_is_no_part_of_a_jobs_time_and_each_job_has_its_own() -> None:
    """Two jobs, one after the other, that wait 200 minutes each and run for 200 each."""
    second = {**WAITS, "made": {"stage": 2}}, {**WORKS, "made": {"stage": 2, "arn": "arn:other"}}
    state = after((WAITS, 0), (WAITS, 100), (WORKS, 100), (WORKS, 200))
    assert (state["roomless"], state["worked"] / MINUTE) == (0, pytest.approx(200, abs=1))
    state = asks(state, second[0], 0)
    assert (state["roomless"], state["worked"]) == (0, 0)
    state = asks(asks(state, second[1], 200), second[1], 200)
    assert chosen(QUESTION, state) == PAUSE_NAME
    assert state["worked"] / MINUTE == pytest.approx(200, abs=1)
    # What a run says of its waits is their sum.
    assert state["queued"] / MINUTE == pytest.approx(400, abs=1)


def test_who_waited_for_room_says_how_long_and_why() -> None:
    state = after((WAITS, 0), (WORKS, 42), (DONE, 5))
    told = evaluate(STATES["It is ready"]["Output"], {"input": state})
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
    state = after((WORKS, 0), (WORKS, 60))
    assert len({evaluate(PAUSE["Seconds"], {"input": state}) for _ in range(40)}) > 10


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
    inside = [inner for inner in scopes(machine) if inner.owner in scope.states and not inner.apart]
    inner = {scope.owner: events(scope, machine) for scope in inside}
    return total + sum(QUOTAS[owner] * (2 + count) for owner, count in inner.items())


@pytest.mark.parametrize("name", [name for name in MACHINES if name != "ensure"])
def test_the_longest_run_fits_into_an_executions_history(name: str) -> None:
    assert events(scopes(MACHINES[name])[0], MACHINES[name]) < 25_000


def test_the_longest_wait_fits_into_an_executions_history() -> None:
    # Each look is a task, a question and a pause; room is waited for before.
    looks = longest_wait(10) + longest_wait(2)
    retried = 3 * sum(rule["MaxAttempts"] for rule in ASK["Retry"])
    assert looks * (5 + 2 + 2) < 2_500
    assert looks * (5 + 2 + 2 + retried) < 25_000
