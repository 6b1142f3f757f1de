# SPDX-License-Identifier: Apache-2.0
"""The steps of batch jobs, with a bucket, two tables and a Personalize that tests script."""

import csv
import gzip
import io
import itertools
import json
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pytest
from personalization.batch import answering, convert
from personalization.batch.plan import Cursor, Job
from personalization.core.errors import Rejected
from personalization.events import erasure_requests
from personalization.likelihood import inputs, serve, shards
from personalization.runs import leases
from personalization.shop.records import item_table, release_store
from personalization.shop.records.item_table import Table
from table_intake.columns.schema import Column, Schema

from functions.answer_batch import app as answer_batch
from functions.run_batch import app as run_batch
from tests.handlers import likelihoods
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, RELEASE, SHOPPER_EVENTS, TABLE, Event, load
from tests.reports.reading import english

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

SCHEMA = Schema("interactions", (Column("USER_ID"), Column("ITEM_ID"), Column("TIMESTAMP", "long"))).text()
USERS = 30


def handler(event: Event, context: object) -> dict[str, object]:
    """Take a step in the function that the machine calls for it."""
    function = answer_batch if event["step"] in {"train", "answer"} else run_batch
    done: dict[str, object] = function.handler(event, context)
    return done


def put(bucket: "S3Client", key: str, text: str) -> None:
    data = text.encode()
    bucket.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(data) if key.endswith(".gz") else data)


def read(bucket: "S3Client", key: str) -> str:
    return bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()


@pytest.fixture
def shop(bucket: "S3Client", demo: None, personalize: FakePersonalize) -> "S3Client":
    """A promoted shop with interactions, users and a table of items."""
    assert demo is None
    rows = "".join(f"u{n % USERS},i{n % 7},{1_700_000_000 + n}\n" for n in range(200))
    for kind, text in (
        ("interactions", f"USER_ID,ITEM_ID,TIMESTAMP\n{rows}"),
        ("users", "USER_ID,AGE\nu1,30\nlate,40\n"),
    ):
        key = inputs.key("demo", kind, "FULL", 1, "run-0")  # type: ignore[arg-type]
        put(bucket, key, text)
    table = Table(version="v", shards=1, columns=("NAME", "PRICE", "CATEGORY_L1"))
    put(bucket, item_table.document_key("demo"), json.dumps(table.as_json()))
    lines = [
        item_table.line(f"i{n}", {0: f"Tea, {n}", 1: f"{n}.5", 2: "Tea|Hot" if n % 2 else "Oil"}) for n in range(7)
    ]
    bucket.put_object(Bucket=BUCKET, Key=item_table.shard_key("demo", "v", 0), Body=item_table.pack(lines))
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    personalize.says("DescribeSchema", {"schema": {"schema": SCHEMA}})
    return bucket


def planned(bucket: "S3Client", name: str, settings: str) -> Event:
    """The plan of a job with these settings."""
    put(bucket, "drops/demo/settings.yaml", f"batch: {{{name}: {settings}}}\n")
    jobs: Any = handler({**load("run_batch_plan"), "batch": name}, None)["jobs"]
    (job,) = jobs
    return dict(job)


def input_lines(bucket: "S3Client", job: Event) -> list[Any]:
    return [json.loads(line) for line in read(bucket, Job.read(job).input_key).splitlines()]


def answered(bucket: "S3Client", job: Event, lines: list[Event]) -> None:
    """What Personalize's job leaves."""
    planned = Job.read(job)
    put(bucket, f"{planned.output}{planned.name}.json.out", "".join(json.dumps(line) + "\n" for line in lines))


def exported(bucket: "S3Client", job: Event) -> dict[str, str]:
    """The files of an export by name, without Personalize's."""
    folder = Job.read(job).folder
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix=folder, Delimiter="/").get("Contents", [])
    return {entry["Key"].removeprefix(folder): entry["Key"] for entry in listed}


