# SPDX-License-Identifier: Apache-2.0
"""All cases of the fault matrix."""

from dataclasses import replace
from typing import Any, Final

from tests.app.matrix.case import Case, Fault

CALLS: Final = "Calls of Personalize"
JOBS: Final = "Jobs of Personalize"
DROPS: Final = "Files and S3's events"
FUNCTIONS: Final = "Functions that are killed"
RUNS: Final = "Runs"
SERVICES: Final = "Other services, and time"
KILLED: Final = "Processes of the laptop that are killed"
PARTS: Final = (CALLS, JOBS, DROPS, FUNCTIONS, RUNS, SERVICES, KILLED)

BY_SCHEMA: Final = "*{schema}*"
BY_TRACKER: Final = "{tracker}"
CREATES: Final = {
    "CreateDatasetGroup": "", "CreateSchema": BY_SCHEMA, "CreateDataset": "", "CreateEventTracker": "",
    "CreateFilter": "", "CreateSolution": "", "CreateCampaign": "",
}  # fmt: skip
"""Calls that only a shop's first run makes, by the pattern of what they name."""
REPEATED: Final = {
    "CreateDatasetImportJob": "", "CreateSolutionVersion": "", "UpdateCampaign": "", "GetSolutionMetrics": "",
    "ListSolutionVersions": "", "ListEventTrackers": "", "DescribeDatasetGroup": "", "DescribeSchema": BY_SCHEMA,
    "DescribeDataset": "", "DescribeDatasetImportJob": "", "DescribeEventTracker": BY_TRACKER, "DescribeFilter": "",
    "DescribeSolution": "", "DescribeSolutionVersion": "", "DescribeCampaign": "", "GetRecommendations": "",
    "ListRecommenders": "",
}  # fmt: skip
"""Calls that every run makes, likewise."""
ONCE: Final = {"ListSolutionVersions", "ListRecommenders", "DescribeFilter", "DescribeEventTracker"}
"""Those of them that a run makes once, so that there is no later one to fail."""


def engine(action: str, operation: str, pattern: str = "", **more: Any) -> Fault:  # noqa: ANN401
    """A rule for the engine's door, by default about everything of the case's shop."""
    return Fault.of("engine", action, operation, more | ({"resource": pattern} if pattern else {}))


def cloud(action: str, operation: str, **more: Any) -> Fault:  # noqa: ANN401
    """A rule for the door of the local AWS, likewise."""
    return Fault.of("cloud", action, operation, {"resource": "*{shop}*"} | more)


def calls() -> list[Case]:
    """Every call of Personalize throttles and fails; those that make something lose their answer, too."""
    cases = []
    for operation, pattern in {**CREATES, **REPEATED}.items():
        first, made = operation in CREATES, operation.startswith(("Create", "Update"))
        # Four in a row: one more than an SDK tries by itself, so that the machine has to.
        for action, words in (("throttle", "is throttled"), ("internalFailure", "fails inside Personalize")):
            fault = engine(action, operation, pattern, times=4, spread=0 if made or operation in ONCE else 1)
            cases.append(Case(f"{operation} {words}", CALLS, (fault,), first=first))
        if made:
            lost = engine("dropConnection", operation, pattern, performed=True)
            cases.append(Case(f"the answer of {operation} is lost", CALLS, (lost,), first=first))
    return cases


