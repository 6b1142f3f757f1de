# SPDX-License-Identifier: Apache-2.0
"""What a shop and the world around it do while something goes wrong; a case names one of these functions.

Each takes the shop, begins after the case's rules were injected, and ends when the shop is at rest.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from benchmarks import bombs
from local.demo.sample_data import DemoData
from local.demo.walkthrough import Demo
from local.terminal.output import Terminal
from tests.app import retail
from tests.app.laptop import PART_BYTES
from tests.app.matrix import deployment
from tests.app.matrix.case import Fault
from tests.app.matrix.shop import ACCOUNT, PREFIX, SETTINGS, Shop

FRESH, FRESHER = 26, 27
"""Interactions of each user in the files that a case drops; the first release was trained on 25."""
HALF_AN_HOUR = 31 * 60.0
"""More than the local stack's WaitMinutes."""
TWENTY_MINUTES = 20 * 60.0
DAY = 86_400.0
MOST_IMPORTS = 5
"""Import jobs that Personalize has under way in a region."""


def drop(shop: Shop) -> None:
    """One file is dropped."""
    shop.put(shop.csv(FRESH))
    shop.rest()


def _begun(shop: Shop, state: str, earlier: set[str]) -> str:
    """Wait until a new run of the shop has entered a state; answers its ARN."""
    begun: list[str] = []

    def entered() -> bool:
        fresh = [run["executionArn"] for run in shop.runs() if run["executionArn"] not in earlier]
        begun[:] = [arn for arn in fresh if state in states(shop, arn)]
        return bool(begun)

    shop.world.until(entered, f"{shop.name} in {state}")
    return begun[0]


def states(shop: Shop, arn: str) -> list[str]:
    """The states of the top level that an execution has entered."""
    entered = [event.get("stateEnteredEventDetails") for event in shop.world.history(arn)]
    return [details["name"] for details in entered if details]


def _arns(shop: Shop) -> set[str]:
    return {run["executionArn"] for run in shop.runs()}


def stuck(shop: Shop) -> None:
    """One file is dropped; when its job is seen not to end, the budget of the wait runs out."""
    shop.put(shop.csv(FRESH))
    shop.world.until(lambda: shop.fired()[0] > 0, f"{shop.name}: a job never ends")
    shop.world.cloud.advance(HALF_AN_HOUR, shop.name)
    shop.rest()


def full(shop: Shop) -> None:
    """One file is dropped; a quota stays used up, and after some looks the clock jumps ahead."""
    shop.put(shop.csv(FRESH))
    # The SDK takes the answer for a throttle, and tries a call three times.
    shop.world.until(lambda: shop.fired()[0] > 9, f"{shop.name} waits for room")
    shop.world.cloud.advance(TWENTY_MINUTES, shop.name)
    shop.rest()


def stuck_update(shop: Shop) -> None:
    """The update of a campaign takes longer than a run waits; while the run goes back, it ends after all."""
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH))
    shop.world.until(lambda: shop.fired()[0] > 0, f"{shop.name}: an update never ends")
    shop.world.cloud.advance(HALF_AN_HOUR, shop.name)
    _begun(shop, "Put each campaign back", earlier)
    shop.heal()
    shop.rest()


def repeated_later(shop: Shop) -> None:
    """The event of a file comes again when the run that it started is over."""
    drop(shop)
    last = next(run for run in reversed(shop.runs()) if "detail" in json.loads(run["input"]))
    again = shop.world.steps.start_execution(stateMachineArn=shop.world.machine, input=last["input"])
    shop.world.until(lambda: shop.ended(again["executionArn"]), "the repeated event is handled")
    shop.rest()


