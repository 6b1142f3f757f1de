# SPDX-License-Identifier: Apache-2.0
"""The engine's page as a person meets it, in headless Chromium: from an empty engine to an answer that changes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from engine.tests.harness import Aws, Engine, EngineHere
from engine.tests.shop_data import interactions, write_csv
from tests.storefront.browser import tab_to, until, visiting
from tests.storefront.test_checks import AXE, violations

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
LONG = "W" * 256
FAST = ("--tier", "fast")
"""The page is looked at, not the models."""
TEXT = "(one) => one.textContent"
SETTLED = "document.querySelector('.items') && !document.querySelector('[aria-busy=true]')"


def ready(page: Page) -> None:
    """Wait until somebody can be asked about."""
    until(page, "document.querySelector('form.ask input')?.value")


def ask(page: Page, user: str = "") -> list[str]:
    """Ask; returns the ids or names of the items."""
    ready(page)
    if user:
        page.evaluate(f"document.querySelector('form.ask input').value = {json.dumps(user)}")
    page.evaluate("document.querySelector('form.ask .primary').click()")
    until(page, SETTLED)
    return shown(page)


def shown(page: Page) -> list[str]:
    names: list[str] = page.evaluate(f"[...document.querySelectorAll('.items .titled b')].map({TEXT})")
    return names


def checked(page: Page, where: str) -> list[str]:
    """What keeps somebody out: axe-core's violations, and whatever is wider than the screen."""
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    if AXE.exists():
        page.evaluate(f"{AXE.read_text()}; undefined")
        return violations(page, where) + [f"{where}: too wide"] * wide
    return [f"{where}: too wide"] * wide


