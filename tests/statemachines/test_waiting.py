# SPDX-License-Identifier: Apache-2.0
"""The machine's questions mean what the domain package says that statuses mean, and its waits stay within bounds."""

import itertools

import pytest
from personalization.statuses import Deployment, Progress, progress, promoted

from tests.statemachines.machine import SUBSTITUTIONS, Scope, State, chosen, evaluate, pauses, scopes, states

MINUTE = 60_000
POLL, BUDGET = int(SUBSTITUTIONS["PollSeconds"]), int(SUBSTITUTIONS["WaitMinutes"]) * 60
STATUSES = [
    "CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE", "CREATE FAILED", "DELETE PENDING", "DELETE IN_PROGRESS",
]  # fmt: skip
QUESTIONS = [name for name in states("Choice") if name.endswith(" ready?")]
NEW, OLD = "arn:new", "arn:old"
QUOTAS = {
    "Check each drop": 5,
    "Import each file": 3,
    "Ensure each filter": 30,
    "Train each recipe": 5,
    "Promote each approved recipe": 5,
    "Put each campaign back": 5,
}
"""The most items of each Map: kinds of drops and of data, and Personalize's quotas of filters and campaigns."""


def variables(waited: int = 0) -> State:
    """What a wait's question sees: it began `waited` milliseconds before now, a thing that JSONata tells."""
    began = evaluate("{% $millis() %}", {}) - waited
    resource = {"name": "the-resource"}
    plan = dict.fromkeys(("datasetGroup", "dataset", "eventTracker", "importJob"), resource)
    recipe = {"solution": resource, "solutionVersionName": "the-resource", "campaign": resource}
    since = dict.fromkeys(("since", "loadSince", "filterSince", "recipeSince", "campaignSince", "returnSince"), began)
    target = {"campaign": resource, "solutionVersionArn": NEW}
    targets = {"target": target, "earlier": target}
    return {"plan": plan, "load": plan, "wanted": resource, "recipe": recipe, "versionArn": NEW} | since | targets


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("status", STATUSES)
def test_a_question_reads_a_status_as_the_domain_does(question: str, status: str) -> None:
    state = states()[question]
    seen = {"status": status, "reason": "", "campaign": "ACTIVE", "version": NEW}
    after = chosen(state, seen, **variables())
    meaning = {Progress.READY: state["Choices"][0]["Next"], Progress.FAILED: state["Choices"][1]["Next"]}
    assert after == meaning.get(progress(status), state["Default"])


def test_a_training_that_was_stopped_has_failed() -> None:
    seen = {"status": "CREATE STOPPED", "reason": ""}
    assert chosen(states()["Is the solution version ready?"], seen, **variables()) == "The recipe failed"
    assert progress("CREATE STOPPED") is Progress.FAILED


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_failure_names_the_resource_and_the_reason(question: str) -> None:
    state = states()[question]
    seen = {"status": "CREATE FAILED", "reason": "no such bucket", "version": NEW}
    (kept,) = evaluate(state["Choices"][1]["Assign"], {"input": seen}, **variables()).values()
    assert kept == {"Error": "Broken", "Cause": "the-resource: no such bucket"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_wait_beyond_its_budget_fails(question: str) -> None:
    state = states()[question]
    seen = {"status": "CREATE IN_PROGRESS", "reason": "", "campaign": "ACTIVE", "version": NEW}
    assert chosen(state, seen, **variables(299 * MINUTE)) == state["Default"]
    assert chosen(state, seen, **variables(301 * MINUTE)) == state["Choices"][2]["Next"]
    (kept,) = evaluate(state["Choices"][2]["Assign"], {"input": seen}, **variables()).values()
    assert kept["Cause"] == "the-resource: still CREATE IN_PROGRESS after 300 minutes"


@pytest.mark.parametrize(("status", "update"), [*itertools.product(STATUSES, [None, *STATUSES])])
@pytest.mark.parametrize(("version", "target"), [*itertools.product([NEW, OLD], [NEW, OLD])])
@pytest.mark.parametrize(
    ("noun", "done"), [("campaign", "Probe the campaign"), ("returning campaign", "The campaign is back")]
)
def test_promoted_means_what_it_means_in_the_domain(
    noun: str, done: str, status: str, update: str | None, version: str, target: str
) -> None:
    latest = {"LatestCampaignUpdate": {"Status": update, "SolutionVersionArn": target}} if update else {}
    campaign = {"Status": status, "SolutionVersionArn": version} | latest
    seen = evaluate(states()[f"Look at the {noun}"]["Output"], {"result": {"Campaign": campaign}})
    after = chosen(states()[f"Is the {noun} ready?"], seen, **variables())
    deployment = Deployment(status, version, update, target if update else None)
    assert (after == done) == promoted(deployment, NEW)


def growth(name: str) -> int:
    """The part of the time waited by which the pauses of a wait grow: filters are many and quick."""
    return 4 if name.endswith(" filter") or " filter " in name else 10


def test_pauses_are_whole_seconds_that_grow_by_a_tenth_or_those_of_filters_by_a_quarter() -> None:
    for name, state in pauses().items():
        seconds = [evaluate(state["Seconds"], {}, **variables(minutes * MINUTE)) for minutes in (0, 1, 100)]
        assert seconds == [POLL, POLL + 60 // growth(name), POLL + 6000 // growth(name)], name


def longest_wait(name: str) -> int:
    """The looks of a wait that uses up its budget, when looks take no time; `name` is one of its states."""
    waited = looks = 0
    while waited <= BUDGET:
        waited += POLL + waited // growth(name)
        looks += 1
    return looks + 1


def events(scope: Scope) -> int:
    """The most history events of one pass through a scope, with every retry of the steps outside of the polls."""
    total = 0
    for name, state in scope.states.items():
        looped = name.startswith(("Look at ", "Wait for ")) or name in QUESTIONS
        attempts = sum(rule["MaxAttempts"] for rule in state.get("Retry", []))
        once = {"Task": 5, "Map": 5}.get(state["Type"], 2)
        total += once * longest_wait(name) if looped else once + 3 * attempts
    inner = {inner.owner: events(inner) for inner in scopes() if inner.owner and not scope.owner}
    return total + sum(QUOTAS[owner] * (2 + each) for owner, each in inner.items())


def test_the_longest_run_fits_into_an_executions_history() -> None:
    assert events(scopes()[0]) < 25_000
