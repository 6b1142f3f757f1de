# SPDX-License-Identifier: Apache-2.0
"""What a drop may look like, and what becomes of one that is refused: a named failure, and nothing half built."""

import gzip
import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from personalization.personalize import solution_names
from personalization.personalize.ensure import dataset_schema

from tests.app import retail
from tests.app.laptop import Laptop


def rows_of(text: str) -> list[str]:
    return text.splitlines()


def group_exists(laptop: Laptop, shop: str) -> bool:
    groups = laptop.personalize.get_paginator("list_dataset_groups").paginate()
    return any(group["name"].endswith(f"-{shop}") for page in groups for group in page["datasetGroups"])


def body(laptop: Laptop, key: str) -> bytes:
    return laptop.s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read()


GOOD = retail.interactions()
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "a required column is missing": (GOOD.replace("ITEM_ID", "SKU", 1), "ITEM_ID"),
    "empty": ("", "empty"),
    "only a header": ("USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n", "no rows"),
    "a PDF": (b"%PDF-1.7\n" + bytes(200), "the file is a PDF"),
    "milliseconds": (GOOD.replace("\n", "000\n").replace("TIMESTAMP000", "TIMESTAMP"), "milliseconds"),
    "under 1,000 interactions": ("\n".join(rows_of(GOOD)[:900]), "1,000"),
    "under 25 users with two or more": (retail.interactions(users=20, events_each=60), "25"),
    "too many bad rows": (GOOD + "u1,garden-01\n" * 20, "20 of 1,520 rows are bad (1.32%; the shop's limit is 1.00%)"),
    "another kind": (retail.items(), "these look like items (ITEM_ID): drop them under items/"),
    "an old workbook": (b"\xd0\xcf\x11\xe0" + bytes(200), "an old Excel workbook, or one with a password"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_refused_by_name_and_leaves_nothing(laptop: Laptop, case: str) -> None:
    content, reason = REFUSED[case]
    run = laptop.drop("refused", "interactions", content)
    assert run.status == "FAILED"
    assert "Rejected" in run.reason
    assert reason in run.reason
    assert not group_exists(laptop, "refused")
    assert "Contents" not in laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix="imports/refused/")
    told = laptop.s3.get_object(Bucket=laptop.bucket, Key=f"reports/refused/{run.name}/data-interactions.json")
    assert reason in json.loads(told["Body"].read())["reason"]


def test_a_few_bad_rows_are_left_out_and_kept_for_whoever_mends_them(laptop: Laptop) -> None:
    run = laptop.drop("mended", "users", retail.users(300) + "u1,18-24,x\n" + "x" * 300 + ",65+\n")
    assert (run.status, run.output["rows"]) == ("SUCCEEDED", 300), run.reason
    rejects = laptop.s3.get_object(Bucket=laptop.bucket, Key=f"rejects/mended/{run.name}/users.csv")["Body"].read()
    assert rejects.decode().splitlines()[1:] == [
        '302,"has 3 values and the header has 2","u1,18-24,x"',
        f'303,"USER_ID has 300 bytes; 256 are allowed","{"x" * 300},65+"',
    ]
    (page,) = laptop.command_json("report", "mended")
    assert page["key"].endswith(f"reports/mended/{run.name}/data-users.html")
    assert "2 rows were left out" in Path(page["path"]).read_text()


