# SPDX-License-Identifier: Apache-2.0
"""From a shop's settings to the recommenders of a run's plan."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from functions.validate_drop.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, Drop, Event, interactions, load

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

HISTORY = "drops/demo/interactions/history.csv"
SETTINGS = """
recommenders:
  together: {use_case: frequently-bought-together}
  viewed: {use_case: most-viewed, minimum_rps: 2, metadata: true}
placements:
  basket: {recommender: together}
  wall: {recommender: veiwed}
"""
TOGETHER = {
    "name": "retail-demo-together",
    "arn": f"{ARN}:recommender/retail-demo-together",
    "recipeArn": "arn:aws:personalize:::recipe/aws-ecomm-frequently-bought-together",
    "config": {},
}
VIEWED = {
    "name": "retail-demo-viewed",
    "arn": f"{ARN}:recommender/retail-demo-viewed",
    "recipeArn": "arn:aws:personalize:::recipe/aws-ecomm-popular-items-by-views",
    "config": {"minRecommendationRequestsPerSecond": 2, "enableMetadataWithRecommendations": True},
}


def existing(personalize: FakePersonalize, domain: str = "ECOMMERCE", **statuses: str) -> None:
    """A shop that has interactions, and recommenders with these statuses."""
    group = {"status": "ACTIVE"} | ({"domain": domain} if domain else {})
    personalize.says("DescribeDatasetGroup", {"datasetGroup": group})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    personalize.says("DescribeSchema", {"schema": {"schema": load("import_data_schema")["plan"]["schema"]["text"]}})
    if not statuses:
        return
    *pages, last = [[{"name": f"retail-demo-{name}", "status": status}] for name, status in statuses.items()]
    for page in pages:
        personalize.says("ListRecommenders", {"recommenders": page, "nextToken": "more"})
    personalize.says("ListRecommenders", {"recommenders": last})


def remarks(plan: Event) -> list[str]:
    """What the plan says of recommenders."""
    return [note for note in plan["notes"] if "recommender" in note]


def retrained() -> Event:
    """The plan of a retraining."""
    plan: Event = handler({**load("validate_drop"), "key": "", "retrain": {"shop": "demo"}}, None)
    return plan


def test_a_whole_history_says_which_recommenders_it_is_enough_for(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    drop("drops/demo/settings.yaml", SETTINGS)
    event = drop(HISTORY, interactions())
    plan: Event = handler(event, None)
    assert plan["recommenders"] == [TOGETHER]
    few, unmade = remarks(plan)
    assert "viewed is not made: most-viewed needs 1,000 events of type View, and the file has 0" in few
    assert "a placement shows the recommender veiwed" in unmade
    # A shop that has no dataset group yet is not asked for its recommenders.
    assert "ListRecommenders" not in personalize.operations()
    page = bucket.get_object(Bucket=BUCKET, Key=f"reports/demo/{event['run']}/data-interactions.html")["Body"].read()
    assert "recommenders: together, viewed. AWS bills them by the hour" in page.decode()


@pytest.mark.parametrize(("domain", "refused"), [("", False), ("ECOMMERCE", True)])
def test_a_group_that_can_have_none_is_not_asked_for_them_and_a_refusal_is_borne(
    domain: str, refused: bool, drop: Drop, personalize: FakePersonalize
) -> None:
    """Amazon does not say what ListRecommenders answers for a group without a domain."""
    drop("drops/demo/settings.yaml", "" if domain else "domain: custom\n")
    existing(personalize, domain)
    personalize.fails("ListRecommenders", "InvalidInputException", "not a domain dataset group")
    plan: Event = handler(drop("drops/demo/interactions/incremental/more.csv", interactions()), None)
    assert plan["recommenders"] == []
    assert ("ListRecommenders" in personalize.operations()) is refused


def test_what_nobody_has_counted_personalize_decides(drop: Drop, personalize: FakePersonalize) -> None:
    drop("drops/demo/settings.yaml", SETTINGS)
    existing(personalize)
    added: Event = handler(drop("drops/demo/interactions/incremental/more.csv", interactions()), None)
    assert added["recommenders"] == retrained()["recommenders"] == [TOGETHER, VIEWED]


def test_users_and_items_make_none(drop: Drop, personalize: FakePersonalize) -> None:
    drop("drops/demo/settings.yaml", SETTINGS)
    plan: Event = handler(drop("drops/demo/users/users.csv", "USER_ID,AGE\nu1,30\n"), None)
    assert (plan["recommenders"], remarks(plan)) == ([], [])
    assert "ListRecommenders" not in personalize.operations()


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ({"together": "ACTIVE"}, []),
        ({"together": "ACTIVE", "old": "ACTIVE", "rests": "INACTIVE"}, ["old"]),
        ({"older": "START IN_PROGRESS", "old": "ACTIVE"}, ["old", "older"]),
    ],
)
def test_what_is_no_longer_in_the_settings_is_left_and_told(
    there: Mapping[str, str], told: list[str], drop: Drop, personalize: FakePersonalize
) -> None:
    drop("drops/demo/settings.yaml", "recommenders: {together: {use_case: frequently-bought-together}}")
    for work in (lambda: handler(drop(HISTORY, interactions()), None), retrained):
        personalize.reset()
        existing(personalize, **there)
        assert [note.split()[2] for note in remarks(work()) if "bills until" in note] == told