def demo(shop: Shop) -> None:
    """The demo drops its three files while a busy machine claims two of them late; the training begins after both."""
    files = {"users": retail.users(), "items": retail.items(), "interactions": shop.csv(FRESH)}
    folder = shop.world.laptop.scratch / shop.name
    folder.mkdir()
    for kind, text in files.items():
        (folder / kind).with_suffix(".csv").write_text(text)
    data = DemoData(folder / "users.csv", folder / "items.csv", folder / "interactions.csv", dict.fromkeys(files, 0))
    uploads = Demo(shop.world.laptop.client, data, Terminal(as_json=True), shop.name).drop_files()
    shop.keys += [upload.key for upload in uploads]
    shop.rest()
    personalize, (version,) = shop.world.personalize, shop.versions()
    began = personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"]["creationDateTime"]
    for kind in files:
        dataset = shop.names.dataset(shop.name, kind).arn
        (job,) = personalize.list_dataset_import_jobs(datasetArn=dataset)["datasetImportJobs"]
        assert (job["status"], job["lastUpdatedDateTime"] <= began) == ("ACTIVE", True), kind


def same_key_twice(shop: Shop) -> None:
    """A file is uploaded, and at once again under the same key."""
    shop.put(shop.csv(FRESHER))
    shop.put(shop.csv(FRESH))
    shop.rest()


def two_keys(shop: Shop) -> None:
    """Two whole histories come one after the other under two keys."""
    shop.put(shop.csv(FRESHER), "interactions/monday.csv")
    shop.put(shop.csv(FRESH), "interactions/tuesday.csv")
    shop.rest()


def _sweep(shop: Shop, events: int) -> None:
    """Sweep the shop's folder, without waiting for its files to be old, once so many events were lost or held back."""
    shop.world.until(lambda: sum(shop.fired()) >= events, f"{events} events of {shop.name} are lost")
    shop.world.laptop.sweep(minutes=0, shop=shop.name)


def lost_event(shop: Shop) -> None:
    """A file is dropped and no event tells of it; the sweep finds it."""
    shop.put(shop.csv(FRESH))
    _sweep(shop, 1)
    shop.rest()


def first_minutes(shop: Shop) -> None:
    """A shop's files are dropped before S3 sends events; one run handles what the sweep finds."""
    earlier = _arns(shop)
    shop.put(retail.items(), "items/data.csv")
    shop.put(shop.csv(FRESH))
    _sweep(shop, 2)
    shop.rest()
    (run,) = _arns(shop) - earlier
    output = json.loads(shop.world.steps.describe_execution(executionArn=run)["output"])
    outcomes = {drop["kind"]: drop["outcome"] for drop in output["drops"]}
    assert outcomes == dict.fromkeys(("items", "interactions"), "imported")


def event_after_the_sweep(shop: Shop) -> None:
    """The sweep finds a file whose event is only late; the event comes afterwards."""
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH))
    _sweep(shop, 1)
    shop.world.until(lambda: len(_arns(shop) - earlier) == 2, f"the event of {shop.name} has come")
    shop.rest()


def too_large_together(shop: Shop) -> None:
    """Three incremental files that only together exceed an import job are handled by one run."""
    for number, content in enumerate(_files(shop)):
        assert len(content) < 10**6
        shop.put(content, f"interactions/incremental/{number}.csv")
    _sweep(shop, 3)
    shop.rest()


def slow_imports(shop: Shop) -> None:
    """Three files need an import job each, and each job takes twenty minutes: together longer than one may."""
    for number, content in enumerate(_files(shop)):
        shop.put(content, f"interactions/incremental/{number}.csv")
    _sweep(shop, 3)
    shop.heal_first()
    for number in range(1, 4):
        shop.world.until(lambda at=number: shop.fired()[at] > 0, f"import job {number} of {shop.name} is under way")  # type: ignore[misc]
        shop.world.cloud.advance(TWENTY_MINUTES, shop.name)
        shop.heal_first()
    shop.rest()


def above_the_bound(shop: Shop) -> None:
    """A whole history is dropped that one function does not read: it is checked in ranges."""
    content = _large(shop)
    assert len(content) > 3 * PART_BYTES
    shop.put(content)
    shop.rest()


def _large(shop: Shop) -> str:
    """A whole history of long rows."""
    header, *rows = shop.csv(FRESH).splitlines()
    return "\n".join([header, *(f"{row}{'c' * 600}" for row in rows)])