def test_a_new_column_changes_the_schema_of_the_dataset(laptop: Laptop) -> None:
    assert laptop.drop("grown", "users", retail.users()).status == "SUCCEEDED"
    wider = retail.users().replace("USER_ID,AGE", "CITY,USER_ID,AGE").replace("\nu", "\nUlm,u")
    run = laptop.drop("grown", "users", wider)
    assert run.status == "SUCCEEDED", run.reason
    groups = laptop.listed("list_dataset_groups")
    group = next(group["datasetGroupArn"] for group in groups if group["name"].endswith("-grown"))
    dataset = laptop.personalize.describe_dataset(datasetArn=f"{group.replace(':dataset-group/', ':dataset/')}/USERS")
    schema = laptop.personalize.describe_schema(schemaArn=dataset["dataset"]["schemaArn"])["schema"]["schema"]
    assert [field["name"] for field in json.loads(schema)["fields"]] == ["USER_ID", "AGE", "CITY"]
    changes = json.loads(body(laptop, f"reports/grown/{run.name}/data-users.json"))["changes"]
    assert (changes["key"], changes["columnsAdded"]) == ("drops/grown/users/data.csv", ["CITY"])
    laptop.drop("grown", "settings", "changes: {refuse: [rows]}", "settings.yaml")
    half = laptop.drop("grown", "users", "\n".join(wider.splitlines()[:29]) + "\n")
    assert "looks wrong beside drops/grown/users/data.csv" in half.reason
    assert "it has 28 good rows, 47% of the 60 before; the settings refuse that" in half.reason
    assert "Contents" not in laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=f"imports/grown/{half.name}/")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("drops/keys/orders/data.csv", "orders"),
        ("drops/keys/interactions/data.pdf", "csv"),
        ("drops/No_Such-Shop-Name/interactions/data.csv", "No_Such-Shop-Name"),
        (f"drops/{'s' * 31}/interactions/data.csv", "30"),
    ],
)
def test_a_key_that_names_no_drop_is_refused(laptop: Laptop, key: str, reason: str) -> None:
    run = laptop.put(key, GOOD)
    assert run.status == "FAILED"
    assert reason in run.reason


def test_an_incremental_drop_needs_a_history_first(laptop: Laptop) -> None:
    run = laptop.drop("newborn", "interactions", GOOD, incremental=True)
    assert run.status == "FAILED"
    assert "whole history" in run.reason


@pytest.mark.personalize("somebody makes a solution by the service's API")
def test_a_failed_training_fails_the_run_with_personalize_s_reason(laptop: Laptop) -> None:
    assert laptop.drop("stuck", "users", retail.users()).status == "SUCCEEDED"
    groups = laptop.listed("list_dataset_groups")
    group = next(group["datasetGroupArn"] for group in groups if group["name"].endswith("-stuck"))
    recipe = "arn:aws:personalize:::recipe/aws-similar-items"
    schema = dataset_schema(laptop.personalize, "users", group.replace("dataset-group/", "dataset/") + "/USERS")
    assert schema is not None
    name = solution_names.name(f"{group.rpartition('/')[2]}-similar-items", recipe, [schema])
    laptop.personalize.create_solution(
        name=name, datasetGroupArn=group, recipeArn=recipe, eventType="Return", performAutoTraining=False
    )
    run = laptop.drop("stuck", "interactions", GOOD)
    assert run.status == "FAILED"
    assert "fewer than 1000 interactions" in run.reason
    assert "Item" not in laptop.shops.get_item(Key={"shop": "stuck", "record": "release"})


def test_a_users_drop_imports_and_trains_nothing(laptop: Laptop) -> None:
    run = laptop.drop("people", "users", retail.users())
    assert (run.status, run.output["outcome"]) == ("SUCCEEDED", "imported")
    groups = laptop.listed("list_dataset_groups")
    group = next(group["datasetGroupArn"] for group in groups if group["name"].endswith("-people"))
    assert laptop.personalize.list_solutions(datasetGroupArn=group)["solutions"] == []
    with pytest.raises(ClientError, match="does not exist"):
        laptop.personalize.describe_campaign(
            campaignArn=group.replace("dataset-group/", "campaign/") + "-similar-items"
        )


def test_any_order_and_case_of_columns_and_a_missing_event_type_are_accepted(laptop: Laptop) -> None:
    settings = "recipes: [popularity-count]\n"
    assert laptop.drop("tolerant", "settings", settings, "settings.yaml").status == "SUCCEEDED"
    plain = [line.split(",") for line in rows_of(retail.interactions(event_type=None))]
    turned = "\r\n".join(f"{time.lower()},{item.lower()},{user}" for user, item, time in plain)
    run = laptop.put(
        "drops/tolerant/interactions/Käufe im März 2026.csv.gz", gzip.compress(b"\xef\xbb\xbf" + turned.encode())
    )
    assert (run.status, run.output["rows"]) == ("SUCCEEDED", 1500), run.reason
    assert any("EVENT_TYPE" in note and "Purchase" in note for note in run.output["notes"])
    copies = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=f"imports/tolerant/{run.name}/")["Contents"]
    first = laptop.s3.get_object(Bucket=laptop.bucket, Key=copies[0]["Key"])["Body"].read().decode().splitlines()[:2]
    assert set(first[0].split(",")) == {"USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP"}
    assert "Purchase" in first[1]


