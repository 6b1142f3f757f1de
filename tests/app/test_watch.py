# SPDX-License-Identifier: Apache-2.0
"""The watch page of a running cloud: what it says of a trained shop, and what is done from it."""

import json
import os
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import urllib3

from local.cloud import lifecycle
from local.cloud.home import Home, require
from tests.app.conftest import Shop
from tests.app.laptop import Laptop
from tests.app.waiting import BOUND, until

_LOCAL = "about the local cloud, whatever its shops"


@dataclass(frozen=True)
class Page:
    """The server of the page, asked with the key of the address that `open` prints."""

    address: str
    key: str

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        method = "POST" if body else "GET"
        answer = urllib3.request(method, f"{self.address}{path}", body=content, headers=headers, timeout=BOUND)
        return answer.status, answer.json()

    def act(self, shop: str, **action: str) -> dict[str, Any]:
        status, done = self.ask(f"/api/shops/{shop}/actions", {"id": str(uuid.uuid4()), **action})
        assert status == 202, done
        answer: dict[str, Any] = done
        return answer


@pytest.fixture
def page(laptop: Laptop) -> Page:
    address = urlsplit(laptop.command_json("open")["url"])
    return Page(f"{address.scheme}://{address.netloc}", address.fragment.removeprefix("key="))


