# SPDX-License-Identifier: Apache-2.0
"""The machine's questions mean what the domain package says that statuses mean, and its waits stay within bounds."""

import itertools

import pytest
from personalization.core.status import Deployment, Progress, is_promoted, progress
from personalization.ingest.plan import MOST_JOBS

from tests.statemachines.machine import (
    MACHINE,
    MACHINES,
    SUBSTITUTIONS,
    Scope,
    State,
    chosen,
    evaluate,
    pauses,
    scopes,
    states,
)

MINUTE, HOUR = 60_000, 3_600_000
POLL, BUDGET = int(SUBSTITUTIONS["PollSeconds"]), int(SUBSTITUTIONS["WaitMinutes"]) * 60
STATUSES = [
    "CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE", "CREATE FAILED", "DELETE PENDING", "DELETE IN_PROGRESS",
]  # fmt: skip
QUESTIONS = {
    f"{machine}: {name}": state
    for machine, each in MACHINES.items()
    for name, state in states("Choice", machine=each).items()
    if name.endswith(" ready?")
}
ASKED = pytest.mark.parametrize("state", QUESTIONS.values(), ids=QUESTIONS)
NEW, OLD = "arn:new", "arn:old"
CONFIG = {"minRecommendationRequestsPerSecond": 2, "enableMetadataWithRecommendations": True}
QUOTAS = {
    "Check each drop": 5,
    "Import each file": 3,
    "Ensure each filter": 30,
    "Start each recommender": 5,
    "Train each recipe": 5,
    "Promote each approved recipe": 5,
    "Put each campaign back": 5,
    "Export each dataset": 3,
    "Import each dataset": 3,
    "Train and ask each recipe": 2,
}
"""The most items of each Map: kinds of drops and of data, Personalize's quotas of filters and campaigns, recipes."""


def variables(waited: int = 0) -> State:
    """What a wait's question sees: it began `waited` milliseconds before now, a thing that JSONata tells."""
    began = evaluate("{% $millis() %}", {}) - waited
    resource = {"name": "the-resource"}
    plan = dict.fromkeys(("datasetGroup", "dataset", "eventTracker", "importJob"), resource)
    recipe = {"solution": resource, "solutionVersionName": "the-resource", "campaign": resource}
    begun = ("since", "loadSince", "filterSince", "recipeSince", "campaignSince", "returnSince", "exportSince")
    since = dict.fromkeys((*begun, "recommenderSince", "roomSince", "exportsSince"), began)
    target = {"campaign": resource, "solutionVersionArn": NEW}
    targets = {"target": target, "earlier": target}
    tested = {
        "trial": {"imports": [plan]},
        "source": {"job": resource},
        "question": {"recipe": recipe, "job": resource},
    }
    tested["awaited"] = [resource | {"arn": "arn:recommender", "config": CONFIG}]
    return (
        {"plan": plan, "load": plan, "wanted": resource, "recipe": recipe, "versionArn": NEW} | since | targets | tested
    )


@ASKED
@pytest.mark.parametrize("status", STATUSES)
def test_a_question_reads_a_status_as_the_domain_does(state: State, status: str) -> None:
    seen = {"status": status, "reason": "", "campaign": "ACTIVE", "version": NEW}
    after = chosen(state, seen, **variables())
    meaning = {Progress.READY: state["Choices"][0]["Next"], Progress.FAILED: state["Choices"][1]["Next"]}
    assert after == meaning.get(progress(status), state["Default"])


def test_a_training_that_was_stopped_has_failed() -> None:
    seen = {"status": "CREATE STOPPED", "reason": ""}
    assert chosen(states()["Is the solution version ready?"], seen, **variables()) == "The recipe failed"
    assert progress("CREATE STOPPED") is Progress.FAILED


@ASKED
def test_a_failure_names_the_resource_and_the_reason(state: State) -> None:
    seen = {"status": "CREATE FAILED", "reason": "no such bucket", "version": NEW}
    (kept,) = evaluate(state["Choices"][1]["Assign"], {"input": seen}, **variables()).values()
    assert kept == {"Error": "Broken", "Cause": "the-resource: no such bucket"}