def refusals() -> list[Case]:
    """Answers that mean something."""
    cases = []
    for operation, pattern in CREATES.items():
        exists = engine("resourceAlreadyExists", operation, pattern, performed=True)
        cases.append(Case(f"{operation} answers that it was just created", CALLS, (exists,), first=True))
    for operation in ("CreateDatasetImportJob", "CreateSolutionVersion"):
        exists = engine("resourceAlreadyExists", operation, performed=True)
        # Amazon publishes the words of one of these quotas only.
        busy = engine("limitExceeded", operation, times=4, reason="No more of them now.")
        cases.append(Case(f"{operation} answers that it exists already", CALLS, (exists,)))
        cases.append(Case(f"{operation} exceeds the number of jobs under way", CALLS, (busy,)))
    for operation in ("CreateDatasetGroup", "CreateSolution", "CreateCampaign", "CreateFilter", "CreateSchema"):
        rate = engine("limitExceeded", operation, CREATES[operation], times=4, reason="Too many of them now.")
        cases.append(Case(f"{operation} exceeds a rate", CALLS, (rate,), first=True))
    for operation in ("CreateCampaign", "CreateFilter"):
        full = engine("limitExceeded", operation, times=None, reason="More than 5 of them.")
        cases.append(Case(f"{operation} exceeds a quota", CALLS, (full,), "full", first=True, error="LimitReached",
                          reason="no room after 10 minutes: More than 5", human="continue"))  # fmt: skip
    for operation in ("CreateDatasetImportJob", "CreateSolutionVersion", "UpdateCampaign"):
        cases.append(
            Case(f"{operation} answers that it is in use", CALLS, (engine("resourceInUse", operation, times=2),))
        )
    for operation in ("CreateDataset", "CreateFilter", "CreateSolution", "CreateCampaign"):
        in_use = engine("resourceInUse", operation, times=2)
        cases.append(Case(f"{operation} answers that it is in use", CALLS, (in_use,), first=True))
    for operation in ("DatasetGroup", "Dataset", "Filter", "Solution", "Campaign"):
        # The first look finds nothing in truth: it is the one before the creation.
        unseen = engine("resourceNotFound", f"Describe{operation}", skip=1, times=2)
        cases.append(Case(f"a new {operation} is not seen yet", CALLS, (unseen,), first=True))
    for operation in ("DatasetImportJob", "SolutionVersion"):
        unseen = engine(
            "resourceNotFound", f"Describe{operation}", skip=1 if operation == "DatasetImportJob" else 0, times=2
        )
        cases.append(Case(f"a new {operation} is not seen yet", CALLS, (unseen,), first=True))
    return cases


def silences() -> list[Case]:
    """Calls that are not answered in time, and connections that end."""
    cases = []
    for operation in ("CreateDatasetImportJob", "CreateSolutionVersion", "UpdateCampaign", "DescribeSolutionVersion"):
        hang = engine("hang", operation, seconds=40.0)
        cases.append(Case(f"{operation} does not answer", CALLS, (hang,)))
    for operation in ("CreateDatasetImportJob", "CreateSolutionVersion", "UpdateCampaign", "DescribeCampaign"):
        dropped = engine("dropConnection", operation, times=4)
        cases.append(Case(f"the connection of {operation} ends", CALLS, (dropped,)))
    for performed, words in (
        (False, "loses the connection of startExecution"),
        (True, "gets no answer of startExecution"),
    ):
        lost = cloud("loseConnection", "startExecution", resource="*-{shop}*", times=3, performed=performed)
        cases.append(Case(f"the machine {words}", CALLS, (lost,)))
    away = engine("serviceUnavailable", "DescribeCampaign", times=4)
    forever = engine("internalFailure", "GetRecommendations", times=None)
    always = engine("throttle", "ListEventTrackers", times=None)
    refused = engine("invalidInput", "CreateSolutionVersion", reason="not enough data")
    return [
        *cases,
        Case("DescribeCampaign answers that Personalize is unavailable", CALLS, (away,)),
        Case("GetRecommendations never answers the probe", CALLS, (forever,), error="RetryLater",
             reason="InternalFailure", human="continue", note="the campaign goes back to the version before"),
        Case("ListEventTrackers is throttled for minutes", CALLS, (always,), error="RetryLater",
             reason="Rate exceeded", human="continue"),
        Case("CreateSolutionVersion is refused", CALLS, (refused,), error="Rejected", reason="not enough data",
             human="continue"),
    ]  # fmt: skip


def jobs() -> list[Case]:
    """Jobs that end in CREATE FAILED, and jobs that never end."""
    cases = []
    for kind in ("DatasetGroup", "Dataset", "EventTracker", "Filter", "Solution", "Campaign"):
        cases += _job(f"Create{kind}", kind, first=True)
    for operation, kind in (
        ("CreateDatasetImportJob", "DatasetImportJob"),
        ("CreateSolutionVersion", "SolutionVersion"),
    ):
        cases += _job(operation, kind, first=False)
    lost = cloud("loseEvent", "ObjectCreated", resource="drops/{shop}/interactions/*", times=3)
    slow = tuple(engine("neverEnd", "CreateDatasetImportJob") for _ in range(3))
    cases.append(Case("three import jobs of twenty minutes follow each other", JOBS, (lost, *slow), "slow_imports",
                      done=3, note="each has the half an hour of one job"))  # fmt: skip
    return cases + _job("UpdateCampaign", "campaign's update", first=False)


