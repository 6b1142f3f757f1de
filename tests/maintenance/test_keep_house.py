# SPDX-License-Identifier: Apache-2.0
import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core.aws import clients
from personalization.core.names import on_backend
from personalization.engine import folding
from personalization.engine.records import put
from personalization.maintenance import daily
from personalization.runs import leases
from personalization.shop.records import dataset_groups, release_store

from functions.keep_house.app import ACCOUNT, STORE, handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.queues import Context
from tests.handlers.samples import BUCKET, RELEASE, TABLE, Drop, judged, load, served
from tests.handlers.variables import changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

DAY = 86_400


def aged(kind: str, name: str, days: float) -> dict[str, Any]:
    return {"name": name, f"{kind}Arn": f"{ARN}:{kind}/{name}", "creationDateTime": time.time() - days * DAY}


def work() -> dict[str, Any]:
    return handler(load("keep_house"), Context())  # type: ignore[arg-type]


@pytest.mark.usefixtures("demo", "bucket", "personalize")
def test_the_age_of_a_release_is_a_metric(capsys: pytest.CaptureFixture[str]) -> None:
    (days,) = work()["days"].values()
    assert isinstance(days, float)
    assert '"DaysSincePromotion":' in capsys.readouterr().out


@pytest.mark.usefixtures("bucket", "personalize")
@pytest.mark.parametrize(("found_from", "days"), [(("", ""), 1), (("", "old"), 1), (("old", "old"), 7)])
def test_a_promotion_of_what_was_there_before_makes_no_release_younger(
    found_from: tuple[str, ...], days: int, table: "DynamoDBClient"
) -> None:
    def ago(number: int) -> str:
        return datetime.fromtimestamp(time.time() - number * DAY, UTC).isoformat(timespec="seconds")

    campaigns = {
        f"recipe-{number}": served("arn", "v", foundFrom=ago(7) if is_known else "")
        for number, is_known in enumerate(found_from)
    }
    release_store.put(
        table, TABLE, {**RELEASE, "shop": "same", "promotedAt": ago(1), "campaigns": campaigns, "record": "release"}
    )
    try:
        assert work()["days"]["same"] == days
    finally:
        table.delete_item(TableName=TABLE, Key={"shop": {"S": "same"}, "record": {"S": "release"}})


@pytest.mark.usefixtures("table", "bucket")
def test_old_schemas_of_ours_that_nobody_has_go(personalize: FakePersonalize) -> None:
    ours, others = "retail-items-0123456789ab", "retail-other-0123456789ab"
    young = "retail-users-0123456789ab"
    schemas = [aged("schema", ours, 31), aged("schema", others, 99), aged("schema", young, 29)]
    personalize.says("ListSchemas", {"schemas": schemas})
    assert work()["schemas"] == [ours]
    personalize.fails("DeleteSchema", "ResourceInUseException")
    assert work()["schemas"] == []


@pytest.fixture
def empty(table: "DynamoDBClient") -> "Iterator[None]":
    """No shop has records; what other tests stored comes back afterwards."""

    def emptied() -> list[Any]:
        items = table.scan(TableName=TABLE)["Items"]
        for item in items:
            table.delete_item(TableName=TABLE, Key={name: item[name] for name in ("shop", "record")})
        return items

    before = emptied()
    yield
    emptied()
    for item in before:
        table.put_item(TableName=TABLE, Item=item)