@ASKED
def test_a_wait_beyond_its_budget_fails(state: State) -> None:
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
    assert (after == done) == is_promoted(deployment, NEW)


def test_the_jobs_of_one_kind_are_started_one_after_the_other_and_share_the_time_of_one() -> None:
    jobs = [{"name": f"job-{number}"} for number in range(3)]
    load, started = {"importJob": jobs[0], "further": jobs[1:], "rows": 9}, []
    ready, more = states()["Is the import job ready?"], states()["Is more of it to be imported?"]
    while True:
        started.append(load["importJob"])
        assert chosen(ready, {"status": "ACTIVE"}, load=load, loadSince=0) == "Is more of it to be imported?"
        if chosen(more, {}, load=load) == "The file is imported":
            break
        after = evaluate(more["Choices"][0]["Assign"], {}, load=load, roomSince=0, loadStarted=0)
        told = {"load", "roomSince", "roomAsked"}
        assert (more["Choices"][0]["Next"], set(after)) == ("Start the import job", told)
        load = after["load"]
    assert (started, load["rows"]) == (jobs, 9)
    answer = {"result": {"Payload": {"arn": "arn", "status": "CREATE PENDING"}}}
    now = evaluate("{% $millis() %}", {})
    begun = evaluate(states()["Start the import job"]["Assign"], answer, loadSince=0, roomAsked=now)
    assert begun["loadSince"] < MINUTE


OTHER = CONFIG | {"minRecommendationRequestsPerSecond": 3}


@pytest.mark.parametrize(
    ("status", "update", "asked", "after"),
    [
        ("CREATE IN_PROGRESS", None, None, "Wait for the recommender"),
        ("ACTIVE", None, None, "Is a recommender still awaited?"),
        ("ACTIVE", "CREATE IN_PROGRESS", CONFIG, "Wait for the recommender"),
        ("ACTIVE", "CREATE FAILED", CONFIG, "Announce that the run failed"),
        # What somebody asked for at another time is no business of this run.
        ("ACTIVE", "CREATE FAILED", OTHER, "Is a recommender still awaited?"),
        ("ACTIVE", "CREATE FAILED", {}, "Is a recommender still awaited?"),
        ("START IN_PROGRESS", "ACTIVE", CONFIG, "Wait for the recommender"),
        ("STOP PENDING", "ACTIVE", CONFIG, "Wait for the recommender"),
        ("INACTIVE", "ACTIVE", CONFIG, "Is a recommender still awaited?"),
        ("CREATE FAILED", None, None, "Announce that the run failed"),
    ],
)
def test_a_recommender_is_waited_for_until_it_is_as_the_plan_has_it_or_stopped(
    status: str, update: str | None, asked: dict[str, object] | None, after: str
) -> None:
    config = {name[0].upper() + name[1:]: value for name, value in (asked or {}).items()}
    latest = {"Status": update, "FailureReason": "the update broke", "RecommenderConfig": config}
    told = {"Status": status, "FailureReason": "it broke"} | ({"LatestRecommenderUpdate": latest} if update else {})
    seen = evaluate(states()["Look at the recommender"]["Output"], {"result": {"Recommender": told}}, **variables())
    state = states()["Is the recommender ready?"]
    assert chosen(state, seen, **variables()) == after
    if after == "Announce that the run failed":
        (kept,) = evaluate(state["Choices"][1]["Assign"], {"input": seen}, **variables()).values()
        assert kept["Cause"] == f"the-resource: {'the update broke' if update else 'it broke'}"


def test_recommenders_are_waited_for_one_after_the_other_and_then_the_release_is_judged() -> None:
    begun = evaluate(states()["Start each recommender"]["Assign"], {}, plan={"recommenders": ["a", "b"]})
    awaited, question, seen = begun["awaited"], states()["Is a recommender still awaited?"], []
    while chosen(question, {}, awaited=awaited) == "Look at the recommender":
        seen.append(awaited[0])
        awaited = evaluate(states()["Is the recommender ready?"]["Choices"][0]["Assign"], {}, awaited=awaited)[
            "awaited"
        ]
    assert (seen, chosen(question, {}, awaited=awaited)) == (["a", "b"], "Judge the release")
    none = evaluate(states()["Start each recommender"]["Assign"], {}, plan={"recommenders": []})
    assert chosen(question, {}, awaited=none["awaited"]) == "Judge the release"


