# SPDX-License-Identifier: Apache-2.0
"""A shopper scrolls: what was half on screen for a second is told, each item of a list once, in one request."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.app.waiting import until as hold
from tests.storefront.browser import settle, show, until, visiting
from tests.storefront.conftest import Open

PENDING = "JSON.parse(localStorage.getItem('personalization:green:seen') ?? '[]')"
ON_SCREEN = """(() => {
  const part = (from, to, end) => Math.max(0, Math.min(to, end) - Math.max(from, 0)) / (to - from);
  const half = (card) => {
    const box = card.getBoundingClientRect(), row = card.parentElement.getBoundingClientRect();
    return part(box.left - row.left, box.right - row.left, row.width) * part(box.top, box.bottom, innerHeight) >= 0.5;
  };
  return [...document.querySelectorAll('.shelf .card')].filter(half).map((card) => card.dataset.id);
})()"""


@pytest.fixture
def page(browser: Browser, shop: Open) -> Iterator[Page]:
    """The front page for a stranger who was never here."""
    shop.api.events.clear()
    shop.api.seen.clear()
    with visiting(browser, shop.address) as page:
        show(page, shop.address)
        yield page


def noted(page: Page) -> list[str]:
    """The items that were seen, by list."""
    lists: list[dict[str, Any]] = page.evaluate(PENDING)
    return [item for seen in lists for item in seen["itemIds"]]


def wait_for(page: Page, count: int) -> None:
    until(page, f"{PENDING}.flatMap((seen) => seen.itemIds).length >= {count}")


def test_what_a_shopper_has_on_screen_is_told_once_when_they_leave(page: Page, shop: Open) -> None:
    first = page.evaluate(ON_SCREEN)
    assert 0 < len(first) < 24
    wait_for(page, len(first))
    assert sorted(noted(page)) == sorted(first)
    # Along the first shelf, and down to the second one.
    page.evaluate("document.querySelector('.shelf .row').scrollTo({left: 99999, behavior: 'instant'})")
    page.evaluate("document.querySelectorAll('.shelf')[1].scrollIntoView({behavior: 'instant'})")
    wait_for(page, len(first) + 1)
    page.evaluate("document.querySelectorAll('.shelf')[0].scrollIntoView({behavior: 'instant'})")
    until(page, f"{PENDING}.length === 2")
    assert shop.api.seen == []
    page.evaluate("location.hash = '#/p/milk-2'")
    until(page, "document.querySelector('.product')")
    settle(page)
    page.evaluate("document.querySelector('.shelf').scrollIntoView({behavior: 'instant'})")
    until(page, f"{PENDING}.length >= 3")
    lists = page.evaluate(PENDING)
    page.goto("about:blank")
    hold(lambda: bool(shop.api.seen), "the request that outlives the page")
    (request,) = shop.api.seen
    assert request["sessionId"] == lists[0]["sessionId"]
    items = [(seen["listId"], item) for seen in request["lists"] for item in seen["itemIds"]]
    assert len(items) == len(set(items))
    assert {(seen["listId"], item) for seen in lists for item in seen["itemIds"]} <= set(items)
    assert [event["eventType"] for event in shop.api.events] == ["View"]


def test_two_lists_wait_for_the_next_page(page: Page, shop: Open) -> None:
    until(page, f"{PENDING}.length > 0")
    page.goto("about:blank")
    page.goto(shop.address)
    settle(page)
    assert page.evaluate(f"{PENDING}.length") > 0
    assert shop.api.seen == []
