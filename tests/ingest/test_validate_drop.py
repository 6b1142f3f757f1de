# SPDX-License-Identifier: Apache-2.0
import csv
import io
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow
import pytest
from moto.s3.models import s3_backends
from openpyxl import Workbook
from personalization.core.aws import objects
from personalization.core.errors import Broken, Rejected, RetryLater
from personalization.ingest import sales as sold
from personalization.shop.plan import Plan
from pyarrow import parquet
from table_intake.read import archives

from functions.import_data.app import handler as import_data
from functions.validate_drop.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, Drop, Event, interactions, load

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "personalize")
HISTORY = "drops/demo/interactions/history.csv"
MORE = "drops/demo/interactions/incremental/"
ITEMS = "drops/demo/items/items.csv"


def copied(bucket: "S3Client", event: Event, kind: str) -> list[str]:
    key = f"imports/demo/{event['run']}/{kind}/part-0.csv"
    return bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode().splitlines()


def report(bucket: "S3Client", event: Event, kind: str = "interactions") -> Any:  # noqa: ANN401 - it is JSON
    key = f"reports/demo/{event['run']}/data-{kind}.json"
    return json.loads(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def rejected(bucket: "S3Client", event: Event, kind: str) -> list[list[str]]:
    body = bucket.get_object(Bucket=BUCKET, Key=f"rejects/demo/{event['run']}/{kind}.csv")["Body"].read().decode()
    header, *rows = csv.reader(io.StringIO(body))
    assert header == ["line", "reason", "row"]
    return rows


def copies(bucket: "S3Client") -> set[str]:
    """The keys of the import copies, and of those that are being written."""
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix="imports/").get("Contents", [])
    written = bucket.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return {entry["Key"] for entry in (*listed, *written)}


def existing(personalize: FakePersonalize, kind: str, schema: str, domain: str = "ECOMMERCE") -> None:
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE", "domain": domain}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/{kind}"}})
    personalize.says("DescribeSchema", {"schema": {"schema": schema}})


def test_a_drop_becomes_an_import_copy_and_the_plan_that_the_other_events_carry(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    event = drop(load("validate_drop")["key"], interactions())
    plan = handler(event, None)
    # Another setting makes it another, and none of the events needs it.
    assert re.fullmatch("[0-9]+-[0-9a-f]{64}-[0-9a-f]{16}", str(plan.pop("content")))
    assert plan == load("import_data_schema")["plan"]
    lines = copied(bucket, event, "interactions")
    assert lines[:2] == ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE", "u0,i0,1700000000,Purchase,0.5"]
    assert len(lines) == 1201
    assert personalize.operations() == ["DescribeDatasetGroup"]


def test_a_header_may_come_in_any_case_and_order(drop: Drop, bucket: "S3Client") -> None:
    rows = "".join(f"{row}.50,cat,i{row}\n" for row in range(3))
    event = drop(ITEMS, "price,Category l1,itemId\n" + rows)
    plan = handler(event, None)
    assert (plan["rows"], plan["recipes"], plan["filters"]) == (3, [], [])
    assert copied(bucket, event, "items")[:2] == ["ITEM_ID,PRICE,CATEGORY_L1", "i0,0.50,cat"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the file is empty"),
        ("USER_ID,ITEM_ID,TIMESTAMP\n", "a header and no rows"),
        (interactions(header="USER_ID,ITEM,TIMESTAMP,X"), "required columns are missing: ITEM_ID"),
        (
            interactions(header="USER_ID,ITEM_ID,TIMESTAMP,user id"),
            "'USER_ID' and 'user id' are the same column USER_ID",
        ),
        (interactions(rows=999), "needs 1,000 different interactions; the file has 999"),
        (interactions(users=24), "of 24 users only 24 have two"),
        (b"\x1f\x8b\x08" + bytes(50), "not whole gzip"),
        (b"PK\x03\x04" + bytes(50), "not whole zip"),
        (b"\xd0\xcf\x11\xe0" + bytes(50), "an old Excel workbook, or one with a password: save it as .xlsx"),
        ("ITEM_ID,PRICE,CATEGORY_L1\n1,2,c\n", "these look like items (ITEM_ID): drop them under items/"),
        (
            interactions().replace("\n", ",x\n").replace(",x", "", 1),
            "1,200 because the row has 5 values and the header",
        ),
    ],
)
def test_a_bad_history_is_refused_by_name_and_imports_nothing(
    content: str | bytes, reason: str, drop: Drop, bucket: "S3Client"
) -> None:
    event = drop(HISTORY, content)
    with pytest.raises(Rejected) as refused:
        handler(event, None)
    assert reason in refused.value.reason
    assert refused.value.resource == HISTORY
    assert not copies(bucket)
    assert report(bucket, event)["reason"] in refused.value.reason


BAD = {
    "1700000100": ("1700000100000", "102", "TIMESTAMP must be Unix time in seconds; '1700000100000' looks like milli"),
    "1700000101": ("soon", "103", "TIMESTAMP must be Unix time in seconds or an ISO 8601 date, not 'soon'"),
    "1700000102": ("12", "104", "TIMESTAMP is not between 1990 and tomorrow: '12'"),
    "u0,i0,1700000000": (",i0,1700000000", "2", "USER_ID is empty"),
    "u1,i1,1700000001": ("u1,i1", "3", "has 3 values and the header has 4"),
    "1700000003,3.5": ("1700000003,nan", "5", "EVENT_VALUE must be a number, not 'nan'"),
    "u7,": ("u" * 257 + ",", "9", "USER_ID has 257 bytes; 256 are allowed"),
    "u8,i8": ('"u8"x,i8', "10", "cannot be read: its quotes do not match"),
    "u9,i9": ("u9,\0", "11", "contains a zero byte"),
}


