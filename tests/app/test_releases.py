# SPDX-License-Identifier: Apache-2.0
"""Releases: what is judged, refused, promoted by hand, rolled back, and taken back when its probe fails."""

import json
import random
from typing import Any, cast

import pytest

from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop

SHOP = "judged"
RECIPES = {"user-personalization", "personalized-ranking", "similar-items"}
"""Those with a campaign."""


def release(laptop: Laptop) -> dict[str, Any]:
    return laptop.client.runs.record(SHOP, "release")


def recorded(laptop: Laptop) -> dict[str, str]:
    return {alias: entry["solutionVersionArn"] for alias, entry in release(laptop)["campaigns"].items()}


def serving(laptop: Laptop) -> dict[str, str]:
    """The versions that the campaigns serve, as Personalize says."""
    versions = {}
    for alias, entry in release(laptop)["campaigns"].items():
        campaign = laptop.personalize.describe_campaign(campaignArn=entry["arn"])["campaign"]
        assert campaign["status"] == "ACTIVE"
        versions[alias] = campaign["solutionVersionArn"]
    return versions


def report(laptop: Laptop, run: str) -> dict[str, Any]:
    body = laptop.s3.get_object(Bucket=laptop.bucket, Key=f"reports/{SHOP}/{run}/release.json")["Body"].read()
    return cast(dict[str, Any], json.loads(body))


def noise() -> str:
    """As many interactions as ever, at random: nothing in them tells who will buy what."""
    chance = random.Random(7)  # noqa: S311 - no secret
    lines = retail.interactions(events_each=28).splitlines()
    rows = [line.split(",") for line in lines[1:]]
    return "\n".join([lines[0], *(",".join([row[0], chance.choice(retail.ITEMS), *row[2:]]) for row in rows)]) + "\n"


@pytest.fixture(scope="module")
def first(laptop: Laptop) -> Run:
    """A shop's first release."""
    laptop.drop(SHOP, "items", retail.items())
    return laptop.drop(SHOP, "interactions", retail.interactions())


@pytest.fixture(scope="module")
def second(laptop: Laptop, first: Run) -> tuple[dict[str, str], Run]:
    """The versions of the first release, and a good second run."""
    assert first.output["outcome"] == "promoted", first.reason or first.output
    return recorded(laptop), laptop.drop(SHOP, "interactions", retail.interactions(events_each=26))


def test_a_second_drop_is_judged_against_the_first_and_promoted(
    laptop: Laptop, second: tuple[dict[str, str], Run]
) -> None:
    before, run = second
    assert run.output.get("outcome") == "promoted", run.reason or run.output
    assert recorded(laptop) == serving(laptop)
    assert all(recorded(laptop)[alias] != before[alias] for alias in RECIPES)
    judged = {recipe["alias"]: recipe for recipe in report(laptop, run.name)["recipes"]}
    assert all(judged[alias]["servingLift"] for alias in RECIPES)


def test_the_page_shows_old_lists_beside_new_ones(laptop: Laptop, second: tuple[dict[str, str], Run]) -> None:
    lists = report(laptop, second[1].name)["lists"]["user-personalization"]
    assert len(lists) == 20
    assert all(len(pair["before"]) == len(pair["after"]) == 10 for pair in lists)
    assert all(item["name"] for item in lists[0]["after"])
    page = laptop.s3.get_object(Bucket=laptop.bucket, Key=second[1].output["report"])["Body"].read().decode()
    assert lists[0]["after"][0]["name"] in page
    assert "http" not in page


def test_noise_is_refused_and_the_old_versions_serve_on(laptop: Laptop, second: tuple[dict[str, str], Run]) -> None:
    before = recorded(laptop)
    run = laptop.drop(SHOP, "interactions", noise())
    assert (second[1].status, run.status, run.output["outcome"]) == ("SUCCEEDED", "SUCCEEDED", "refused")
    assert "user-personalization: normalized_discounted_cumulative_gain_at_10" in run.output["reason"]
    assert before == recorded(laptop) == serving(laptop)
    assert report(laptop, run.name)["outcome"] == "refused"


def test_what_was_refused_is_promoted_by_hand(laptop: Laptop, second: tuple[dict[str, str], Run]) -> None:
    before = recorded(laptop)
    done = laptop.command_json("promote", SHOP)
    assert (second[1].status, done["output"]["outcome"]) == ("SUCCEEDED", "promoted")
    assert recorded(laptop) == serving(laptop)
    assert all(recorded(laptop)[alias] != before[alias] for alias in RECIPES)
    assert laptop.command("promote", SHOP, "no-such-run").returncode == 1


def test_a_rollback_serves_the_release_before(laptop: Laptop, second: tuple[dict[str, str], Run]) -> None:
    first_versions, good = second
    withdrawn = release(laptop)
    done = laptop.command_json("rollback", SHOP)
    assert (done["kind"], done["output"]["outcome"]) == ("rollback", "rolled back")
    assert recorded(laptop) == serving(laptop)
    assert release(laptop)["run"] == good.name
    assert laptop.call("GET", f"/shops/{SHOP}/users/u1/recommendations").status == 200
    history = laptop.client.runs.record(SHOP, f"release#{withdrawn['promotedAt']}")
    assert history["withdrawnAt"] == release(laptop)["restoredAt"]
    laptop.command_json("rollback", SHOP)
    assert recorded(laptop) == serving(laptop) == first_versions
    nothing = laptop.command("rollback", SHOP)
    assert nothing.returncode == 1
    assert "no earlier release" in nothing.stdout


def test_a_failed_probe_takes_the_release_back(laptop: Laptop, second: tuple[dict[str, str], Run]) -> None:
    before = recorded(laptop)
    laptop.put(f"drops/{SHOP}/settings.yaml", "gate: {enabled: false}\nprobe: {latency_ms: 0.01}\n")
    run = laptop.drop(SHOP, "interactions", retail.interactions(events_each=27))
    assert (second[1].status, run.status) == ("SUCCEEDED", "FAILED")
    assert "the probe failed: the median answer took" in run.reason
    assert before == recorded(laptop) == serving(laptop)
    assert report(laptop, run.name)["outcome"] == "rolled back"


def test_a_first_release_that_fails_its_probe_has_nothing_to_go_back_to(laptop: Laptop) -> None:
    laptop.put("drops/unprobed/settings.yaml", "recipes: [popularity-count]\nprobe: {latency_ms: 0.01}\n")
    run = laptop.drop("unprobed", "interactions", retail.interactions())
    assert run.status == "FAILED"
    assert "no earlier version to go back to" in run.reason
    assert laptop.call("GET", "/shops/unprobed/popular").status == 404
