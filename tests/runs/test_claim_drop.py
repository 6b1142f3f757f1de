# SPDX-License-Identifier: Apache-2.0
"""The two ends of a run as the machine asks for them: claim, collect, hold, finish, sweep."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from personalization.core.errors import Broken, Rejected

from functions.claim_drop import app
from tests.handlers.samples import TABLE, Event, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

pytestmark = pytest.mark.usefixtures("aws")

CLAIM = load("claim_drop_claim")
KEY = CLAIM["input"]["detail"]["object"]["key"]


def handler(event: Event, context: None) -> Any:  # noqa: ANN401 - the answers differ by step
    """What the function answers."""
    return app.handler(event, context)


@pytest.fixture
def machine(table: "DynamoDBClient") -> Iterator["SFNClient"]:
    """A machine whose executions run until they are stopped, and a table without claims and leases."""
    client = boto3.client("stepfunctions")
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 9999, "End": True}}}
    role, name = "arn:aws:iam::123456789012:role/machine", CLAIM["machine"].rpartition(":")[2]
    client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
    yield client
    client.delete_state_machine(stateMachineArn=CLAIM["machine"])
    for item in table.scan(TableName=TABLE)["Items"]:
        if item["record"]["S"] != "release":
            table.delete_item(TableName=TABLE, Key={"shop": item["shop"], "record": item["record"]})


def begun(machine: "SFNClient", name: str = CLAIM["run"]) -> Event:
    """Who asks, in the place of a running execution."""
    arn = machine.start_execution(stateMachineArn=CLAIM["machine"], name=name)["executionArn"]
    return {"run": name, "execution": arn, "machine": CLAIM["machine"]}


def claims(table: "DynamoDBClient") -> list[dict[str, Any]]:
    items = table.scan(TableName=TABLE)["Items"]
    return [item for item in items if item["record"]["S"].startswith("drop#")]


def test_a_run_claims_collects_holds_and_finishes(machine: "SFNClient", table: "DynamoDBClient") -> None:
    begun(machine)
    claimed = handler(CLAIM, None)
    assert {key: claimed[key] for key in ("outcome", "shop", "kind", "key")} == {
        "outcome": "leads", "shop": "demo", "kind": "interactions", "key": KEY,
    }  # fmt: skip
    (drop,) = handler(load("claim_drop_collect"), None)["drops"]
    assert (drop["id"], drop["request"]["versionId"]) == (
        load("claim_drop_hold")["drops"][0]["id"],
        "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
    )
    assert handler(load("claim_drop_hold"), None) == {}
    assert handler(load("claim_drop_finish"), None) == {"next": None}
    (record,) = claims(table)
    assert (record["state"], "ttl" in record) == ({"S": "done"}, True)


@pytest.mark.parametrize("failure", [None, "Broken: of another drop of the run"])
def test_what_an_export_was_joined_into_is_for_the_next_run(
    failure: str | None, machine: "SFNClient", table: "DynamoDBClient"
) -> None:
    caller, detail = CLAIM | begun(machine), CLAIM["input"]["detail"]

    def comes(key: str) -> Any:  # noqa: ANN401 - it is JSON
        return CLAIM["input"] | {"detail": detail | {"object": detail["object"] | {"key": key}}}

    handler(caller | {"input": comes("drops/demo/export/december/_SUCCESS")}, None)
    (drop,) = handler(caller | {"step": "collect", "shop": "demo"}, None)["drops"]
    assert drop["kind"] == "export"
    made = CLAIM | begun(machine, "of-what-was-made")
    joined = handler(made | {"input": comes("drops/demo/interactions/export-december.csv")}, None)
    assert (joined["outcome"], joined["by"]) == ("queued", CLAIM["run"])
    done = {**drop, "outcome": "joined", "rows": 0, "joined": ["drops/demo/interactions/export-december.csv"]}
    end = {"step": "finish", "shop": "demo", "drops": [done], "failure": failure}
    assert handler(caller | end, None)["next"].startswith("continue-demo-")
    states = {record["kind"]["S"]: record["state"]["S"] for record in claims(table)}
    assert states == {"export": "done", "interactions": "pending"}


def test_a_repeated_event_is_already_handled(machine: "SFNClient") -> None:
    begun(machine)
    for step in ("claim", "collect", "finish"):
        handler(load(f"claim_drop_{step}"), None)
    again = handler(CLAIM | begun(machine, "again"), None)
    assert (again["outcome"], again["by"]) == ("alreadyHandled", CLAIM["run"])


def test_a_run_that_was_stopped_is_swept_up(machine: "SFNClient") -> None:
    who = begun(machine)
    handler(CLAIM, None)
    sweep = {"step": "claim", "version": 1, **begun(machine, "sweep"), "input": {"action": "sweep"}}
    assert handler(sweep, None)["notes"] == []
    machine.stop_execution(executionArn=who["execution"])
    (note,) = handler(sweep, None)["notes"]
    started = machine.list_executions(stateMachineArn=CLAIM["machine"])["executions"]
    assert note.removeprefix("demo: ") in {execution["name"] for execution in started}


def test_what_a_run_was_started_for_that_was_stopped_before_its_claim_is_swept_up(
    machine: "SFNClient", table: "DynamoDBClient"
) -> None:
    detail = {"name": "dead", "status": "ABORTED", "input": json.dumps(CLAIM["input"])}
    sweep = {
        "step": "claim",
        "version": 1,
        **begun(machine, "sweep"),
        "input": {"source": "aws.states", "detail": detail},
    }
    (note,) = handler(sweep, None)["notes"]
    assert note.startswith("demo: continue-demo-")
    (record,) = claims(table)
    assert (record["state"], record["claimedBy"]) == ({"S": "pending"}, {"S": "dead"})


def test_who_takes_over_is_told_whose_work_to_go_on_with(machine: "SFNClient") -> None:
    who = begun(machine)
    handler(load("claim_drop_claim"), None)
    (first,) = handler(load("claim_drop_collect"), None)["drops"]
    machine.stop_execution(executionArn=who["execution"])
    after = begun(machine, "after")
    handler(CLAIM | after | {"input": {"action": "continue", "shop": "demo"}}, None)
    for _ in range(2):
        told = handler(load("claim_drop_collect") | after, None)
        (drop,) = told["drops"]
        assert (drop["request"]["importedBy"], drop["request"]["trainedBy"]) == ([who["run"]], [who["run"]])
        # What the dead run made is no older than that.
        assert drop["request"]["begunAt"][:19] == first["request"]["begunAt"][:19]
    assert told["notes"] == [f"goes on with what run {who['run']} has imported and trained"]


@pytest.mark.parametrize(("imported", "loaded"), [([], False), (["users"], False), (["users", "interactions"], True)])
def test_a_failed_run_says_which_of_its_data_are_imported(
    imported: list[str], loaded: bool, machine: "SFNClient", table: "DynamoDBClient"
) -> None:
    begun(machine)
    for step in ("claim", "collect"):
        handler(load(f"claim_drop_{step}"), None)
    assert handler(load("claim_drop_finish") | {"failure": "Broken: it", "imported": imported}, None) == {"next": None}
    (record,) = claims(table)
    assert (record["state"], record["loaded"]) == ({"S": "failed"}, {"BOOL": loaded})


def later(event: Event, hours: int, **changes: str) -> Event:
    """The first step of a run of another object, so many hours later."""
    copied: Event = json.loads(json.dumps(event))
    copied["input"]["detail"]["object"] |= {"version-id": f"v{hours}", "sequencer": f"0{hours}FF", **changes}
    copied["input"]["time"] = f"2026-11-26T{hours:02d}:00:00Z"
    return copied


def runs(machine: "SFNClient", name: str, claim: Event, outcome: str, **more: str) -> Event:
    """A whole run, of which one file is checked; what its check is asked."""
    me = begun(machine, name)
    handler(claim | me, None)
    (drop,) = handler(load("claim_drop_collect") | me, None)["drops"]
    told = {key: drop[key] for key in ("id", "key", "kind", "mode")} | {"outcome": outcome, **more}
    handler(load("claim_drop_finish") | me | {"drops": [told]}, None)
    return dict(drop["request"])


def test_a_history_is_compared_with_the_one_that_was_imported_last(
    machine: "SFNClient", table: "DynamoDBClient"
) -> None:
    assert runs(machine, "run-a", later(CLAIM, 1), "imported", content="A")["known"] is None
    earlier = {"content": "A", "key": KEY, "run": "run-a"}
    assert runs(machine, "run-a2", later(CLAIM, 2), "alreadyHandled", reason="the same", content="")["known"] == earlier
    (handled,) = [claim for claim in claims(table) if claim["run"]["S"] == "run-a2"]
    assert (handled["state"]["S"], handled["reason"]["S"], handled["runs"]) == ("done", "the same", {"L": []})
    # A is still the one that was imported last.
    assert runs(machine, "run-b", later(CLAIM, 3), "imported", content="B")["known"] == earlier
    assert runs(machine, "run-a3", later(CLAIM, 4), "imported", content="A")["known"] == earlier | {
        "content": "B", "run": "run-b",
    }  # fmt: skip
    # What was added since is not in the file.
    key = KEY.replace("interactions/", "interactions/incremental/")
    assert runs(machine, "run-more", later(CLAIM, 5, key=key), "imported")["known"] is None
    assert runs(machine, "run-a4", later(CLAIM, 6), "imported", content="A")["known"] is None


def test_a_report_compares_with_the_last_import_of_its_kind_and_mode(machine: "SFNClient") -> None:
    more = KEY.replace("interactions/", "interactions/incremental/")
    assert runs(machine, "run-a", later(CLAIM, 1), "imported")["last"] is None
    assert runs(machine, "run-b", later(CLAIM, 2, key=more), "imported")["last"] is None
    assert runs(machine, "run-c", later(CLAIM, 3), "refused", reason="bad")["last"] == {"key": KEY, "run": "run-a"}
    assert runs(machine, "run-d", later(CLAIM, 4), "imported")["last"] == {"key": KEY, "run": "run-a"}
    assert runs(machine, "run-e", later(CLAIM, 5, key=more), "imported")["last"] == {"key": more, "run": "run-b"}
    claimed = runs(machine, "run-f", later(CLAIM, 6), "imported")
    assert (claimed["last"], claimed["since"]) == ({"key": KEY, "run": "run-d"}, {"key": more, "run": "run-e"})
    assert runs(machine, "run-g", later(CLAIM, 7), "imported")["since"] is None


@pytest.mark.parametrize("kind", ["users", "items", "actions"])
def test_a_drop_is_compared_with_the_ids_that_were_imported_last(machine: "SFNClient", kind: str) -> None:
    whole = KEY.replace("interactions/", f"{kind}/")
    more = whole.replace(f"{kind}/", f"{kind}/incremental/")
    assert runs(machine, "run-a", later(CLAIM, 1, key=whole), "imported")["ids"] == {}
    assert runs(machine, "run-b", later(CLAIM, 2, key=more), "imported")["ids"] == {kind: ["run-a"]}
    me = begun(machine, "run-c")
    handler(later(CLAIM, 3, key=whole) | me, None)
    (drop,) = handler(load("claim_drop_collect") | me, None)["drops"]
    assert drop["request"]["ids"] == {kind: ["run-b"]}
    told = {key: drop[key] for key in ("id", "key", "kind", "mode")} | {"outcome": "imported"}
    handler(load("claim_drop_finish") | me | {"drops": [told], "failure": "Broken: it", "imported": []}, None)
    # The import failed, so the ids are still those before.
    assert runs(machine, "run-d", later(CLAIM, 4), "imported")["ids"] == {kind: ["run-b"]}


def test_what_failed_is_not_handled_already(machine: "SFNClient") -> None:
    me = begun(machine, "run-a")
    handler(later(CLAIM, 1) | me, None)
    (drop,) = handler(load("claim_drop_collect") | me, None)["drops"]
    told = {key: drop[key] for key in ("id", "key", "kind", "mode")} | {"outcome": "imported", "content": "A"}
    end = {"drops": [told], "failure": "Broken: it", "imported": ["interactions"]}
    handler(load("claim_drop_finish") | me | end, None)
    assert runs(machine, "run-a2", later(CLAIM, 2), "imported", content="A")["known"] is None


@pytest.mark.parametrize(("outcome", "state"), [("settings", "done"), ("held", "held"), ("imported", "failed")])
def test_what_was_settled_before_the_failure_is_not_asked_for_again(
    machine: "SFNClient", table: "DynamoDBClient", outcome: str, state: str
) -> None:
    """Beside a file that is refused: settings hold, and what is too little for an import waits for more."""
    begun(machine)
    handler(CLAIM, None)
    (drop,) = handler(load("claim_drop_collect"), None)["drops"]
    told = {name: drop[name] for name in ("id", "key", "kind", "mode")} | {"outcome": outcome}
    handler(load("claim_drop_finish") | {"drops": [told], "failure": "Rejected: another file", "imported": []}, None)
    (claim,) = claims(table)
    assert claim["state"]["S"] == state


def test_what_is_imported_stays_so_when_the_run_that_goes_on_fails_early(
    machine: "SFNClient", table: "DynamoDBClient"
) -> None:
    begun(machine)
    for step in ("claim", "collect"):
        handler(load(f"claim_drop_{step}"), None)
    finish = load("claim_drop_finish") | {"failure": "Broken: it"}
    handler(finish | {"imported": ["interactions"]}, None)
    again = begun(machine, "again")
    request = {"action": "continue", "shop": "demo", "run": finish["run"]}
    assert handler(CLAIM | again | {"input": request}, None)["outcome"] == "leads"
    assert len(handler(load("claim_drop_collect") | again | {"again": finish["run"]}, None)["drops"]) == 1
    handler(finish | again | {"imported": []}, None)
    (record,) = claims(table)
    assert (record["run"], record["loaded"]) == ({"S": again["run"]}, {"BOOL": True})


@pytest.mark.parametrize(("recipes", "state"), [([], "done"), (["popularity-count"], "failed")])
def test_a_retraining_of_all_recipes_has_what_failed_after_its_import(
    recipes: list[str], state: str, machine: "SFNClient", table: "DynamoDBClient"
) -> None:
    begun(machine)
    for step in ("claim", "collect"):
        handler(load(f"claim_drop_{step}"), None)
    handler(load("claim_drop_finish") | {"failure": "Broken: it", "imported": ["interactions"]}, None)
    wish = begun(machine, "wish")
    request = {"action": "retrain", "shop": "demo", "recipes": recipes}
    assert handler(CLAIM | wish | {"input": request}, None)["outcome"] == "leads"
    (drop,) = handler(load("claim_drop_collect") | wish, None)["drops"]
    told = {**{key: drop[key] for key in ("id", "also", "key", "kind", "mode")}, "outcome": "retrained"}
    for step in ("hold", "finish"):
        handler(load("claim_drop_finish") | wish | {"step": step, "drops": [told]}, None)
    states = {record["kind"]["S"]: record["state"]["S"] for record in claims(table)}
    assert states == {"interactions": state, "retrain": "done"}


def test_what_came_meanwhile_starts_the_run_that_follows_once(machine: "SFNClient") -> None:
    begun(machine)
    for step in ("claim", "collect"):
        handler(load(f"claim_drop_{step}"), None)
    again = {"00617F08299329D189": "00617F08299329D18A", "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e": "another"}
    late = CLAIM["input"]
    for seen, then in again.items():
        late = json.loads(json.dumps(late).replace(seen, then))
    assert handler(CLAIM | begun(machine, "late") | {"input": late}, None)["outcome"] == "queued"
    named = {handler(load("claim_drop_finish"), None)["next"] for _ in range(2)}
    assert len(named) == 1
    execution = machine.describe_execution(executionArn=f"{CLAIM['execution'].rpartition(':')[0]}:{named.pop()}")
    assert json.loads(execution["input"]) == {"action": "continue", "shop": "demo"}


@pytest.mark.parametrize(
    ("started", "reason"),
    [
        ({"action": "explode", "shop": "demo"}, "not explode"),
        ({"detail": {"bucket": {"name": "b"}, "object": {"key": "drops/demo/orders/a.csv"}}}, "not orders"),
    ],
)
def test_what_is_none_of_ours_is_refused(machine: "SFNClient", started: object, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        handler(CLAIM | begun(machine) | {"input": started}, None)


def test_a_manifest_outside_a_folder_is_refused_once_though_two_rules_take_it(
    machine: "SFNClient", table: "DynamoDBClient"
) -> None:
    late = {"version-id": "v1", "key": KEY.rpartition("/")[0] + "/manifest.json"}
    event = later(CLAIM, 1, **late)
    with pytest.raises(Rejected, match="a manifest belongs beside its parts, in a folder of their own"):
        handler(event | begun(machine, "run-a"), None)
    done = handler(event | begun(machine, "run-b"), None)
    assert (done["outcome"], done["by"]) == ("alreadyHandled", "run-a")
    # The run that was refused may be told once more.
    with pytest.raises(Rejected, match="a manifest belongs beside its parts"):
        handler(event | begun(machine, "run-a"), None)
    assert [claim["state"]["S"] for claim in claims(table)] == ["refused"]


def test_a_folder_marker_is_nothing(machine: "SFNClient", table: "DynamoDBClient") -> None:
    marker = {"detail": {"bucket": {"name": "b"}, "object": {"key": "drops/demo/items/"}}}
    assert handler(CLAIM | begun(machine) | {"input": marker}, None)["outcome"] == "nothing"
    assert claims(table) == []


def test_a_step_that_nobody_knows_is_broken(machine: "SFNClient") -> None:
    with pytest.raises(Broken, match="the step's input"):
        handler(CLAIM | begun(machine) | {"step": "guess"}, None)