@pytest.mark.parametrize("good", BAD)
def test_a_bad_row_is_left_out_and_kept_with_its_line_and_the_reason(good: str, drop: Drop, bucket: "S3Client") -> None:
    bad, line, reason = BAD[good]
    event = drop(HISTORY, interactions().replace(good, bad, 1))
    plan = handler(event, None)
    assert (plan["rows"], plan["rejects"]) == (1199, 1)
    assert len(copied(bucket, event, "interactions")) == 1200
    (row,) = rejected(bucket, event, "interactions")
    assert row[0] == line
    assert row[1].startswith(reason)
    assert bad.partition(",")[0] in row[2]


@pytest.mark.parametrize(("limit", "accepted"), [("0.01", False), ("0.1", True), ("0", False)])
def test_the_shop_says_how_many_bad_rows_it_puts_up_with(
    limit: str, accepted: bool, drop: Drop, bucket: "S3Client"
) -> None:
    drop("drops/demo/settings.yaml", f"rejects: {{limit: {limit}}}")
    content = interactions().replace(",17000001", ",soon")
    event = drop(HISTORY, content)
    if accepted:
        assert handler(event, None)["rejects"] == content.count("soon")
        return
    with pytest.raises(Rejected, match=r"100 of 1,200 rows are bad \(8.33%; .* \(first: line 102\)") as refused:
        handler(event, None)
    assert "data-interactions.html" in refused.value.reason
    assert not copies(bucket)
    assert len(rejected(bucket, event, "interactions")) == 100
    assert report(bucket, event)["refused"][0]["rows"] == 100


def test_a_drop_above_the_shops_limit_is_counted_apart(drop: Drop, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Rejected) as refused:
        handler(drop(HISTORY, interactions().replace(",17000001", ",soon")), None)
    assert type(refused.value) is Rejected
    assert '"RejectsAboveLimit":[1.0]' in capsys.readouterr().out
    with pytest.raises(Rejected):
        handler(drop(HISTORY, interactions(rows=999)), None)
    assert "RejectsAboveLimit" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "told"), [(f"{MORE}day.csv", "has 0.0 GB"), (f"{HISTORY}.gz", "more than 0 GB when it is")]
)
def test_a_drop_that_one_function_cannot_check_is_refused_by_its_size(
    key: str, told: str, drop: Drop, bucket: "S3Client", personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = interactions().encode()
    if key.startswith(MORE):
        existing(personalize, "interactions", Plan.model_validate(handler(drop(HISTORY, content), None)).schema_.text)
    before = copies(bucket)
    monkeypatch.setattr(archives, "LARGEST", len(content) - 1)
    event = drop(key, content)
    with pytest.raises(Rejected, match="leave out columns or old rows") as refused:
        handler(event, None)
    assert told in refused.value.reason
    assert copies(bucket) == before


def test_dates_become_unix_time_and_that_is_said(drop: Drop, bucket: "S3Client") -> None:
    event = drop(HISTORY, interactions().replace("1700000000", "2023-11-14T23:13:20+01:00", 1))
    assert "1 time of TIMESTAMP was turned into whole Unix seconds" in str(handler(event, None)["notes"])
    assert copied(bucket, event, "interactions")[1] == "u0,i0,1700000000,Purchase,0.5"


def test_the_report_tells_what_came_and_compares_it_with_the_drop_before(drop: Drop, bucket: "S3Client") -> None:
    handler(first := drop(HISTORY, interactions()), None)
    last = {"key": HISTORY, "run": first["run"]}
    event = {**drop(HISTORY, interactions(rows=1500)), "run": "another-run", "last": last}
    plan = handler(event, None)
    told = report(bucket, event)
    assert (told["outcome"], told["rows"]["accepted"]) == ("accepted", 1500)
    assert {"what": "good rows", "before": 1200, "now": 1500} in told["changes"]["figures"]
    page = bucket.get_object(Bucket=BUCKET, Key=str(plan["report"]))
    assert page["ContentType"].startswith("text/html")
    assert "1,500 of 50,000" not in page["Body"].read().decode()


def test_interactions_are_held_against_the_ids_that_were_dropped_before(drop: Drop, bucket: "S3Client") -> None:
    handler(drop(ITEMS, "ITEM_ID,PRICE,CATEGORY_L1\n" + "".join(f"i{row},1,c\n" for row in range(40))), None)
    event = drop(HISTORY, interactions())
    handler(event, None)
    told = report(bucket, event)
    assert told["items"]["unknown"] == {"rows": 240, "share": 0.2, "ids": 10}
    assert "unknown" not in told["users"]


def test_ids_count_once_they_are_imported_and_in_the_run_that_checked_them(drop: Drop, bucket: "S3Client") -> None:
    def unknown(run: str, imported: list[str]) -> object:
        event = {**drop(HISTORY, interactions()), "run": run, "ids": {"items": imported}}
        handler(event, None)
        return report(bucket, event)["items"].get("unknown", {}).get("ids")

    def check(run: str, items: int, imported: list[str]) -> object:
        text = "ITEM_ID,PRICE,CATEGORY_L1\n" + "".join(f"i{row},1,c\n" for row in range(items))
        event = {**drop(ITEMS, text), "run": run, "ids": {"items": imported}}
        handler(event, None)
        return report(bucket, event, "items")["ids"]["new"]

    assert check("run-1", 40, []) is None
    assert check("run-2", 45, ["run-1"]) == 5
    # A check that is repeated compares with the same ids.
    assert check("run-2", 45, ["run-1"]) == 5
    assert unknown("run-2", ["run-1"]) == 5
    # The import of run-2 failed.
    assert unknown("run-3", ["run-1"]) == 10
    assert check("run-4", 42, ["run-1"]) == 2
    # Of a claim that was imported before run-4 took it again, and whose check there left nothing.
    assert unknown("run-5", ["refused", "run-1"]) == 10
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix="reports/demo/known/")["Contents"]
    assert [entry["Key"].rpartition("/")[2] for entry in listed] == ["run-1.ipc", "run-4.ipc"]


