# SPDX-License-Identifier: Apache-2.0
"""The demo on a cloud that others have used, or use."""

import csv
import io
from pathlib import Path

import pytest

from local.cloud.client import Upload
from local.cloud.environments import LocalError
from local.cloud.home import Home, running
from local.demo import checks
from local.demo.sample_data import DemoData
from local.demo.walkthrough import Demo, alone
from local.terminal.output import Terminal
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.test_cloud import pretend


def add(text: str, **columns: str) -> str:
    """Return a CSV with further columns, each with one value in all rows."""
    rows = [row | columns for row in csv.DictReader(io.StringIO(text))]
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_a_second_demo_trains_anew_what_was_trained_without_items_and_users(laptop: Laptop, tmp_path: Path) -> None:
    shop, files = "repaired", {kind: tmp_path / f"{kind}.csv" for kind in ("users", "items", "interactions")}
    files["users"].write_text(add(retail.users(), KIDS="0"))
    files["items"].write_text(add(retail.items(), CATEGORY_L2="all"))
    files["interactions"].write_text(retail.interactions())
    laptop.wait_for_run(laptop.client.drop(shop, "settings", Path("storefront/settings.yaml").resolve()))
    first = laptop.drop(shop, "interactions", retail.interactions(), "interactions.csv")
    demo = Demo(
        laptop.client, DemoData(**files, rows=dict.fromkeys(files, 60)), Terminal(as_json=True), shop, patience=0
    )
    runs = demo.fill()
    assert laptop.client.untrained(shop) == ["items", "users"]
    lists = demo.complete(runs)
    outcomes = {(drop["kind"], drop["outcome"]) for run in runs for drop in run.output["drops"]}
    imported = {("users", "imported"), ("items", "imported")}
    assert outcomes - {("settings", "settings")} == imported | {
        ("interactions", "alreadyHandled"),
        ("retrain", "retrained"),
    }
    assert demo.release_run() not in {first.name, ""}
    assert (laptop.client.untrained(shop), list(demo.lacking(lists))) == ([], [])


def test_a_file_is_uploaded_before_what_it_waits_for_and_appears_after_that(laptop: Laptop, tmp_path: Path) -> None:
    file, s3, bucket, folder = tmp_path / "users.csv", laptop.s3, laptop.bucket, "drops/patient/"
    file.write_text(retail.users())

    def lost() -> list[Upload]:
        (upload,) = s3.list_multipart_uploads(Bucket=bucket, Prefix=folder)["Uploads"]
        (part,) = s3.list_parts(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])["Parts"]
        assert part["Size"] == file.stat().st_size
        raise LocalError("it never came")

    with pytest.raises(LocalError, match="it never came"):
        laptop.client.drop_last("patient", "users", file, lost)
    assert not s3.list_multipart_uploads(Bucket=bucket, Prefix=folder).get("Uploads")
    assert s3.list_objects_v2(Bucket=bucket, Prefix=folder)["KeyCount"] == 0


def test_a_demo_leaves_a_cloud_alone_that_another_demo_uses(tmp_path: Path) -> None:
    laptop = Laptop(Home(tmp_path), pretend(Home(tmp_path)), tmp_path)
    with alone(laptop.home):
        refused = laptop.command("demo", "--once")
    assert (refused.returncode, running(laptop.home)) == (1, laptop.state)
    assert "a demo is running on this cloud already" in refused.stderr


def test_a_demo_stops_no_cloud_that_it_did_not_start(tmp_path: Path) -> None:
    laptop = Laptop(Home(tmp_path), pretend(Home(tmp_path)), tmp_path)
    refused = laptop.command("demo", "--once")
    assert (refused.returncode, running(laptop.home)) == (1, laptop.state)
    assert "started by another version" in refused.stderr


ITEM = {"itemId": "7", "source": "campaign", "probability": 0.5, "metadata": {"NAME": "Tea", "PRICE": "2.50"}}


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (
            checks.whole("the list", [ITEM | {"itemId": str(n)} for n in range(9)], 10),
            "has 9 items, 9 of them different",
        ),
        (checks.whole("the list", [ITEM, ITEM], 2), "1 of them different"),
        (checks.whole("the list", [ITEM | {"metadata": {"PRICE": "1"}}], 1), "1 of 1 item without a name: 7"),
        (checks.whole("the list", [ITEM | {"metadata": {"NAME": "Tea", "PRICE": "0"}}], 1), "without a price: 7"),
        (checks.personal("the list", [ITEM | {"source": "bestsellers"}]), "comes from bestsellers"),
        (checks.differs("one list", [ITEM], "another", [ITEM]), "one list is the same as another"),
        (checks.probabilities("it", [ITEM, ITEM | {"probability": 1.2}]), "outside of 0 to 1: [1.2]"),
        (checks.probabilities("it", [ITEM, ITEM]), "the same probability"),
        (
            checks.named("release.html", "<ol><li>Tea <b>7</b></li><li>8</li></ol>", {"7": "Tea", "8": "Jam"}),
            "alone: 8",
        ),
    ],
)
def test_what_the_demo_lacks_is_named(missing: list[str], said: str) -> None:
    (sentence,) = missing
    assert said in sentence


def test_a_demo_that_lacks_something_says_what_to_do() -> None:
    demo = Demo(None, None, Terminal(as_json=True))  # type: ignore[arg-type]
    demo.check(())
    with pytest.raises(LocalError, match=r"(?s)- no names\n.*local runs demo.*`make demo` once more"):
        demo.check(["no names"])
