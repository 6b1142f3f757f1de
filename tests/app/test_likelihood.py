# SPDX-License-Identifier: Apache-2.0
"""Purchase likelihood through the whole: drops, fits, the public API, live events, and snapshots that come of age."""

import codecs
import csv
import json
from pathlib import Path
from typing import Any

import pytest

from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import until

SHOP, DAY, SHOPPERS, ITEMS = "likely", 86_400, 150, 100
SETTINGS = "recipes: [personalized-ranking, popularity-count]\ngate: {enabled: false}\nprobe: {enabled: false}\n"


def history(days: int) -> str:
    """Shoppers walk through the items of their taste in order, one a day: what comes next, counts alone cannot tell."""
    lines = ["USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"]
    for day in range(days):
        for number in range(SHOPPERS):
            item = f"{'ab'[number % 2]}{(number * 7 // 2 + day) % ITEMS}"
            lines.append(f"u{number},{item},Purchase,{retail.START + day * DAY + number}")
    return "\n".join(lines) + "\n"


def fitted(laptop: Laptop, run: Run) -> dict[str, Any]:
    """What came of the fit that a run started, when it has ended."""
    assert run.output.get("outcome") == "promoted", run.reason or run.output
    states = laptop.client.runs.client
    (machine,) = [
        machine["stateMachineArn"]
        for machine in states.list_state_machines()["stateMachines"]
        if "Likelihood" in machine["name"]
    ]
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{run.name[-80:]}"
    until(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", "the fit has ended")
    told = states.describe_execution(executionArn=arn)
    assert told["status"] == "SUCCEEDED", told
    result: dict[str, Any] = json.loads(told["output"])
    return result


def report(laptop: Laptop, run: Run) -> dict[str, Any]:
    body = laptop.s3.get_object(Bucket=laptop.bucket, Key=f"reports/{SHOP}/{run.name}/likelihood.json")["Body"].read()
    document: dict[str, Any] = json.loads(body)
    return document


def answer(laptop: Laptop, user: str, *items: str, **query: str) -> dict[str, Any]:
    told = laptop.call("POST", f"/shops/{SHOP}/users/{user}/purchase-likelihood", {"itemIds": items}, **query)
    assert told.status == 200, told.body
    return told.body


def chances(laptop: Laptop, user: str, *items: str) -> dict[str, float]:
    return {item["itemId"]: item["probability"] for item in answer(laptop, user, *items)["items"]}


@pytest.fixture(scope="module")
def first(laptop: Laptop) -> Run:
    """The shop's first release, with a fit on counts."""
    laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS)
    run = laptop.drop(SHOP, "interactions", history(70))
    assert fitted(laptop, run)["outcome"] == "fitted"
    return run


def test_a_short_history_is_a_refusal_that_says_what_is_needed(laptop: Laptop) -> None:
    laptop.put("drops/brief/settings.yaml", SETTINGS)
    assert fitted(laptop, laptop.drop("brief", "interactions", retail.interactions()))["outcome"] == "refused"
    told = laptop.call("POST", "/shops/brief/users/u1/purchase-likelihood", {"itemIds": [retail.ITEMS[0]]})
    assert told.status == 409
    assert "needs purchases over 35 days" in told.body["detail"]


def test_the_same_pair_alone_and_among_others_on_counts(laptop: Laptop, first: Run) -> None:
    assert first.output["outcome"] == "promoted"
    agree(laptop, "counts")


def agree(laptop: Laptop, method: str) -> None:
    """The same users and items alone, among five and among a hundred others, within two per cent."""
    others = [f"{taste}{number}" for taste in "ab" for number in range(ITEMS)]
    for user, item in (("u0", "a71"), ("u0", "a3"), ("u1", "a50"), ("stranger", "b7")):
        # The campaign's scores speak of known users alone.
        assert answer(laptop, user, item)["method"] == ("counts" if user == "stranger" else method)
        rest = [other for other in others if other != item]
        alone = chances(laptop, user, item)[item]
        for size in (5, 100):
            assert chances(laptop, user, item, *rest[:size])[item] == pytest.approx(alone, rel=0.02)