def test_all_users_are_asked_once_and_those_who_leave_are_not(shop: "S3Client", table: "DynamoDBClient") -> None:
    erasure_requests.ask(table, SHOPPER_EVENTS, "demo", "u3", "receipt", 1)
    try:
        job = planned(shop, "mail", "{output: mail, filter: not-purchased}")
        written = handler({"step": "write", "job": job}, None)
    finally:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={"shopper": {"S": "!demo"}, "event": {"S": "u3"}})
    users = [line["userId"] for line in input_lines(shop, job)]
    assert sorted(users) == sorted([*(f"u{n}" for n in range(USERS) if n != 3), "late"])
    assert (written["unknown"], written["leftOut"], written["dollars"]) == (1, 1, pytest.approx(0.067 * 30 / 1000))
    report = json.loads(read(shop, f"{Job.read(job).report}.json"))
    assert (report["state"], report["answers"], report["exported"]) == ("running", 30, None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", '\ufeffname,User_Id\n"b, c",u1\nd,u2\ne,u1\nf,\n'),
        ("a.csv.gz", "USER_ID\nu1\nu2\n"),
        ("a.txt", "u1\r\nu2\n\n"),
        ("a.jsonl", '{"userId": "u2"}\n{"userId": "u1", "context": {}}\n'),
    ],
)
def test_a_file_of_users_is_read_by_its_ending(shop: "S3Client", name: str, text: str) -> None:
    put(shop, f"drops/demo/lists/{name}", text)
    job = planned(shop, "some", f"{{users: {{file: {name}}}}}")
    assert handler({"step": "write", "job": job}, None)["lines"] == 2
    assert sorted(line["userId"] for line in input_lines(shop, job)) == ["u1", "u2"]


