# SPDX-License-Identifier: Apache-2.0
"""The sweep: drops that no run is going to handle get one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from personalization.core.errors import Rejected
from personalization.runs import batches
from personalization.runs.claims import Claim, later
from personalization.runs.store import DynamoLedger, list_recent
from personalization.shop.records import release_store

from functions.claim_drop import app as claim_drop
from functions.remove_shop import app as remove_shop
from functions.sweep_drops import app
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import TABLE, Event, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_stepfunctions import SFNClient

pytestmark = pytest.mark.usefixtures("aws")

CLAIM = load("claim_drop_claim")
STOPPED = load("sweep_drops")
MACHINE = CLAIM["machine"]
SWEPT = "retail-swept"
KEY = "drops/demo/interactions/a.csv"
AT_ONCE = {"minutes": 0}


@dataclass(frozen=True)
class Context:
    """Of one asynchronous call: Lambda's retries have the same id."""

    aws_request_id: str = "9c3f1f0e-6f1d-4c55-9a53-0d7c9b1f2a3e"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:retail-SweepDropsFunction-1a2b3c"


LAMBDA: Any = Context()


def sweep(event: Event) -> list[str]:
    """The notes of one sweep."""
    answer = app.handler(event, LAMBDA)
    notes = answer["started"]
    assert isinstance(notes, list)
    return notes


@pytest.fixture
def machine(table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch) -> Iterator["SFNClient"]:
    """A machine whose executions run until they are stopped, and a table without claims and leases."""
    monkeypatch.setenv("RETRAIN_MACHINE_ARN", MACHINE)
    client = boto3.client("stepfunctions")
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 9999, "End": True}}}
    role, name = "arn:aws:iam::123456789012:role/machine", MACHINE.rpartition(":")[2]
    client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
    yield client
    client.delete_state_machine(stateMachineArn=MACHINE)
    for item in table.scan(TableName=TABLE)["Items"]:
        if item["record"]["S"] != "release":
            table.delete_item(TableName=TABLE, Key={"shop": item["shop"], "record": item["record"]})