def test_a_large_object_is_copied_in_parts_none_of_which_takes_long(bucket: "S3Client") -> None:
    ranges: list[str] = []
    bucket.meta.events.register(
        "provide-client-params.s3.UploadPartCopy", lambda params, **_: ranges.append(params["CopySourceRange"])
    )
    assert objects.COPY_BYTES <= 64 << 20
    part = 5 << 20  # The least that S3 takes.
    content = bytes(part) + b"the rest"
    for key, size in (("imports/demo/small.csv", part), ("imports/demo/large.csv", part + 8)):
        bucket.put_object(Bucket=BUCKET, Key=key, Body=content[:size])
        objects.copy(bucket, BUCKET, key, "likelihood/demo/copy.csv", part)
        assert bucket.get_object(Bucket=BUCKET, Key="likelihood/demo/copy.csv")["Body"].read() == content[:size]
    assert sorted(ranges) == [f"bytes=0-{part - 1}", f"bytes={part}-{part + 7}"]


def test_a_refusal_late_in_a_large_file_aborts_the_upload(drop: Drop, bucket: "S3Client") -> None:
    rows = "".join(f"{row:0256},{row:0256},17000{row:05}\n" for row in range(40_000))
    event = drop(f"{HISTORY}.gz", "USER_ID,ITEM_ID,TIMESTAMP\n" + rows + "u,i,soon\n" * 500)
    with pytest.raises(Rejected, match=r"500 of 40,500 rows .* \(first: line 40,002\)"):
        handler(event, None)
    assert not copies(bucket)


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        (
            "drops/demo/clicks/a.csv",
            "must be interactions, users, items, actions, action-interactions or export, not clicks",
        ),
        ("drops/Demo Shop/items/a.csv", "1 to 30 characters"),
        ("drops/demo/items/a.orc", r"end in .csv, .tsv, .txt, .json, .jsonl or .ndjson"),
        ("drops/demo/notes.txt", "keys are drops/"),
    ],
)
def test_a_key_that_breaks_a_rule_is_refused_with_the_rule(key: str, rule: str, drop: Drop) -> None:
    with pytest.raises(Rejected, match=rule):
        handler(drop(key, "x"), None)


def test_a_folder_marker_is_nothing(drop: Drop, personalize: FakePersonalize) -> None:
    plan = handler(drop("drops/demo/items/", ""), None)
    assert (plan["kind"], plan["notes"]) == ("nothing", ["this object is not a drop"])
    assert personalize.calls == []


def test_settings_are_checked_when_they_are_dropped(drop: Drop) -> None:
    assert handler(drop("drops/demo/settings.yaml", "domain: custom\n"), None)["kind"] == "settings"
    with pytest.raises(
        Rejected, match=r"recipies is not a setting \(did you mean recipes\? the settings are domain, event_type"
    ):
        handler(drop("drops/demo/settings.yaml", "recipies: [similar-items]\n"), None)


def test_settings_that_are_refused_leave_those_before_in_force(drop: Drop, bucket: "S3Client") -> None:
    bucket.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    drop("drops/demo/settings.yaml", "recipes: [similar-items]\n")
    drop("drops/demo/settings.yaml", "recipes: [sims]\ngate: 3\n")
    plan = Plan.model_validate(handler(drop(HISTORY, interactions()), None))
    assert [recipe.alias for recipe in plan.recipes] == ["similar-items"]
    assert "settings.yaml is refused (recipes.0: must be " in plan.notes[0]
    assert "gate: must be settings, each with its name): the settings before it hold" in plan.notes[0]


JSON = '{"recipes": ["popularity-count"]}'


def written(second: int, drop: Drop, key: str, content: str) -> Event:
    """Drop a file at a second of a day that is over."""
    event = drop(key, content)
    moment = datetime(2026, 11, 25, 8, 0, second, tzinfo=UTC).replace(tzinfo=None)
    s3_backends["123456789012"]["aws"].buckets[BUCKET].keys[key].last_modified = moment
    return event


def test_a_good_settings_file_that_came_later_holds_whatever_its_ending(drop: Drop, bucket: "S3Client") -> None:
    """A broken settings.yaml locked its shop, though a good settings.json was dropped after it."""
    bucket.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    written(1, drop, "drops/demo/settings.yaml", "recipes: [sims]\n")
    event = written(2, drop, "drops/demo/settings.json", JSON)
    which = "the shop follows drops/demo/settings.json, its newest settings file, and not drops/demo/settings.yaml"
    assert handler(event, None)["notes"] == ["the settings are good; the next drop follows them", which]
    plan = Plan.model_validate(handler(drop(HISTORY, interactions()), None))
    assert ([recipe.alias for recipe in plan.recipes], plan.notes[0]) == (["popularity-count"], which)
    written(3, drop, "drops/demo/settings.yml", "recipes: [similar-items]\n")
    plan = Plan.model_validate(handler(drop(HISTORY, interactions()), None))
    assert [recipe.alias for recipe in plan.recipes] == ["similar-items"]
    assert "follows drops/demo/settings.yml" in plan.notes[0]
    written(4, drop, "drops/demo/settings.yaml", "gate: 3\n")
    plan = Plan.model_validate(handler(drop(HISTORY, interactions()), None))
    assert [recipe.alias for recipe in plan.recipes] == ["similar-items"]
    assert "drops/demo/settings.yaml is refused (gate: must be" in plan.notes[0]
    assert "the settings before it hold, those of drops/demo/settings.yml" in plan.notes[0]
    for file in ("settings.yml", "settings.yaml"):
        bucket.delete_object(Bucket=BUCKET, Key=f"drops/demo/{file}")
    plan = Plan.model_validate(handler(drop(HISTORY, interactions()), None))
    assert [recipe.alias for recipe in plan.recipes] == ["popularity-count"]
    assert not [note for note in plan.notes if "settings file" in note]