def _files(shop: Shop) -> list[str]:
    """Three files of 900 KB, no row of which is like another."""
    header, end = shop.csv(1).splitlines()[0], "c" * 300
    return [
        "\n".join(
            [
                header,
                *(f"f{file}u{n % 90},{retail.ITEMS[n % 60]},Purchase,{retail.START + n},{end}" for n in range(2_700)),
            ]
        )
        for file in range(3)
    ]


def each_row_once(shop: Shop) -> None:
    """Personalize has every row of the files once, and refuses one job with all of them."""
    dataset = shop.names.dataset(shop.name, "interactions").arn
    rows = shop.exported(dataset)
    sent = [row for content in _files(shop) for row in content.splitlines()[1:]]
    assert sorted(row for row in rows if row.startswith("f")) == sorted(sent)
    assert len(rows) - len(sent) == len(shop.csv(25).splitlines()) - 1
    reason = shop.import_by_hand(dataset, _files(shop))
    assert "larger than the quota of this import" in reason, reason


def each_row_of_the_large_file_once(shop: Shop) -> None:
    """Personalize has every row of the history that was checked in ranges once, and no other."""
    dataset = shop.names.dataset(shop.name, "interactions").arn
    assert sorted(shop.exported(dataset)) == sorted(_large(shop).splitlines()[1:])


def strange_key(shop: Shop) -> None:
    """A file whose key has spaces, signs and letters beyond ASCII."""
    shop.put(shop.csv(FRESH), "interactions/Käufe 2026+11 (1) 100%25 선물.csv")
    shop.rest()


def export(shop: Shop) -> None:
    """The files of an export are dropped, which have to be joined."""
    header, *rows = shop.csv(FRESH).splitlines()
    for number in range(2):
        key = f"drops/{shop.name}/export/all/sales-{number}.csv"
        body = "\n".join([header, *rows[number::2]]).encode()
        shop.world.s3.put_object(Bucket=shop.world.laptop.bucket, Key=key, Body=body)
    shop.put("", "export/all/_SUCCESS")
    shop.rest()


def deleted_at_once(shop: Shop) -> None:
    """A file is deleted before its run reads it."""
    shop.put(shop.csv(FRESH))
    shop.delete()
    shop.rest()


def deleted_during(shop: Shop) -> None:
    """A file is deleted when its run has checked it."""
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH))
    _begun(shop, "Ensure the dataset group", earlier)
    shop.delete()
    shop.rest()


def overwritten_during(shop: Shop) -> None:
    """A newer file takes the key while the run of the older one imports."""
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH))
    _begun(shop, "Ensure the dataset group", earlier)
    shop.put(shop.csv(FRESHER))
    shop.rest()


def another_during(shop: Shop) -> None:
    """Another file is uploaded while a run trains."""
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH))
    _begun(shop, "Train each recipe", earlier)
    shop.put(shop.csv(FRESHER), "interactions/another.csv")
    shop.rest()


def same_bytes(shop: Shop) -> None:
    """A file is dropped, and after its run the same bytes under another name."""
    drop(shop)
    _same_again(shop)


def same_bytes_after_a_stop(shop: Shop) -> None:
    """A run is stopped while it imports, another takes over, and then the same bytes are dropped under another name."""
    killed_in("Import each file")(shop)
    _same_again(shop)


def _same_again(shop: Shop) -> None:
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH), "interactions/again.csv")
    shop.rest()
    (run,) = _arns(shop) - earlier
    output = json.loads(shop.world.steps.describe_execution(executionArn=run)["output"])
    assert output["outcome"] == "alreadyHandled", output


def empty_file(shop: Shop) -> None:
    """A file of zero bytes."""
    shop.put(b"")
    shop.rest()


def not_a_csv(shop: Shop) -> None:
    """A damaged zip archive that is called .csv."""
    shop.put(b"PK\x03\x04" + bytes(range(256)) * 20)
    shop.rest()


def broken_gzip(shop: Shop) -> None:
    """A compressed file whose end is missing."""
    shop.put(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"cut off", "interactions/data.csv.gz")
    shop.rest()