@pytest.fixture(autouse=True)
def swept(aws: FakePersonalize, monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:  # noqa: ARG001
    """A drop bucket with versions, empty."""
    monkeypatch.setenv("BUCKET", SWEPT)
    client = boto3.client("s3")
    client.create_bucket(Bucket=SWEPT)
    client.put_bucket_versioning(Bucket=SWEPT, VersioningConfiguration={"Status": "Enabled"})
    yield client
    boto3.resource("s3").Bucket(SWEPT).object_versions.delete()
    client.delete_bucket(Bucket=SWEPT)


def claims(table: "DynamoDBClient") -> list[dict[str, Any]]:
    items = table.scan(TableName=TABLE)["Items"]
    return [item for item in items if item["record"]["S"].startswith("drop#")]


def inputs(machine: "SFNClient") -> list[Any]:
    """What the executions of the machine were started with, those of tests apart."""
    arns = [execution["executionArn"] for execution in machine.list_executions(stateMachineArn=MACHINE)["executions"]]
    return [json.loads(machine.describe_execution(executionArn=arn)["input"]) for arn in arns if "continue-" in arn]


def test_a_run_that_was_stopped_is_followed_by_another(machine: "SFNClient") -> None:
    arn = machine.start_execution(stateMachineArn=MACHINE, name=CLAIM["run"])["executionArn"]
    claim_drop.handler(CLAIM, None)
    assert sweep({}) == []
    machine.stop_execution(executionArn=arn)
    notes = sweep({})
    assert notes[0].startswith("demo: continue-demo-")
    # A retry of the same call names the same run.
    assert sweep({}) == notes
    assert inputs(machine) == [{"action": "continue", "shop": "demo"}]


def test_the_drop_of_a_run_that_was_stopped_before_its_claim_is_recorded(
    machine: "SFNClient", table: "DynamoDBClient"
) -> None:
    (note,) = sweep(STOPPED)
    assert note.startswith("demo: continue-demo-")
    (record,) = claims(table)
    assert (record["state"], record["claimedBy"]) == ({"S": "pending"}, {"S": STOPPED["detail"]["name"]})
    assert inputs(machine) == [{"action": "continue", "shop": "demo"}]


def test_nothing_is_started_where_nothing_waits(machine: "SFNClient") -> None:
    assert sweep({"source": "aws.scheduler", "detail": "{}"}) == []
    assert inputs(machine) == []


def dropped(bucket: "S3Client", key: str, content: str = "x") -> str:
    """Put an object of which no event tells; its version."""
    return bucket.put_object(Bucket=SWEPT, Key=key, Body=content.encode())["VersionId"]


def keys_of(what: str) -> list[str]:
    """The keys that a sweep has claimed or refused."""
    keys = app.handler(AT_ONCE, LAMBDA)[what]
    assert isinstance(keys, list)
    return sorted(keys)


def told(key: str, version: str, sequencer: str = "0A", at: str = "") -> Event:
    """The first step of a run that S3's event of an object has started."""
    dropped = {"key": key, "version-id": version, "sequencer": sequencer, "etag": "e"}
    time = at or datetime.now(UTC).isoformat()
    return CLAIM | {"input": {"time": time, "detail": {"bucket": {"name": SWEPT}, "object": dropped}}}


def states(table: "DynamoDBClient") -> dict[str, str]:
    """The state of each claim, by key."""
    return {claim["key"]["S"]: claim["state"]["S"] for claim in claims(table)}


def done(table: "DynamoDBClient", **more: object) -> None:
    """Every claim is handled."""
    for item in claims(table):
        values = release_store.marshal({"state": "done", **more})  # type: ignore[dict-item]
        table.put_item(TableName=TABLE, Item=item | values)


def test_what_no_event_told_of_is_claimed_and_handled_by_one_run(
    machine: "SFNClient", table: "DynamoDBClient", swept: "S3Client", scheduler: "EventBridgeSchedulerClient"
) -> None:
    settings = "schedules: [{name: weekly, every: rate(7 days)}]\n"
    files = {
        f"drops/demo/{kind}/a.csv": dropped(swept, f"drops/demo/{kind}/a.csv") for kind in ("items", "interactions")
    }
    files["drops/demo/settings.yaml"] = dropped(swept, "drops/demo/settings.yaml", settings)
    assert keys_of("claimed") == sorted(files)
    assert inputs(machine) == [{"action": "continue", "shop": "demo"}]
    assert {claim["key"]["S"]: claim["versionId"]["S"] for claim in claims(table)} == files
    assert states(table) == dict.fromkeys(files, "pending")
    # The schedules have missed their event, too.
    (timer,) = scheduler.list_schedules(GroupName="retail-schedules")["Schedules"]
    assert timer["Name"] == "demo.weekly"
    assert keys_of("claimed") == []


def test_an_event_that_comes_after_the_sweep_finds_its_claim(
    machine: "SFNClient", table: "DynamoDBClient", swept: "S3Client"
) -> None:
    version = dropped(swept, KEY)
    sweep(AT_ONCE)
    done(table)
    answer: Any = claim_drop.handler(told(KEY, version), None)
    assert answer["outcome"] == "alreadyHandled"
    assert len(claims(table)) == len(inputs(machine)) == 1


def test_an_object_is_given_ten_minutes_for_its_event(machine: "SFNClient", swept: "S3Client") -> None:
    dropped(swept, KEY)
    assert sweep({}) == []
    assert inputs(machine) == []


@pytest.mark.parametrize("minutes", [-1, "soon", True, None, 10**9])
def test_an_age_that_is_none_is_refused(minutes: object) -> None:
    with pytest.raises(Rejected, match="must be a number from 0 to 20,160"):
        sweep({"minutes": minutes})


def test_somebody_may_have_one_shop_looked_at(machine: "SFNClient", swept: "S3Client") -> None:
    for shop in ("demo", "demo-2", "other"):
        dropped(swept, f"drops/{shop}/items/a.csv")
    (note,) = sweep(AT_ONCE | {"shop": "demo"})
    assert note.startswith("demo: ")
    assert inputs(machine) == [{"action": "continue", "shop": "demo"}]
    with pytest.raises(Rejected, match="must be 1 to 30 characters"):
        sweep({"shop": "No Shop"})


@pytest.mark.usefixtures("machine")
def test_what_is_older_than_the_newest_whole_history_is_left_alone(table: "DynamoDBClient", swept: "S3Client") -> None:
    dropped(swept, "drops/demo/interactions/incremental/old.csv")
    dropped(swept, "drops/demo/users/old.csv")
    hence = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    claim_drop.handler(told(KEY, dropped(swept, KEY), at=hence), None)
    done(table)
    assert keys_of("claimed") == ["drops/demo/users/old.csv"]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("lost", ["first", "second", "both"])
def test_of_one_key_the_newest_version_is_handled(lost: str, table: "DynamoDBClient", swept: "S3Client") -> None:
    first, second = dropped(swept, KEY, "first"), dropped(swept, KEY, "second")
    events = {"first": told(KEY, first, "0A"), "second": told(KEY, second, "0B")}
    for name in {"first", "second"} - {lost} if lost != "both" else set():
        claim_drop.handler(events[name], None)
    assert len(claims(table)) == (0 if lost == "both" else 1)
    sweep(AT_ONCE)
    assert {claim["versionId"]["S"] for claim in claims(table)} == {first, second}
    # Both events come at last, the first one with the sequencer that is older.
    for name in ("second", "first"):
        claim_drop.handler(events[name] | {"run": name}, None)
    every_claim = [Claim.read(release_store.unmarshal(claim)) for claim in claims(table)]
    assert [choice.claim.version_id for choice in batches.choose(every_claim, "any").chosen] == [second]
    (newest,) = [claim for claim in every_claim if claim.version_id == second]
    assert (newest.state, later(newest, every_claim)) == ("pending", None)


@pytest.mark.usefixtures("machine")
def test_a_lost_version_follows_the_one_before_it_in_the_same_second(
    table: "DynamoDBClient", swept: "S3Client"
) -> None:
    first, second = dropped(swept, KEY, "first"), dropped(swept, KEY, "second")
    # As EventBridge writes times, which have no fractions of a second.
    moment = swept.head_object(Bucket=SWEPT, Key=KEY)["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ")
    claim_drop.handler(told(KEY, first, at=moment), None)
    done(table)
    sweep(AT_ONCE)
    every_claim = [Claim.read(release_store.unmarshal(claim)) for claim in claims(table)]
    assert [choice.claim.version_id for choice in batches.choose(every_claim, "any").chosen] == [second]


def test_what_was_deleted_or_is_no_drop_is_left_alone(
    machine: "SFNClient", table: "DynamoDBClient", swept: "S3Client"
) -> None:
    for key in ("drops/demo/items/", "drops/demo/items/_SUCCESS", "drops/.DS_Store", "drops/demo/users/gone.csv"):
        dropped(swept, key)
    swept.delete_object(Bucket=SWEPT, Key="drops/demo/users/gone.csv")
    swept.put_object(Bucket=SWEPT, Key="imports/demo/run/items/a.csv", Body=b"")
    assert sweep(AT_ONCE) == []
    assert (claims(table), inputs(machine)) == ([], [])


@pytest.mark.usefixtures("machine")
def test_a_marker_is_a_lost_drop_and_its_parts_are_none(table: "DynamoDBClient", swept: "S3Client") -> None:
    folder = "drops/demo/interactions/incremental/2026-11/"
    for name in ("part-0.csv", "part-1", ".part-0.csv.crc", "_SUCCESS"):
        dropped(swept, folder + name)
    assert keys_of("claimed") == [f"{folder}_SUCCESS"]
    (claim,) = [Claim.read(release_store.unmarshal(claim)) for claim in claims(table)]
    assert (claim.kind, claim.mode, claim.state) == ("interactions", "INCREMENTAL", "pending")


@pytest.mark.usefixtures("machine")
def test_what_was_written_without_versions_is_left_to_its_event(table: "DynamoDBClient", swept: "S3Client") -> None:
    swept.put_bucket_versioning(Bucket=SWEPT, VersioningConfiguration={"Status": "Suspended"})
    etag = swept.put_object(Bucket=SWEPT, Key=KEY, Body=b"x")["ETag"]
    assert sweep(AT_ONCE) == []
    # The same bytes again are another drop: only the sequencer says so.
    for sequencer in ("0A", "0B"):
        event = told(KEY, "null", sequencer)
        event["input"]["detail"]["object"]["etag"] = etag
        claim_drop.handler(event, None)
    assert len(claims(table)) == 2
    assert keys_of("claimed") == []


def test_a_key_that_breaks_a_rule_is_refused_once(
    machine: "SFNClient", table: "DynamoDBClient", swept: "S3Client"
) -> None:
    keys = {"drops/demo/orders/a.csv": "demo", "drops/My Shop/items/a.csv": "-"}
    versions = {key: dropped(swept, key) for key in keys}
    # A list of users for batch jobs is no drop, and breaks no rule.
    dropped(swept, "drops/demo/lists/loyal.csv")
    assert keys_of("refused") == sorted(keys)
    started = {
        execution["name"]: json.loads(machine.describe_execution(executionArn=execution["executionArn"])["input"])
        for execution in machine.list_executions(stateMachineArn=MACHINE)["executions"]
    }
    assert {started_input["detail"]["object"]["key"] for started_input in started.values()} == set(keys)
    for name, event in started.items():
        # The run fails at its first step and is announced, as if its event had come. A retry of the step fails too.
        for _ in range(2):
            with pytest.raises(Rejected):
                claim_drop.handler(CLAIM | {"run": name, "input": event}, None)
    assert {claim["key"]["S"]: claim["shop"]["S"] for claim in claims(table)} == keys
    assert set(states(table).values()) == {"refused"}
    assert app.handler(AT_ONCE, LAMBDA) == {"claimed": [], "refused": [], "started": []}
    # Nor is the event refused again that comes after all.
    for key, version in versions.items():
        answer: Any = claim_drop.handler(told(key, version) | {"run": "late"}, None)
        assert answer["outcome"] == "alreadyHandled"


def test_what_a_removed_shop_had_dropped_stays_where_it_is(
    machine: "SFNClient",
    table: "DynamoDBClient",
    swept: "S3Client",
    scheduler: "EventBridgeSchedulerClient",  # noqa: ARG001 - the group of its schedules
    personalize: FakePersonalize,  # noqa: ARG001 - has nothing
) -> None:
    dropped(swept, "drops/gone/items/a.csv")
    assert keys_of("claimed") == ["drops/gone/items/a.csv"]
    done(table)
    arn = machine.start_execution(stateMachineArn=MACHINE, name="removal")["executionArn"]
    remove_shop.handler({"step": "forget", "shop": "gone", "run": "removal", "execution": arn}, None)
    assert claims(table) == []
    assert keys_of("claimed") == []
    # What comes after it is a shop's again.
    ago = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    release_store.put(table, TABLE, {"shop": "-", "record": "removed#gone", "at": ago})
    assert keys_of("claimed") == ["drops/gone/items/a.csv"]


def test_a_bucket_that_is_too_large_for_one_sweep_is_read_on_by_the_next() -> None:
    moment, client = datetime(2026, 11, 25, tzinfo=UTC), boto3.client("s3")

    def page(*keys: str, more: bool = True) -> Any:  # noqa: ANN401 - as boto3 has it
        versions = [{"Key": key, "VersionId": f"v-{key}", "LastModified": moment, "IsLatest": True} for key in keys]
        tokens = {"NextKeyMarker": keys[-1], "NextVersionIdMarker": f"v-{keys[-1]}"} if more else {}
        return {"IsTruncated": more, "Versions": versions, **tokens}

    request: dict[str, Any] = {"Bucket": SWEPT, "Prefix": "drops/"}
    with Stubber(client) as s3:
        s3.add_response("list_object_versions", page("drops/a"), request)
        further = request | {"KeyMarker": "drops/a", "VersionIdMarker": "v-drops/a"}
        s3.add_response("list_object_versions", page("drops/b"), further)
        s3.add_response("list_object_versions", page("drops/c", more=False), request | {"KeyMarker": "drops/b"})
        first, until = list_recent(client, SWEPT, "drops/", moment, most=2)
        second, end = list_recent(client, SWEPT, "drops/", moment, until, most=2)
    assert ([upload.key for upload in first], until) == (["drops/a", "drops/b"], "drops/b")
    assert ([upload.key for upload in second], end) == (["drops/c"], "")


def test_the_next_sweep_begins_where_the_last_one_stopped(
    machine: "SFNClient", table: "DynamoDBClient", swept: "S3Client"
) -> None:
    for shop in ("a", "b"):
        dropped(swept, f"drops/{shop}/items/a.csv")
    DynamoLedger(table, TABLE, datetime.now(UTC)).sweep_on("drops/a/items/a.csv")
    assert keys_of("claimed") == ["drops/b/items/a.csv"]
    assert keys_of("claimed") == ["drops/a/items/a.csv"]
    assert {input_["shop"] for input_ in inputs(machine)} == {"a", "b"}