def test_of_the_same_second_a_good_settings_file_holds_before_a_refused_one(drop: Drop) -> None:
    written(1, drop, "drops/demo/settings.yaml", "recipes: [sims]\n")
    written(1, drop, "drops/demo/settings.json", JSON)
    plan = Plan.model_validate(handler(drop(HISTORY, interactions()), None))
    assert [recipe.alias for recipe in plan.recipes] == ["popularity-count"]
    written(1, drop, "drops/demo/settings.yaml", "recipes: [similar-items]\n")
    plan = Plan.model_validate(handler(drop(HISTORY, interactions()), None))
    assert [recipe.alias for recipe in plan.recipes] == ["similar-items"]


USERS = "drops/demo/users/users.csv"
PEOPLE = "USER_ID,AGE\nu1,3\n"


def dropped_again(first: Plan, event: Event) -> Event:
    """The check of another drop after the run of the first one has imported it."""
    earlier = {"content": first.content, "key": "drops/demo/before.csv", "run": "run-0"}
    return event | {"run": "run-2", "known": earlier}


@pytest.mark.parametrize(("key", "content"), [(HISTORY, interactions()), (USERS, PEOPLE), (f"{USERS}.gz", PEOPLE)])
def test_the_bytes_of_the_last_import_are_handled_already(
    key: str, content: str, drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    first = Plan.model_validate(handler(drop(key, content), None))
    existing(personalize, first.kind, first.schema_.text)
    before = {content["Key"] for content in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]}
    again = handler(dropped_again(first, {**load("validate_drop"), "key": key}), None)
    assert (again["outcome"], again["kind"]) == ("alreadyHandled", first.kind)
    assert "which run run-0 imported under the same settings" in str(again["notes"])
    assert {content["Key"] for content in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]} == before


@pytest.mark.parametrize("changed", ["bytes", "settings", "dataset", "nothing known"])
def test_anything_else_is_imported(changed: str, drop: Drop, personalize: FakePersonalize) -> None:
    first = Plan.model_validate(handler(drop(HISTORY, interactions()), None))
    if changed != "dataset":
        existing(personalize, "interactions", first.schema_.text)
    content = interactions().replace("u0,", "v0,", 1) if changed == "bytes" else interactions()
    event = dropped_again(first, drop(HISTORY, content))
    if changed == "settings":
        drop("drops/demo/settings.yaml", "recipes: [popularity-count]\n")
    if changed == "nothing known":
        del event["known"]
    again = handler(event, None)
    assert (again["outcome"], again["rows"]) == ("imported", 1200)


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [("recipes: [popularity-count]", "alreadyHandled"), ("prices: {training_hour: 1}", "alreadyHandled"),
     ("{deploy: false, batch: {a: {}}}", "alreadyHandled"), ("changes: {rows: 0.1}", "alreadyHandled"),
     ("storefront: {title: Garden, currency: EUR}", "alreadyHandled"), ("language: ko", "alreadyHandled"),
     ("columns: {Years: AGE}", "imported"), ("rejects: {limit: 0.5}", "imported")],
)  # fmt: skip
def test_settings_that_decide_nothing_about_users_import_none_again(
    settings: str, outcome: str, drop: Drop, personalize: FakePersonalize
) -> None:
    first = Plan.model_validate(handler(drop(USERS, PEOPLE), None))
    existing(personalize, "users", first.schema_.text)
    drop("drops/demo/settings.yaml", settings)
    again = handler(dropped_again(first, {**load("validate_drop"), "key": USERS}), None)
    assert again["outcome"] == outcome


@pytest.mark.parametrize(
    ("key", "content", "digest"),
    [(HISTORY, interactions(), "de69dcdcf0471a17"), (USERS, PEOPLE, "680a4248f32438c8")],
)
def test_a_newer_version_imports_nothing_again_by_itself(key: str, content: str, digest: str, drop: Drop) -> None:
    # That of settings that a shop could have in November 2026; only prepare's _CHECK may change it.
    assert str(handler(drop(key, content), None)["content"]).endswith(f"-{digest}")


def test_a_first_settings_file_that_is_refused_lets_nothing_start(drop: Drop, bucket: "S3Client") -> None:
    bucket.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    drop("drops/demo/settings.yaml", "recipes: [similar-items]\n")
    bucket.delete_object(Bucket=BUCKET, Key="drops/demo/settings.yaml")
    drop("drops/demo/settings.yaml", "domain: shopify\n")
    with pytest.raises(Rejected, match="domain: must be"):
        handler(drop(HISTORY, interactions()), None)


def test_settings_decide_names_defaults_and_recipes(drop: Drop, bucket: "S3Client") -> None:
    drop(
        "drops/demo/settings.json",
        '{"columns": {"Household": "USER_ID"}, "event_type": "Buy", "recipes": ["similar-items"], "filters": {}}',
    )
    event = drop(HISTORY, interactions(header="household,ITEM_ID,TIMESTAMP,EVENT_VALUE"))
    plan = handler(event, None)
    assert plan["filters"] == []
    assert [recipe["alias"] for recipe in load("import_data_schema")["plan"]["recipes"]][2:3] == ["similar-items"]
    assert "household was read as USER_ID" in str(plan["notes"])
    assert copied(bucket, event, "interactions")[1] == "u0,i0,1700000000,Buy,0.5"


