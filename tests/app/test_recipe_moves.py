# SPDX-License-Identifier: Apache-2.0
"""A recipe comes to the engine in steps, beside the version on Amazon Personalize that serves; an experiment compares
both afterwards."""

from typing import Any

import pytest
from personalization.core.names import backend_of

from local.cloud.runs import Run
from tests.app import retail
from tests.app.conftest import Shop
from tests.app.laptop import Laptop
from tests.app.waiting import until

pytestmark = pytest.mark.nightly
SHOP, UP = "steps", "user-personalization"
SETTINGS = """\
recipes: [{}, similar-items, popularity-count]
gate: {{tolerance: 0.9, ramp: {{steps: [50], days: 1, guardrails: [orders]}}}}
placements: {{home: {{recipe: user-personalization, filter: not-purchased, limit: 4}}}}
"""
BACKENDS = """\
experiments:
  backends:
    hypothesis: Users order more from the engine's lists.
    owner: Kim
    placements: [home]
    goal: orders
    weeks: 2
    variants: {now: {}, before: {release: RUN}}
"""
USERS = [f"u{number}" for number in range(24)]


def serving(laptop: Laptop) -> str:
    """Whose campaign serves, by its ARN."""
    return backend_of(laptop.client.runs.record(SHOP, "release")["campaigns"][UP]["arn"])


def campaigns(laptop: Laptop) -> set[str]:
    """The names of the shop's campaigns on Amazon Personalize."""
    names = {campaign["name"] for campaign in laptop.listed("list_campaigns")}
    return {name for name in names if name.startswith(f"retail-{SHOP}-")}


def lists(shop: Shop) -> dict[str, Any]:
    return {user: shop.call("GET", f"/users/{user}/placements/home").body for user in USERS}


def variant(answer: dict[str, Any]) -> str:
    return str(answer.get("experiment", {}).get("variant", ""))


def of_campaigns(shop: Shop) -> dict[str, set[bool]]:
    """Whether campaigns answer, by the variants that users get."""
    answered: dict[str, set[bool]] = {}
    for answer in lists(shop).values():
        answered.setdefault(variant(answer), set()).add("degraded" not in answer)
    return answered


def without_the_service(shop: Shop) -> dict[str, set[bool]]:
    """The same while Amazon Personalize answers nobody: who still has a list of a campaign has it of the engine."""
    with shop.laptop.faults.during("throttle", "GetRecommendations"):
        return of_campaigns(shop)


@pytest.fixture(scope="module")
def first(laptop: Laptop) -> Run:
    """The release of a shop whose recipes all are on Amazon Personalize."""
    assert laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS.format(UP)).status == "SUCCEEDED"
    laptop.drop(SHOP, "items", retail.items())
    run = laptop.drop(SHOP, "interactions", retail.interactions())
    assert run.output["outcome"] == "promoted", run.reason or run.output
    return run


@pytest.fixture(scope="module")
def ramped(laptop: Laptop, first: Run) -> Run:
    """The run whose version is on the engine, and comes to a part of the users."""
    assert first.status == "SUCCEEDED"
    moved = SETTINGS.format("{name: user-personalization, backend: engine}")
    assert laptop.put(f"drops/{SHOP}/settings.yaml", moved).status == "SUCCEEDED"
    laptop.drop(SHOP, "items", retail.items())
    run = laptop.drop(SHOP, "interactions", retail.interactions(events_each=26))
    assert (run.status, run.output.get("outcome")) == ("SUCCEEDED", "promoted"), run.reason or run.output
    return run


def test_a_recipe_comes_to_the_engine_in_steps(laptop: Laptop, ramped: Run) -> None:
    shop = Shop(SHOP, laptop, (ramped,))
    assert serving(laptop) == "personalize"
    (ramp,) = laptop.client.runs.record(SHOP, "experiments")["experiments"]
    assert backend_of(ramp["ramp"]["campaign"]) == "engine"
    assert any("on the engine" in note and "nothing while" in note for note in ramped.output["notes"])
    both = {"now-1": {True}, "new-1": {True}}
    until(lambda: of_campaigns(shop) == both, "each half of the users gets its campaign's lists")
    assert without_the_service(shop) == {"now-1": {False}, "new-1": {True}}
    until(lambda: of_campaigns(shop) == both, "the service answers again")
    # Either backend knows what its users just did.
    for side in both:
        user, answer = next((user, answer) for user, answer in lists(shop).items() if variant(answer) == side)
        bought = answer["items"][0]["itemId"]
        event = {"eventType": "Purchase", "itemId": bought}
        assert shop.call("POST", "/events", {"userId": user, "sessionId": "s", "events": [event]}).status == 202
        after = shop.call("GET", f"/users/{user}/placements/home").body
        assert ("degraded" not in after, bought in str(after["items"])) == (True, False), side

    done = laptop.command_json("promote", SHOP, ramped.name)
    assert (done["output"]["outcome"], serving(laptop)) == ("promoted", "engine")
    until(lambda: f"retail-{SHOP}-{UP}" not in campaigns(laptop), "the campaign on Personalize is gone")


def test_an_experiment_compares_the_versions_of_both_backends(laptop: Laptop, first: Run, ramped: Run) -> None:
    shop, file = Shop(SHOP, laptop, (first, ramped)), laptop.scratch / "backends.yaml"
    file.write_text(BACKENDS.replace("RUN", first.name).replace("weeks: 2", "weeks: 2\n    compare: interleaved"))
    priced = laptop.command("experiment", "check", str(file), SHOP)
    assert "(now $0.0015, before $0.0556)" in priced.stdout, priced.stdout + priced.stderr
    file.write_text(BACKENDS.replace("RUN", first.name))
    priced = laptop.command("experiment", "check", str(file), SHOP)
    assert "at least $67.25 for 14 days" in " ".join(priced.stdout.split()), priced.stdout + priced.stderr
    started = laptop.command("experiment", "start", SHOP, str(file))
    assert started.returncode == 0, started.stdout + started.stderr
    *_, stored = laptop.client.runs.record(SHOP, "experiments")["experiments"]
    assert [backend_of(entry["campaign"]) for entry in stored["variants"] if "campaign" in entry] == ["personalize"]
    both = {"now": {True}, "before": {True}}
    until(lambda: of_campaigns(shop) == both, "each half of the users gets its campaign's lists")
    assert without_the_service(shop) == {"now": {True}, "before": {False}}