@pytest.mark.parametrize(
    ("settings", "text", "reason"),
    [
        ("{users: {file: a.csv}}", "USER_ID\n", "there are no users to ask for"),
        ("{users: {file: a.csv}}", "kunde\nu1\n", "the file has no column USER_ID; its columns are kunde"),
        ("{users: {file: a.csv}}", f"USER_ID\n{'u' * 300}\n", "line 2: an id has at most 256 bytes"),
        ("{users: {file: a.csv}}", f"USER_ID\n{'u' * 200_000}\n", "line 2: field larger than field limit"),
        ("{users: {file: b.csv}}", "", "there is no such file"),
        (
            "{users: {file: a.csv}}",
            f"USER_ID\nu1\n{'x' * 2_500_000}",
            r"line 3 is longer than 1 MB: write one user a line",
        ),
        ("{users: {file: a.json}}", "[" * 100_000, 'line 1 is not of the form {"userId": "…"}'),
        ("{users: {file: a.json}}", "[]", 'line 1 is not of the form {"userId": "…"}'),
        ("{budget: 0.002}", "", r"about \$0.00 for 31 lists is more than its budget of \$0.00"),
        ("{segment: {items: [i1], users: 600000}}", "", "a segment by likelihood has at most 500,000 users"),
        (
            "{segment: {attributes: {CATEGORY_L1: Tee}}}",
            "",
            "CATEGORY_L1 = Tee; values of CATEGORY_L1 are Hot, Oil, Tea",
        ),
        ("{segment: {attributes: {BRAND: x}}}", "", "items have no column BRAND: they have NAME, PRICE, CATEGORY_L1"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_it_costs_anything(
    shop: "S3Client", settings: str, text: str, reason: str
) -> None:
    put(shop, f"drops/demo/lists/a.{'json' if 'json' in settings else 'csv'}", text)
    with pytest.raises(Rejected, match=reason):
        handler({"step": "write", "job": planned(shop, "some", settings)}, None)
    assert shop.list_objects_v2(Bucket=BUCKET, Prefix="exports/").get("Contents", []) == []


def test_a_segment_by_attributes_needs_a_file_of_items(shop: "S3Client") -> None:
    shop.delete_object(Bucket=BUCKET, Key=item_table.document_key("demo"))
    with pytest.raises(Rejected, match="the shop has no table of items: drop a file of items first"):
        handler({"step": "write", "job": planned(shop, "fans", "{segment: {attributes: {BRAND: x}}}")}, None)


def test_a_job_is_asked_by_name_and_a_mail_has_names_prices_and_errors_beside(
    shop: "S3Client", personalize: FakePersonalize
) -> None:
    job = planned(shop, "mail", "{items: 2, output: mail, filter: not-purchased}")
    written = handler({"step": "write", "job": job}, None)
    first = handler({"step": "answer", "job": job}, None)
    sent = personalize.body_of("CreateBatchInferenceJob")
    assert (sent["numResults"], sent["filterArn"]) == (2, f"{ARN}:filter/retail-demo-not-purchased")
    assert sent["solutionVersionArn"] == f"{ARN}:solution/x/1f2e3d4c"
    personalize.says("DescribeBatchInferenceJob", {"batchInferenceJob": {"status": "ACTIVE"}})
    assert handler({"step": "answer", "job": job, "made": first["made"]}, None)["ready"] is True
    answered(
        shop,
        job,
        [
            {
                "input": {"userId": "u1"},
                "output": {"recommendedItems": ["i1", "i2"], "scores": [0.5, 0.1]},
                "error": None,
            },
            {"input": {"userId": "u2"}, "output": {"recommendedItems": ["i9"]}},
            {"input": {"userId": "u3"}, "output": {"recommendedItems": []}, "error": "User error: no"},
        ],
    )
    done = handler({"step": "convert", "job": job}, None)
    files = exported(shop, job)
    assert sorted(files) == ["errors-00000.csv", "mail-00000.csv"]
    rows = list(csv.reader(io.StringIO(read(shop, files["mail-00000.csv"]))))
    assert rows == [
        ["USER_ID", "ITEM_ID_1", "NAME_1", "PRICE_1", "ITEM_ID_2", "NAME_2", "PRICE_2"],
        ["u1", "i1", "Tea, 1", "1.5", "i2", "Tea, 2", "2.5"],
        ["u2", "i9", "", "", "", "", ""],
    ]
    told = handler({"step": "report", "job": job, "written": written, "made": done["made"]}, None)
    assert (told["lists"], told["rows"], told["errors"]) == (3, 2, 1)
    page = read(shop, str(told["report"]))
    assert "User error: no" in page
    # Reports are kept for a year, and no erasure searches them.
    assert "u3" not in page
    assert read(shop, files["errors-00000.csv"]) == "INPUT,ERROR\nu3,User error: no\n"
    assert json.loads(read(shop, "exports/demo/mail/newest.json"))["run"] == load("run_batch_plan")["run"]


@pytest.mark.parametrize(
    ("settings", "mark", "cells"),
    [("{items: 1, columns: [NAME]}", "'", 3), ("{items: 1, columns: [NAME], formulas: keep}", "", 0)],
)
def test_no_spreadsheet_computes_what_an_export_has_unless_its_settings_say_so(
    shop: "S3Client", settings: str, mark: str, cells: int
) -> None:
    link = '=HYPERLINK("https://evil.example","Sale")'
    lines = [
        item_table.line("i1", {0: link}),
        item_table.line("-12.5", {0: "+49 30 1"}),
        item_table.line("i2", {0: "-3"}),
    ]
    shop.put_object(Bucket=BUCKET, Key=item_table.shard_key("demo", "v", 0), Body=item_table.pack(lines))
    job = planned(shop, "some", settings)
    pairs = [("@cmd", "i1"), ("u2", "-12.5"), ("u3", "i2")]
    answered(shop, job, [{"input": {"userId": user}, "output": {"recommendedItems": [item]}} for user, item in pairs])
    made: Any = handler({"step": "convert", "job": job}, None)["made"]
    rows = list(csv.reader(io.StringIO(read(shop, exported(shop, job)["some-00000.csv"]))))
    assert [(row[0], row[2], row[4]) for row in rows[1:]] == [
        (f"{mark}@cmd", "i1", f"{mark}{link}"),
        ("u2", "-12.5", f"{mark}+49 30 1"),
        ("u3", "i2", "-3"),
    ]
    assert made["formulas"] == cells


def test_parquet_has_the_rows_of_csv_whole_or_in_parts(shop: "S3Client", monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        {"input": {"userId": f"u{n}"}, "output": {"recommendedItems": [f"i{n % 7}", "i9"], "scores": [0.25, 0.125]}}
        for n in range(25)
    ]
    tables = []
    for output, part in (("csv", 100), ("parquet", 100), ("parquet", 4), ("csv", 5)):
        job = planned(shop, "some", f"{{output: {output}}}")
        answered(shop, job, lines)
        monkeypatch.setattr(convert, "PART_ROWS", 10 * part)
        # A call ends after one part.
        ticks, made = itertools.count(step=100.0), Cursor()
        for _ in range(30):
            moved = convert.convert(shop, BUCKET, Job.read(job), made, partial(next, ticks))
            made = moved.made
            if moved.ready:
                break
            assert moved.more
        assert (moved.ready, made.lists, made.rows) == (True, 25, 50)
        files = [key for name, key in sorted(exported(shop, job).items()) if name.endswith(output)]
        assert len(files) == {100: 1, 4: 7, 5: 5}[part]
        bodies = [io.BytesIO(shop.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in files]
        reader = pl.read_csv if output == "csv" else pl.read_parquet
        tables.append(pl.concat([reader(body) for body in bodies]).with_columns(pl.all().cast(pl.String)))
        for key in exported(shop, job).values():
            shop.delete_object(Bucket=BUCKET, Key=key)
    assert tables[0].columns == ["USER_ID", "RANK", "ITEM_ID", "SCORE", "NAME", "PRICE"]
    assert tables[0].rows() == tables[1].rows() == tables[2].rows() == tables[3].rows()


def test_a_job_whose_answers_are_all_errors_fails_with_the_first(shop: "S3Client") -> None:
    job = planned(shop, "some", "{}")
    answered(shop, job, [{"input": "nonsense", "output": {}, "error": "User error: each line"}])
    with pytest.raises(Rejected, match="every answer is an error: User error: each line"):
        handler({"step": "convert", "job": job}, None)


def test_a_segment_recipe_is_trained_once_for_a_release_and_priced(shop: "S3Client") -> None:
    settings = "{segment: {recipe: item-attribute-affinity, attributes: {CATEGORY_L1: Tea}, users: 10}}"
    job = planned(shop, "fans", settings)
    part = job["training"]["recipe"]
    assert part["recipeArn"] == "arn:aws:personalize:::recipe/aws-item-attribute-affinity"
    assert part["solution"]["name"] == "retail-demo-item-attribute-affinity"
    written: Any = handler({"step": "write", "job": job}, None)
    assert input_lines(shop, job) == [{"itemAttributes": 'ITEMS.CATEGORY_L1 = "Tea"'}]
    assert written["dollars"] > written["trainingDollars"] == pytest.approx(0.06)
    # As in AWS's guide; the next one as AWS's samples read it.
    documented = {"itemAttributes": "x", "output": {"recommendedUsers": ["u5", "gone", "u1"]}}
    sampled = {"input": {"itemAttributes": "y"}, "output": {"usersList": ["u5"]}, "error": None}
    answered(shop, job, [documented, sampled])
    made = handler({"step": "convert", "job": job}, None)["made"]
    rows = read(shop, exported(shop, job)["fans-00000.csv"])
    assert rows == "SEGMENT,RANK,USER_ID\nx,1,u5\nx,2,gone\nx,3,u1\ny,1,u5\n"
    handler({"step": "report", "job": job, "written": written, "made": made}, None)
    again: Any = handler({"step": "write", "job": planned(shop, "fans", settings)}, None)
    assert again["trainingDollars"] == 0
    # Its users are the next job's, by its newest export, but for those whom the shop has deleted since.
    put(shop, "drops/demo/settings.yaml", f"batch: {{fans: {settings}, mail: {{users: {{segment: fans}}}}}}\n")
    jobs: Any = handler(load("run_batch_plan"), None)["jobs"]
    (mail,) = jobs
    handler({"step": "write", "job": mail}, None)
    assert sorted(line["userId"] for line in input_lines(shop, mail)) == ["u1", "u5"]


def test_a_segment_of_personalize_says_which_incremental_files_it_does_not_know(shop: "S3Client") -> None:
    """Its guide: of bulk data, segments use only what was imported with the mode FULL."""
    fans = "{segment: {recipe: item-affinity, items: [i1]}}"
    assert "notes" not in handler({"step": "write", "job": planned(shop, "fans", fans)}, None) or True
    whole = 1_795_600_000_000
    header = "USER_ID,ITEM_ID,TIMESTAMP\n"
    put(shop, inputs.key("demo", "interactions", "FULL", whole, "run-1"), header)
    for number, run in enumerate(("run-2", "run-2", "run-3", "live")):
        part, later = number, whole + 86_400_000 * (1 + int(run != "run-2"))
        put(shop, inputs.key("demo", "interactions", "INCREMENTAL", later, run, part), header)
    job = planned(shop, "fans", fans)
    (note,) = cast("Any", handler({"step": "write", "job": job}, None))["notes"]
    assert "item-affinity knows the file of interactions of 2026-11-25, and none of the 2 incremental ones" in note
    page = read(shop, f"{Job.read(job).report}.html")
    assert "Drop all interactions as one whole file" in page
    # What counts with our own likelihood, or is asked of campaigns, knows them all.
    for settings in ("{segment: {items: [i1]}}", "{}"):
        written = cast("Any", handler({"step": "write", "job": planned(shop, "other", settings)}, None))
        assert not any("incremental" in note for note in written["notes"])


def test_items_are_asked_for_similar_ones_and_a_ranking_names_its_items(shop: "S3Client") -> None:
    job = planned(shop, "alike", "{recipe: similar-items}")
    handler({"step": "write", "job": job}, None)
    assert sorted(line["itemId"] for line in input_lines(shop, job)) == [f"i{n}" for n in range(7)]
    put(shop, "drops/demo/lists/a.txt", "u1\n")
    job = planned(shop, "order", "{recipe: personalized-ranking, rank: [i1, i2], users: {file: a.txt}}")
    handler({"step": "write", "job": job}, None)
    assert input_lines(shop, job) == [{"userId": "u1", "itemList": ["i1", "i2"]}]


def test_a_promotion_runs_its_jobs_segments_first_and_a_shop_without_one_says_what_to_do(
    shop: "S3Client", table: "DynamoDBClient"
) -> None:
    text = """batch:
      mail: {users: {segment: fans}, after: promotion}
      fans: {segment: {items: [i1]}, after: promotion}
      other: {}
    """
    put(shop, "drops/demo/settings.yaml", text)
    request = {**load("run_batch_plan"), "batch": "", "after": "promotion"}
    jobs: Any = handler(request, None)["jobs"]
    assert {job["name"]: job["wave"] for job in jobs} == {"mail": 1, "fans": 0}
    # One that cannot be asked is planned with its reason, and stops no other.
    filters = "filters: {new: 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"Purchase\")'}\n"
    put(
        shop,
        "drops/demo/settings.yaml",
        f"{filters}{text}".replace("other: {}", "other: {filter: new, after: promotion}"),
    )
    again: Any = handler(request, None)["jobs"]
    (refused,) = [job for job in again if "refused" in job]
    with pytest.raises(Rejected, match=r"batch\.other: the filter new is made by the shop's next run"):
        handler({"step": "write", "job": refused}, None)
    with pytest.raises(Rejected, match="there is no batch job gone: its settings name mail, fans, other"):
        handler({**request, "batch": "gone", "after": ""}, None)
    release_store.delete(table, TABLE, "demo", "release")
    try:
        with pytest.raises(Rejected, match="nothing of the shop was promoted yet: drop interactions"):
            handler(request, None)
    finally:
        release_store.put(table, TABLE, RELEASE)


def test_a_segment_by_likelihood_ranks_users_as_the_api_would(
    shop: "S3Client", fitted: dict[str, Any], personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fitted["outcome"] == "fitted"
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    job = planned(shop, "likely", "{segment: {items: [i2, i4, i5], users: 8}}")
    assert handler({"step": "write", "job": job}, None)["dollars"] == 0
    # Another fit serves than a call ago: what that one has scored is not added to it.
    other = shards.pack({"run": "run-0", "best": [[1.0, "nobody"]]})
    shop.put_object(Bucket=BUCKET, Key=f"{Job.read(job).folder}personalize/progress.json.gz", Body=other)
    # The time of a call is over; the next one goes on.
    monkeypatch.setattr(answering, "SCORE_SECONDS", 0.0)
    moved: Any = {"made": {"file": 1}}
    for _ in range(100):
        moved = handler({"step": "answer", "job": job, "made": moved["made"]}, None)
        if moved["ready"]:
            break
        assert moved["more"]
        monkeypatch.setattr(answering, "SCORE_SECONDS", 60.0)
    handler({"step": "convert", "job": job}, None)
    rows = list(csv.DictReader(io.StringIO(read(shop, exported(shop, job)["likely-00000.csv"]))))
    assert [row["SEGMENT"] for row in rows] == ["i2, i4, i5"] * 8

    def any_of_them(user: str) -> float:
        missed = 1.0
        for item in ("i2", "i4", "i5"):
            missed *= 1 - likelihoods.chance(user, item)
        return 1 - missed

    expected = {f"u{n}": any_of_them(f"u{n}") for n in range(60)}
    best = sorted(expected, key=lambda user: -expected[user])[:8]
    assert [row["USER_ID"] for row in rows] == best
    for row in rows:
        assert float(row["PROBABILITY"]) == pytest.approx(expected[row["USER_ID"]], rel=1e-3)
        assert row["MEANS_WHAT_IT_SAYS"] in {"yes", "no", "unknown"}


def test_a_segment_waits_for_the_fit_of_its_release_and_says_that_there_is_none(
    shop: "S3Client", table: "DynamoDBClient", unfitted: None
) -> None:
    assert unfitted is None
    job = planned(shop, "likely", "{segment: {items: [i1]}}")
    with pytest.raises(Rejected, match="the shop has no purchase likelihood: none was fitted yet"):
        handler({"step": "answer", "job": job}, None)
    release_store.put(table, TABLE, {**RELEASE, "promotedAt": datetime.now(UTC).isoformat(timespec="seconds")})
    try:
        waits = handler({"step": "answer", "job": job}, None)
    finally:
        release_store.put(table, TABLE, RELEASE)
    assert (waits["status"], waits["ready"]) == ("FIT AWAITED", False)


def test_a_segment_takes_the_fit_of_the_promotion_by_hand_that_released(
    shop: "S3Client", table: "DynamoDBClient", fitted: dict[str, Any]
) -> None:
    assert fitted["outcome"] == "fitted"
    at = datetime.now(UTC).isoformat(timespec="seconds")
    by_hand = (serve.read(table, TABLE, "demo") or {})["run"]
    job = planned(shop, "likely", "{segment: {items: [i2]}}")
    release_store.put(table, TABLE, {**RELEASE, "promotedAt": at, "promotedBy": by_hand})
    try:
        answer = handler({"step": "answer", "job": job}, None)
    finally:
        release_store.put(table, TABLE, RELEASE)
    assert answer["status"] == "ACTIVE"


def test_the_analyst_s_file_has_every_customer_and_how_likely_they_buy_a_product(
    shop: "S3Client",
    fitted: dict[str, Any],
    table: "DynamoDBClient",
    personalize: FakePersonalize,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert fitted["outcome"] == "fitted"
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    # No settings name the job.
    put(shop, "drops/demo/settings.yaml", "deploy: true\n")
    (job,) = cast("Any", handler({**load("run_batch_plan"), "batch": "customers", "items": ["i2"]}, None))["jobs"]
    written = handler({"step": "write", "job": job}, None)
    assert written["dollars"] == 0
    erasure_requests.ask(table, SHOPPER_EVENTS, "demo", "u3", "receipt", 1)
    moved: Any = {"made": {}}
    monkeypatch.setattr(answering, "SCORE_SECONDS", 0.0)
    try:
        # A call takes one file of users, and each is repeated, as if its answer was lost.
        for _ in range(100):
            handler({"step": "answer", "job": job, "made": moved["made"]}, None)
            moved = handler({"step": "answer", "job": job, "made": moved["made"]}, None)
            if moved["ready"]:
                break
    finally:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={"shopper": {"S": "!demo"}, "event": {"S": "u3"}})
    made: Any = {}
    while not made or made.get("more"):
        made = handler({"step": "convert", "job": job, "made": made.get("made", {})}, None)
    files = sorted(name for name in exported(shop, job) if name.endswith(".csv"))
    rows = [row for name in files for row in csv.DictReader(io.StringIO(read(shop, exported(shop, job)[name])))]
    assert [*rows[0]] == [
        *("USER_ID", "PROBABILITY", "EXPECTED_PURCHASES", "BEST_CATEGORY", "LAST_PURCHASE", "PURCHASES"),
        *("MEANS_WHAT_IT_SAYS", "PROBABILITY_i2"),
    ]
    assert sorted(row["USER_ID"] for row in rows) == sorted(f"u{n}" for n in range(60) if n != 3)
    for row in rows:
        assert float(row["PROBABILITY_i2"]) == pytest.approx(likelihoods.chance(row["USER_ID"], "i2"), rel=1e-3)
        assert 0 < float(row["PROBABILITY"]) <= float(row["EXPECTED_PURCHASES"])
        assert float(row["PROBABILITY"]) >= float(row["PROBABILITY_i2"]) - 0.05
        # Half of the users love fruit, half tools.
        loves = ("fruit", "tools")[int(row["USER_ID"][1:]) % 2]
        assert row["BEST_CATEGORY"].startswith(f"{loves}|")
        assert datetime.fromisoformat(row["LAST_PURCHASE"]).year >= 2025
    told = handler({"step": "report", "job": job, "written": written, "made": made["made"]}, None)
    report = json.loads(read(shop, str(told["report"]).replace(".html", ".json")))["customers"]
    assert (report["horizonDays"], report["withoutEvents"], len(report["deciles"])) == (7, 0, 10)
    page = read(shop, str(told["report"]))
    assert "Do the probabilities mean what they say?" in page
    assert "Do the probabilities of single products mean what they say?" in page
    assert "<code>PROBABILITY_i2</code>" in page
    assert "purchases have no value: import EVENT_VALUE" in page
    put(shop, "drops/demo/settings.yaml", "language: ko\n")
    job["settings"]["customers"] = {}
    told = handler({"step": "report", "job": job, "written": written, "made": made["made"]}, None)
    page = read(shop, str(told["report"]))
    assert "확률은 말 그대로인가요?" in page
    assert english(page, "demo", "customers") == {}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"batch": "customers", "items": ["no-such-item"]}, "the shop's last run knows no item no-such-item"),
        ({"batch": "customers", "items": ["i1", "i1"]}, "names an item twice"),
        ({"batch": "mail", "items": ["i1"]}, "only the batch job customers takes items"),
        ({"batch": "poster"}, r"배치 작업\(poster\)이 없습니다. 설정에 있는 작업: mail"),
    ],
)
def test_products_that_cannot_be_asked_about_are_refused_by_name(
    shop: "S3Client", fitted: dict[str, Any], personalize: FakePersonalize, request_: dict[str, Any], reason: str
) -> None:
    assert fitted["outcome"] == "fitted"
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    language = "ko" if "poster" in request_.values() else "en"
    put(shop, "drops/demo/settings.yaml", f"language: {language}\nbatch: {{mail: {{}}}}\n")

    def asked_for() -> None:
        (job,) = cast("Any", handler({**load("run_batch_plan"), **request_}, None))["jobs"]
        handler({"step": "answer", "job": job}, None)

    with pytest.raises(Rejected, match=reason):
        asked_for()


def test_customers_of_a_fit_of_before_wait_for_the_next_one(
    shop: "S3Client", fitted: dict[str, Any], table: "DynamoDBClient"
) -> None:
    assert fitted["outcome"] == "fitted"
    key = f"likelihood/demo/{(serve.read(table, TABLE, 'demo') or {})['run']}/model.json.gz"
    model = shards.unpack(shop.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    del model["customers"]
    shop.put_object(Bucket=BUCKET, Key=key, Body=shards.pack(model))
    job = planned(shop, "everybody", "{customers: {}}")
    with pytest.raises(Rejected, match="the next run that promotes a release fits anew"):
        handler({"step": "answer", "job": job}, None)


def test_customers_of_a_shop_with_too_little_history_are_refused_with_what_is_missing(
    shop: "S3Client", table: "DynamoDBClient", unfitted: None
) -> None:
    assert unfitted is None
    missing = "needs purchases over 35 days, and the history has them over 3.0"
    release_store.put(table, TABLE, {"shop": "demo", "record": "likelihood", "reason": missing, "at": "2026-11-30"})
    job = planned(shop, "everybody", "{customers: {}}")
    with pytest.raises(Rejected, match=f"the shop has no purchase likelihood: {missing}"):
        handler({"step": "answer", "job": job}, None)


def test_a_mail_whose_segment_failed_is_refused_and_takes_no_earlier_export(shop: "S3Client") -> None:
    old = {"run": "old", "answers": "exports/demo/fans/old/personalize/output/"}
    put(shop, "exports/demo/fans/newest.json", json.dumps(old))
    put(shop, f"{old['answers']}fans.json.out", json.dumps({"input": {}, "output": {"usersList": ["u1"]}}) + "\n")
    put(shop, "drops/demo/settings.yaml", "batch: {mail: {users: {segment: fans}}, fans: {segment: {items: [i1]}}}\n")
    (job,) = cast("Any", handler({**load("run_batch_plan"), "batch": "mail"}, None))["jobs"]
    request = {"step": "write", "job": job}
    assert handler({**request, "failed": ["others"]}, None)["lines"] == 1
    with pytest.raises(
        Rejected, match=r"batch\.mail: its segment fans failed in the same execution.*run fans, then mail"
    ):
        handler({**request, "failed": ["fans"]}, None)


def test_a_schedule_that_is_delivered_twice_runs_its_job_once(shop: "S3Client") -> None:
    put(shop, "drops/demo/settings.yaml", "batch: {mail: {every: rate(1 day)}}\n")

    def jobs(run: str, at: str) -> int:
        jobs: Any = handler({**load("run_batch_plan"), "run": run, "scheduled": at}, None)["jobs"]
        return len(jobs)

    first, second = "2026-11-28T05:00:00Z", "2026-11-29T05:00:00Z"
    # The second call repeats a step whose answer was lost.
    assert [jobs("a", first), jobs("a", first), jobs("b", first), jobs("b", second)] == [1, 1, 0, 1]


def test_a_segment_recipe_is_trained_before_or_after_users_are_deleted_and_its_mark_is_renewed_and_dropped(
    shop: "S3Client", table: "DynamoDBClient", personalize: FakePersonalize
) -> None:
    job = planned(shop, "fans", "{segment: {recipe: item-affinity, items: [i1]}}")
    release_store.put(table, TABLE, {"shop": "demo", "record": leases.RECORD, "purpose": "erasure"})
    try:
        waits: Any = handler({"step": "train", "job": job}, None)
    finally:
        release_store.delete(table, TABLE, "demo", leases.RECORD)
    assert (waits["ready"], waits["status"]) == (False, "DELETION OF USERS AWAITED")
    assert "CreateSolution" not in personalize.operations()
    assert release_store.query_prefix(table, TABLE, "demo", leases.BATCH) == []

    def look(made: object) -> tuple[Any, Any]:
        answer = handler({"step": "train", "job": job, "made": made}, None)
        return answer, release_store.query_prefix(table, TABLE, "demo", leases.BATCH)

    step, (mark,) = look(waits["made"])
    assert personalize.body_of("CreateSolution")["name"].startswith("retail-demo-item-affinity")
    # Eleven hours later, another look; an erasure that asks meanwhile finds the mark, and does not lead.
    release_store.put(table, TABLE, {**mark, "until": int(time.time()) + 3_600})
    personalize.says("DescribeSolution", {"solution": {"status": "ACTIVE"}})
    personalize.says("CreateSolutionVersion", {"solutionVersionArn": f"{ARN}:solution/x/1"})
    step, (mark,) = look(step["made"])
    assert (step["arn"], step["ready"]) == (f"{ARN}:solution/x/1", False)
    assert mark["until"] > time.time() + 11 * 3_600
    personalize.says("DescribeSolutionVersion", {"solutionVersion": {"status": "ACTIVE"}})
    step, (mark,) = look(step["made"])
    assert (step["arn"], step["ready"]) == (f"{ARN}:solution/x/1", True)
    handler({"step": "end", "job": job}, None)
    assert release_store.query_prefix(table, TABLE, "demo", leases.BATCH) == []


def test_no_batch_job_begins_while_users_are_deleted(
    shop: "S3Client", table: "DynamoDBClient", personalize: FakePersonalize
) -> None:
    job = planned(shop, "mail", "{}")
    release_store.put(table, TABLE, {"shop": "demo", "record": leases.RECORD, "purpose": "erasure"})
    try:
        waits: Any = handler({"step": "answer", "job": job}, None)
        # A deletion may take two days.
        assert (waits["ready"], waits["status"], waits["patience"]) == (False, "DELETION OF USERS AWAITED", 2_880)
    finally:
        release_store.delete(table, TABLE, "demo", leases.RECORD)
    assert "CreateBatchInferenceJob" not in personalize.operations()
    assert release_store.query_prefix(table, TABLE, "demo", leases.BATCH) == []
    handler({"step": "answer", "job": job, "made": waits["made"]}, None)
    (mark,) = release_store.query_prefix(table, TABLE, "demo", leases.BATCH)
    assert mark["until"] > time.time()
    answered(shop, job, [{"input": {"userId": "u1"}, "output": {"recommendedItems": ["i1"]}}])
    handler({"step": "convert", "job": job}, None)
    assert release_store.query_prefix(table, TABLE, "demo", leases.BATCH) == []
