# SPDX-License-Identifier: Apache-2.0
"""A drop that is checked in ranges, held against the same drop in one function: report, copies, refused rows, ids."""

import gzip
import io
import json
import random
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from personalization.batch import wanted
from personalization.core.errors import Rejected
from personalization.shop.plan import Plan
from personalization.shop.records import item_files
from table_intake.ranges import cutting

from functions.check_part import steps as check_part_steps
from functions.check_part.app import handler as check
from functions.validate_drop import steps as validate_drop_steps
from functions.validate_drop.app import handler as validate
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import BUCKET, Drop, Event, interactions
from tests.ingest.test_validate_drop import existing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "personalize")
FOLDER = "drops/demo/interactions/"
HEADER, *ROWS = interactions(1_300).splitlines(keepends=True)
ITEMS = "ITEM_ID,PRICE,CATEGORY_L1,NAME\n" + "".join(
    f'i{row % 700},{row}.5,c{row % 9},"a, ""fine""\nname"\n' for row in range(800)
)
USERS = "USER_ID,AGE\n" + "".join(f"u{row % 90},{row}\n" for row in range(100)) + "NULL,1\n,2\n"


def dirty(seed: int) -> list[str]:
    """Good and bad rows, some with quotes that are never closed or go over several lines."""
    rng = random.Random(seed)  # noqa: S311 - a shuffle
    rows = [*ROWS, *ROWS[:40], ",i1,1700000000,1\n", "u1,i1,soon,1\n", 'u1,"i1,1700000000,1\n', "u1,i1\n", "\n"]
    rows += ['"u,1","i""1",1700000000,1\n', '"u\n9",i1,1700000000,1\n', "NULL,i3,1700000009,-1\n", "ü,é,1700000000,\n"]
    rng.shuffle(rows)
    return rows


def step(name: str, work: str, **more: object) -> Any:  # noqa: ANN401 - any JSON
    request = {"step": name, "work": work, **more}
    first = check(request, None)
    # Any step may be repeated; one range or shard shows it for all.
    assert more.get("number", 0) or check(request, None) == first
    return first


def in_ranges(bucket: "S3Client", event: Event) -> Any:  # noqa: ANN401 - the plan's JSON
    """What the machines do with a large drop, the last range first."""
    begun = validate(event, None)
    assert validate(event, None) == begun
    assert begun["outcome"] == "divided"
    work, fit = str(begun["work"]), {"round": 0, "again": True, "partitions": 0}
    while fit["again"]:
        listed = bucket.get_object(Bucket=BUCKET, Key=f"{work}items-{fit['round']}.json")["Body"].read()
        for number in reversed(json.loads(listed)):
            assert step("check", work, round=fit["round"], number=number)["key"].startswith(work)
        fit = step("fit", work, round=fit["round"])
    for number in range(fit["partitions"]):
        step("count", work, round=fit["round"], number=number)
    return validate(event, None)


