# SPDX-License-Identifier: Apache-2.0
"""Answers in bulk for a shop without campaigns: segments, a mail to one of them, and what cannot be."""

import csv
import io
import json
from typing import Any

import pytest

from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop

SHOP = "letters"
SETTINGS = """\
recipes: [user-personalization, popularity-count]
deploy: false
gate: {enabled: false}
likelihood: {enabled: false}
batch:
  fans: {segment: {recipe: item-attribute-affinity, attributes: {CATEGORY_L1: garden}, users: 20}, after: promotion}
  mail: {users: {segment: fans}, items: 3, filter: not-purchased, after: promotion, output: mail}
  listed: {users: {file: loyal.csv}, items: 2, output: parquet}
  dear: {budget: 0.000001}
  nobody: {segment: {recipe: item-attribute-affinity, attributes: {CATEGORY_L1: cellar}}}
"""


def ended(laptop: Laptop, arn: str) -> Run:
    return laptop.ended(arn)


def rows(laptop: Laptop, exported: dict[str, Any]) -> list[dict[str, str]]:
    """The rows of an export's only file."""
    prefix = exported["folder"].removeprefix(f"s3://{laptop.bucket}/")
    listed = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=prefix, Delimiter="/")["Contents"]
    (key,) = [entry["Key"] for entry in listed]
    text = laptop.s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read().decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def promoted(laptop: Laptop) -> Run:
    laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS)
    laptop.drop(SHOP, "items", retail.items())
    run = laptop.drop(SHOP, "interactions", retail.interactions())
    assert run.output["outcome"] == "promoted", run.reason or run.output
    return run


def test_a_promotion_without_campaigns_exports_a_segment_and_a_mail_to_it(laptop: Laptop, promoted: Run) -> None:
    names = [campaign["name"] for campaign in laptop.listed("list_campaigns")]
    assert not [name for name in names if f"-{SHOP}-" in name]
    machine = laptop.client.runs.batches.replace(":stateMachine:", ":execution:")
    run = ended(laptop, f"{machine}:{promoted.name[-80:]}")
    assert run.status == "SUCCEEDED", run.reason
    fans, mail = run.output["exported"]
    segment = rows(laptop, fans)
    assert [row["RANK"] for row in segment] == [str(number) for number in range(1, 21)]
    assert all(int(row["USER_ID"][1:]) % 2 for row in segment)
    letters = rows(laptop, mail)
    assert sorted(row["USER_ID"] for row in letters) == sorted(row["USER_ID"] for row in segment)
    for row in letters:
        assert row["ITEM_ID_1"].startswith("garden")
        assert row["NAME_1"] == row["ITEM_ID_1"].replace("-", " ").title()
        assert float(row["PRICE_3"]) >= 5
    told = laptop.s3.get_object(Bucket=laptop.bucket, Key=f"reports/{SHOP}/{run.name}/batch-fans.json")["Body"].read()
    assert json.loads(told)["price"]["training"] > 0


def test_the_command_exports_a_list_of_users_and_says_what_cannot_be(laptop: Laptop, promoted: Run) -> None:
    assert promoted.status == "SUCCEEDED"
    laptop.s3.put_object(Bucket=laptop.bucket, Key=f"drops/{SHOP}/lists/loyal.csv", Body=b"name,user_id\na,u1\nb,new\n")
    told = laptop.command_json("batch", SHOP, "listed")
    assert (told["lists"], told["rows"], told["errors"]) == (2, 4, 0)
    report = laptop.s3.get_object(Bucket=laptop.bucket, Key=told["report"].replace(".html", ".json"))["Body"].read()
    assert any("1 of the users has no interactions" in note for note in json.loads(report)["notes"])
    for name, reason in (
        ("dear", "more than its budget of $0.00"),
        ("nobody", "no item has CATEGORY_L1 = cellar; values of CATEGORY_L1 are garden, kitchen"),
        ("unknown", "there is no batch job unknown: its settings name fans, mail, listed, dear, nobody"),
    ):
        refused = laptop.command("batch", SHOP, name)
        assert refused.returncode == 1
        assert reason in " ".join(refused.stderr.split())