def deadly_workbook(shop: Shop) -> None:
    """A workbook whose only cell is so far away that its reader aborts, and settings that come with it."""
    shop.put(bombs.workbook(bombs.FAR), "interactions/book.xlsx")
    shop.put(SETTINGS.format(latency=60_000) + shop.more, "settings.yaml")
    shop.rest()
    states = {claim["kind"]: claim["state"] for claim in shop.claims() if claim["key"] in shop.keys[-2:]}
    assert states == {"settings": "done", "interactions": "refused"}, states


def no_drop(shop: Shop) -> None:
    """An object that is no drop comes into the shop's folder, and then a file."""
    earlier = _arns(shop)
    shop.world.s3.put_object(Bucket=shop.world.laptop.bucket, Key=f"drops/{shop.name}/README.txt", Body=b"hello")
    shop.world.until(lambda: bool(_arns(shop) - earlier), "the object has started a run")
    (stray,) = _arns(shop) - earlier
    shop.refused(stray, "README.txt: keys are drops/")
    drop(shop)


def two_runs(shop: Shop) -> None:
    """Two more executions are started for the shop at the moment of the upload."""
    shop.put(shop.csv(FRESH))
    started = [shop.start("continue"), shop.start("continue")]
    shop.world.until(lambda: all(shop.ended(arn) for arn in started), "both runs have ended")
    shop.rest()


def rollback_during(shop: Shop) -> None:
    """Somebody asks for a rollback while a run trains."""
    shop.put(shop.csv(FRESH))
    shop.world.until(lambda: shop.fired()[0] > 0, f"{shop.name} trains")
    shop.refused(shop.start("rollback"), "is at work on this shop")
    shop.heal()
    shop.rest()


def killed_in(state: str) -> Callable[[Shop], None]:
    """The course in which a run is stopped in a state; the sweep has another take over."""

    def course(shop: Shop) -> None:
        earlier = _arns(shop)
        shop.put(shop.csv(FRESH))
        begun = _begun(shop, state, earlier)
        shop.world.until(lambda: shop.fired()[0] > 0, f"{shop.name} held in {state}")
        shop.world.steps.stop_execution(executionArn=begun)
        shop.heal()
        shop.rest()

    course.__doc__ = f"A run is stopped in the state “{state}”."
    return course


def redriven(shop: Shop) -> None:
    """A run is stopped while it imports, another takes over, and then the stopped one is redriven."""
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH))
    stopped = _begun(shop, "Import each file", earlier)
    shop.world.until(lambda: shop.fired()[0] > 0, f"{shop.name} imports")
    shop.world.steps.stop_execution(executionArn=stopped)
    shop.heal()
    shop.rest()
    shop.world.steps.redrive_execution(executionArn=stopped)
    shop.world.until(lambda: _status(shop, stopped) not in {"RUNNING", "ABORTED"}, "the redriven run has ended")
    shop.refused(stopped, "has taken over")
    shop.rest()


def six_imports(shop: Shop) -> None:
    """Two shops import users, items and interactions at once; five import jobs may be under way in a region."""
    throttle = shop.world.engine.add("throttle", "CreateDatasetImportJob", f"*{PREFIX}-{shop.name}*", probability=0.0)
    other = Shop(f"{shop.name}b", shop.world, shop.more)
    both = (shop, other)
    other.settle()
    # A run that imports holds its shop, so that the run that follows has three files to import.
    for member in both:
        member.put(member.csv(FRESHER), "interactions/first.csv")
    shop.world.until(lambda: shop.fired()[0] == len(both), "both shops import")
    for member in both:
        member.put(retail.users(), "users/data.csv")
        member.put(retail.items(), "items/data.csv")
        member.put(member.csv(FRESH), "interactions/second.csv")
    shop.world.until(lambda: all(len(member.claims()) >= len(member.keys) for member in both), "all files are claimed")
    shop.heal()
    shop.inject(Fault("engine", "neverEnd", "CreateDatasetImportJob", times=None))

    def calls() -> int:
        return int(next(rule["matched"] for rule in shop.world.engine.rules() if rule["id"] == throttle["id"]))

    shop.world.until(lambda: shop.fired()[1] == MOST_IMPORTS, "five imports are under way")
    # More often than an SDK asks by itself.
    before = calls()
    shop.world.until(lambda: calls() > before + 7, "the sixth is asked for again and again")
    shop.heal()
    shop.world.engine.clear(throttle["id"])
    for member in both:
        member.rest()
    notes = [
        note
        for member in both
        for run in member.runs()
        for note in json.loads(run.get("output") or "{}").get("notes", ())
    ]
    assert any("minutes for room: LimitExceededException" in note for note in notes), notes
    assert other.standing().serving == other.versions()[-1]


