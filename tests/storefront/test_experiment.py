# SPDX-License-Identifier: Apache-2.0
"""A shopper scrolls, clicks, logs in and buys, in front of the functions: the experiment's report has just that."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from personalization.api.routes import ROUTES
from personalization.shop.records import release_store
from playwright.sync_api import Browser

from functions.get_recommendations import app as answers
from functions.record_events import app as records
from local.storefront.server import Storefront, serving
from tests.app.waiting import until as hold
from tests.experiments.test_experiments import experiment
from tests.experiments.test_visitors import follow_file, report
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.queues import Queues
from tests.handlers.samples import BUCKET, SHOPPER_EVENTS, TABLE, Drop
from tests.storefront.browser import settle, show, until, visiting
from tests.storefront.shop import KEY, ROWS, Api, green, listening

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo")
SEEN = "JSON.parse(localStorage.getItem('personalization:demo:seen') ?? '[]').flatMap((list) => list.itemIds).length"


@dataclass
class Functions(Api):
    """The API's functions behind the server, one request at a time, as in a container."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    answered: list[tuple[str, Any, Any]] = field(default_factory=list)
    """The last part of each path, and the documents of its request and of its answer."""

    def respond(self, method: str, address: str, body: Any) -> tuple[int, object]:  # noqa: ANN401 - any document
        path, query = urlsplit(address).path, parse_qs(urlsplit(address).query)
        if path.endswith("/popular"):
            # Other items than those of the placement: a click follows from the last list that had the item.
            others = [{"itemId": row.split(",")[0], "source": "popular"} for row in ROWS[24:36]]
            return 200, {"recommendationId": None, "listId": None, "items": others}
        for route in ROUTES:
            match = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path), path)
            if match and route.method == method:
                break
        else:
            return 404, {"title": "Not Found", "status": 404}
        event = {
            "httpMethod": method,
            "resource": route.path,
            "pathParameters": {name: unquote(value) for name, value in match.groupdict().items()},
            "queryStringParameters": {name: values[-1] for name, values in query.items()},
            "multiValueQueryStringParameters": query,
            "headers": {},
            "requestContext": {},
            "body": None if body is None else json.dumps(body),
        }
        with self.lock:
            function = records if ("PUT" in method or path.endswith(("/events", "/impressions"))) else answers
            made = function.handler(event, None)
            document = json.loads(made["body"] or "{}")
            self.answered.append((path.rpartition("/")[2], body, document))
        return made["statusCode"], document

    def told(self, name: str) -> list[tuple[Any, Any]]:
        return [(body, document) for part, body, document in self.answered if part == name]


@pytest.fixture
def open_shop(
    drop: Drop, personalize: FakePersonalize, table: "DynamoDBClient", queues: Queues
) -> Iterator[tuple[str, Functions]]:
    """The storefront of a shop with an experiment, and the functions behind it."""
    items = [{"itemId": row.split(",")[0], "score": 0.1} for row in ROWS[:24]]
    personalize.says("GetRecommendations", {"recommendationId": "RID-1", "itemList": items})
    assert queues.impressions
    follow_file(drop, experiment())
    with _open() as shop:
        yield shop
    _forget(table)


@pytest.fixture
def mixed_shop(
    drop: Drop,
    personalize: FakePersonalize,
    table: "DynamoDBClient",
    queues: Queues,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[str, Functions]]:
    """The same, whose experiment mixes a user's own list with the bestsellers."""
    ids = [row.split(",")[0] for row in ROWS]
    personalize.says("GetRecommendations", {})
    usual = personalize.answer

    def answer(operation: str, question: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, document = usual(operation, question)
        if operation == "GetRecommendations":
            first = 12 if question["campaignArn"].endswith("popularity-count") else 0
            items = [{"itemId": item, "score": 0.1} for item in ids[first : first + question["numResults"]]]
            document = {"recommendationId": f"RID-{first}", "itemList": items}
        return status, document

    monkeypatch.setattr(personalize, "answer", answer)
    assert queues.impressions
    mixed = experiment(more="    compare: interleaved\n").replace("goal: orders", "goal: clicks")
    follow_file(drop, mixed, "placements:\n  home: {recipe: user-personalization, limit: 6}\n")
    with _open() as shop:
        yield shop
    _forget(table)


@contextmanager
def _open() -> Iterator[tuple[str, Functions]]:
    containers.start(answers, records)
    api = Functions()
    with listening(api):
        shop = replace(green(["home"]), name="demo")
        with serving(Storefront(api.address, KEY, shop)) as address:
            yield address, api


def _forget(table: "DynamoDBClient") -> None:
    release_store.delete(table, TABLE, "demo", "experiments")
    for item in table.scan(TableName=SHOPPER_EVENTS)["Items"]:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={name: item[name] for name in ("shopper", "event")})