def report(bucket: "S3Client", event: Event, kind: str) -> Any:  # noqa: ANN401 - it is JSON
    key = f"reports/demo/{event['run']}/data-{kind}.json"
    document = json.loads(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    return {name: value for name, value in document.items() if name not in {"run", "checkedAt", "next"}}


def left(bucket: "S3Client", prefix: str) -> dict[str, bytes]:
    """What lies below a prefix."""
    keys = [content["Key"] for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
    return {key: bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def rows(bucket: "S3Client", prefix: str) -> list[bytes]:
    """The rows of all copies, in the order of their keys."""
    copies = left(bucket, prefix).values()
    assert len({copy.partition(b"\n")[0] for copy in copies}) == 1, "a copy without the header"
    return [row for copy in copies for row in copy.splitlines()[1:]]


def outcome(bucket: "S3Client", event: Event, kind: str, plan: Any) -> dict[str, object]:  # noqa: ANN401 - JSON
    """All that follows from a check, but for what names the run."""
    run = event["run"]
    names = {"run", "report", "content", "importJob", "recipes", "evaluation", "notes", "begunAt", "choices"}
    return {
        "plan": {name: value for name, value in plan.items() if name not in names},
        "notes": [re.sub(run, "", note) for note in plan["notes"]],
        "report": report(bucket, event, kind) | {"rejects": None},
        "rejects": [*left(bucket, f"rejects/demo/{run}/").values()],
        "copies": rows(bucket, f"imports/demo/{run}/{kind}/"),
        "history": [
            row
            for key, copy in left(bucket, f"likelihood/demo/inputs/{kind}/").items()
            if run in key
            for row in copy.splitlines()[1:]
        ],
        "ids": [*left(bucket, f"reports/demo/known/{kind}/{run}").values()],
        "sold": [*left(bucket, "catalogue/demo/sold/").values()][-1:],
    }


@pytest.fixture
def both(bucket: "S3Client", monkeypatch: pytest.MonkeyPatch, drop: Drop) -> Any:  # noqa: ANN401 - a function
    """Check a drop in one function and then in ranges of a size; give the outcomes."""

    def checked(kind: str, key: str, content: str | bytes, size: int) -> list[dict[str, object]]:
        event, outcomes = drop(key, content), []
        for run, divided in (("small", False), ("large", True)):
            monkeypatch.setenv("CHECK_PART_BYTES", str(size if divided else 10**9))
            request = {**event, "run": run, "ids": {"users": ["large"]}}
            plan = in_ranges(bucket, request) if divided else validate(request, None)
            outcomes.append(outcome(bucket, request, kind, plan))
        return outcomes

    return checked


def orders(rows: list[str]) -> list[dict[str, object]]:
    """An order of two items for each row, and one of none."""
    names = HEADER.strip().split(",")
    events = [dict(zip(names, row.strip().split(","), strict=True)) for row in rows]
    return [
        {
            "USER_ID": event["USER_ID"],
            "TIMESTAMP": event["TIMESTAMP"],
            "items": [{"ITEM_ID": event["ITEM_ID"]}] * number,
        }
        for event in events
        for number in (2, 0)
    ]


LARGE = {
    "a title": ("large.csv", f"Events of all shops\n\n{HEADER}{''.join(ROWS)}"),
    "sums": ("large.csv", f"{HEADER}{''.join(ROWS)}Total,,,,99\n"),
    "JSON lines": ("large.jsonl", "".join(f"{json.dumps(order)}\n" for order in orders(ROWS))),
}


@pytest.mark.parametrize("habit", LARGE)
def test_habits_of_files_in_ranges(both: Any, drop: Drop, habit: str) -> None:  # noqa: ANN401 - a fixture
    drop("drops/demo/settings.yaml", "interactions: {columns: {items.ITEM_ID: ITEM_ID}}")
    name, content = LARGE[habit]
    divided, other = both("interactions", f"{FOLDER}{name}", content, 12_000)
    assert divided == other
    assert divided["report"]["rows"]["rejected"] == 0


def test_hashed_ids_in_ranges(both: Any, drop: Drop, bucket: "S3Client") -> None:  # noqa: ANN401 - a fixture
    for steps in (check_part_steps, validate_drop_steps):
        steps.HASH_KEY.forget()
    drop("drops/demo/settings.yaml", "hash: [USER_ID]")
    divided, other = both("interactions", f"{FOLDER}large.csv", HEADER + "".join(dirty(3)), 6_000)
    assert divided == other
    assert divided["rejects"]
    users = {row.partition(b",")[0] for row in rows(bucket, "imports/demo/large/interactions/")}
    assert len(users) > 50
    assert all(user.startswith(b"h-") or user == b"NULL" for user in users)


def test_rows_of_objects_in_ranges_of_row_groups(both: Any, drop: Drop, bucket: "S3Client") -> None:  # noqa: ANN401
    drop("drops/demo/settings.yaml", "interactions: {columns: {items.ITEM_ID: ITEM_ID}}")
    made, bad = io.BytesIO(), ["u1,,soon,1\n"]
    pq.write_table(pa.Table.from_pylist(orders([*ROWS, *bad, *ROWS[:9]])), made, row_group_size=301)
    divided, other = both("interactions", f"{FOLDER}large.parquet", made.getvalue(), 3_000)
    assert len(left(bucket, "imports/demo/large/")) > 1
    notes = [[*outcome.pop("report").pop("notes"), *outcome.pop("notes")] for outcome in (divided, other)]
    assert divided == other
    assert all("each object of items is a row" in str(told) for told in notes)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_interactions_in_ranges(both: Any, seed: int, bucket: "S3Client") -> None:  # noqa: ANN401 - a fixture
    divided, other = both("interactions", f"{FOLDER}large.csv", HEADER + "".join(dirty(seed)), 6_000)
    assert divided == other
    assert len(left(bucket, "imports/demo/large/")) > 5


def test_a_folder_of_parts_of_which_some_are_packed(both: Any, drop: Drop) -> None:  # noqa: ANN401 - a fixture
    lines = dirty(3)
    # A last line without its end is a line.
    drop(f"{FOLDER}parts/1.csv", HEADER + "".join(lines[:500]).rstrip("\n"))
    drop(f"{FOLDER}parts/2.csv.gz", HEADER + "".join(lines[500:900]))
    drop(f"{FOLDER}parts/3.csv", HEADER)
    drop(f"{FOLDER}parts/3b.csv", "\n\n")
    drop(f"{FOLDER}parts/4.csv", HEADER + "".join(lines[900:]))
    divided, other = both("interactions", f"{FOLDER}parts/_SUCCESS", "", 5_000)
    assert divided == other


def row_groups(rows: list[str], rows_each: int) -> bytes:
    """Rows as Parquet: their ids as text, their times as numbers, and values that are empty or none."""
    cells = [(row.rstrip("\n").split(",") + [""] * 4)[:4] for row in rows]
    users, items, times, values = zip(*cells, strict=True)
    columns = {
        "USER_ID": pa.array(users),
        "ITEM_ID": pa.array([item or None for item in items]).dictionary_encode(),
        "TIMESTAMP": pa.array([int(time) if time.isdigit() else None for time in times], pa.int64()),
        "EVENT_VALUE": pa.array([float(value) if value in {"1", "-1"} else float("nan") for value in values]),
    }
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made, row_group_size=rows_each)
    return made.getvalue()


@pytest.mark.parametrize(("rows_each", "size", "ranges"), [(5, 50_000, 4), (100, 1_000, 14), (9_999, 1_000, 1)])
def test_parquet_in_runs_of_its_row_groups(
    both: Any,  # noqa: ANN401 - a fixture
    bucket: "S3Client",
    rows_each: int,
    size: int,
    ranges: int,
) -> None:
    divided, other = both("interactions", f"{FOLDER}large.parquet", row_groups(dirty(4), rows_each), size)
    assert divided == other
    assert len(left(bucket, "imports/demo/large/")) == ranges


def test_a_folder_of_parquet_of_which_some_are_cut(both: Any, drop: Drop) -> None:  # noqa: ANN401 - a fixture
    lines = dirty(5)
    drop(f"{FOLDER}parts/1.parquet", row_groups(lines[:600], 90))
    drop(f"{FOLDER}parts/2.parquet", row_groups(lines[600:630], 7))
    drop(f"{FOLDER}parts/3.parquet", row_groups(lines[630:], 90))
    divided, other = both("interactions", f"{FOLDER}parts/_SUCCESS", "", 9_000)
    assert divided == other


def test_parquet_whose_text_is_too_large_is_divided(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    event = {**drop(f"{FOLDER}large.parquet", row_groups(ROWS, 200))}
    monkeypatch.setenv("CHECK_PART_BYTES", "60000")
    monkeypatch.setattr("table_intake.read.archives.LARGEST", 70_000)
    assert validate(event, None)["outcome"] == "divided"


def test_a_row_group_that_a_function_cannot_hold_is_refused(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECK_PART_BYTES", "9000")
    monkeypatch.setattr(cutting, "LARGEST_GROUP", 4_000)
    event = {**drop(f"{FOLDER}large.parquet", row_groups(ROWS, 500))}
    with pytest.raises(Rejected, match=r"row group 1 of its 3 has .* a function holds .*: write row groups of about"):
        validate(event, None)


def test_damaged_pages_are_refused_with_their_place(
    drop: Drop, bucket: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECK_PART_BYTES", "9000")
    data = bytearray(row_groups(ROWS, 100))
    second = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(1).column(0)
    data[second.data_page_offset : second.data_page_offset + 9] = b"\xff" * 9
    with pytest.raises(Rejected, match=r"after byte .*not whole Parquet"):
        in_ranges(bucket, drop(f"{FOLDER}large.parquet", bytes(data)))


def test_items_with_their_table(both: Any, bucket: "S3Client") -> None:  # noqa: ANN401 - a fixture
    divided, other = both("items", "drops/demo/items/items.csv", ITEMS, 8_000)
    assert divided == other
    items = dict(wanted.items(bucket, BUCKET, "demo", item_files.table(bucket, BUCKET, "demo")))
    # Of an item's rows, the last one counts.
    assert {name: float(columns["PRICE"]) for name, columns in items.items()} == {
        f"i{row % 700}": row + 0.5 for row in range(800)
    }


def test_users_and_the_ids_that_interactions_are_held_against(both: Any) -> None:  # noqa: ANN401 - a fixture
    divided, other = both("users", "drops/demo/users/users.csv", USERS, 300)
    assert divided == other
    divided, other = both("interactions", f"{FOLDER}large.csv", HEADER + "".join(ROWS), 12_000)
    assert divided == other
    assert divided["report"]["users"]["unknown"]["ids"] == 10


def test_rows_that_the_settings_leave_out_in_ranges(both: Any, drop: Drop) -> None:  # noqa: ANN401 - a fixture
    drop("drops/demo/settings.yaml", "interactions: {skip: {EVENT_VALUE: [1, ''], user_id: ['null']}}")
    divided, other = both("interactions", f"{FOLDER}large.csv", HEADER + "".join(dirty(4)), 12_000)
    assert divided == other
    assert divided["report"]["rows"]["skipped"] > 1


def test_what_became_of_orders_in_ranges(both: Any, drop: Drop) -> None:  # noqa: ANN401 - a fixture
    states = ("paid", "voided", "refunded", "pending")
    rows = [
        f"{row.rstrip()},#{number // 3},{'' if number % 3 else states[number // 3 % 4]}\n"
        for number, row in enumerate(ROWS)
    ]
    drop("drops/demo/settings.yaml", "interactions: {ignore: [order, status]}")
    divided, other = both(
        "interactions", f"{FOLDER}large.csv", f"{HEADER.rstrip()},order,status\n{''.join(rows)}", 12_000
    )
    assert divided == other
    assert any('{skip: {"status": ["voided"]}}' in note for note in divided["notes"])


def test_orders_whose_first_row_says_more_are_read_in_one_piece(both: Any, drop: Drop, bucket: "S3Client") -> None:  # noqa: ANN401
    rows = [
        f"{row.rstrip()},#{number // 3},{'' if number % 3 else 'paid' if number // 3 % 6 else 'voided'}\n"
        for number, row in enumerate(ROWS)
    ]
    fill = "fill_down: {columns: [status], by: order}, skip: {status: [voided]}"
    drop("drops/demo/settings.yaml", f"interactions: {{ignore: [order, status], {fill}}}")
    divided, other = both(
        "interactions", f"{FOLDER}large.csv", f"{HEADER.rstrip()},order,status\n{''.join(rows)}", 12_000
    )
    assert divided == other
    assert len(left(bucket, "imports/demo/large/")) == 1
    assert divided["report"]["rows"]["skipped"] >= len(ROWS) // 6


def test_a_mostly_bad_drop_is_refused_and_leaves_no_copy(
    drop: Drop, bucket: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECK_PART_BYTES", "3000")
    bad = [f",i{row},1700000000,1\n" if row % 3 else f"u{row},i,1700000000,1\n" for row in range(900)]
    event = drop(f"{FOLDER}large.csv", HEADER + "".join(bad))
    with pytest.raises(Rejected, match=r"of the first \d+ rows are bad .*the check stopped at line"):
        in_ranges(bucket, event)
    assert left(bucket, "imports/") == {}


def test_a_drop_that_looks_wrong_is_refused_in_ranges_as_well(
    drop: Drop, bucket: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    key, more = f"{FOLDER}large.csv", [f"u{row % 90},i{row},{1_700_000_000 + row},1\n" for row in range(4_000)]
    validate(drop(key, HEADER + "".join(more)) | {"run": "before"}, None)
    drop("drops/demo/settings.yaml", "changes: {refuse: [rows]}")
    event, codes = drop(key, HEADER + "".join(ROWS)) | {"last": {"key": key, "run": "before"}}, set[str]()
    for run, size in (("small", 10**9), ("large", 6_000)):
        monkeypatch.setenv("CHECK_PART_BYTES", str(size))
        request = {**event, "run": run}
        with pytest.raises(Rejected, match="the drop looks wrong") as refused:
            _ = in_ranges(bucket, request) if run == "large" else validate(request, None)
        codes |= {*re.findall("drop-[0-9a-f]{8}", refused.value.reason)}
        assert left(bucket, f"imports/demo/{run}/") == {}
    assert len(codes) == 1


def test_the_bytes_of_the_last_import_are_divided_no_more(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECK_PART_BYTES", "9000")
    event = drop(f"{FOLDER}large.csv", HEADER + "".join(ROWS))
    first = in_ranges(bucket, event)
    existing(personalize, "interactions", Plan.model_validate(first).schema_.text)
    earlier = {"content": first["content"], "key": "drops/demo/before.csv", "run": "run-0"}
    again = {**event, "run": "run-2", "known": earlier}
    assert validate(again, None)["outcome"] == "alreadyHandled"


def test_what_is_no_table_is_refused_with_its_reason(
    drop: Drop, bucket: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECK_PART_BYTES", "3000")
    with pytest.raises(Rejected, match="TIMESTAMP"):
        in_ranges(bucket, drop(f"{FOLDER}large.csv", "USER_ID,ITEM_ID\n" + "u1,i1\n" * 2_000))


def test_a_file_that_cannot_be_cut_has_a_bound(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECK_PART_BYTES", "3000")
    monkeypatch.setattr("table_intake.read.archives.LARGEST", 4_000)
    packed = random.Random(5).randbytes(9_000)  # noqa: S311 - bytes that do not get smaller
    with pytest.raises(Rejected, match="cannot be read in parts: write several"):
        validate({**drop(f"{FOLDER}large.csv.gz", packed)}, None)


def test_a_range_within_a_quoted_value_leaves_no_copy(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    # It takes its lines for rows, until the range before says that they are none.
    monkeypatch.setattr("table_intake.ranges.ranges.WINDOW", 4)
    value = "".join(f"u{row},i1,1700000000,1\n" for row in range(300))
    divided, other = both(
        "interactions", f"{FOLDER}large.csv", f'{HEADER}"{value}",i,1700000000,1\n{"".join(ROWS)}', 3_500
    )
    assert divided == other


def test_ranges_that_never_fit_are_given_up(drop: Drop, bucket: "S3Client", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "ROUNDS", 0)
    monkeypatch.setattr("table_intake.ranges.ranges.WINDOW", 4)
    monkeypatch.setenv("CHECK_PART_BYTES", "6000")
    quoted = (
        HEADER
        + "".join(ROWS[:300])
        + '"u\n' * 1
        + "".join(f"u{row},i1,1700000000,1\n" for row in range(300))
        + '",i,1700000000,1\n'
    )
    with pytest.raises(Rejected, match="quotes are so damaged"):
        in_ranges(bucket, drop(f"{FOLDER}large.csv", quoted))


@pytest.mark.usefixtures("table")
def test_what_users_say_of_personal_lists_in_ranges(both: Any, bucket: "S3Client") -> None:  # noqa: ANN401 - a fixture
    rows = "".join(f"u{row},{row},{('yes', 'no', '')[row % 3]}\n" for row in range(900))
    small, large = both("users", "drops/demo/users/users.csv", f"USER_ID,AGE,PERSONALIZATION\n{rows}", 2_000)
    assert small == large
    files = [
        gzip.decompress(bucket.get_object(Bucket=BUCKET, Key=f"imports/demo/{run}/choices/part-0.gz")["Body"].read())
        for run in ("small", "large")
    ]
    assert files[0] == files[1]
    assert len(files[0].splitlines()) == 600