@pytest.mark.personalize(_LOCAL)
def test_open_prints_the_address_that_status_has_and_opens_a_browser(laptop: Laptop, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWSER", f"{browser} %s")
        shown = laptop.command("open")
    url = laptop.command_json("status")["watch"]["url"]
    assert (shown.returncode, shown.stdout.strip(), opened.read_text().strip()) == (0, url, url)


@pytest.mark.personalize(_LOCAL)
def test_a_server_that_has_died_is_started_again_where_it_was(laptop: Laptop) -> None:
    before = laptop.command_json("open")["url"]
    state = laptop.home.read()
    assert state is not None
    assert state.watch is not None
    os.kill(state.watch.process.pid, 9)
    until(lambda: not state.watch or not state.watch.process.alive(), "the server has died")
    assert laptop.command_json("status")["running"] is True
    assert laptop.command_json("open")["url"] == before
    laptop.state = require(laptop.home)
    taken = urlsplit(state.engine).port
    refused = laptop.command("open", "--port", str(taken))
    assert (refused.returncode, f"port {taken} is taken" in refused.stderr) == (1, True)


def test_a_shop_its_runs_and_its_reports_are_shown(shop: Shop, page: Page) -> None:
    (listed,) = [entry for entry in page.ask("/api/overview")[1]["shops"] if entry["shop"] == shop.name]
    facts = page.ask(f"/api/shops/{shop.name}")[1]
    assert (bool(listed["since"]), listed["errors"]) == (True, len(facts["errors"]))
    assert "user-personalization" in [campaign["name"] for campaign in facts["release"]["campaigns"]]
    promoted = shop.runs[-1].name
    (run,) = [run for run in facts["runs"] if run["id"] == promoted]
    assert (run["status"], run["outcome"]) == ("SUCCEEDED", "promoted")
    steps = page.ask(f"/api/runs/{promoted}")[1]["steps"]
    assert {step["mark"] for step in steps} == {"done"}
    assert {"Check each drop", "Train each recipe", "Record the release"} <= {step["what"] for step in steps}
    report = next(paper for paper in facts["papers"] if paper["run"] == promoted and paper["kind"] == "reports")
    opened = urllib3.request("GET", page.address + report["href"], timeout=BOUND)
    assert (opened.status, b"<html" in opened.data) == (200, True)


def test_a_customer_and_an_item_are_told_about(shop: Shop, page: Page) -> None:
    def shown() -> set[str]:
        return {entry["item"] for entry in page.ask(f"/api/shops/{shop.name}/users/u1")[1]["items"]}

    until(lambda: shown() == set(shop.items("u1", limit="12")), "the page shows the list of the API")
    customer = page.ask(f"/api/shops/{shop.name}/users/u1")[1]
    assert customer["columns"]["AGE"] == "18-24"
    assert customer["interactions"] >= 25
    assert customer["history"][0]["name"].startswith("Garden")
    assert any(entry["due"] for entry in customer["items"])
    stranger = page.ask(f"/api/shops/{shop.name}/users/{quote('<odd>/ &?', safe='')}")[1]
    assert (stranger["user"], stranger["interactions"], len(stranger["items"]) > 0) == ("<odd>/ &?", 0, True)
    matches = page.ask(f"/api/shops/{shop.name}/find/{quote('arden 0')}")[1]
    assert matches["items"][0] == {"item": "garden-00", "name": "Garden 00"}
    assert "u10" in [entry["user"] for entry in page.ask(f"/api/shops/{shop.name}/find/u1")[1]["users"]]
    young = page.ask(f"/api/shops/{shop.name}/find/18-24")[1]["users"]
    assert {"user": "u1", "columns": {"AGE": "18-24"}} in young
    item = page.ask(f"/api/shops/{shop.name}/items/garden-20")[1]
    assert (item["name"], item["columns"]["CATEGORY_L1"]) == ("Garden 20", "garden")
    assert item["latest"]
    assert {row["user"] for row in item["latest"]} <= {f"u{number}" for number in range(1, 60, 2)}
    assert page.ask(f"/api/shops/{shop.name}/items/absent")[0] == 404
    assert page.ask("/api/shops/absent/users/u1")[0] == 404


def test_what_a_customer_just_did_is_shown(shop: Shop, page: Page) -> None:
    path = f"/api/shops/{shop.name}"
    before = page.ask(f"{path}/items/garden-21")[1]["interactions"]
    sent = {"userId": "watched", "sessionId": "seen", "events": [{"eventType": "View", "itemId": "garden-21"}]}
    assert shop.call("POST", "/events", sent).status == 202

    def history() -> list[tuple[str, str]]:
        return [(row["name"], row["type"]) for row in page.ask(f"{path}/users/watched")[1]["history"]]

    # A busy machine may queue the event.
    until(lambda: bool(history()), "the event is delivered")
    assert history() == [("Garden 21", "View")]
    item = page.ask(f"{path}/items/garden-21")[1]
    assert (item["latest"][0]["user"], item["interactions"]) == ("watched", before + 1)
    assert [entry["user"] for entry in page.ask(f"{path}/find/watch")[1]["users"]] == ["watched"]


@pytest.mark.personalize("what a button sends asks no backend")
def test_what_is_confirmed_is_done_once(laptop: Laptop, shop: Shop, page: Page) -> None:
    action = str(uuid.uuid4())
    first, again = (page.act(shop.name, action="retrain", id=action) for _ in range(2))
    assert first == again == {"run": action}
    assert laptop.ended(laptop.client.runs.named(action).arn).status == "SUCCEEDED"
    status, refusal = page.ask(f"/api/shops/{shop.name}/actions", {"action": "continue", "id": str(uuid.uuid4())})
    assert (status, "nothing to continue" in refusal["detail"]) == (409, True)
    assert page.ask("/api/shops/absent/actions", {"action": "retrain", "id": str(uuid.uuid4())})[0] == 409
    assert page.act(shop.name, action="erase", user="nobody-of-this-shop")["receipt"]


def test_the_server_goes_down_with_the_cloud_and_comes_back_where_it_was(tmp_path: Path) -> None:
    """Without a stack: what starts and stops the server needs none."""
    home = Home(tmp_path)
    state = lifecycle.watched(home, lifecycle.start(home))
    try:
        assert lifecycle.unseen(home, state) == []
        address = f"http://127.0.0.1:{state.watch.port if state.watch else 0}/"
        assert urllib3.request("GET", address, timeout=BOUND).status == 200
        assert lifecycle.stop(home) == ["engine", "cloud", "watch"]
        again = lifecycle.watched(home, lifecycle.start(home))
        assert (again.page, again.page != "") == (state.page, True)
    finally:
        lifecycle.stop(home)