def test_a_purchase_changes_the_next_answer_and_counts_once(laptop: Laptop, first: Run) -> None:
    assert first.status == "SUCCEEDED"
    event = {"eventType": "Purchase", "itemId": "b9", "eventId": "order-1"}
    body = {"userId": "u2", "sessionId": "s", "events": [event]}
    before = chances(laptop, "u2", "b9")["b9"]
    assert laptop.call("POST", f"/shops/{SHOP}/events", body).status == 202
    after = chances(laptop, "u2", "b9")["b9"]
    assert laptop.call("POST", f"/shops/{SHOP}/events", body).status == 202
    assert before != after == chances(laptop, "u2", "b9")["b9"]


def test_the_command_asks_and_what_is_unknown_is_named(laptop: Laptop, first: Run) -> None:
    told = laptop.command_json("likelihood", SHOP, "u0", "a1", "b1")
    assert [item["itemId"] for item in told["items"]] == ["a1", "b1"]
    assert told["run"] == first.name
    refused = laptop.call("POST", f"/shops/{SHOP}/users/u0/purchase-likelihood", {"itemIds": ["moon"]})
    assert (refused.status, refused.body["errors"][0]["field"]) == (400, "itemIds.0")
    assert laptop.command("likelihood", SHOP, "u0", "moon").returncode == 1


def test_the_analyst_s_command_writes_one_file_of_all_customers_the_likeliest_first(
    laptop: Laptop, first: Run, tmp_path: Path
) -> None:
    assert first.status == "SUCCEEDED"
    out = tmp_path / "a71.csv"
    command = laptop.command_json("customers", SHOP, "--item", "a71", "--out", str(out))
    assert command["paths"][0] == str(out)
    with out.open(newline="", encoding="utf-8-sig") as file:  # as spreadsheets read it
        rows = list(csv.DictReader(file))
    assert out.read_bytes().startswith(codecs.BOM_UTF8)
    assert sorted(row["USER_ID"] for row in rows) == sorted(f"u{number}" for number in range(SHOPPERS))
    chance = [float(row["PROBABILITY_a71"]) for row in rows]
    assert chance == sorted(chance, reverse=True)
    assert chance[0] == pytest.approx(chances(laptop, rows[0]["USER_ID"], "a71")["a71"], rel=0.02)
    # Each of them buys on each day.
    assert min(float(row["PROBABILITY"]) for row in rows) > 0.9
    assert {row["PURCHASES"] for row in rows} <= {"70", "71"}
    assert "Do the probabilities mean what they say?" in Path(command["paths"][1]).read_text(encoding="utf-8")
    for arguments, reason in (
        (("--item", "moon"), "the shop's last run knows no item moon"),
        (("--out", str(tmp_path)), "cannot be written: name a file in a folder that exists"),
    ):
        refused = laptop.command("customers", SHOP, *arguments)
        assert refused.returncode == 1
        assert reason in " ".join(refused.stderr.split())


@pytest.fixture(scope="module")
def aged(laptop: Laptop, first: Run) -> list[Run]:
    """The runs until snapshots are old enough for the campaign's scores to be judged; the newest fit serves."""
    runs = [first]
    for days in (77, 84):
        run = laptop.drop(SHOP, "interactions", history(days))
        assert fitted(laptop, run)["outcome"] == "fitted"
        runs.append(run)
    until(lambda: answer(laptop, "u0", "a86")["run"] == runs[-1].name, "the newest fit serves")
    return runs


@pytest.mark.nightly
def test_snapshots_come_of_age_and_scores_join_the_counts(laptop: Laptop, aged: list[Run]) -> None:
    reports = [report(laptop, run) for run in aged]
    assert [report["scores"]["decision"] for report in reports] == ["waiting", "waiting", "better"]
    # The cloud of the tests lets one function fit 12,000 rows, and goes on in shards above.
    assert [report["history"].get("shards", 1) for report in reports] == [1, 4, 4]
    agree(laptop, "anchored")
    upcoming, past = chances(laptop, "u0", "a86", "a40").values()
    assert upcoming > past


@pytest.mark.nightly
@pytest.mark.personalize("its fault is one of the service")
def test_where_scores_do_not_come_counts_alone_answer(laptop: Laptop, aged: list[Run]) -> None:
    with laptop.faults.during("throttle", "GetPersonalizedRanking"):
        told = answer(laptop, "u0", "a86")
    assert (told["method"], told["degraded"], told["run"]) == ("counts", True, aged[-1].name)