def scheduled_twice(shop: Shop) -> None:
    """A schedule of the shop starts a training, and another one a little later."""
    # Due at once; and, as the local AWS looks at a schedule's last firing, a minute after that.
    names = [fired(shop, "at(2020-01-01T00:00:00)"), fired(shop, "rate(1 minutes)")]
    # All but ten of the digits are the schedule's.
    assert names[0] != names[1], names
    assert names[0][-22:] == names[1][-22:], names


def fired(shop: Shop, due: str) -> str:
    """Have the shop's schedule start a training, wait for its end, and answer the execution's name."""
    earlier, client = _arns(shop), shop.world.scheduler
    group, name = shop.world.laptop.state.outputs["ScheduleGroupName"], f"{shop.name}.weekly"
    request = {"action": "retrain", "shop": shop.name, "schedule": "weekly", "trainingMode": "FULL"}
    client.create_schedule(
        GroupName=group,
        Name=name,
        ScheduleExpression=due,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": shop.world.machine,
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/schedules",
            "Input": json.dumps(request),
        },
    )
    shop.world.until(lambda: bool(_arns(shop) - earlier), f"{name} has started a run")
    client.delete_schedule(GroupName=group, Name=name)
    (arn,) = _arns(shop) - earlier
    shop.world.until(lambda: shop.ended(arn), f"the run of {name} has ended")
    shop.rest()
    return arn.rpartition(":")[2]


def refused_schedule(shop: Shop) -> None:
    """EventBridge Scheduler refuses a schedule's new time; another shop's schedules change beside it."""
    other = Shop(f"{shop.name}b", shop.world)
    before, wanted = {"weekly": 7, "monthly": 30, "old": 2}, {"weekly": 14, "monthly": 28, "new": 3}
    for scheduled in (shop, other):
        _schedule(scheduled, before)
        shop.world.until(lambda at=scheduled: _scheduled(at) == before, f"{scheduled.name} has its schedules")  # type: ignore[misc]
    shop.rest()
    _schedule(shop, wanted)
    shop.put(shop.csv(FRESH))
    said: list[str] = []

    def is_told() -> bool:
        said.extend(shop.world.undone())
        return any(f"drops/{shop.name}/settings.yaml" in message for message in said)

    shop.world.until(is_told, "the chores queue has the settings")
    assert any(f"{shop.name}.weekly: EventBridge Scheduler refused the schedule" in message for message in said), said
    assert _scheduled(shop) == wanted | {"weekly": 7}
    _schedule(other, wanted)
    shop.world.until(lambda: _scheduled(other) == wanted, "the other shop's schedules change")
    shop.rest()
    states = {claim["state"] for claim in shop.claims() if claim["kind"] == "settings"}
    assert states == {"done"}, states
    # What a person does: drop the settings again.
    shop.heal()
    _schedule(shop, wanted)
    shop.world.until(lambda: _scheduled(shop) == wanted, "the schedule is changed, too")
    for scheduled in (shop, other):
        scheduled.settle()
        shop.world.until(lambda at=scheduled: not _scheduled(at), f"the schedules of {scheduled.name} are gone")  # type: ignore[misc]


def _schedule(shop: Shop, days: Mapping[str, int]) -> None:
    """Drop settings with these schedules, by the days between two trainings."""
    listed = ", ".join(f"{{name: {name}, every: rate({number} days)}}" for name, number in days.items())
    shop.put(f"{SETTINGS.format(latency=60_000)}{shop.more}schedules: [{listed}]\n", "settings.yaml")