def _job(operation: str, kind: str, *, first: bool) -> list[Case]:
    named = f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
    course = "stuck_update" if operation == "UpdateCampaign" else "stuck"
    told = "no reason" if kind in {"Dataset", "EventTracker", "Solution"} else "disk on fire"
    again = 2 if kind == "SolutionVersion" else 1
    failed = engine("createFailed", operation, reason="disk on fire")
    never = engine("neverEnd", operation)
    note = "only the training that failed is made again" if again == 2 else ""
    return [
        Case(f"{named} ends in CREATE FAILED", JOBS, (failed,), first=first, error="Broken", reason=told,
             human="continue", trained=again, note=note),
        Case(f"{named} never ends", JOBS, (never,), course, first=first, error="Broken",
             reason="still .* after 30 minutes",
             human="continue", note="continue once Personalize has moved on"),
    ]  # fmt: skip


def drops() -> list[Case]:
    """What happens to files, and to the events that tell of them."""
    events, shop = "ObjectCreated", "drops/{shop}/interactions/*"
    early = cloud("holdEvent", events, resource=shop)
    # Both events a second late: whatever the order of things, both objects are there before a run begins.
    late = cloud("holdEvent", events, resource=shop, times=2, seconds=1.0)
    return [
        Case("an event comes twice", DROPS, (cloud("repeatEvent", events, resource=shop),)),
        Case("an event comes again after its run", DROPS, course="repeated_later"),
        Case("the events of one key come out of order", DROPS, (early,), "same_key_twice"),
        Case("the events of two files come out of order", DROPS, (early,), "two_keys"),
        Case("two whole histories come at once", DROPS, (late,), "two_keys"),
        Case("a key has spaces, signs and other letters", DROPS, course="strange_key"),
        Case("a file is deleted before its run reads it", DROPS, course="deleted_at_once", error="Rejected",
             reason="no longer there", human="drop again"),
        Case("a file is deleted when it was checked", DROPS, course="deleted_during"),
        Case("a file is overwritten before its run reads it", DROPS, (late,), "same_key_twice"),
        Case("a file is overwritten during its run", DROPS, course="overwritten_during", trained=2, done=2,
             note="each content has a run of its own"),
        Case("another file comes during a run", DROPS, course="another_during", trained=2, done=2,
             note="each file has a run of its own"),
        Case("the same bytes are dropped again after their run", DROPS, course="same_bytes",
             note="they are handled already: nothing is imported or trained"),
        Case("a file has zero bytes", DROPS, course="empty_file", error="Rejected", reason="empty", human="drop again"),
        Case("a damaged zip archive is called .csv", DROPS, course="not_a_csv", error="Rejected",
             reason="the file is not whole zip", human="drop again"),
        Case("a compressed file is cut off", DROPS, course="broken_gzip", error="Rejected",
             reason="the file is not whole gzip", human="drop again"),
        Case("a workbook ends the process that reads it", DROPS, course="deadly_workbook", error="Rejected",
             reason="book.xlsx: .* of memory", human="drop again", note="settings dropped beside it hold"),
        Case("an object that is not a drop is uploaded too", DROPS, course="no_drop"),
        Case("the event of a file is lost", DROPS, (cloud("loseEvent", events, resource=shop),), "lost_event",
             note="the sweep finds the file within 25 minutes"),
        Case("a shop's files are dropped before S3 sends events", DROPS,
             (cloud("loseEvent", events, resource="drops/{shop}/*", times=2),), "first_minutes", first=True,
             note="the sweep finds the files within 25 minutes, and one run handles them"),
        Case("a busy machine is slow to claim the demo's items and users", DROPS,
             (cloud("holdEvent", events, resource="drops/{shop}/users/*", seconds=5.0),
              cloud("killFunction", "*ClaimDropFunction*.claim", resource="*drops/{shop}/items/*", times=2)),
             "demo", first=True, note="interactions are dropped when both are claimed: no training lacks them"),
        Case("an event comes after the sweep has found its file", DROPS,
             (cloud("holdEvent", events, resource=shop, seconds=20.0),), "event_after_the_sweep"),
        Case("the second of the import jobs that files need together ends in CREATE FAILED", DROPS,
             (cloud("loseEvent", events, resource=shop, times=3),
              engine("createFailed", "CreateDatasetImportJob", skip=1, reason="disk on fire")),
             "too_large_together", error="Broken", reason="disk on fire", human="continue", done=3,
             note="the job before it stays, and no row is imported twice"),
    ]  # fmt: skip


