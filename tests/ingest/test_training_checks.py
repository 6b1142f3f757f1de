# SPDX-License-Identifier: Apache-2.0
"""Settings of trainings, checked against a shop's data before an import."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core.errors import Rejected
from personalization.shop.plan import Plan

from functions.import_data.app import handler as import_data
from functions.validate_drop.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, Drop, Event, load

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "personalize")
HISTORY = "drops/demo/interactions/history.csv"
SECOND = "generation: v2\n"


def history(views: int = 1_100, purchases: int = 1_000, value: str = "") -> str:
    """A history of two types of events, each with a value."""
    header = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE" + (",EVENT_VALUE" if value else "")
    kinds = ["View"] * views + ["Purchase"] * purchases
    more = f",{value}" if value else ""
    rows = [f"u{n % 100},i{n % 50},{1_700_000_000 + n},{kind}{more}" for n, kind in enumerate(kinds)]
    return "\n".join([header, *rows]) + "\n"


def planned(drop: Drop, settings: str, text: str) -> Plan:
    drop("drops/demo/settings.yaml", settings)
    return Plan.read(handler(drop(HISTORY, text), None))


def test_a_run_carries_the_members_of_each_solution_and_versions_have_names_by_them(drop: Drop) -> None:
    weighs = planned(drop, f"{SECOND}events: {{Purchase: 1, View: 0.1}}", history())
    other = planned(drop, f"{SECOND}events: {{Purchase: 1, View: 0.2}}", history())
    plain = planned(drop, SECOND, history())
    personal, ranking, similar, popular = weighs.recipes
    events = personal.solution_members["solutionConfig"]["eventsConfig"]["eventParametersList"]
    assert events == [{"eventType": "Purchase", "weight": 1.0}, {"eventType": "View", "weight": 0.1}]
    assert (ranking.solution_members, similar.solution_members) == (personal.solution_members, {})
    names = [plan.recipes[0].solution_version_name for plan in (weighs, other, plain)]
    assert len(set(names)) == 3
    assert similar.solution_version_name == plain.recipes[2].solution_version_name
    assert "solutionMembers" not in popular.as_json()


def test_types_that_the_history_lacks_and_types_that_do_not_train_are_noted(drop: Drop) -> None:
    notes = planned(drop, f"{SECOND}events: {{Purchase: 1, Like: 0.1}}", history()).notes
    assert "the settings name events of type Like, and the file has none" in notes
    assert "events of other types than Purchase and Like do not train: View (1,100)" in notes
    assert any("gate: {held_out: {days: 14}}" in note and "of type Purchase" in note for note in notes)
    tested = f"{SECOND}events: {{Purchase: 1, View: 0.1}}\ngate: {{held_out: {{days: 3}}}}"
    plan = planned(drop, tested, history())
    assert not any("held_out" in note for note in plan.notes)
    assert plan.evaluation is not None
    assert plan.evaluation.event_type == "Purchase"
    assert plan.evaluation.solution_members["personalized-ranking"] == plan.recipes[1].solution_members


METRICS = (
    "metric_attribution: {{purchases: {{event_type: Purchase}}, money: {{event_type: Purchase, expression: {0}}}}}"
)


def test_a_run_carries_the_metrics_of_the_settings(drop: Drop, personalize: FakePersonalize) -> None:
    attribution = planned(
        drop, METRICS.format("sum(interactions. event_value)"), history(value="2.5")
    ).metric_attribution
    assert attribution is not None
    assert [tuple(metric.values()) for metric in attribution.metrics] == [
        ("purchases", "Purchase", "SAMPLECOUNT()"), ("money", "Purchase", "SUM(Interactions.EVENT_VALUE)")
    ]  # fmt: skip
    schema = {"fields": [{"name": "ITEM_ID", "type": "string"}, {"name": "PRICE", "type": "float"}]}
    personalize.says("DescribeDataset", {"dataset": {"schemaArn": f"{ARN}:schema/items", "status": "ACTIVE"}})
    personalize.says("DescribeSchema", {"schema": {"schema": json.dumps(schema)}})
    assert planned(drop, METRICS.format("SUM(Items.PRICE)"), history(1_200)).metric_attribution is not None
    assert planned(drop, "generation: v1", history(1_300)).metric_attribution is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("AVG(Items.PRICE)", r"money\.expression: is SAMPLECOUNT\(\), SUM\(Items\.COLUMN\)"),
        (
            "SUM(Items.PRICE)",
            "money: adds up PRICE of items, whose columns of numbers are: -. Drop items with it first",
        ),
        ("SUM(Interactions.EVENT_TYPE)", "adds up EVENT_TYPE of interactions, whose columns of numbers are: TIMESTAMP"),
    ],
)
def test_metrics_that_personalize_would_refuse_are_refused_before_anything_is_imported(
    expression: str, reason: str, drop: Drop
) -> None:
    with pytest.raises(Rejected, match=reason):
        planned(drop, METRICS.format(expression), history())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            f"{SECOND}events: {{Like: 1, View: 0}}",
            "user-personalization would train on 0 interactions, those of type Like, and Personalize needs 1,000; the "
            r"file has View \(1,100\), Purchase \(1,000\)",
        ),
        ("training: {similar-items: {event_type: Like}}", "similar-items would train on 0 interactions"),
        (
            f"{SECOND}events: {{Purchase: 1, View: {{weight: 0.1, threshold: 2}}}}",
            "a threshold for View, and the interactions have no EVENT_VALUE",
        ),
        (
            "training: {all: {exclude: {interactions: [DEVICE]}}}",
            "columns that the interactions don't have: DEVICE; they have USER_ID, ITEM_ID, TIMESTAMP, EVENT_TYPE",
        ),
        ("training: {all: {exclude: {users: [AGE]}}}", "columns of users, which the shop does not have: drop users"),
        ("training: {user-personalization: {objective: {column: PRICE}}}", "PRICE is not a column of the shop's items"),
    ],
)
def test_what_cannot_train_is_refused_before_it_is_imported(
    settings: str, reason: str, drop: Drop, bucket: "S3Client"
) -> None:
    with pytest.raises(Rejected, match=reason):
        planned(drop, settings, history())
    assert "Contents" not in bucket.list_objects_v2(Bucket=BUCKET, Prefix="imports/")


def test_values_in_no_row_are_no_values(drop: Drop) -> None:
    settings = f"{SECOND}events: {{Purchase: {{weight: 1, threshold: 2}}}}"
    assert planned(drop, settings, history(value="2.5")).recipes[0].solution_members
    empty = history(value="x").replace(",x\n", ",\n")
    with pytest.raises(Rejected, match="have no EVENT_VALUE"):
        planned(drop, settings, empty)


def items(drop: Drop, prices: str = "1,2") -> None:
    """The run has checked a file of items before."""
    low, high = prices.split(",")
    rows = [f"i{n},{low if n % 2 else high},tea,{n}.5,cup of tea {n}" for n in range(50)]
    text = "\n".join(["ITEM_ID,PRICE,CATEGORY_L1,MARGIN,NAME", *rows]) + "\n"
    handler(drop("drops/demo/items/items.csv", text), None)


@pytest.mark.parametrize(
    ("column", "prices", "reason"),
    [
        ("PRICE", "1,2", ""),
        ("PRICE", "3,3", "the objective PRICE is 3 in every item"),
        ("NAME", "1,2", "the objective NAME is text"),
        ("MARGIN", "1,2", "MARGIN may be empty in an item"),
        ("WEIGHT", "1,2", "WEIGHT is not a column of the shop's items"),
    ],
)
def test_an_objective_is_a_number_that_differs_and_is_in_every_item(
    column: str, prices: str, reason: str, drop: Drop
) -> None:
    items(drop, prices)
    settings = f"training: {{user-personalization: {{objective: {{column: {column}}}}}}}"
    if reason:
        with pytest.raises(Rejected, match=reason):
            planned(drop, settings, history())
    else:
        assert "optimizationObjective" in str(planned(drop, settings, history()).recipes[0].solution_members)


def test_columns_that_are_left_out_are_those_of_files_that_came_with_these_or_before(drop: Drop) -> None:
    items(drop)
    left_out = "training: {all: {exclude: {items: [MARGIN]}}}"
    assert planned(drop, left_out, history()).recipes[2].solution_members
    with pytest.raises(Rejected, match="columns that the items don't have: COLOUR; they have ITEM_ID, PRICE"):
        planned(drop, "training: {all: {exclude: {items: [COLOUR]}}}", history())


def retraining(mode: str) -> Event:
    wish = {"shop": "demo", "trainingMode": mode, "recipes": ["user-personalization"]}
    return {"bucket": "", "key": "", "run": "run-2", "retrain": wish}


def test_a_retraining_is_held_against_the_data_that_are_there(personalize: FakePersonalize, drop: Drop) -> None:
    fields: Any = [{"name": name, "type": "string"} for name in ("USER_ID", "ITEM_ID", "EVENT_TYPE")]
    fields.append({"name": "TIMESTAMP", "type": "long"})

    def there() -> None:
        personalize.reset()
        personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/i"}})
        personalize.says("DescribeSchema", {"schema": {"schema": json.dumps({"fields": fields})}})
        for _ in ("items", "users"):
            personalize.fails("DescribeDataset", "ResourceNotFoundException")

    for settings, mode, reason in (
        (f"{SECOND}events: {{View: {{weight: 1, threshold: 1}}}}", "FULL", "have no EVENT_VALUE"),
        ("training: {user-personalization: {exclude: {items: [A]}}}", "FULL", "columns of items, which the shop"),
        ("training: {user-personalization: {tune: {}}}", "UPDATE", "trainingMode UPDATE tunes nothing"),
    ):
        drop("drops/demo/settings.yaml", settings)
        there()
        with pytest.raises(Rejected, match=reason):
            handler(retraining(mode), None)
    drop("drops/demo/settings.yaml", f"{SECOND}events: {{View: 1, Purchase: 0.2}}")
    there()
    assert Plan.read(handler(retraining("FULL"), None)).recipes[0].solution_members


@pytest.mark.usefixtures("table")
def test_a_shop_that_always_was_on_the_engine_asks_amazon_personalize_nothing(
    personalize: FakePersonalize, drop: Drop
) -> None:
    drop("drops/demo/settings.yaml", "backend: engine\nrecipes: [similar-items]\n")
    personalize.reset()
    assert handler(drop("drops/demo/interactions/new.csv", history()), None)["outcome"] == "imported"
    assert personalize.operations() == []
    # From here on it has been there, and may have campaigns that bill.
    import_data(load("import_data_dataset_group"), None)
    personalize.reset()
    handler(drop("drops/demo/interactions/new.csv", history()), None)
    assert set(personalize.operations()) == {"DescribeCampaign"}
