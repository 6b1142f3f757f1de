# SPDX-License-Identifier: Apache-2.0
"""Releases that come to a part of the users first: one that does harm goes back by itself, one that does none serves.

What users do is written to the bucket as the API would have: a good release and a bad one differ in orders alone.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from personalization.core.names import run_hash
from personalization.experiments.assignment import unit_digest, variant_of
from personalization.experiments.experiment import Experiment

from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import until
from tests.experiments import test_aggregates

SHOP = "ramped"
UP = "user-personalization"
SETTINGS = "placements: {home: {recipe: user-personalization, limit: 4}}\n"
RAMP = SETTINGS + "gate: {tolerance: 0.9, ramp: {steps: [25, 50], days: 1, guardrails: [orders]}}\n"
PEOPLE = [f"p{number}" for number in range(1_200)]
SECOND = f"{UP}-ramp"


@pytest.fixture(scope="module")
def first(laptop: Laptop) -> Run:
    """A shop's first release, which comes to all users at once, as its settings ask for a ramp already."""
    laptop.put(f"drops/{SHOP}/settings.yaml", RAMP)
    laptop.drop(SHOP, "items", retail.items())
    return laptop.drop(SHOP, "interactions", retail.interactions())


def release(laptop: Laptop) -> dict[str, Any]:
    return laptop.client.runs.record(SHOP, "release")


def serves(laptop: Laptop) -> str:
    return str(release(laptop)["campaigns"][UP]["solutionVersionArn"])


def stored(laptop: Laptop) -> dict[str, Any]:
    return laptop.client.runs.record(SHOP, "experiments")


def ramp_of(laptop: Laptop, run: Run) -> Experiment:
    (entry,) = [entry for entry in stored(laptop)["experiments"] if entry["name"] == f"ramp-{run_hash(run.name)}"]
    return Experiment.read(plain(entry))


def plain(value: Any) -> Any:  # noqa: ANN401 - a record
    """Return a record with whole numbers, as the application reads it."""
    return json.loads(json.dumps(value, default=int))


def earlier(laptop: Laptop, seconds: int) -> None:
    """Let all of the shop's ramps be older."""
    record = stored(laptop)
    for entry in record["experiments"]:
        entry["startsAt"] -= seconds
        entry["ramp"]["since"] = [since - seconds for since in entry["ramp"]["since"]]
        entry["slices"] = [[*part[:3], part[3] - seconds] for part in entry["slices"]]
        if "stoppedAt" in entry:
            entry["stoppedAt"] -= seconds
    laptop.shops.put_item(Item=record)


def second(laptop: Laptop) -> str:
    """Return the version that the second campaign serves; empty without one."""
    arn = release(laptop)["campaigns"][UP]["arn"]
    try:
        return str(laptop.personalize.describe_campaign(campaignArn=f"{arn}-ramp")["campaign"]["solutionVersionArn"])
    except ClientError:
        return ""


def happen(laptop: Laptop, ramp: Experiment, rates: dict[str, int]) -> None:
    """Show people the ramp's lists, and let so many of a hundred on each side order."""
    tracking_id, now = str(release(laptop)["trackingId"]), int(time.time())
    lines, rows = [], []
    for number, person in enumerate(PEOPLE):
        variant = variant_of(ramp, person)
        if variant is None:
            continue
        told = {"shop": SHOP, "experiment": ramp.name, "variant": variant.name, "placement": "home"}
        lines.append(json.dumps({**told, "unit": unit_digest(tracking_id, person), "at": (now - 60) * 1000}))
        at = now - test_aggregates.START - 30
        rows.append(test_aggregates.event("View", at, person))
        if number % 100 < rates[variant.name.partition("-")[0]]:
            rows.append(test_aggregates.buy(at + 1, person, orderId=f"{ramp.name}{person}"))
    day = f"{datetime.now(UTC):%Y/%m/%d}"
    for key, body in (("exposures", "\n".join(lines).encode()), ("events", test_aggregates.copy(rows))):
        ending = "jsonl" if key == "exposures" else "csv"
        laptop.s3.put_object(
            Bucket=laptop.bucket, Key=f"{key}/{SHOP}/{day}/{ramp.name}{len(ramp.slices)}.{ending}", Body=body
        )


def analyse(laptop: Laptop) -> None:
    done = laptop.command("experiment", "report", SHOP)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_release_that_does_harm_goes_back_by_itself(laptop: Laptop, first: Run) -> None:
    assert (first.output["outcome"], second(laptop)) == ("promoted", "")
    before = serves(laptop)
    run = laptop.drop(SHOP, "interactions", retail.interactions(events_each=26))
    assert run.output["outcome"] == "promoted", run.reason or run.output
    price = {"personalize": "by a second campaign for 2 days: about $", "engine": "for 2 days: it costs nothing while"}
    assert any(price[laptop.backend] in note for note in run.output["notes"])
    assert serves(laptop) == before != second(laptop) != ""

    def shown() -> set[str]:
        answers = [laptop.call("GET", f"/shops/{SHOP}/users/{person}/placements/home").body for person in PEOPLE[:40]]
        assert all({item["source"] for item in answer["items"]} == {"campaign"} for answer in answers)
        return {answer.get("experiment", {}).get("variant", "") for answer in answers}

    until(lambda: shown() == {"", "now-1", "new-1"}, "a part of the users gets the second campaign's lists")
    # Of the next run the other recipes are promoted, and this one waits.
    meanwhile = laptop.drop(SHOP, "interactions", retail.interactions(events_each=27))
    assert meanwhile.output["outcome"] == "partly promoted"
    assert f"the version of run {run.name} comes to the users step by step" in meanwhile.output["reason"]

    happen(laptop, ramp_of(laptop, run), {"now": 60, "new": 10})
    analyse(laptop)

    assert "goes back: it lowers orders per user" in ramp_of(laptop, run).stopped_because
    until(lambda: shown() == {""}, "everybody is back")
    assert second(laptop)
    earlier(laptop, 1_000)
    analyse(laptop)
    until(lambda: not second(laptop), "the second campaign is gone")
    assert serves(laptop) == before


@pytest.mark.personalize("what users did during the ramp before trains the engine")
def test_a_release_that_does_no_harm_comes_to_all_users(laptop: Laptop, first: Run) -> None:
    before = serves(laptop)
    run = laptop.drop(SHOP, "interactions", retail.interactions(events_each=28))
    assert (first.status, run.output["outcome"]) == ("SUCCEEDED", "promoted"), run.reason or run.output
    version = second(laptop)
    for step in (1, 2):
        assert len(ramp_of(laptop, run).slices) == 2 * step
        happen(laptop, ramp_of(laptop, run), {"now": 30, "new": 30})
        earlier(laptop, 90_000)
        analyse(laptop)
    until(lambda: serves(laptop) == version != before, "a run has promoted it")
    until(lambda: ramp_of(laptop, run).stopped_because == "every user gets the new version", "its ramp is over")
    earlier(laptop, 1_000)

    def gone() -> bool:
        # The run still leads the shop for a moment.
        analyse(laptop)
        return not second(laptop)

    until(gone, "the second campaign is gone")
    page = f"reports/{SHOP}/experiments/ramp-{run_hash(run.name)}/report.html"
    assert "Step by step" in laptop.s3.get_object(Bucket=laptop.bucket, Key=page)["Body"].read().decode()