def _scheduled(shop: Shop) -> dict[str, int]:
    """The days between two trainings of each schedule that EventBridge Scheduler has."""
    client, group, days = shop.world.scheduler, shop.world.laptop.state.outputs["ScheduleGroupName"], {}
    for schedule in client.list_schedules(GroupName=group, NamePrefix=f"{shop.name}.")["Schedules"]:
        with suppress(client.exceptions.ResourceNotFoundException):  # it was deleted just now
            every = client.get_schedule(GroupName=group, Name=schedule["Name"])["ScheduleExpression"]
            days[schedule["Name"].partition(".")[2]] = int(every.removeprefix("rate(").removesuffix(" days)"))
    return days


def _status(shop: Shop, arn: str) -> str:
    return str(shop.world.steps.describe_execution(executionArn=arn)["status"])


def deployed(shop: Shop) -> None:
    """Another release of this project is deployed while a run imports; its functions do not know the run's payloads."""
    shop.put(shop.csv(FRESH))
    shop.world.until(lambda: shop.fired()[0] > 0, f"{shop.name} imports")
    deployment.deploy(shop.world, shop.name)
    shop.heal()
    shop.rest()


def busy_campaign(shop: Shop) -> None:
    """The campaign is being updated by hand, to the version that serves, when a run wants to update it."""
    campaign = shop.names.campaign(shop.name, "popularity-count").arn
    shop.world.personalize.update_campaign(campaignArn=campaign, solutionVersionArn=shop.standing().serving)
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH))
    run = _begun(shop, "Promote each approved recipe", earlier)
    shop.world.until(lambda: "at work on another version" in failures(shop, run), "the run finds the campaign busy")
    shop.heal()
    shop.rest()


def failures(shop: Shop, arn: str) -> str:
    """What the tasks have said that failed in an execution or in what it waits for, whether or not they came again."""
    told = [event for execution in (arn, *shop.world.waits_of(arn)) for event in shop.world.history(execution)]
    return "".join(event.get("taskFailedEventDetails", {}).get("cause", "") for event in told)


def raised_by_hand(shop: Shop) -> None:
    """Somebody raises a campaign's throughput by hand; then a file is dropped."""
    campaign = shop.names.campaign(shop.name, "popularity-count").arn
    shop.world.personalize.update_campaign(campaignArn=campaign, minProvisionedTPS=3)
    drop(shop)
    description = shop.world.personalize.describe_campaign(campaignArn=campaign)["campaign"]
    assert description["minProvisionedTPS"] == 3, description


def slow_answers(shop: Shop) -> None:
    """The settings allow an answer no time, so that the probe fails."""
    shop.settle(latency=0.001)
    drop(shop)
    # What a person does: correct the settings.
    shop.settle()


def later_engine(shop: Shop) -> None:
    """Personalize's clock jumps a day ahead of ours in the middle of the run."""
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH))
    _begun(shop, "Import each file", earlier)
    shop.world.engine.advance(DAY)
    shop.rest()


def later_machine(shop: Shop) -> None:
    """The state machine's clock jumps twenty minutes ahead in the middle of the run."""
    earlier = _arns(shop)
    shop.put(shop.csv(FRESH))
    _begun(shop, "Import each file", earlier)
    shop.world.cloud.advance(TWENTY_MINUTES, shop.name)
    shop.rest()


LEAVER, OTHER = "u0", "u1"
"""Two users of the history."""


def erased_beside_a_run(shop: Shop) -> None:
    """A user's deletion is asked for while a run trains, and a file is dropped while the deletion is under way."""
    shop.put(shop.csv(FRESH))
    shop.world.until(lambda: shop.fired()[0] > 0, "the run trains")
    receipt = shop.erase(LEAVER)
    assert shop.erasing(receipt) == "waiting"
    shop.heal_first()
    # The round of another case may begin the deletion as soon as the run has ended, so the shop need not come to rest.
    shop.world.until(lambda: shop.erasing(receipt) == "underWay", "the deletion is under way when the run has ended")
    earlier = _arns(shop)
    shop.put(shop.csv(FRESHER), "interactions/another.csv")
    shop.world.until(lambda: any(shop.ended(arn) for arn in _arns(shop) - earlier), "the drop waits for the deletion")
    assert "pending" in {claim["state"] for claim in shop.claims()}
    _erased(shop, receipt)
    shop.rest()


