# SPDX-License-Identifier: Apache-2.0
"""An experiment, all the way: a file in the bucket, answers over HTTP, and exposures that come back as files."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.app import retail
from tests.app.conftest import Shop
from tests.app.laptop import Laptop
from tests.app.waiting import until

SETTINGS = "placements: {home: {recipe: user-personalization, limit: 4}}"
EXPERIMENTS = """
experiments:
  own-list:
    hypothesis: Users buy more from their own list than from the bestsellers.
    owner: Kim
    placements: [home]
    goal: orders
    weeks: 2
    variants: {own: {}, best: {show: bestsellers}}
"""
USERS = [f"u{number}" for number in range(12)]


@pytest.fixture(scope="module")
def tested(laptop: Laptop) -> Shop:
    laptop.put("drops/tested/settings.yaml", SETTINGS)
    contents = {"items": retail.items(), "interactions": retail.interactions()}
    runs = tuple(laptop.drop("tested", kind, content) for kind, content in contents.items())
    tested = Shop("tested", laptop, runs)
    tested.ready("/users/u1/placements/home")
    return tested


def objects(shop: Shop, folder: str, inner: str = "") -> dict[str, str]:
    laptop, prefix = shop.laptop, f"{folder}/tested/{inner}"
    keys = [
        entry["Key"] for entry in laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=prefix).get("Contents", [])
    ]
    return {key: laptop.s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read().decode() for key in keys}


def put(shop: Shop, text: str) -> None:
    shop.laptop.s3.put_object(Bucket=shop.laptop.bucket, Key="drops/tested/experiments.yaml", Body=text.encode())


def exposures(shop: Shop) -> list[Any]:
    return [json.loads(line) for text in objects(shop, "exposures").values() for line in text.splitlines()]


def bought(shop: Shop) -> list[str]:
    """Return the copied rows of purchases."""
    return [line for text in objects(shop, "events").values() for line in text.splitlines() if "Purchase" in line]


def on_screen(shop: Shop) -> list[Any]:
    return [json.loads(line) for text in objects(shop, "impressions").values() for line in text.splitlines()]


def answered(shop: Shop, user: str) -> Any:  # noqa: ANN401 - an answer's JSON
    """A user's list, from a container that has read the key of listIds."""
    answers: list[Any] = []

    def has_id() -> bool:
        answers.append(shop.call("GET", f"/users/{user}/placements/home").body)
        return bool(answers[-1]["listId"])

    until(has_id, "a list has its id")
    return answers[-1]


def seen(condition: Callable[[], object], what: str) -> None:
    until(lambda: bool(condition()), what)


def look_and_click(tested: Shop, answers: Mapping[str, Any], event: Mapping[str, str]) -> None:
    """Look at all items of the lists; a click of u1 follows."""
    # An event names its list, and what was on screen is a file whose units are those of exposures.
    for user, answer in answers.items():
        lists = [{"listId": answer["listId"], "itemIds": [item["itemId"] for item in answer["items"]]}]
        shown = tested.call("POST", "/impressions", {"userId": user, "sessionId": "s", "lists": lists})
        assert (shown.status, shown.body) == (202, {"accepted": 1, "refused": []})
    click = {**event, "eventType": "Click", "listId": answers["u1"]["listId"]}
    clicked = tested.call("POST", "/events", {"userId": "u1", "sessionId": "s", "events": [click]})
    assert "listIdRefused" not in clicked.body["events"][0]
    seen(lambda: len({line["unit"] for line in on_screen(tested)}) == len(USERS), "every user's impressions are there")
    seen(lambda: answers["u1"]["listId"] in "".join(objects(tested, "events").values()), "the copy names the list")
    assert {line["listId"] for line in on_screen(tested)} == {answer["listId"] for answer in answers.values()}