STEPS: Final = {
    "ClaimDropFunction": ("claim", "collect", "hold", "finish"),
    "ImportDataFunction": ("datasetGroup", "schema", "dataset", "importJob", "eventTracker", "filter"),
    "TrainSolutionFunction": ("solution", "solutionVersion"),
    "JudgeReleaseFunction": ("judge", "probe", "report"),
    "UpdateCampaignFunction": ("campaign", "release"),
}
"""The steps of each function that is asked to do several."""


def functions() -> list[Case]:
    """Each function of the pipeline is killed at each of its steps: before it has done anything, and after it all."""
    steps = [(function, step) for function, steps in STEPS.items() for step in steps]
    cases = []
    for done, words in ((False, "before it begins"), (True, "when it is done")):
        for function, step in steps:
            kill = cloud("killFunction", f"*{function}*.{step}", performed=done, times=2)
            cases.append(Case(f"{function} is killed at {step} {words}", FUNCTIONS, (kill,), first=True))
        check = cloud("killFunction", "*ValidateDropFunction*", performed=done)
        cases.append(Case(f"ValidateDropFunction is killed {words}", FUNCTIONS, (check,), first=True,
                          error="Runtime.ExitError", reason="signal: killed", human="continue",
                          note="not retried by itself: a file that is too large once is too large again"))  # fmt: skip
    join = cloud("killFunction", "*JoinExportFunction*")
    cases.append(Case("JoinExportFunction is killed before it begins", FUNCTIONS, (join,), "export", first=True,
                      error="Runtime.ExitError", reason="signal: killed", human="continue",
                      settings='export: {interactions: {file: "sales-*.csv"}}\n',
                      note="nothing of the export is dropped before all of it is joined"))  # fmt: skip
    ranges = [
        cloud("killFunction", f"*CheckPartFunction*.{step}", performed=done)
        for step, done in (("check", False), ("check", True), ("fit", True), ("count", False))
    ]
    cases.append(Case("functions are killed that check ranges of a large file", FUNCTIONS, tuple(ranges),
                      "above_the_bound", note="each range is checked again by itself"))  # fmt: skip
    # Six in a row: one more than a machine tries what fails.
    busy = tuple(
        cloud("throttleFunction", f"*{function}*", times=6)
        for function in ("ClaimDropFunction", "ValidateDropFunction", "TrainSolutionFunction")
    )
    cases.append(Case("all functions of a new account are busy", FUNCTIONS, busy, first=True,
                      note="each call waits until one is free"))  # fmt: skip
    # Of a later drop, the call that begins at an ACTIVE solution also creates the version.
    begun = cloud("killFunction", "*TrainSolutionFunction*.solution", performed=True, times=2)
    cases.append(Case("TrainSolutionFunction is killed when it has begun a training", FUNCTIONS, (begun,)))
    return cases


SEGMENT: Final = "batch: {fans: {segment: {recipe: item-affinity, items: [garden-03], users: 5}}}\n"


