# SPDX-License-Identifier: Apache-2.0
"""What a page is held to: soon there, light, open to everybody (axe-core), and usable without a mouse."""

import json
import re
from typing import Any

import pytest

from local.cloud.environments import LOCAL
from local.demo import sample_data
from local.shopfront.catalogue import catalogue, document
from local.shopfront.server import Shopfront, serving
from tests.storefront.browser import Page, chromium
from tests.storefront.conftest import PLACEMENTS, Open
from tests.storefront.shop import KEY, Api, listening
from tests.storefront.test_page import FOLDER as STOREFRONT

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not on this machine")
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
PAINT = 2_000
"""Milliseconds until something is seen, on a busy machine."""
SLOW = {"latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
"""Milliseconds and bytes a second of the slow mobile network that Lighthouse plays."""
SLOW_PAINT = 1_800
"""The same on that network; what Lighthouse calls good."""
LARGEST = 2_500
"""Milliseconds until the largest thing is seen; what Lighthouse calls good."""
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


def visit(page: Page, shop: Open, language: str = "en", width: int = 1280, *, is_dark: bool = False) -> None:
    """The front page for somebody with things in the cart."""
    page.size(width, 900, is_dark=is_dark)
    page.open(shop.address)
    kept = {"shop:language": json.dumps(language), "shop:cart": json.dumps(CART)}
    page.run(f"localStorage.clear(); Object.assign(localStorage, {json.dumps(kept)})")
    shop.api.events.clear()
    page.open(shop.address)


def violations(page: Page, where: str) -> list[str]:
    """What axe-core finds on the page: the rule, and the elements."""
    found: list[dict[str, Any]] = page.run("axe.run(document).then(({ violations }) => violations)")
    return [f"{where}: {one['id']} {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not on this machine: `make test` fetches it by npm")
@pytest.mark.parametrize(
    ("language", "width", "is_dark", "which"),
    [
        ("en", 1280, False, "placed"),
        ("en", 390, True, "shop"),
        ("ko", 1280, True, "shop"),
        ("ko", 390, False, "placed"),
    ],
)
def test_nobody_is_kept_out(
    language: str, width: int, is_dark: bool, which: str, browser: Page, request: pytest.FixtureRequest
) -> None:
    """Each two of language, width and darkness meet in one of the four; two of them have placements."""
    visit(browser, request.getfixturevalue(which), language, width, is_dark=is_dark)
    browser.run(f"{AXE.read_text()}; undefined")
    found = []
    for name, hash_ in PAGES.items():
        browser.run(f"location.hash = {json.dumps(hash_)}")
        browser.settled()
        found += violations(browser, name)
    browser.run("document.querySelector('#account').click()")
    browser.until("document.querySelector('dialog[open]')")
    found += violations(browser, "account")
    browser.run("document.querySelector('dialog').close()")
    if width < 1180:
        browser.run("document.querySelector('#panel-button').click()")
        found += violations(browser, "panel")
    assert found == []


def test_what_is_tested_is_every_page() -> None:
    routes = set(re.findall(r'case "(\w*)":', (STOREFRONT / "js" / "app.js").read_text()))
    assert routes == {re.split(r"[/?]", hash_.removeprefix("#/"))[0] for hash_ in PAGES.values()} - {"absent"}


def test_a_first_visit_is_light_and_soon_seen(browser: Page, shop: Open) -> None:
    browser.ask("Network.setCacheDisabled", cacheDisabled=True)
    visit(browser, shop)
    browser.ask("Network.setCacheDisabled", cacheDisabled=False)
    assert transferred(browser) <= BYTES
    assert_seen(browser, PAINT)


def test_a_first_visit_to_the_demos_own_shop_is_as_light(browser: Page) -> None:
    data = sample_data.prepare(LOCAL / "demo", lambda _: None)
    goods = catalogue("demo", data.items, data.users, data.interactions) | {"placements": list(PLACEMENTS)}
    with listening(Api()) as api, serving(Shopfront(api.address, KEY, document(goods))) as address:
        browser.ask("Network.setCacheDisabled", cacheDisabled=True)
        visit(browser, Open(address, api))
        browser.ask("Network.setCacheDisabled", cacheDisabled=False)
    assert transferred(browser) <= BYTES


@pytest.mark.parametrize("which", ["shop", "placed"])
def test_it_is_soon_seen_on_a_slow_phone(which: str, browser: Page, request: pytest.FixtureRequest) -> None:
    browser.size(390, 844)
    browser.ask("Network.setCacheDisabled", cacheDisabled=True)
    browser.ask("Network.emulateNetworkConditions", offline=False, **SLOW)
    try:
        browser.open(request.getfixturevalue(which).address)
        assert_seen(browser, SLOW_PAINT)
    finally:
        browser.ask("Network.setCacheDisabled", cacheDisabled=False)
        full = {name: 0 if name == "latency" else -1 for name in SLOW}
        browser.ask("Network.emulateNetworkConditions", offline=False, **full)


def transferred(browser: Page) -> int:
    """The bytes of everything that the page fetched, headers included."""
    sizes: list[int] = browser.run(
        """["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
          .map(({ transferSize }) => transferSize)"""
    )
    assert len(sizes) > 12
    assert all(sizes)
    return sum(sizes)


def assert_seen(browser: Page, first: int) -> None:
    """What was opened was seen in time, and stood still."""
    browser.run(WATCH)
    browser.until("seen.first && seen.largest")
    seen = browser.run("seen")
    assert seen["first"] <= first
    assert seen["largest"] <= LARGEST
    assert seen["shift"] <= SHIFT


def test_a_purchase_needs_no_mouse(browser: Page, shop: Open) -> None:
    visit(browser, shop)
    browser.press("Tab")
    assert browser.run("document.activeElement.className") == "skip"
    browser.press("Enter")
    assert browser.run("document.activeElement.id") == "main"
    browser.tab_to(".card .title")
    browser.press("Enter")
    browser.until("document.querySelector('.product')")
    browser.settled()
    assert browser.run("document.activeElement.tagName") == "H1"
    browser.tab_to(".buy .primary")
    browser.press("Enter")
    browser.until("document.querySelector('#cart .number').textContent === '4'")
    browser.run("document.querySelector('.skip').focus()")
    browser.tab_to("#cart")
    browser.press("Enter")
    browser.until("document.querySelector('.lines')")
    browser.settled()
    browser.tab_to(".summary .primary")
    browser.press("Enter")
    browser.until("document.querySelector('form.checkout')")
    browser.tab_to("form.checkout .primary")
    browser.press("Enter")
    browser.until("location.hash === '#/done'")
    browser.settled()
    assert [event["eventType"] for event in shop.api.events].count("Purchase") == 3


def test_the_panel_opens_and_closes_by_keys(browser: Page, shop: Open) -> None:
    visit(browser, shop, width=390)
    browser.run("document.querySelector('#panel-button').focus()")
    browser.press("Enter")
    assert browser.run("document.querySelector('#panel').contains(document.activeElement)") is True
    browser.press("Escape")
    assert browser.run("[document.activeElement.id, document.querySelector('#panel').inert]") == ["panel-button", True]


def test_the_focus_stays_in_the_cart_when_its_last_line_goes(browser: Page, shop: Open) -> None:
    visit(browser, shop)
    browser.run("location.hash = '#/cart'")
    browser.settled()
    for left in (1, 0):
        browser.run("document.querySelector('.line .text').focus()")
        browser.press("Enter")
        browser.until(f"document.querySelectorAll('.line').length === {left}")
        assert browser.run("document.querySelector('.cart').contains(document.activeElement)") is True
    browser.press("Enter")
    browser.until("location.hash === '#/'")


def test_a_dialog_opens_and_closes_by_keys_and_gives_the_focus_back(browser: Page, shop: Open) -> None:
    visit(browser, shop)
    browser.tab_to("#account")
    browser.press("Enter")
    browser.until("document.querySelector('dialog[open]')")
    assert browser.run("document.querySelector('dialog').contains(document.activeElement)") is True
    browser.press("Escape")
    browser.until("!document.querySelector('dialog')")
    assert browser.run("document.activeElement.id") == "account"