@pytest.fixture(scope="module")
def sampled(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the sample shop, made by a click on the page."""
    with EngineHere(tmp_path_factory.mktemp("engine"), step_seconds=0.01, options=FAST) as engine:
        with visiting(browser, engine.url) as page:
            page.goto(engine.url)
            until(page, "document.querySelector('main h1')?.textContent === 'No dataset group yet'")
            assert f"export AWS_ENDPOINT_URL_PERSONALIZE={engine.url}" in page.evaluate("document.body.innerText")
            assert checked(page, "empty") == []
            page.evaluate("document.querySelector('[data-key=sample]').click()")
            until(page, "document.querySelector('[role=progressbar]') || document.querySelector('.bars')")
            until(page, "document.querySelectorAll('form.ask select option').length > 3")
            until(page, "document.querySelector('#notice').textContent === ''")
        yield engine


@pytest.fixture
def page(browser: Browser, sampled: Engine) -> Iterator[Page]:
    with visiting(browser, sampled.url) as page:
        page.goto(sampled.url)
        yield page


def test_an_event_changes_the_next_answer_at_once(page: Page) -> None:
    before = ask(page, "user-2")
    page.evaluate("document.querySelectorAll('.items')[0].lastChild.querySelector('.send button').focus()")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.change') && document.querySelector('.history .moved')")
    assert shown(page) != before
    assert page.evaluate("document.querySelector('.history .titled b').textContent") == before[-1]
    assert page.evaluate("document.querySelector('section > [role=status]').textContent").startswith("Sent View of ")
    assert page.evaluate("document.querySelector('.answer').contains(document.activeElement)") is True


def test_a_purchase_can_be_filtered_out_and_items_have_neighbours_without_a_mouse(page: Page) -> None:
    ready(page)
    page.select_option("form.ask .fields .field:nth-last-of-type(1) select", label="sample-shop-not-bought")
    bought = """[...document.querySelectorAll('.history li')]
      .filter((one) => one.textContent.includes('Purchase')).map((one) => one.querySelector('b').textContent)"""
    items = ask(page, "user-3")
    assert not set(items) & set(page.evaluate(bought))
    page.select_option("form.ask select", label="sample-shop-similar (aws-similar-items)")
    until(page, "document.querySelector('.answer').childElementCount === 0")
    page.evaluate("document.querySelector('form.ask select').focus()")
    tab_to(page, "form.ask .primary")
    page.keyboard.press("Enter")
    until(page, SETTLED)
    assert len(shown(page)) == 10


def test_models_stand_beside_popularity(page: Page) -> None:
    until(page, "document.querySelectorAll('.bars').length === 2")
    widths = page.evaluate("""[...document.querySelector('.pair').querySelectorAll('.bar rect')]
      .map((one) => one.getBoundingClientRect().width)""")
    assert widths[0] > widths[1]


def test_what_somebody_opened_stays_open_while_the_page_refreshes(page: Page, sampled: Engine) -> None:
    until(page, "document.querySelector('[data-key^=\"columns summary\"]')")
    page.evaluate("document.querySelector('[data-key^=\"columns summary\"]').focus()")
    page.keyboard.press("Enter")
    tiles = "document.querySelector('.tiles b').textContent"
    before = page.evaluate(tiles)
    aws = Aws(sampled, "us-east-1")
    [tracker] = aws.control.list_event_trackers()["eventTrackers"]
    tracking_id = aws.control.describe_event_tracker(eventTrackerArn=tracker["eventTrackerArn"])["eventTracker"][
        "trackingId"
    ]
    aws.click(tracking_id, "camping-cedar-tent", user="a stranger")
    until(page, f"{tiles} !== {json.dumps(before)}")
    assert page.evaluate(
        "[document.activeElement.dataset.key.startsWith('columns summary'), document.activeElement.parentElement.open]"
    ) == [True, True]


@pytest.mark.parametrize(("width", "is_dark"), [(320, True), (1280, False)])
def test_nobody_is_kept_out_and_no_name_becomes_markup(
    width: int, is_dark: bool, browser: Browser, sampled: Engine
) -> None:
    aws, user = Aws(sampled, "us-east-1"), f"{HOSTILE} {width}"
    [items, *_] = [
        dataset["datasetArn"]
        for dataset in aws.control.list_datasets()["datasets"]
        if dataset["datasetType"] == "ITEMS"
    ]
    [tracker] = aws.control.list_event_trackers()["eventTrackers"]
    tracking_id = aws.control.describe_event_tracker(eventTrackerArn=tracker["eventTrackerArn"])["eventTracker"][
        "trackingId"
    ]
    for item in (HOSTILE, LONG):
        columns = json.dumps({"name": item, "category": HOSTILE})
        aws.events.put_items(datasetArn=items, items=[{"itemId": item, "properties": columns}])
        aws.click(tracking_id, item, user, eventType=HOSTILE[:80])
    with visiting(browser, sampled.url, width=width, is_dark=is_dark) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        page.goto(sampled.url)
        ask(page, user)
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert HOSTILE in page.evaluate("document.querySelector('.history').textContent")
        assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
        assert checked(page, f"{width}") == []


def test_each_next_step_can_be_pasted(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a bare dataset group to an answer, by the page's own lines."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with EngineHere(tmp_path, step_seconds=0.01, options=FAST) as engine, visiting(browser, engine.url) as page:
        Aws(engine, "us-east-1").group("mine")
        rows = (row[:3] + row[4:5] for row in interactions())
        header = ["USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP"]
        write_csv(engine.s3_root / "my-bucket" / "interactions.csv", header, rows)
        page.goto(engine.url)
        for title in ("make an Interactions dataset", "import interactions", "train a model", "let the model answer"):
            titles = "[...document.querySelectorAll('main h2')]"
            until(page, f"{titles}.some((one) => one.textContent.startsWith({json.dumps(f'Next: {title}')}))")
            exec(page.evaluate("document.querySelector('main pre').textContent"), {})  # noqa: S102 — the page's own lines
        assert len(ask(page)) == 10


def test_where_callers_need_rights_the_page_says_so(browser: Browser, tmp_path: Path) -> None:
    with (
        EngineHere(tmp_path, options=["--rights", "http://127.0.0.1:9/"]) as engine,
        visiting(browser, engine.url) as page,
    ):
        page.goto(engine.url)
        until(page, "document.querySelector('main .note')")
        assert "a page has no access key" in page.evaluate("document.querySelector('main').textContent")
        assert page.evaluate("document.querySelectorAll('main .primary, main form').length") == 0
