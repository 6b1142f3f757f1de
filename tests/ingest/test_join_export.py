# SPDX-License-Identifier: Apache-2.0
"""The files of an export are joined and dropped: all of them or none, and alike each time."""

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError
from personalization.core.aws import clients
from personalization.core.errors import Rejected, RetryLater
from table_intake.wording import Text

from functions.join_export.app import handler
from local.cloud.folders import read_folder
from tests.handlers.samples import BUCKET, Drop, Event
from tests.handlers.variables import changed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")
FOLDER = "drops/demo/export/2026-12/"
SETTINGS = """
export:
  users: {file: customers.csv}
  items:
    file: shop.zip/products.csv
    columns: [sku, name]
  interactions:
    file: lines-*.csv
    columns: [product_id]
    join: [{file: orders.csv, by: {order_id: id}, columns: [customer_id, created_at]}]
"""
LINES = "order_id,product_id\n1,p1\n1,p2\n"
ORDERS = "id,customer_id,created_at,email\n1,c1,2026-11-01,a@example.com\n2,c2,2026-11-02,b@example.com\n"
CUSTOMERS = "id,city\nc1,Seoul\nc2,Berlin\n"
JOINED = {
    "drops/demo/users/export-2026-12-customers.csv": CUSTOMERS,
    "drops/demo/items/export-2026-12.csv": "sku,name\np1,Mug\n",
    "drops/demo/interactions/export-2026-12.csv": (
        "product_id,customer_id,created_at\np1,c1,2026-11-01\np2,c1,2026-11-01\np1,c2,2026-11-02\n"
    ),
}


def zipped(**files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.csv", text)
    return data.getvalue()


FILES: dict[str, str | bytes] = {
    "lines-1.csv": LINES,
    "lines-2.csv": "order_id,product_id\n2,p1\n9,p1\n",
    "orders.csv": ORDERS,
    "customers.csv": CUSTOMERS,
    "shop.zip": zipped(products="sku,name,cost\np1,Mug,3\n", stores="id\n1\n"),
    "settings.yaml": "not: read",
    "orders/_SUCCESS": "",
}


def exported(drop: Drop, settings: str = SETTINGS, marker: str = "_SUCCESS", **files: str | None) -> Event:
    """Drop settings and the files, of which some may be others or missing, and the marker last."""
    if settings:
        drop("drops/demo/settings.yaml", settings)
    changed_files = {name if "." in name or "/" in name else f"{name}.csv": text for name, text in files.items()}
    for name, content in {**FILES, **changed_files}.items():
        if content is not None:
            drop(FOLDER + name, content)
    return {"bucket": BUCKET, "key": drop(FOLDER + marker, "")["key"], "run": "run-1"}


def made(bucket: "S3Client") -> dict[str, str]:
    """What is dropped beside the export."""
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix="drops/demo/")["Contents"]
    written = [entry["Key"] for entry in listed if "/export/" not in entry["Key"] and "settings" not in entry["Key"]]
    return {key: bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in written}


def report(bucket: "S3Client") -> tuple[Any, str]:
    keys = (f"reports/demo/run-1/export.{ending}" for ending in ("json", "html"))
    document, page = (bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys)
    return json.loads(document), page


def test_an_export_becomes_one_drop_of_each_kind(drop: Drop, bucket: "S3Client") -> None:
    answer = handler(exported(drop), None)
    assert made(bucket) == JOINED
    assert (answer["outcome"], answer["joined"]) == ("joined", [*JOINED])
    document, page = report(bucket)
    counts = {count["name"]: count["rows"] for count in document["counts"]}
    assert counts["rows of interactions"] == 3
    assert counts["rows of lines-*.csv without a partner in orders.csv, left out"] == 1
    assert "not named by the settings, and left out: settings.yaml" in document["notes"]
    assert all(key in page for key in JOINED)
    assert "example.com" not in json.dumps(document) + page


@pytest.mark.parametrize("kind", ["users", "items", "interactions", "reports"])
def test_an_export_that_was_killed_at_any_write_gives_the_same_drops_the_next_time(
    kind: str, drop: Drop, bucket: "S3Client"
) -> None:
    event, client = exported(drop), clients.s3()

    def fail(params: dict[str, str], **_: object) -> None:
        if f"{kind}/" in params["Key"]:
            raise ReadTimeoutError(endpoint_url="s3")

    writes = [f"provide-client-params.s3.{name}" for name in ("PutObject", "CopyObject")]
    for name in writes:
        client.meta.events.register(name, fail)
    try:
        with pytest.raises(RetryLater):
            handler(event, None)
    finally:
        for name in writes:
            client.meta.events.unregister(name, fail)
    before = ["users", "items", "interactions", "reports"].index(kind)
    assert [key.split("/")[2] for key in JOINED if key in made(bucket)] == ["users", "items", "interactions"][:before]
    # The marker may come twice, too.
    for _ in range(2):
        handler(event, None)
        assert made(bucket) == JOINED