def test_the_report_has_one_unit_and_exactly_what_it_did(
    browser: Browser,
    open_shop: tuple[str, Functions],
    capsys: pytest.CaptureFixture[str],
    table: "DynamoDBClient",
    bucket: "S3Client",
    queues: Queues,
) -> None:
    address, api = open_shop
    with visiting(browser, address, errors=None) as page:
        show(page, address)
        until(page, f"{SEEN} > 0")
        page.evaluate("document.querySelector('.shelf .row').scrollTo({left: 99999, behavior: 'instant'})")
        page.evaluate("document.querySelector('.shelf .title').click()")
        until(page, "document.querySelector('.product')")
        settle(page)
        page.evaluate("document.querySelector('#account').click()")
        until(page, "document.querySelector('dialog[open]')")
        page.evaluate("document.querySelectorAll('.person')[1].click()")
        until(page, "location.hash === '#/'")
        settle(page)
        page.evaluate("document.querySelectorAll('.shelf .add')[0].click()")
        until(page, "document.querySelector('#cart .number').textContent === '1'")
        page.evaluate("location.hash = '#/checkout'")
        until(page, "document.querySelector('form.checkout')")
        page.evaluate("document.querySelector('form.checkout .primary').click()")
        until(page, "location.hash === '#/done'")
        settle(page)
        page.goto("about:blank")
        hold(lambda: bool(api.told("impressions")), "what was on screen is told")

    shown = [placed for _, page in api.told("placements") for placed in page["placements"]]
    (variant,) = {placed["experiment"]["variant"] for placed in shown}
    lists = {placed["listId"] for placed in shown}
    seen = {
        (told["listId"], item)
        for body, _ in api.told("impressions")
        for told in body["lists"]
        for item in told["itemIds"]
        if told["listId"] in lists
    }
    events = [(body, event) for body, _ in api.told("events") for event in body["events"]]
    (bought,) = [event["eventValue"] for _, event in events if event["eventType"] == "Purchase"]
    assert [body.get("userId") is None for body, _ in events] == [True, False, False]
    assert len({body["visitorId"] for body, _ in events}) == 1

    made = report(bucket, capsys.readouterr().out, table, queues)

    row = made[variant]
    figures = (row["users"], row["viewable"], row["clicks"], row["orders"], row["revenue"])
    assert figures == (1, len(seen), 1, 1, bought)
    assert len(seen) > 0
    (other,) = {"own", "best"} - {variant}
    assert (made[other]["users"], made[other]["orders"], made["double"]) == (0, 0, 0)


def test_of_a_mixed_list_each_ranker_is_credited_with_the_items_that_were_its_own(
    browser: Browser,
    mixed_shop: tuple[str, Functions],
    capsys: pytest.CaptureFixture[str],
    table: "DynamoDBClient",
    bucket: "S3Client",
    queues: Queues,
) -> None:
    address, api = mixed_shop
    with visiting(browser, address, errors=None) as page:
        show(page, address)
        until(page, f"{SEEN} > 0")
        (placed,) = api.told("placements")[0][1]["placements"]
        # The campaign's items end before those of the bestsellers begin.
        campaign = {row.split(",")[0] for row in ROWS[:12]}
        names = [item["itemId"] for item in placed["items"] if item.get("listId")]
        personal, popular = (next(name for name in names if (name in campaign) is wanted) for wanted in (True, False))
        for name in (personal, popular):
            number = [item["itemId"] for item in placed["items"]].index(name)
            page.evaluate(f"document.querySelectorAll('.shelf .title')[{number}].click()")
            until(page, "document.querySelector('.product')")
            settle(page)
            page.evaluate("location.hash = '#/'")
            until(page, "document.querySelector('.shelf .title')")
            settle(page)
        page.goto("about:blank")
        hold(lambda: len(api.told("events")) > 1, "what was opened is told")

    shown = {
        (item["itemId"], item.get("listId"))
        for _, document in api.told("placements")
        for item in document["placements"][0]["items"]
    }
    clicked = [(event["itemId"], event.get("listId")) for body, _ in api.told("events") for event in body["events"]]
    assert [name for name, _ in clicked] == [personal, popular]
    assert {*clicked} <= shown
    assert len({list_id for _, list_id in clicked}) == 2

    # Preferences are those of whole days.
    assert report(bucket, capsys.readouterr().out, table, queues, hours=25)["interleaved"]["users"] == 1

    key = "reports/demo/experiments/own-list/report.json"
    told = json.loads(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert [(side["variant"], side["clicks"]) for side in told["preference"]["sides"]] == [("own", 1), ("best", 1)]