def test_a_refused_export_goes_in_with_the_settings_that_map_proposes(laptop: Laptop, tmp_path: Path) -> None:
    assert laptop.drop("mapped", "settings", "recipes: [popularity-count]\n", "settings.yaml").status == "SUCCEEDED"
    header, *rows = rows_of(retail.interactions(event_type=None))
    assert header == "USER_ID,ITEM_ID,TIMESTAMP"
    export = "\n".join(["회원번호,상품코드,주문일시,메모", *[f"{row}000,x" for row in rows], ""])
    refused = laptop.drop("mapped", "interactions", export)
    assert "the report proposes settings for it: interactions: {columns: {회원번호: USER_ID, " in refused.reason
    (file := tmp_path / "export.csv").write_text(export)
    command = laptop.command("map", "--shop", "mapped", str(file), "--write", str(tmp_path / "settings.yaml"))
    assert command.returncode == 0, command.stderr
    proposed = (tmp_path / "settings.yaml").read_text()
    assert "recipes:\n- popularity-count\n" in proposed
    assert laptop.drop("mapped", "settings", proposed, "settings.yaml").status == "SUCCEEDED"
    run = laptop.drop("mapped", "interactions", export)
    assert (run.status, run.output["rows"]) == ("SUCCEEDED", 1500), run.reason


def test_wrong_settings_are_refused_by_name(laptop: Laptop) -> None:
    run = laptop.put("drops/tolerant/settings.yaml", "recepies: [similar-items]\n")
    assert run.status == "FAILED"
    assert "recepies" in run.reason
    file = laptop.scratch / "mine.yml"
    file.write_text("recepies: [similar-items]\n")
    command = laptop.command("drop", "tolerant", "settings", str(file))
    assert (command.returncode, "nothing was uploaded" in command.stderr, "recepies" in command.stderr) == (
        1,
        True,
        True,
    )
    there = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix="drops/tolerant/settings")["Contents"]
    assert [entry["Key"] for entry in there] == ["drops/tolerant/settings.yaml"]


def test_a_folder_is_one_drop_once_its_marker_is_there(laptop: Laptop, tmp_path: Path) -> None:
    header, *people = retail.users(300).splitlines(keepends=True)
    parts = {f"part-{n}.csv": header + "".join(people[n * 100 : n * 100 + 100]) for n in range(3)} | {"part-3": ""}
    folder = "drops/foldered/users/2026-11/"
    for name, content in reversed(parts.items()):
        laptop.s3.put_object(Bucket=laptop.bucket, Key=folder + name, Body=content.encode())
    entries = [{"key": name, "size": len(content)} for name, content in parts.items()]
    short = json.dumps({"entries": [*entries, {"key": "part-4.csv", "size": 7}]})
    refused = laptop.put(f"{folder}manifest.json", short)
    assert (refused.status, "not there when it was written: part-4.csv" in refused.reason) == ("FAILED", True)
    run = laptop.put(f"{folder}manifest.json", json.dumps({"entries": entries}))
    assert (run.status, run.output["rows"]) == ("SUCCEEDED", 300), run.reason
    assert "the drop has 4 parts" in run.output["notes"]
    # The same people from a folder on the laptop, by the command.
    dropped = tmp_path / "again"
    dropped.mkdir()
    for name, content in parts.items():
        (dropped / name).write_text(content)
    (again,) = laptop.command_json("drop", "foldered", "users", str(dropped), "--watch")
    assert again["key"] == "drops/foldered/users/again/manifest.json"
    assert again["run"]["output"]["outcome"] == "alreadyHandled"