def test_names_may_have_spaces_signs_and_any_letters(drop: Drop, bucket: "S3Client") -> None:
    export = f"2026 12 (1) 100%25+ü 선물 {'x' * 120}"
    settings = 'export: {users: {file: "a b/고객 [1].csv"}, items: {file: "a b/상품*.csv", columns: [sku]}}'
    drop("drops/demo/settings.yaml", settings)
    for name, text in {"a b/고객 [1].csv": CUSTOMERS, "a b/상품 + 1.csv": "sku,cost\n1,2\n"}.items():
        drop(f"drops/demo/export/{export}/{name}", text)
    handler({"bucket": BUCKET, "key": drop(f"drops/demo/export/{export}/_SUCCESS", "")["key"], "run": "r"}, None)
    assert made(bucket) == {
        f"drops/demo/users/export-{export}-a b-고객 [1].csv": CUSTOMERS,
        f"drops/demo/items/export-{export}.csv": "sku\n1\n",
    }


def test_a_korean_shop_reads_its_report_in_korean(drop: Drop, bucket: "S3Client") -> None:
    answer = handler(exported(drop, f"language: ko{SETTINGS}"), None)
    assert "export-2026-12.csv로 결합했습니다 (보고서: reports/demo/run-1/export.html)" in str(answer["reason"])
    _, page = report(bucket)
    assert "orders.csv에 짝이 없어 제외한 lines-*.csv의 행" in page
    assert " left out" not in page


def test_a_folder_of_a_laptop_is_joined_with_the_folders_in_it(drop: Drop, bucket: "S3Client", tmp_path: Path) -> None:
    drop("drops/demo/settings.yaml", "export: {items: {file: products/*, columns: [sku]}}")
    (folder := tmp_path / "2026-12" / "products").mkdir(parents=True)
    for number in range(2):
        (folder / f"part-{number}.csv").write_text(f"sku,cost\np{number},3\n")
    for name in ("products/_SUCCESS", "settings.yaml", ".DS_Store"):
        (folder.parent / name).write_text("")
    read = read_folder("demo", "export", folder.parent)
    read.upload(bucket, BUCKET, lambda _text, _share: None)
    handler({"bucket": BUCKET, "key": read.key, "run": "run-1"}, None)
    assert made(bucket) == {"drops/demo/items/export-2026-12.csv": "sku\np0\np1\n"}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "no settings": ({"settings": ""}, "the shop's settings have no section export, .* Drop it as drops/demo/settings"),
    "a missing file": ({"orders": None}, r"orders\.csv: the setting export names this file, and the export has"),
    "a missing column": ({"orders": "id,customer_id\n1,c1\n"}, "names its column created_at under columns"),
    "files of two shops": ({"orders": ORDERS.replace("\n1,", "\n8,")}, "2 rows? of 4|3 rows of 4 have no partner"),
    "an empty file": ({"orders": ""}, r"orders\.csv: the file is empty"),
    "an empty file that needs no joining": ({"customers": ""}, r"customers\.csv: the file is empty"),
    "an archive without a byte": ({"shop.zip": ""}, r"shop\.zip/products\.csv: the setting export names this file"),
    "no file": (dict.fromkeys(FILES), "there are no parts beside the marker"),
    "no table": ({"orders": "%PDF-1.7"}, r"orders\.csv: the file is a PDF"),
    "a manifest of other files": (
        {"marker": "manifest.json"}, "the manifest cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_joined_is_refused_and_nothing_is_dropped(case: str, drop: Drop, bucket: "S3Client") -> None:
    changes, reason = CASES[case]
    with pytest.raises(Rejected, match=reason) as refused:
        handler(exported(drop, **changes), None)
    assert "report: reports/demo/run-1/export.html" in str(refused.value)
    assert made(bucket) == {}
    document, page = report(bucket)
    assert document["outcome"] == "refused"
    assert "Nothing of this export is dropped." in page


@pytest.mark.parametrize(
    ("variable", "size", "reason"),
    [
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "376", "orders.csv are joined to lines-.*, and have about 1 MB of text"),
        ("JOIN_STORAGE", "1", "to join these files takes about 2 MB of disk, and the function has 1 MB"),
    ],
)
def test_an_export_without_room_is_refused_before_it_is_read(
    drop: Drop, bucket: "S3Client", variable: str, size: str, reason: str
) -> None:
    # A column that is missing would be refused as soon as the files are read.
    event = exported(drop, orders="id\n" + "1000000\n" * 150_000)
    with changed(variable, size), pytest.raises(Rejected, match=reason) as refused:
        handler(event, None)
    assert "python -m local start" in str(refused.value)
    assert made(bucket) == {}


def test_a_file_that_ends_the_process_is_refused_by_name(drop: Drop, bucket: "S3Client") -> None:
    reason = Text("bounded.memory", "reading it takes more than {megabytes:,.0f} MB of memory", megabytes=2_406)
    event = exported(drop) | {"unreadable": {f"{FOLDER}orders.csv": reason.as_json()}}
    with pytest.raises(Rejected, match=r"orders\.csv: reading it takes more than 2,406 MB of memory"):
        handler(event, None)
    assert made(bucket) == {}