def erased_beside_events(shop: Shop) -> None:
    """Events of the user who is being deleted, and of another, come while the deletion is under way."""
    drop(shop)
    receipt = shop.erase(LEAVER)
    assert shop.erasing(receipt) == "underWay"
    shop.world.until(lambda: shop.fired()[0] > 0, "the deletion is under way")
    for user, status in ((LEAVER, "discarded"), (OTHER, "delivered")):
        event = {"eventType": "View", "itemId": "garden-03", "eventId": f"seen-{user}"}
        body = {"userId": user, "sessionId": f"s-{user}", "events": [event]}
        told = {"discarded": "the event of whoever leaves is discarded", "delivered": "the other's is delivered"}
        shop.world.until(partial(_is_answered, shop, body, status), told[status])
    _erased(shop, receipt)
    items = shop.world.events_table.scan()["Items"]
    assert [item["shopper"] for item in items if item["shopper"].startswith(f"{shop.name}#")] == [
        f"{shop.name}#{OTHER}"
    ]


def _is_answered(shop: Shop, body: object, status: str) -> bool:
    """Whether each event of a request is answered with that status: a slow call has it queued."""
    return {event["status"] for event in shop.call("POST", "/events", body)["events"]} == {status}


def erased_beside_segments(shop: Shop) -> None:
    """A user's deletion is asked for while a segment recipe trains, and a segment while the deletion is under way."""
    shop.put(retail.items(), "items/data.csv")
    shop.rest()
    first = shop.batch("fans")
    shop.world.until(lambda: shop.fired()[0] > 0, "the segment recipe trains")
    receipt = shop.erase(LEAVER)
    assert shop.erasing(receipt) == "waiting"
    shop.heal_first()
    shop.world.until(lambda: shop.batch_ended(first), "the segment is exported")
    shop.world.until(lambda: shop.erasing(receipt) == "underWay", "the deletion is under way when the segment is there")
    second = shop.batch("fans")
    shop.world.until(lambda: bool(shop.world.waits_of(second)), "the segment waits for the deletion")
    _erased(shop, receipt)
    shop.world.until(lambda: shop.batch_ended(second), "the segment is exported after the deletion")
    drop(shop)


def _erased(shop: Shop, receipt: str) -> None:
    """Let the data deletion job end, and see that it has deleted the user."""
    shop.heal()
    shop.world.until(lambda: shop.erasing(receipt) == "deletedHere", "the user is deleted")
    assert [deleted > 0 for deleted in shop.deletions()] == [True]


COURSES: dict[str, Callable[[Shop], None]] = {
    **{
        course.__name__: course
        for course in (
            drop,
            stuck,
            full,
            stuck_update,
            repeated_later,
            same_key_twice,
            demo,
            two_keys,
            strange_key,
            export,
            lost_event,
            first_minutes,
            event_after_the_sweep,
            too_large_together,
            slow_imports,
            above_the_bound,
            deleted_at_once,
            deleted_during,
            overwritten_during,
            same_bytes,
            same_bytes_after_a_stop,
            another_during,
            empty_file,
            not_a_csv,
            broken_gzip,
            deadly_workbook,
            no_drop,
            two_runs,
            scheduled_twice,
            refused_schedule,
            six_imports,
            rollback_during,
            redriven,
            deployed,
            busy_campaign,
            raised_by_hand,
            slow_answers,
            later_engine,
            later_machine,
            erased_beside_a_run,
            erased_beside_events,
            erased_beside_segments,
        )
    },
    "killed while importing": killed_in("Import each file"),
    "killed while training": killed_in("Train each recipe"),
    "killed while judging": killed_in("Judge the release"),
    "killed while promoting": killed_in("Promote each approved recipe"),
}
"""The courses by name."""
IN_THE_END: dict[str, tuple[Callable[[Shop], None], ...]] = {
    "too_large_together": (each_row_once,),
    "slow_imports": (each_row_once,),
    "above_the_bound": (each_row_of_the_large_file_once,),
}
"""What must hold when a person has done what the case says, by the name of its course."""
