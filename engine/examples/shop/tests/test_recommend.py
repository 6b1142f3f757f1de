# SPDX-License-Identifier: Apache-2.0
"""With the fixture: S3 is a folder, faults happen on demand, time moves by hand."""

import pytest
from shop.recommend import recommended, record_view
from small_shop import Shop, open_shop, sales

BESTSELLERS = ["bread", "milk"]


@pytest.fixture
def shop(personalize) -> Shop:
    bucket = personalize.s3_root / "bucket"
    bucket.mkdir()
    (bucket / "sales.csv").write_text(sales())
    return open_shop("s3://bucket/sales.csv")


def test_a_reader_is_offered_books(shop: Shop) -> None:
    assert all(item.startswith("book-") for item in recommended(shop.campaign, "u2", BESTSELLERS))


def test_a_new_user_is_offered_what_they_look_at(shop: Shop) -> None:
    for number in range(3):
        record_view(shop.tracking_id, "somebody", "session-1", f"game-{number}")
    offered = recommended(shop.campaign, "somebody", BESTSELLERS)
    assert sum(item.startswith("game-") for item in offered) > len(offered) / 2


@pytest.mark.parametrize("fault", ["throttle", "internalFailure", "dropConnection"])
def test_a_page_has_items_whatever_happens(shop: Shop, personalize, fault: str) -> None:
    personalize.faults.add(fault, "GetRecommendations", times=1)
    assert recommended(shop.campaign, "u2", BESTSELLERS) == BESTSELLERS
    assert recommended(shop.campaign, "u2", BESTSELLERS) != BESTSELLERS


def test_a_week_later_the_solution_has_trained_on_what_came_meanwhile(shop: Shop, personalize) -> None:
    record_view(shop.tracking_id, "somebody", "session-1", "game-1")
    personalize.clock.advance(days=8)
    versions = personalize.personalize.list_solution_versions(solutionArn=shop.solution)["solutionVersions"]
    assert [version["trainingType"] for version in versions] == ["MANUAL", "AUTOMATIC"]