def runs() -> list[Case]:
    """Executions that meet, that are stopped, and that are redriven."""
    slow = engine("neverEnd", "CreateSolutionVersion")
    importing = engine("neverEnd", "CreateDatasetImportJob")
    promoting = engine("neverEnd", "UpdateCampaign")
    judging = cloud("killFunction", "*JudgeReleaseFunction*.judge", times=2)
    erasing = engine("neverEnd", "CreateDataDeletionJob")
    taken = "another run takes over what the stopped one had begun"
    return [
        Case("three executions begin at once", RUNS, course="two_runs"),
        Case("a schedule starts a second training", RUNS, course="scheduled_twice", trained=2, done=0,
             note="each execution trains anew"),
        Case("two shops need six imports at once", RUNS, (engine("neverEnd", "CreateDatasetImportJob", times=None),),
             "six_imports", trained=2, done=2, note="the sixth waits until another ends, and its run says so"),
        Case("a rollback is asked for during a run", RUNS, (slow,), "rollback_during",
             note="the rollback is refused: a run is at work"),
        Case("a run is stopped while it imports", RUNS, (importing,), "killed while importing", note=taken),
        Case("a run is stopped while it trains", RUNS, (slow,), "killed while training", note=taken),
        Case("a run is stopped while it judges", RUNS, (judging,), "killed while judging", note=taken),
        Case("a run is stopped while it promotes", RUNS, (promoting,), "killed while promoting", note=taken),
        Case("a run is stopped while it imports, and its bytes are dropped again", RUNS, (importing,),
             "same_bytes_after_a_stop", note="another run takes over; then they are handled already"),
        Case("a stopped run is redriven after another took over", RUNS, (importing,), "redriven",
             note="the redriven run ends: its drops have been taken over"),
        Case("another release of this project is deployed during a run", RUNS, (importing,), "deployed",
             note="the run ends with the code that it began with"),
        Case("users are deleted beside a run", RUNS, (slow, erasing), "erased_beside_a_run", trained=2, done=2,
             note="the deletion waits for the run, and a file that comes meanwhile for the deletion"),
        Case("users are deleted beside the training of a segment", RUNS, (slow, erasing), "erased_beside_segments",
             trained=2, settings=SEGMENT, note="the deletion waits for the training, and a segment for the deletion"),
        Case("users are deleted beside streaming events", RUNS, (erasing,), "erased_beside_events",
             note="their events are discarded, those of others stream on"),
        Case("the campaign is being updated already", RUNS, (engine("neverEnd", "UpdateCampaign"),), "busy_campaign"),
        Case("a campaign's throughput was raised by hand", RUNS, course="raised_by_hand", note="it stays raised"),
        Case("the probe fails", RUNS, course="slow_answers", error="Broken", reason="the probe failed",
             human="continue", note="the campaign goes back to the version before"),
        Case("the update fails, and so does going back", RUNS,
             (engine("createFailed", "UpdateCampaign", times=2, reason="no capacity"),), error="Broken",
             reason="no capacity", human="continue", note="a failed update leaves the version that serves"),
    ]  # fmt: skip


def services() -> list[Case]:
    """The other services that a run needs, and clocks that do not agree."""
    tasks = {"resource": "{shop}"}
    return [
        Case("announcements are throttled", SERVICES, (cloud("throttle", "putEvents", times=3, **tasks),)),
        Case("the answer of an announcement is lost", SERVICES,
             (cloud("internalFailure", "putEvents", performed=True, **tasks),)),
        Case("nothing can be announced", SERVICES, (cloud("throttle", "putEvents", times=14, **tasks),),
             error="ThrottlingException", reason="Rate exceeded", human="continue"),
        Case("DynamoDB throttles", SERVICES, (cloud("throttle", "PutItem", times=4, **tasks),)),
        Case("the answer of a write to DynamoDB is lost", SERVICES,
             (cloud("internalFailure", "PutItem", performed=True, times=2, **tasks),)),
        Case("DynamoDB does not answer who leads", SERVICES, (cloud("internalFailure", "GetItem", times=4, **tasks),)),
        Case("S3 does not return the file", SERVICES, (cloud("serviceUnavailable", "GET", times=4, **tasks),)),
        Case("S3 does not accept the import copy", SERVICES,
             (cloud("serviceUnavailable", "PUT", skip=1, times=4, **tasks),)),
        Case("EventBridge Scheduler refuses a schedule of the settings", SERVICES,
             (cloud("invalidInput", "PUT", resource="{shop}.weekly", times=None, reason="Invalid expression"),),
             "refused_schedule", note="the rest of the settings holds, and other shops' schedules change; the "
             "schedule before stays until the settings are dropped again, for which the alarm UndoneChores asks"),
        Case("Personalize's clock is a day ahead", SERVICES, course="later_engine"),
        Case("the machine's clock jumps ahead", SERVICES, course="later_machine"),
    ]  # fmt: skip


RECOMMENDERS: Final = "recommenders: {best: {use_case: best-sellers}}\n"


