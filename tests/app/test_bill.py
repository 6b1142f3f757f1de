# SPDX-License-Identifier: Apache-2.0
"""A campaign that settings no longer ask for: named with its price, deleted after a promotion, not made again."""

import pytest

from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import until

SHOP = "thrifty"
SETTINGS = "recipes: [similar-items, popularity-count]\ngate: {enabled: false}\nprobe: {enabled: false}\n"
WITH_CAMPAIGN = SETTINGS + "campaigns: {popularity-count: {}}\n"
NAME = f"retail-{SHOP}-popularity-count"


def campaigns(laptop: Laptop) -> set[str]:
    listed = laptop.listed("list_campaigns")
    return {
        campaign["name"] for campaign in listed if f"-{SHOP}-" in campaign["name"] and campaign["status"] == "ACTIVE"
    }


@pytest.mark.nightly
def test_a_campaign_that_is_not_asked_for_any_more_goes_after_the_next_promotion(laptop: Laptop) -> None:
    laptop.put(f"drops/{SHOP}/settings.yaml", WITH_CAMPAIGN)
    laptop.drop(SHOP, "interactions", retail.interactions())
    assert campaigns(laptop) == {NAME, f"retail-{SHOP}-similar-items"}
    served = laptop.call("GET", f"/shops/{SHOP}/popular", limit="3").body
    assert [item["source"] for item in served["items"]] == ["popular"] * 3

    laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS)
    run = laptop.drop(SHOP, "interactions", retail.interactions(events_each=26))
    assert run.output["outcome"] == "promoted", run.reason or run.output
    (told,) = [note for note in run.output["notes"] if NAME in note]
    assert "about $146 a month" in told
    until(lambda: campaigns(laptop) == {f"retail-{SHOP}-similar-items"}, "the campaign is deleted")
    until(
        lambda: (
            {item["source"] for item in laptop.call("GET", f"/shops/{SHOP}/popular").body["items"]} == {"bestsellers"}
        ),
        "the bestsellers are shown",
    )

    laptop.command_json("rollback", SHOP)
    assert campaigns(laptop) == {f"retail-{SHOP}-similar-items"}