def growth(name: str) -> int:
    """The part of the time waited by which the pauses of a wait grow: what is quick, or waits in a queue, by half."""
    quick = name.removesuffix(" ready?").endswith(("the filter", "the dataset", "the solution"))
    return 2 if quick or " room for " in name else 10


EARLY, LATE = 0.9, 1.1
"""The least and the most of a pause that is waited: chance decides, so that runs do not ask in step."""


def test_pauses_are_whole_seconds_that_grow_by_a_tenth_or_those_of_what_is_quick_by_half() -> None:
    for name, state in [*pauses().items(), *pauses(MACHINES["evaluate"]).items()]:
        for waited in (0, 60, 6000):
            seconds = evaluate(state["Seconds"], {}, **variables(waited * 1000))
            assert isinstance(seconds, int), name
            whole = POLL + waited // growth(name)
            assert int(EARLY * whole) <= seconds <= LATE * whole, name


def test_runs_that_begin_together_do_not_ask_together() -> None:
    for name, state in pauses().items():
        assert len({evaluate(state["Seconds"], {}, **variables(HOUR)) for _ in range(40)}) > 10, name


def test_a_pause_of_the_local_cloud_is_a_second() -> None:
    for name, state in pauses().items():
        text = str(state["Seconds"]).replace(f"({POLL} +", "(1 +")
        assert evaluate(text, {}, **variables()) == 1, name