def test_an_existing_dataset_keeps_its_schema_and_the_order_of_its_columns(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    schema = load("import_data_schema")["plan"]["schema"]["text"].replace('["null","float"]', '["float","null"]')
    existing(personalize, "interactions", schema)
    event = drop(HISTORY, interactions(header="USER_ID,ITEM_ID,TIMESTAMP,event_value"))
    assert '{"name":"EVENT_VALUE","type":["null","float"]}' in str(handler(event, None)["schema"])
    assert copied(bucket, event, "interactions")[0] == "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE"


def test_another_set_of_columns_than_the_datasets_is_refused(drop: Drop, personalize: FakePersonalize) -> None:
    existing(personalize, "interactions", load("import_data_schema")["plan"]["schema"]["text"])
    event = drop(HISTORY, interactions(header="USER_ID,ITEM_ID,TIMESTAMP,STORE"))
    with pytest.raises(Rejected, match="without EVENT_VALUE and with new STORE; Personalize lets Users and Items"):
        handler(event, None)


def test_new_columns_of_items_change_the_schema_of_the_dataset(drop: Drop, personalize: FakePersonalize) -> None:
    first: Event = handler(drop(ITEMS, "ITEM_ID,PRICE,CATEGORY_L1\n1,2,c\n"), None)
    existing(personalize, "items", first["schema"]["text"])
    plan: Event = handler(drop(ITEMS, "ITEM_ID,BRAND,PRICE,CATEGORY_L1\n1,b,2,c\n"), None)
    assert (plan["dataset"]["changes"], first["dataset"]["changes"]) == (True, False)
    names = [field["name"] for field in json.loads(plan["schema"]["text"])["fields"]]
    assert names == ["ITEM_ID", "PRICE", "CATEGORY_L1", "BRAND"]
    assert "BRAND: new, so the dataset gets another schema" in plan["notes"]


def test_a_column_that_is_taken_away_again_is_refused_with_a_way_out(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    first: Event = handler(drop(ITEMS, "ITEM_ID,PRICE,CATEGORY_L1,BRAND\n1,2,c,b\n"), None)
    existing(personalize, "items", first["schema"]["text"])
    event = drop("drops/demo/items/again.csv", "ITEM_ID,PRICE,CATEGORY_L1\n1,2,c\n")
    event["run"] = "again"
    with pytest.raises(Rejected, match=r"without BRAND; .*; keep the column, its cells may be empty "):
        handler(event, None)
    assert bucket.list_objects_v2(Bucket=BUCKET, Prefix="imports/demo/again/").get("KeyCount", 0) == 0
    # The way out.
    plan: Event = handler(drop(ITEMS, "ITEM_ID,PRICE,CATEGORY_L1,BRAND\n1,2,c,\n"), None)
    assert (plan["dataset"]["changes"], plan["schema"]["text"]) == (False, first["schema"]["text"])
    assert copied(bucket, plan, "items")[1] == "1,2,c,"


def test_a_domain_never_changes(drop: Drop, personalize: FakePersonalize) -> None:
    drop("drops/demo/settings.yaml", "domain: custom")
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE", "domain": "ECOMMERCE"}})
    with pytest.raises(Rejected, match="first dropped with domain: ecommerce"):
        handler(drop(HISTORY, interactions()), None)


def test_the_first_drop_of_a_shop_is_its_whole_history(drop: Drop) -> None:
    with pytest.raises(Rejected, match="must be its whole history"):
        handler(drop(f"{MORE}new.csv", interactions()), None)


@pytest.mark.usefixtures("bucket")
def test_an_object_that_is_gone_is_refused() -> None:
    with pytest.raises(Rejected, match="no longer there"):
        handler(load("validate_drop"), None)


def as_workbook(rows: list[list[str]]) -> bytes:
    made, file = Workbook(), io.BytesIO()
    for row in rows:
        made.worksheets[0].append([int(cell) if cell.isdecimal() else cell for cell in row])
    made.save(file)
    return file.getvalue()


def as_parquet(rows: list[list[str]]) -> bytes:
    file = io.BytesIO()
    columns = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
    numbers = {"TIMESTAMP": [int(cell) for cell in columns["TIMESTAMP"]]}
    parquet.write_table(pyarrow.table({name: list(cells) for name, cells in columns.items()} | numbers), file)
    return file.getvalue()


FORMATS: dict[str, Callable[[list[list[str]]], bytes]] = {
    "history.tsv": lambda rows: "\n".join("\t".join(row) for row in rows).encode("utf-16"),
    "history.csv.zst": lambda rows: zstd.compress("\r\n".join(";".join(row) for row in rows).encode("cp949")),
    "history.xlsx": as_workbook,
    "history.parquet": as_parquet,
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_drop_is_the_same_import_in_any_format(name: str, drop: Drop, bucket: "S3Client") -> None:
    rows = [line.split(",") for line in interactions().replace("u5,", "우유,").replace("u7,i7,", ",i7,").splitlines()]
    event = drop(HISTORY, "\n".join(map(",".join, rows)))
    plan = handler(event, None)
    expected, refused = copied(bucket, event, "interactions"), rejected(bucket, event, "interactions")
    event = drop(f"drops/demo/interactions/{name}", FORMATS[name](rows))
    assert handler(event, None)["rows"] == plan["rows"]
    assert copied(bucket, event, "interactions") == expected
    # Parquet has no line of names.
    begin = int(name.endswith("parquet"))
    lines = [int(line) + begin for line, *_ in rejected(bucket, event, "interactions")]
    assert lines == [int(line) for line, *_ in refused] == [*range(9, 1201, 100)]


def test_cut_gzip_is_refused(drop: Drop, bucket: "S3Client") -> None:
    event = drop(f"{HISTORY}.gz", interactions())
    whole = bucket.get_object(Bucket=BUCKET, Key=event["key"])["Body"].read()
    for data in (whole[:-20], whole[:20] + b"?" + whole[21:]):
        bucket.put_object(Bucket=BUCKET, Key=event["key"], Body=data)
        with pytest.raises(Rejected, match="not whole gzip"):
            handler(event, None)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("ThrottlingException", 400, RetryLater), ("InternalFailure", 500, RetryLater), ("AccessDenied", 400, Broken)],
)
def test_what_personalize_answers_is_told_by_our_words(
    code: str, status: int, error: type[Exception], drop: Drop, personalize: FakePersonalize
) -> None:
    personalize.fails("DescribeDatasetGroup", code, status=status)
    with pytest.raises(error, match=f"{ARN}:dataset-group/retail-demo: {code}"):
        handler(drop(HISTORY, interactions()), None)


def test_a_campaign_that_the_settings_do_not_ask_for_is_named_with_its_price(
    drop: Drop, personalize: FakePersonalize
) -> None:
    plan: Any = handler(drop(HISTORY, interactions()), None)
    existing(personalize, "interactions", plan["schema"]["text"])
    personalize.says("DescribeCampaign", {"campaign": {"status": "ACTIVE"}})
    plan = handler(drop(HISTORY, interactions()), None)
    others = ["retail-demo-trending-now", "retail-demo-semantic-similarity", "retail-demo-next-best-action"]
    assert [campaign["name"] for campaign in plan["unused"]] == ["retail-demo-popularity-count", *others]
    (told,) = [note for note in plan["notes"] if "retail-demo-popularity-count" in note]
    assert "about $146 a month" in told
    assert "unused_campaigns: keep" in told
    # Kept where the settings say so, used where they ask for it.
    drop("drops/demo/settings.yaml", "unused_campaigns: keep\n")
    plan = handler(drop(HISTORY, interactions()), None)
    assert ("unused" in plan, any("it is kept" in note for note in plan["notes"])) == (False, True)
    drop("drops/demo/settings.yaml", "campaigns: {popularity-count: {}}\n")
    plan = handler(drop(HISTORY, interactions()), None)
    assert ([campaign["name"] for campaign in plan["unused"]], plan["deploys"][-1]) == (others, "popularity-count")


@pytest.mark.usefixtures("table")
def test_a_campaign_that_a_shop_left_on_amazon_personalize_is_named_with_its_price(
    drop: Drop, personalize: FakePersonalize
) -> None:
    import_data(load("import_data_dataset_group"), None)
    drop("drops/demo/settings.yaml", "backend: engine\n")
    personalize.says("DescribeCampaign", {"campaign": {"status": "ACTIVE"}})
    plan: Any = handler(drop(HISTORY, interactions()), None)
    told = [note for note in plan["notes"] if "retail-demo-user-personalization" in note]
    assert len(told) == 1
    assert "about $146 a month" in told[0]


def test_there_must_be_room_for_new_campaigns_before_anything_is_imported(
    drop: Drop, personalize: FakePersonalize
) -> None:
    plan: Any = handler(drop(HISTORY, interactions()), None)
    existing(personalize, "interactions", plan["schema"]["text"])
    there: dict[str, Any] = {"campaign": {"status": "ACTIVE"}}
    two = "recipes: [user-personalization, popularity-count, trending-now]\nmost_campaigns: 3\n"
    drop("drops/demo/settings.yaml", two)
    # Four others are there, and of the two that are asked for only one.
    for _ in range(5):
        personalize.says("DescribeCampaign", there)
    personalize.fails("DescribeCampaign", "ResourceNotFoundException")
    with pytest.raises(Rejected, match=r"name 2 campaigns, and .* are there besides: .* allows 3"):
        handler(drop(HISTORY, interactions()), None)


def test_no_room_is_needed_for_campaigns_that_are_there(drop: Drop, personalize: FakePersonalize) -> None:
    plan: Any = handler(drop(HISTORY, interactions()), None)
    existing(personalize, "interactions", plan["schema"]["text"])
    personalize.says("DescribeCampaign", {"campaign": {"status": "ACTIVE"}})
    drop("drops/demo/settings.yaml", "recipes: [user-personalization]\nmost_campaigns: 1\n")
    assert len(handler(drop(HISTORY, interactions()), None)["unused"]) == 6  # type: ignore[arg-type]


READING = "recipes: [popularity-count, semantic-similarity]\n"


def test_names_and_descriptions_of_items_are_marked_where_a_recipe_compares_them(
    drop: Drop,
) -> None:
    drop("drops/demo/settings.yaml", READING)
    with pytest.raises(Rejected, match="the file lacks a column: one that names each item, such as ITEM_NAME and one"):
        handler(drop(ITEMS, "ITEM_ID,PRICE,CATEGORY_L1\n1,2,c\n"), None)
    plan: Event = handler(drop(ITEMS, "ITEM_ID,PRICE,CATEGORY_L1,title,description\n1,2,c,a,b\n2,2,c,d,\n"), None)
    fields = {field["name"]: field for field in json.loads(plan["schema"]["text"])["fields"]}
    assert (fields["TITLE"].get("itemName"), fields["TITLE"].get("categorical")) == (True, None)
    assert fields["DESCRIPTION"]["textual"] is True
    assert "1 item has no DESCRIPTION" in str(plan["notes"])
    trained: Any = handler(drop(HISTORY, interactions()), None)["recipes"]
    assert trained[-1]["alias"] == "semantic-similarity"


def test_a_dataset_keeps_its_marks_and_new_columns_may_have_them(drop: Drop, personalize: FakePersonalize) -> None:
    old: Event = handler(drop(ITEMS, "ITEM_ID,PRICE,CATEGORY_L1,NAME\n1,2,c,a\n"), None)
    assert "itemName" not in old["schema"]["text"]
    existing(personalize, "items", old["schema"]["text"])
    drop("drops/demo/settings.yaml", READING)
    with pytest.raises(Rejected, match="drop the whole file of items with a new column, one that names each item"):
        handler(drop(ITEMS, "ITEM_ID,PRICE,CATEGORY_L1,NAME,DESCRIPTION\n1,2,c,a,b\n"), None)
    header = "ITEM_ID,PRICE,CATEGORY_L1,NAME,ITEM_NAME,PRODUCT_DESCRIPTION"
    plan: Event = handler(drop(ITEMS, f"{header}\n1,2,c,a,a,b\n"), None)
    fields = {field["name"]: field for field in json.loads(plan["schema"]["text"])["fields"]}
    assert [name for name, field in fields.items() if field.get("itemName")] == ["ITEM_NAME"]
    assert [name for name, field in fields.items() if field.get("textual")] == ["PRODUCT_DESCRIPTION"]


def test_a_recipe_that_compares_texts_waits_for_items_or_says_what_they_lack(drop: Drop) -> None:
    drop("drops/demo/settings.yaml", READING)
    plan: Any = handler(drop(HISTORY, interactions()), None)
    assert [recipe["alias"] for recipe in plan["recipes"]] == ["popularity-count"]
    assert "semantic-similarity is not trained: the shop has no items yet" in str(plan["notes"])
    drop("drops/demo/settings.yaml", "recipes: [semantic-similarity]\n")
    with pytest.raises(Rejected, match="the shop has no items yet"):
        handler(drop(HISTORY, interactions()), None)


@pytest.mark.parametrize(
    ("recipes", "deployed"),
    [
        ("[popularity-count]", ["popularity-count"]),
        ("[user-personalization, popularity-count]", ["user-personalization"]),
        ("[similar-items]", ["similar-items"]),
    ],
)
def test_the_baseline_gets_no_campaign_beside_another_recipe(recipes: str, deployed: list[str], drop: Drop) -> None:
    drop("drops/demo/settings.yaml", f"recipes: {recipes}\n")
    plan: Any = handler(drop(HISTORY, interactions()), None)
    assert plan["deploys"] == deployed
    assert [recipe["alias"] for recipe in plan["recipes"] if recipe.get("deployed", True)] == deployed


def test_a_refused_file_comes_with_the_settings_that_let_it_in(drop: Drop, bucket: "S3Client") -> None:
    days = [f"{1 + row // 60 % 12}/{1 + row % 28}/2010 8:{row % 60:02}" for row in range(1200)]
    rows = [f"5363{row},p{row % 50},{-1 if row % 40 == 0 else 6},{day},u{row % 100}" for row, day in enumerate(days)]
    content = "\n".join(["InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID", *rows, ""])
    event = drop(HISTORY, content)
    with pytest.raises(
        Rejected, match=r"proposes settings for it: interactions: {columns: {CustomerID: USER_ID, Stock"
    ):
        handler(event, None)
    proposed = report(bucket, event)["proposed"]
    assert "  dates: '%m/%d/%Y %H:%M'" in proposed
    drop("drops/demo/settings.yaml", "\n".join(proposed))
    assert handler(drop(HISTORY, content), None)["rows"] == 1200
    assert report(bucket, event)["eventTypes"][1] == {"name": "Return", "rows": 30}


def test_a_refused_file_of_another_kind_gets_no_settings(drop: Drop, bucket: "S3Client") -> None:
    event = drop(HISTORY, "ITEM_ID,PRICE,CATEGORY_L1\n1,2,c\n")
    with pytest.raises(Rejected, match="these look like items"):
        handler(event, None)
    assert "proposed" not in report(bucket, event)


def sales(rows: int = 1200, back: int = 60, column: str = "Quantity", more: str = "") -> str:
    """Interactions of which the last ones are returns."""
    header = f"USER_ID,ITEM_ID,TIMESTAMP,{column}{more}"
    numbers = (-1 if row >= rows - back else row % 5 + 1 for row in range(rows))
    tail = ",1" * more.count(",")
    lines = [f"u{row % 100},i{row % 50},{1_700_000_000 + row},{number}{tail}" for row, number in enumerate(numbers)]
    return "\n".join([header, *lines, ""])


def test_numbers_below_zero_are_named_with_their_rows_and_their_share(drop: Drop, bucket: "S3Client") -> None:
    event = drop(HISTORY, sales())
    told = "QUANTITY is below 0 in 60 rows (5.00%), which are imported like all others: if they are returns, say so"
    assert told in str(handler(event, None)["notes"])
    (quantity,) = [column for column in report(bucket, event)["columns"] if column["name"] == "QUANTITY"]
    assert quantity["range"] == {"minimum": -1, "median": 3, "maximum": 5, "belowZero": 60, "exact": True}
    assert report(bucket, event)["eventTypes"] == [{"name": "Purchase", "rows": 1200}]


@pytest.mark.parametrize("named", ["Quantity", "QUANTITY", "quantity"])
def test_returns_are_events_of_their_own_type_and_no_bestsellers(named: str, drop: Drop, bucket: "S3Client") -> None:
    drop("drops/demo/settings.yaml", f"returns: {{column: {named}}}")
    event = drop(HISTORY, sales(back=60).replace("i49,", "i0,"))
    notes = str(handler(event, None)["notes"])
    assert "60 rows became events of the type Return, as the setting returns says: QUANTITY below 0" in notes
    assert "say so" not in notes
    lines = copied(bucket, event, "interactions")
    assert {line.split(",")[3] for line in lines[-60:]} == {"Return"}
    assert {line.split(",")[3] for line in lines[1:-60]} == {"Purchase"}
    key = bucket.list_objects_v2(Bucket=BUCKET, Prefix="catalogue/demo/sold/")["Contents"][0]["Key"]
    counts = sold.unpack(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert sum(counts.bought.values()) == sum(counts.seen.values()) == 1140


def test_the_column_of_returns_need_not_be_imported(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    names = ["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"]
    types = ["string", "string", "long", "string"]
    fields = [{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)]
    existing(personalize, "interactions", json.dumps({"fields": fields}))
    drop("drops/demo/settings.yaml", "returns: {column: Quantity, below: 0}")
    event = drop(HISTORY, sales())
    handler(event, None)
    lines = copied(bucket, event, "interactions")
    assert (lines[0], lines[-1].rpartition(",")[2]) == (",".join(names), "Return")


def test_a_column_of_returns_that_is_one_too_many_is_looked_at_alone(drop: Drop, bucket: "S3Client") -> None:
    drop("drops/demo/settings.yaml", "returns: {column: Quantity}")
    event = drop(HISTORY, sales(more=",A,B,C,D,E"))
    handler(event, None)
    lines = copied(bucket, event, "interactions")
    assert (lines[0], lines[-1].split(",")[3]) == ("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,A,B,C,D,E", "Return")


def test_a_file_without_the_column_of_returns_is_refused_with_a_way_out(drop: Drop) -> None:
    drop("drops/demo/settings.yaml", "returns: {column: Menge}")
    with pytest.raises(
        Rejected, match="recognise returns by the column Menge, which the file lacks: it has USER_ID"
    ) as refused:
        handler(drop(HISTORY, sales()), None)
    assert "change returns in the settings" in refused.value.reason


def test_a_refused_file_is_told_what_to_do_and_nothing_of_what_it_would_have_cost(
    drop: Drop, bucket: "S3Client"
) -> None:
    event = drop(HISTORY, interactions().replace(",17000", ",soon"))
    with pytest.raises(Rejected):
        handler(event, None)
    body = bucket.get_object(Bucket=BUCKET, Key=f"reports/demo/{event['run']}/data-interactions.html")["Body"].read()
    page = body.decode()
    assert "What to do" in page
    assert "drop it again under drops/demo/interactions/" in page
    assert "The first line of the file is line 1" in page
    for absent in ("campaigns", "a month", "Filled", "Is it enough", "Duplicates", "What this run does"):
        assert absent not in page
    assert "next" not in report(bucket, event)


def test_a_drop_that_looks_wrong_warns_or_is_refused_before_it_is_imported(drop: Drop, bucket: "S3Client") -> None:
    first = drop(HISTORY, interactions(rows=3000))
    handler(first, None)
    last = {"key": HISTORY, "run": first["run"]}
    event = {**drop(HISTORY, interactions(rows=1200)), "run": "run-2", "last": last}
    assert "looks wrong: it has 1,200 good rows, 40% of the 3,000 before" in str(handler(event, None)["notes"])
    drop("drops/demo/settings.yaml", "changes: {refuse: [all]}")
    with pytest.raises(Rejected, match="beside drops/demo/interactions/history") as refused:
        handler(event | {"run": "run-3"}, None)
    told = report(bucket, event | {"run": "run-3"})
    assert (told["outcome"], told["suspicions"][0]["what"]) == ("refused", "rows")
    assert not bucket.list_objects_v2(Bucket=BUCKET, Prefix="imports/demo/run-3/")["KeyCount"]
    code = refused.value.reason.partition("accept: ")[2].partition(" ")[0]
    drop("drops/demo/settings.yaml", f"changes: {{refuse: [all], accept: {code}}}")
    assert handler(event | {"run": "run-4"}, None)["rows"] == 1200


def test_other_ids_than_those_of_the_last_items_are_noticed(drop: Drop) -> None:
    def items(prefix: str) -> str:
        return "ITEM_ID,PRICE,CATEGORY_L1\n" + "".join(f"{prefix}{row},1,c\n" for row in range(200))

    handler(first := drop(ITEMS, items("i")), None)
    last = {"last": {"key": ITEMS, "run": first["run"]}, "ids": {"items": [first["run"]]}}
    event = {**drop(ITEMS, items("0")), "run": "run-2", **last}
    assert "looks wrong: of its 200 items only 0 are among the 200 before" in str(handler(event, None)["notes"])


def test_each_recipe_is_planned_on_its_backend_with_a_baseline_there(drop: Drop) -> None:
    drop(
        "drops/demo/settings.yaml",
        "recipes: [user-personalization, {name: similar-items, backend: engine}, popularity-count]\n",
    )
    plan = Plan.model_validate(handler(drop(HISTORY, interactions()), None))
    assert (plan.is_on_both, plan.engine, plan.dataset_group.arn.split(":")[2]) == (True, False, "personalize")
    assert [(part.alias, part.solution.arn.split(":")[2], part.deployed) for part in plan.recipes] == [
        ("user-personalization", "personalize", True),
        ("similar-items", "engine", True),
        ("popularity-count", "personalize", False),
        ("engine/popularity-count", "engine", False),
    ]
    assert plan.deploys == ("user-personalization", "similar-items")