@pytest.mark.usefixtures("bucket", "empty")
def test_where_all_shops_were_always_on_the_engine_amazon_personalize_is_not_asked(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    engine = on_backend(f"{ARN}:dataset-group/retail-demo", "engine")
    release_store.put(table, TABLE, {**RELEASE, "datasetGroupArn": engine, "campaigns": {}})
    dataset_groups.note(table, TABLE, "demo", engine)
    work()
    assert personalize.operations() == []
    dataset_groups.note(table, TABLE, "moved", f"{ARN}:dataset-group/retail-moved")
    work()
    assert personalize.operations() == ["ListSchemas"]


@pytest.mark.usefixtures("demo")
def test_old_filters_that_neither_release_nor_settings_name_go(personalize: FakePersonalize, drop: Drop) -> None:
    drop("drops/demo/settings.yaml", "filters: {wanted: x}")
    names = [f"retail-demo-{name}" for name in ("not-purchased", "wanted", "unused", "young")]
    filters = [aged("filter", name, 1 if name.endswith("young") else 31) for name in names]
    personalize.says("ListFilters", {"Filters": filters})
    assert work()["filters"] == ["retail-demo-unused"]
    assert personalize.body_of("DeleteFilter") == {"filterArn": f"{ARN}:filter/retail-demo-unused"}


def release(solution: str, day: int, record: str = "") -> dict[str, Any]:
    """A release whose one campaign serves from this solution of the shop `kept`."""
    at = f"2026-11-{day:02d}T08:30:00Z"
    entry = served(f"{ARN}:campaign/retail-kept-similar-items", f"{ARN}:solution/{solution}/{day}")
    whole = {**RELEASE, "shop": "kept", "promotedAt": at, "campaigns": {"similar-items": entry}}
    return {**whole, "record": record or f"release#{at}"}


@pytest.mark.usefixtures("bucket")
def test_a_solution_that_no_release_may_go_back_to_goes_with_its_releases(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    first, second, third, last = (
        f"retail-kept-similar-items{suffix}" for suffix in ("-23cdef", "-0123ab", "-4567cd", "-89abef")
    )
    for record in (release(first, 1), release(second, 2), release(third, 3), release(third, 3, "release")):
        release_store.put(table, TABLE, record)
    release_store.put(table, TABLE, judged("kept", "run", "2026-11-04", {"similar-items": f"{ARN}:solution/{last}/4"}))
    there = [aged("solution", name, 9) | {"status": "ACTIVE"} for name in (first, second, third, last, "retail-kept-x")]
    personalize.says("ListSolutions", {"solutions": there})
    personalize.fails("DeleteSolution", "ResourceInUseException")
    personalize.says("DeleteSolution", {})
    # Personalize refuses what a campaign serves from: its release stays, too.
    assert work()["solutions"] == []
    assert work()["solutions"] == [first]
    assert personalize.body_of("DeleteSolution") == {"solutionArn": f"{ARN}:solution/{first}"}
    left = [key for key in release_store.sort_keys(table, TABLE, "kept") if key.startswith("release#")]
    assert left == ["release#2026-11-02T08:30:00Z", "release#2026-11-03T08:30:00Z"]


@pytest.mark.usefixtures("bucket")
@pytest.mark.usefixtures("demo")
def test_of_a_segment_recipe_that_jobs_ask_for_the_newest_solution_stays_while_no_job_is_at_work(
    personalize: FakePersonalize, table: "DynamoDBClient", bucket: "S3Client"
) -> None:
    names = {"item-affinity-aaaaaa": 3, "item-affinity-bbbbbb": 9, "item-attribute-affinity-aaaaaa": 1, "other": 9}
    there = [aged("solution", f"retail-demo-{name}", days) | {"status": "ACTIVE"} for name, days in names.items()]
    serving = aged("solution", "x", 3) | {"status": "ACTIVE"}
    personalize.says("ListSolutions", {"solutions": [*there, serving]})
    settings = "batch: {fans: {segment: {recipe: item-affinity, items: [i1]}}}"
    bucket.put_object(Bucket=BUCKET, Key="drops/demo/settings.yaml", Body=settings)
    mark = f"{leases.BATCH}retail-demo-fans-1"
    release_store.put(table, TABLE, {"shop": "demo", "record": mark, "until": 1})
    assert work()["solutions"] == []
    release_store.delete(table, TABLE, "demo", mark)
    assert work()["solutions"] == ["retail-demo-item-affinity-bbbbbb", "retail-demo-item-attribute-affinity-aaaaaa"]
    bucket.put_object(Bucket=BUCKET, Key="drops/demo/settings.yaml", Body="batch: nonsense")
    assert work()["solutions"] == []


def taken(table: "DynamoDBClient") -> tuple[str, ...]:
    """Take a shop's records out of the table, and return their sort keys."""
    keys = release_store.sort_keys(table, TABLE, "kept")
    for key in keys:
        release_store.delete(table, TABLE, "kept", key)
    return keys


def test_a_release_whose_solution_has_gone_is_none_to_go_back_to(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    first, second, third = (f"retail-kept-similar-items{suffix}" for suffix in ("-23cdef", "-0123ab", "-4567cd"))
    for release_record in (release(first, 1), release(second, 2), release(third, 3), release(third, 3, "release")):
        release_store.put(table, TABLE, release_record)
    active = [aged("solution", name, 9) | {"status": "ACTIVE"} for name in (first, third)]
    personalize.says("ListSolutions", {"solutions": active})
    work()
    assert taken(table) == ("release", "release#2026-11-01T08:30:00Z", "release#2026-11-03T08:30:00Z")


def test_a_release_of_both_backends_stays_while_either_has_its_solutions(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    engine = ARN.replace(":personalize:", ":engine:")
    older, there, gone = (release("retail-kept-similar-items-4567cd", day) for day in (3, 1, 2))
    for name, entry in (("there", there), ("gone", gone)):
        arn = f"{engine}:solution/retail-kept-similar-items-{name}"
        entry["campaigns"] = {
            **entry["campaigns"],
            "engine/similar-items": served(f"{engine}:campaign/retail-kept-similar-items", f"{arn}/1"),
        }
    for record in (there, gone, older, {**older, "record": "release"}):
        release_store.put(table, TABLE, record)
    group = f"{engine}:dataset-group/{str(RELEASE['datasetGroupArn']).rpartition('/')[2]}"
    solution = {**aged("solution", "retail-kept-similar-items-there", 9), "status": "ACTIVE", "datasetGroupArn": group}
    solution |= {"solutionArn": f"{engine}:solution/retail-kept-similar-items-there", "creationDateTime": 0.0}
    put(ACCOUNT.records, "solution", solution["solutionArn"], solution)
    active = [aged("solution", "retail-kept-similar-items-4567cd", 9) | {"status": "ACTIVE"}]
    personalize.says("ListSolutions", {"solutions": active})
    work()
    assert taken(table) == ("release", "release#2026-11-01T08:30:00Z", "release#2026-11-03T08:30:00Z")


def test_a_list_without_what_serves_says_nothing_about_releases() -> None:
    every = daily.ShopRecords.read("kept", (release("a", 1), release("b", 2), release("b", 2, "release")))
    assert daily.unreturnable({f"{ARN}:solution/b"}, every) == ("release#2026-11-01T08:30:00Z",)
    assert daily.unreturnable(set(), every) == ()


@pytest.mark.usefixtures("demo")
def test_unreadable_settings_keep_all_filters(personalize: FakePersonalize, drop: Drop) -> None:
    drop("drops/demo/settings.yaml", "filters: [")
    personalize.says("ListFilters", {"Filters": [aged("filter", "retail-demo-unused", 99)]})
    assert work()["filters"] == []


@pytest.mark.usefixtures("demo", "bucket")
def test_nothing_is_deleted_beside_a_run(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    release_store.put(table, TABLE, {"shop": "demo", "record": "lease", "owner": "run-1"})
    personalize.says("ListFilters", {"Filters": [aged("filter", "retail-demo-unused", 99)]})
    personalize.says("ListSchemas", {"schemas": [aged("schema", "retail-items-0123456789ab", 99)]})
    try:
        assert (work()["filters"], work()["schemas"]) == ([], [])
    finally:
        table.delete_item(TableName=TABLE, Key={"shop": {"S": "demo"}, "record": {"S": "lease"}})
    assert RELEASE["shop"] == "demo"


def at(number: int) -> str:
    return f"2026-01-{number + 1:02d}T00:00:00Z" if number < 31 else f"2026-02-{number - 30:02d}T00:00:00Z"


def versions(name: str) -> dict[str, Any]:
    return {"popularity-count": served("arn:c", name)}


def remembered(table: "DynamoDBClient", start: str) -> list[str]:
    items = table.scan(TableName=TABLE)["Items"]
    return sorted(
        item["record"]["S"] for item in items if item["shop"]["S"] == "old" and item["record"]["S"].startswith(start)
    )


@pytest.mark.usefixtures("bucket", "personalize")
def test_old_releases_and_judged_runs_are_forgotten_but_not_what_a_rollback_needs(table: "DynamoDBClient") -> None:
    """Forty releases, of which all but the first serve the same version."""
    for number in range(40):
        record = {
            **RELEASE,
            "shop": "old",
            "promotedAt": at(number),
            "campaigns": versions("new" if number else "first"),
        }
        release_store.put(table, TABLE, {**record, "record": f"release#{at(number)}"})
        release_store.put(table, TABLE, judged("old", f"r{number}", at(number), {}))
    release_store.put(table, TABLE, {**record, "record": "release"})
    assert work()["records"] == 39
    assert remembered(table, "release#") == [f"release#{at(number)}" for number in (0, *range(10, 40))]
    assert remembered(table, "candidate#") == [f"candidate#r{number}" for number in range(30, 40)]
    assert work()["records"] == 0


@pytest.mark.usefixtures("bucket", "personalize")
def test_records_of_a_shop_with_a_run_at_work_are_kept(table: "DynamoDBClient") -> None:
    for number in range(12):
        release_store.put(table, TABLE, judged("busy", f"r{number}", at(number), {}))
    release_store.put(table, TABLE, {"shop": "busy", "record": "lease", "owner": "run-1"})
    assert work()["records"] == 0
    table.delete_item(TableName=TABLE, Key={"shop": {"S": "busy"}, "record": {"S": "lease"}})
    assert work()["records"] == 2


@pytest.fixture
def _listed_before(monkeypatch: pytest.MonkeyPatch) -> "Iterator[None]":
    """A key that is a month and a day old, and all rounds look at it before one renews it."""
    client = clients.secretsmanager()
    client.create_secret(Name="old-key", SecretString="1" * 64)
    listed = client.list_secret_version_ids(SecretId="old-key")
    listed["Versions"][0]["CreatedDate"] = datetime.now(UTC) - timedelta(days=32)
    monkeypatch.setattr(client, "list_secret_version_ids", lambda **_: listed)
    with changed("LIST_ID_KEYS", "old-key"):
        yield
    client.delete_secret(SecretId="old-key", ForceDeleteWithoutRecovery=True)


def keys() -> list[str]:
    """The key that signs, and the one before."""
    get = clients.secretsmanager().get_secret_value
    return [get(SecretId="old-key", VersionStage=stage)["SecretString"] for stage in ("AWSCURRENT", "AWSPREVIOUS")]


@pytest.mark.usefixtures("table", "bucket", "personalize", "_listed_before")
def test_the_key_of_list_ids_is_renewed_after_a_month_by_one_of_two_rounds() -> None:
    assert work()["listKeyRenewed"]
    renewed, before = keys()
    assert len(renewed) == 64
    assert before == "1" * 64 != renewed
    assert not work()["listKeyRenewed"]
    assert keys() == [renewed, before]


@pytest.mark.usefixtures("table", "bucket", "personalize", "_listed_before")
def test_the_key_of_list_ids_is_renewed_before_events_take_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "fold_all", lambda *_: pytest.fail("killed"))
    with pytest.raises(pytest.fail.Exception):
        work()
    assert keys()[1] == "1" * 64


def test_events_that_no_time_is_left_for_wait_for_the_next_round(table: "DynamoDBClient", bucket: "S3Client") -> None:
    arn = "arn:aws:engine:us-east-1:123456789012:dataset-group/retail-late"
    group = {"datasetGroupArn": arn, "name": "retail-late", "creationDateTime": 0.0}
    record = {"shop": "~engine", "record": "datasetGroup#dataset-group/retail-late", "body": json.dumps(group)}
    release_store.put(table, TABLE, record)
    bucket.put_object(Bucket=BUCKET, Key="events/late/2026/12/01/a.csv", Body=b"no copy")
    outcomes = folding.fold_all(STORE, ACCOUNT, lambda: True)
    release_store.delete(table, TABLE, record["shop"], record["record"])
    assert "no time was left" in str(outcomes["retail-late"])


@pytest.mark.usefixtures("table", "bucket", "personalize")
def test_a_young_key_of_list_ids_stays() -> None:
    assert not work()["listKeyRenewed"]