def longest_wait(name: str) -> int:
    """The most looks of a wait that uses up its budget, when looks take no time; `name` is one of its states."""
    waited = looks = 0
    while waited <= BUDGET:
        waited += int(EARLY * (POLL + waited // growth(name)))
        looks += 1
    return looks + 1


STARTS = {
    "Start the import job", "Train the solution version", "Export the dataset", "Ask for lists",
}  # fmt: skip
"""Steps that start a job, and are taken again while there is no room for it."""
ROOM = {
    f"{machine}: {name}": state
    for machine, each in MACHINES.items()
    for name, state in states("Choice", machine=each).items()
    if name.startswith("Is there room for ")
}


@pytest.mark.parametrize("name", ROOM)
def test_room_for_a_job_is_waited_for_as_long_as_the_budget_lasts(name: str) -> None:
    machine, noun = MACHINES[name.partition(":")[0]], name.partition("Is there room for ")[2].removesuffix("?")
    state, every = ROOM[name], states(machine=machine)
    waits = {"status": "WAITING", "reason": "LimitExceededException: full"}
    assert chosen(state, {"status": "CREATE PENDING", "reason": ""}, **variables(301 * MINUTE)) == f"Look at {noun}"
    pause = chosen(state, waits, **variables(299 * MINUTE))
    assert pause == f"Wait until there is room for {noun}"
    assert every[pause]["Next"] in STARTS
    assert every[every[pause]["Next"]]["Next"] == name.partition(": ")[2]
    for waited in (0, 60, 6000):
        seconds = evaluate(every[pause]["Seconds"], {}, **variables(waited * 1000))
        assert int(EARLY * (POLL + waited // 2)) <= seconds <= LATE * (POLL + waited // 2)
    assert every[chosen(state, waits, **variables(301 * MINUTE))]["Type"] in {"Fail", "Pass"}
    (kept,) = evaluate(state["Choices"][0]["Assign"], {"input": waits}, **variables()).values()
    told = "the-resource: no room after 300 minutes: LimitExceededException: full"
    assert kept == {"Error": "LimitReached", "Cause": told}


def test_every_job_is_asked_for_by_a_step_that_waits_for_room() -> None:
    asked = {
        name
        for machine in MACHINES.values()
        for name, task in states("Task", machine=machine).items()
        if isinstance(task["Arguments"].get("Payload"), dict) and task["Arguments"]["Payload"].get("waits")
    }
    assert asked == STARTS
    assert len(ROOM) == 6


@pytest.mark.parametrize("noun", ["import job", "solution version"])
def test_a_run_that_waited_for_room_says_how_long_and_why(noun: str) -> None:
    waits = {"status": "WAITING", "reason": "LimitExceededException: full"}
    state = ROOM[f"retrain: Is there room for the {noun}?"]
    (notes,) = evaluate(state["Choices"][1]["Assign"], {"input": waits}, **variables(42 * MINUTE)).values()
    assert notes == ["the-resource waited 42 minutes for room: LimitExceededException: full"]
    report = states()["The file is imported" if noun == "import job" else "Report the trained recipe"]
    kept = {"loadNotes": notes, "recipeNotes": notes, "foundFrom": ""}
    assert evaluate(report["Output"], {}, **variables(), **kept)["notes"] == notes
    closed = {"input": {"outcome": "promoted", "notes": ["of the plan"]}}
    ran = {"imported": [{"notes": notes}], "trained": [], "collected": {"notes": []}, "drops": []}
    assert evaluate(states()["Close the run"]["Output"], closed, **ran)["notes"] == [*notes, "of the plan"]


def test_the_wait_for_room_is_no_part_of_a_jobs_time_and_is_shared_by_all_parts() -> None:
    """A kind whose two jobs wait 100 minutes each, and run for 200 each, within a budget of 300 for either."""
    clock = evaluate("{% $millis() %}", {})
    start, more = states()["Start the import job"], states()["Is more of it to be imported?"]
    kept = evaluate(states()["Is the dataset ready?"]["Choices"][0]["Assign"], {})
    load = {"importJob": {"name": "a"}, "further": [{"name": "b"}]}
    answered = [{"status": status, "arn": "arn"} for status in ("WAITING", "CREATE PENDING")]

    def later(minutes: int) -> None:
        """Let time pass: everything that was noted is longer ago."""
        kept.update({name: value - minutes * MINUTE for name, value in kept.items() if isinstance(value, int | float)})

    for part in ("a", "b"):
        for answer in answered:
            later(50)
            kept.update(evaluate(start["Assign"], {"result": {"Payload": answer}}, **kept))
        later(140)
        if part == "a":
            kept.update(evaluate(more["Choices"][0]["Assign"], {}, load=load, **kept))
    now = evaluate("{% $millis() %}", {})
    assert now - clock < MINUTE
    # 140 minutes of each job; 100 of each wait, the last of which is followed by 140 of the job.
    assert (now - kept["loadSince"]) / MINUTE == pytest.approx(280, abs=1)
    assert (now - kept["roomSince"]) / MINUTE == pytest.approx(200 + 140, abs=1)


FURTHER_JOB = {
    "Start the import job", "Is there room for the import job?", "Look at the import job",
    "Is the import job ready?", "Wait for the import job", "Is more of it to be imported?",
}  # fmt: skip
"""What the machine does for each job that follows the first of a kind."""


def events(scope: Scope, machine: State = MACHINE) -> float:
    """The most history events of one pass through a scope, with every retry of the steps outside of the polls."""
    total = 0.0
    for name, state in scope.states.items():
        looped = name.startswith(("Look at the ", "Wait ", "Clear ", "Is there room ")) or name.endswith(
            (" ready?", " clear?", " cleared up?")
        )
        attempts = sum(rule["MaxAttempts"] for rule in state.get("Retry", []))
        once = {"Task": 5, "Map": 5}.get(state["Type"], 2)
        total += once * longest_wait(name) if looped else once + 3 * attempts
        total += once * longest_wait(f"Is there room for {name}") if name in STARTS else 0
        if name in FURTHER_JOB:
            # They share the time of one wait: each adds a look.
            further = sum(MOST_JOBS.values()) / len(MOST_JOBS) - 1
            total += further * (once if looped else once + 3 * attempts)
    inner = {inner.owner: events(inner, machine) for inner in scopes(machine) if inner.owner and not scope.owner}
    return total + sum(QUOTAS[owner] * (2 + each) for owner, each in inner.items())


@pytest.mark.parametrize("name", ["retrain", "evaluate"])
def test_the_longest_run_fits_into_an_executions_history(name: str) -> None:
    assert events(scopes(MACHINES[name])[0], MACHINES[name]) < 25_000
