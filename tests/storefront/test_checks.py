# SPDX-License-Identifier: Apache-2.0
"""What a page is held to: soon there, light, open to everybody (axe-core), and usable without a mouse."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Page

from local.cloud.environments import LOCAL
from local.demo.sample_data import DemoData
from local.storefront.server import Storefront, serving
from tests.storefront.browser import settle, show, tab_to, until, visiting
from tests.storefront.conftest import PLACEMENTS, Open
from tests.storefront.shop import KEY, Api, listening, shop_of
from tests.storefront.test_page import FOLDER as STOREFRONT

AXE = LOCAL / "axe" / "node_modules" / "axe-core" / "axe.min.js"
"""Fetched by `make test` where there is npm."""
PAGES = {
    "home": "#/", "product": "#/p/milk-1", "cart": "#/cart", "checkout": "#/checkout", "done": "#/done",
    "search": "#/s?q=milk", "nothing found": "#/s?q=unobtainium", "departments": "#/c", "department": "#/c/Dairy",
    "shelf": "#/c/Dairy/milk", "nowhere": "#/absent",
}  # fmt: skip
"""Every page that the storefront has, in `storefront/js/app.js`."""
CART = [["milk-1", 2], ["bread-1", 1]]
BYTES = 150_000
"""Of a first visit without pictures; there are none but drawings in the code."""
REQUESTS = 25
"""Of a first visit, until its shelves are filled."""
SHIFT = 0.1
"""How much of what is seen moves by itself (cumulative layout shift); what Lighthouse calls good."""
WATCH = """(() => {
  window.seen = { first: 0, largest: 0, shift: 0 };
  const look = (type, note) =>
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
  look("paint", ({ name, startTime }) => name === "first-contentful-paint" && (seen.first = startTime));
  look("largest-contentful-paint", ({ startTime }) => (seen.largest = startTime));
  look("layout-shift", ({ value, hadRecentInput }) => (seen.shift += hadRecentInput ? 0 : value));
})()"""
"""Milliseconds until something, and until the largest thing, is seen; `benchmarks.storefront` holds them."""


@contextmanager
def front_page(
    browser: Browser, shop: Open, language: str = "en", width: int = 1280, *, is_dark: bool = False
) -> Iterator[Page]:
    """The front page for somebody with things in the cart, in a browser that was never here."""
    storage = {"shop:language": json.dumps(language), "shop:cart": json.dumps(CART)}
    shop.api.events.clear()
    with visiting(browser, shop.address, width=width, is_dark=is_dark, storage=storage) as page:
        show(page, shop.address)
        yield page


@pytest.fixture
def front(browser: Browser, shop: Open) -> Iterator[Page]:
    """The front page in English on a wide screen."""
    with front_page(browser, shop) as page:
        yield page


def violations(page: Page, where: str) -> list[str]:
    """What axe-core finds on the page: the rule, and the elements."""
    problems: list[dict[str, Any]] = page.evaluate("axe.run(document).then(({ violations }) => violations)")
    return [f"{where}: {problem['id']} {[node['html'][:120] for node in problem['nodes'][:3]]}" for problem in problems]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not on this machine: `make test` fetches it by npm")
@pytest.mark.parametrize(
    ("visitor", "which", "names"),
    [
        (("en", 1280, False), "placed", PAGES),
        (("ko", 390, True), "shop", ("home", "product", "cart", "checkout", "departments")),
        pytest.param(("ko", 390, True), "shop", PAGES, marks=pytest.mark.nightly),
        pytest.param(("en", 390, True), "shop", PAGES, marks=pytest.mark.nightly),
        pytest.param(("ko", 1280, True), "shop", PAGES, marks=pytest.mark.nightly),
        pytest.param(("ko", 390, False), "placed", PAGES, marks=pytest.mark.nightly),
    ],
    ids=lambda value: f"{len(value)} pages" if isinstance(value, dict) else str(value),
)
def test_nobody_is_kept_out(
    visitor: tuple[str, int, bool], which: str, names: Iterable[str], browser: Browser, request: pytest.FixtureRequest
) -> None:
    """By day each language, width and darkness once; by night each two of them meet as well, on every page."""
    language, width, is_dark = visitor
    problems = []
    with front_page(browser, request.getfixturevalue(which), language, width, is_dark=is_dark) as page:
        page.evaluate(f"{AXE.read_text()}; undefined")
        for name in names:
            page.evaluate(f"location.hash = {json.dumps(PAGES[name])}")
            settle(page)
            problems += violations(page, name)
        page.evaluate("document.querySelector('#account').click()")
        until(page, "document.querySelector('dialog[open]')")
        problems += violations(page, "account")
        page.evaluate("document.querySelector('dialog').close()")
        if width < 1180:
            page.evaluate("document.querySelector('#panel-button').click()")
            problems += violations(page, "panel")
    assert problems == []


def test_what_is_tested_is_every_page() -> None:
    routes = set(re.findall(r'case "(\w*)":', (STOREFRONT / "js" / "app.js").read_text()))
    assert routes == {re.split(r"[/?]", hash_.removeprefix("#/"))[0] for hash_ in PAGES.values()} - {"absent"}


def test_a_first_visit_is_light_and_stands_still(front: Page) -> None:
    assert transferred(front) <= BYTES
    assert seen(front)["shift"] <= SHIFT


def test_a_first_visit_to_the_demos_own_shop_is_as_light(browser: Browser, demo_data: DemoData) -> None:
    tables = [
        pl.read_csv(path, infer_schema=False) for path in (demo_data.items, demo_data.users, demo_data.interactions)
    ]
    shop = shop_of(*tables, placements=list(PLACEMENTS))
    with (
        listening(Api()) as api,
        serving(Storefront(api.address, KEY, shop)) as address,
        front_page(browser, Open(address, api)) as page,
    ):
        assert transferred(page) <= BYTES


def transferred(page: Page) -> int:
    """The bytes of everything that the page fetched, headers included."""
    sizes: list[int] = page.evaluate(
        """["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
          .map(({ transferSize }) => transferSize)"""
    )
    assert 12 < len(sizes) <= REQUESTS
    assert all(sizes)
    return sum(sizes)


def seen(page: Page) -> dict[str, float]:
    """When what was opened was seen, and how much of it moved."""
    page.evaluate(WATCH)
    until(page, "seen.first && seen.largest")
    measures: dict[str, float] = page.evaluate("seen")
    return measures


def test_a_purchase_needs_no_mouse(front: Page, shop: Open) -> None:
    front.keyboard.press("Tab")
    assert front.evaluate("document.activeElement.className") == "skip"
    front.keyboard.press("Enter")
    assert front.evaluate("document.activeElement.id") == "main"
    tab_to(front, ".card .title")
    front.keyboard.press("Enter")
    until(front, "document.querySelector('.product')")
    settle(front)
    assert front.evaluate("document.activeElement.tagName") == "H1"
    tab_to(front, ".buy .primary")
    front.keyboard.press("Enter")
    until(front, "document.querySelector('#cart .number').textContent === '4'")
    front.evaluate("document.querySelector('.skip').focus()")
    tab_to(front, "#cart")
    front.keyboard.press("Enter")
    until(front, "document.querySelector('.lines')")
    settle(front)
    tab_to(front, ".summary .primary")
    front.keyboard.press("Enter")
    until(front, "document.querySelector('form.checkout')")
    tab_to(front, "form.checkout .primary")
    front.keyboard.press("Enter")
    until(front, "location.hash === '#/done'")
    settle(front)
    assert [event["eventType"] for event in shop.api.events].count("Purchase") == 3


def test_the_panel_opens_and_closes_by_keys(browser: Browser, shop: Open) -> None:
    with front_page(browser, shop, width=390) as page:
        page.evaluate("document.querySelector('#panel-button').focus()")
        page.keyboard.press("Enter")
        assert page.evaluate("document.querySelector('#panel').contains(document.activeElement)") is True
        page.keyboard.press("Escape")
        state = page.evaluate("[document.activeElement.id, document.querySelector('#panel').inert]")
    assert state == ["panel-button", True]


def test_the_focus_stays_in_the_cart_when_its_last_line_goes(front: Page) -> None:
    front.evaluate("location.hash = '#/cart'")
    settle(front)
    for left in (1, 0):
        front.evaluate("document.querySelector('.line .text').focus()")
        front.keyboard.press("Enter")
        until(front, f"document.querySelectorAll('.line').length === {left}")
        assert front.evaluate("document.querySelector('.cart').contains(document.activeElement)") is True
    front.keyboard.press("Enter")
    until(front, "location.hash === '#/'")


def test_a_dialog_opens_and_closes_by_keys_and_gives_the_focus_back(front: Page) -> None:
    tab_to(front, "#account")
    front.keyboard.press("Enter")
    until(front, "document.querySelector('dialog[open]')")
    assert front.evaluate("document.querySelector('dialog').contains(document.activeElement)") is True
    front.keyboard.press("Escape")
    until(front, "!document.querySelector('dialog')")
    assert front.evaluate("document.activeElement.id") == "account"
