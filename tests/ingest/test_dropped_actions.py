# SPDX-License-Identifier: Apache-2.0
"""Drops of actions, and of what users did with them."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core.errors import Rejected

from functions.validate_drop.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, Drop, Event, interactions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "personalize")
ACTIONS = "drops/deeds/actions/actions.csv"
DEEDS = "drops/deeds/action-interactions/deeds.csv"
CUSTOM = "domain: custom\nrecipes: [popularity-count, next-best-action]\n"


@pytest.fixture(autouse=True)
def _settings(drop: Drop) -> None:
    drop("drops/deeds/settings.yaml", CUSTOM)


def copied(bucket: "S3Client", event: Event, kind: str) -> list[str]:
    key = f"imports/deeds/{event['run']}/{kind}/part-0.csv"
    return bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode().splitlines()


def exists(personalize: FakePersonalize, plan: Any) -> None:  # noqa: ANN401 - a plan's JSON
    """Let Personalize have the dataset of a plan."""
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE"}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/any"}})
    personalize.says("DescribeSchema", {"schema": {"schema": plan["schema"]["text"]}})


def columns(plan: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a plan's JSON
    return list(json.loads(plan["schema"]["text"])["fields"])


def test_actions_become_an_import_of_their_own(drop: Drop, bucket: "S3Client") -> None:
    text = "action id,Value,Repeat_Frequency,Expiration_Timestamp,Area\ncoupon,5,30,2030-01-02,kitchen\napp,,,,both\n"
    event = drop(ACTIONS, text)
    plan: Any = handler(event, None)
    assert copied(bucket, event, "actions")[1:] == ["coupon,5,30,1893542400,kitchen", "app,,,,both"]
    assert plan["dataset"] == {
        "name": "retail-deeds-actions",
        "arn": f"{ARN}:dataset/retail-deeds/ACTIONS",
        "type": "ACTIONS",
        "changes": False,
    }
    assert (plan["datasetGroup"]["domain"], plan["recipes"]) == (None, [])
    types = {column["name"]: column["type"] for column in columns(plan)}
    assert types["VALUE"] == types["REPEAT_FREQUENCY"] == types["EXPIRATION_TIMESTAMP"] == ["null", "long"]


def test_deeds_are_written_in_one_way(drop: Drop, bucket: "S3Client") -> None:
    header, kinds = "USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP\n", ("Taken", "not taken", "NOT_TAKEN", "viewed")
    rows = [f"u1,coupon,{kind},{1_700_000_000 + number}" for number, kind in enumerate((*kinds, "viewed"))]
    event = drop(DEEDS, header + "\n".join(rows) + "\n")
    plan: Any = handler(event, None)
    words = [line.split(",")[2] for line in copied(bucket, event, "action-interactions")[1:]]
    assert words == ["TAKEN", "NOT_TAKEN", "NOT_TAKEN", "VIEWED", "VIEWED"]
    assert (plan["dataset"]["type"], plan["rows"]) == ("ACTION_INTERACTIONS", 5)
    report = bucket.get_object(Bucket=BUCKET, Key=f"reports/deeds/{event['run']}/data-action-interactions.json")
    types = json.loads(report["Body"].read())["eventTypes"]
    assert {kind["name"]: kind["rows"] for kind in types} == {"NOT_TAKEN": 2, "VIEWED": 2, "TAKEN": 1}


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        (ACTIONS, "ACTION_ID,VALUE\n" + "".join(f"a{n},1\n" for n in range(10_000)), "10,000 actions.*takes 1,000"),
        (ACTIONS, "ACTION_ID,VALUE\na,11\n", "VALUE must be from 1 to 10, not '11'"),
        (ACTIONS, "ACTION_ID,REPEAT_FREQUENCY\na,31\n", "REPEAT_FREQUENCY must be from 1 to 30"),
        (ACTIONS, "ACTION_ID,VALUE\na,high\n", "VALUE must be a whole number"),
        (ACTIONS, "ACTION_ID,CREATION_TIMESTAMP\na,1700000000\n", "at least one column beside ACTION_ID"),
        (ACTIONS, "ITEM_ID,VALUE\na,1\n", "required columns are missing: ACTION_ID"),
        (DEEDS, "USER_ID,ACTION_ID,TIMESTAMP\nu,a,1700000000\n", "required columns are missing: EVENT_TYPE"),
        (
            DEEDS,
            "USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP\nu,a,Clicked,1700000000\n",
            "EVENT_TYPE must be one of TAKEN, NOT_TAKEN, VIEWED, not 'Clicked'",
        ),
        (DEEDS.replace("interactions/", "interactions/incremental/"), "USER_ID\nu\n", "whole history"),
    ],
)
def test_bad_actions_are_refused_with_the_reason(drop: Drop, key: str, text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        handler(drop(key, text), None)


def test_actions_that_are_added_count_with_those_that_are_there(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    def actions(begin: int, end: int) -> str:
        return "ACTION_ID,VALUE\n" + "".join(f"a{number},1\n" for number in range(begin, end))

    plan: Any = handler({**drop(ACTIONS, actions(0, 990)), "run": "first"}, None)
    exists(personalize, plan)
    ids, more = {"ids": {"actions": ["first"]}}, ACTIONS.replace("actions/a", "actions/incremental/a")
    added: Any = handler({**drop(more, actions(980, 1_000)), "run": "second", **ids}, None)
    assert (added["rows"], added["mode"]) == (20, "INCREMENTAL")
    ids = {"ids": {"actions": ["second", "first"]}}
    event = {**drop(more, actions(999, 1_001)), "run": "third", **ids}
    with pytest.raises(
        Rejected, match=r"would have 1,001 actions.*takes 1,000: drop a whole file without incremental/"
    ):
        handler(event, None)
    assert not bucket.list_objects_v2(Bucket=BUCKET, Prefix="imports/deeds/third/")["KeyCount"]
    whole: Any = handler({**drop(ACTIONS, actions(500, 1_500)), "run": "fourth", **ids}, None)
    assert (whole["rows"], whole["mode"]) == (1_000, "FULL")


def test_actions_need_a_custom_domain(drop: Drop) -> None:
    drop("drops/deeds/settings.yaml", "language: en\n")
    for key in (ACTIONS, DEEDS):
        with pytest.raises(Rejected, match="needs domain: custom, which a shop chooses before its first drop"):
            handler(drop(key, "ACTION_ID,VALUE\na,1\n"), None)
    drop("drops/deeds/settings.yaml", "recipes: [next-best-action]\n")
    with pytest.raises(Rejected, match="recipes: the next best action needs domain: custom"):
        handler(drop("drops/deeds/items/items.csv", "ITEM_ID,PRICE\na,1\n"), None)


def test_the_recipe_waits_for_actions(drop: Drop) -> None:
    history = drop("drops/deeds/interactions/history.csv", interactions())
    plan: Any = handler(history, None)
    assert [recipe["alias"] for recipe in plan["recipes"]] == ["popularity-count"]
    assert any("next-best-action is not trained: the shop has no actions yet" in note for note in plan["notes"])
    handler(drop(ACTIONS, "ACTION_ID,VALUE\ncoupon,1\n"), None)
    plan = handler(history, None)
    assert [recipe["alias"] for recipe in plan["recipes"]] == ["popularity-count", "next-best-action"]