def test_an_experiment_from_its_file_to_its_exposures(tested: Shop) -> None:
    assert tested.runs[-1].output["outcome"] == "promoted"
    put(tested, EXPERIMENTS)
    seen(lambda: "no event" in "".join(objects(tested, "reports", "experiments/").values()), "it is refused")
    event = {"eventType": "Purchase", "itemId": "garden-03"}
    assert tested.call("POST", "/events", {"userId": "u1", "sessionId": "s", "events": [event]}).status == 202
    seen(lambda: objects(tested, "events"), "the event is copied")
    before = [run.name for run in tested.laptop.client.runs.newest(tested.name, 100)]
    file = tested.laptop.scratch / "experiments.yaml"
    file.write_text(EXPERIMENTS)
    for line in (("check", file, "tested"), ("start", "tested", file)):
        done = tested.laptop.command("experiment", *map(str, line))
        assert (done.returncode, "own-list" in done.stdout) == (0, True), done.stdout + done.stderr
    # No run begins for it.
    assert [run.name for run in tested.laptop.client.runs.newest(tested.name, 100)] == before

    choice = tested.call("PUT", "/users/objector/personalization", {"enabled": False})
    assert (choice.status, choice.body) == (202, {"enabled": False})
    # A container that has just answered knows of it within a minute.
    seen(lambda: "experiment" in tested.call("GET", "/users/u1/placements/home").body, "it is served")
    answers = {user: answered(tested, user) for user in USERS}
    variants = {user: answer["experiment"]["variant"] for user, answer in answers.items()}
    assert set(variants.values()) == {"own", "best"}
    for answer in answers.values():
        sources = {item["source"] for item in answer["items"]}
        assert sources == ({"bestsellers"} if answer["experiment"]["variant"] == "best" else {"campaign"})
    look_and_click(tested, answers, event)
    seen(lambda: "experiment" not in tested.call("GET", "/users/objector/placements/home").body, "the objection holds")
    best = tested.call("GET", "/users/objector/recommendations").body["items"]
    assert {item["source"] for item in best} == {"bestsellers"}
    seen(
        lambda: len({exposure["unit"] for exposure in exposures(tested)}) >= len(USERS),
        "every user's exposure is there",
    )
    told = {(exposure["unit"], exposure["variant"]) for exposure in exposures(tested)}
    assert {line["unit"] for line in on_screen(tested)} <= {unit for unit, _ in told}
    # Of whoever objects one may have been told before that.
    assert len(USERS) <= len(told) <= len(USERS) + 1
    assert all(key.startswith(f"exposures/tested/{datetime.now(UTC):%Y/}") for key in objects(tested, "exposures"))

    for number, user in enumerate(USERS[:3]):
        order = {**event, "eventValue": 7.5, "properties": {"orderId": f"o{number}", "quantity": 2, "currency": "KRW"}}
        # Sent twice.
        for session in ("s1", "s2"):
            body = {"userId": user, "sessionId": session, "events": [order]}
            assert tested.call("POST", "/events", body).status == 202
    seen(lambda: sum("orderId" in text for text in bought(tested)) >= 6, "the orders are copied")
    done = tested.laptop.command("experiment", "report", "tested", "own-list", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)["reports"]["own-list"]
    figures = {row["variant"]: (row["users"], row["orders"], row["revenue"]) for row in report["variants"]}
    chosen = Counter(variants.values())
    ordered = Counter(variants[user] for user in USERS[:3])
    assert figures == {name: (chosen[name], ordered[name], 7.5 * ordered[name]) for name in ("own", "best")}
    page = objects(tested, "reports", "experiments/own-list/report.html")
    assert "Nothing proven" in "".join(page.values()) or "No verdict" in "".join(page.values())
    assert tested.laptop.command("experiment", "status", "tested").returncode == 0

    done = tested.laptop.command("experiment", "stop", "tested", "own-list")
    assert (done.returncode, "an operator stopped it" in done.stdout) == (0, True), done.stdout + done.stderr
    seen(lambda: "experiment" not in tested.call("GET", "/users/u1/placements/home").body, "it is served no more")