def recommenders() -> list[Case]:
    """What can happen to a recommender of the settings, which the first run makes."""
    create, look = "CreateRecommender", "DescribeRecommender"
    failed = engine("createFailed", create, reason="disk on fire")
    passing = {
        f"{create} is throttled": engine("throttle", create, times=4),
        f"{create} fails inside Personalize": engine("internalFailure", create, times=4),
        f"the answer of {create} is lost": engine("dropConnection", create, performed=True),
        f"{create} answers that it was just created": engine("resourceAlreadyExists", create, performed=True),
        f"{create} answers that it is in use": engine("resourceInUse", create, times=2),
        f"{create} exceeds a rate": engine("limitExceeded", create, times=4, reason="Too many of them now."),
        f"{look} is throttled": engine("throttle", look, times=4, spread=1),
        "a new Recommender is not seen yet": engine("resourceNotFound", look, skip=1, times=2),
    }
    cases = [Case(name, CALLS, (fault,), first=True) for name, fault in passing.items()]
    cases.append(Case("a Recommender ends in CREATE FAILED", JOBS, (failed,), first=True, error="Broken",
                      reason="disk on fire", human="continue", note="the training is not made again"))  # fmt: skip
    for done, words in ((False, "before it begins"), (True, "when it is done")):
        kill = cloud("killFunction", "*ImportDataFunction*.recommender", performed=done, times=2)
        cases.append(Case(f"ImportDataFunction is killed at recommender {words}", FUNCTIONS, (kill,), first=True))
    return [replace(case, settings=RECOMMENDERS) for case in cases]


PROCESSES: Final = {
    "cloud": "the local AWS is killed",
    "engine": "the engine is killed",
    "everything": "all processes are killed at once",
    "full": "all processes are killed on a full disk",
    "down": "`down` stops everything",
    "up": "`up` is killed",
}
"""What happens to the processes of the laptop's cloud."""
STAGES: Final = {
    "dropping": "an uploaded file waits for its run",
    "asking": "a training that was asked for waits to begin",
    "importing": "a run imports",
    "training": "a run trains",
    "judging": "a run judges",
    "promoting": "a run updates a campaign",
    "events": "events wait to be delivered",
    "erasing": "users are being deleted",
    "serving": "a release serves",
}
"""What a shop is at meanwhile."""
AT_REST: Final = frozenset({"events", "erasing", "serving"})
"""Stages at which nothing is to be trained."""
DEPLOYING: Final = "deploying"
"""The stage at which the stack of all shops is updated."""


def kills() -> list[Case]:
    """Each process of the laptop's cloud ends while a shop is at each stage; then somebody calls `up`."""
    notes = {
        "dropping": "`up` finds the file",
        "asking": "it is trained once",
        "importing": "the import goes on, and another run takes the drop up",
        "training": "the training goes on, and another run takes the drop up",
        "judging": "another run takes the drop up",
        "promoting": "another run takes the drop up",
        "events": "each event is delivered once, with its time",
        "erasing": "requests of a moment before included",
        "serving": "with the same key, as before",
    }
    cases = []
    for process in ("cloud", "engine", "everything", "down"):
        for stage, words in STAGES.items():
            name, course = f"{PROCESSES[process]} while {words}", f"{process}/{stage}"
            trained, done = int(stage not in AT_REST), int(stage not in {*AT_REST, "asking"})
            cases.append(Case(name, KILLED, course=course, human="up", trained=trained, done=done, note=notes[stage]))
    updated = "the stack is updated, and shops serve as before"
    for process in ("everything", "up"):
        name = f"{PROCESSES[process]} while the stack is deployed"
        course = f"{process}/{DEPLOYING}"
        cases.append(Case(name, KILLED, course=course, human="up", trained=0, done=0, note=updated))
    refused = "what was asked for on the full disk was refused, and is asked for again"
    for stage in ("dropping", "training", "events", "erasing", "serving"):
        trained, done = int(stage not in AT_REST), int(stage not in AT_REST)
        note = notes[stage] if stage in {"training", "serving"} else refused
        cases.append(Case(f"{PROCESSES['full']} while {STAGES[stage]}", KILLED, course=f"full/{stage}", human="up",
                          trained=trained, done=done, note=note))  # fmt: skip
    return cases


CASES: Final = (
    *calls(), *refusals(), *silences(), *jobs(), *drops(), *functions(), *runs(), *services(), *recommenders(),
    *kills(),
)  # fmt: skip
"""Every case, in the order of the page."""
