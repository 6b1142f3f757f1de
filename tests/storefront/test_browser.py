# SPDX-License-Identifier: Apache-2.0
"""The storefront as a person meets it, in headless Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storefront.browser import Page, chromium
from tests.storefront.conftest import Open

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not on this machine")
NAMELESS = """[...document.querySelectorAll('a[href], button, input, select')]
  .filter((one) => one.tabIndex >= 0 && !one.closest('[inert], [hidden]'))
  .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length))
  .map((one) => one.outerHTML)"""


@pytest.fixture
def page(browser: Page, shop: Open) -> Iterator[Page]:
    """The front page for a stranger who was never here; nothing may go wrong in it."""
    browser.size(1280, 900)
    browser.open(shop.address)
    browser.run("localStorage.clear(); localStorage.setItem('shop:language', '\"en\"')")
    shop.api.events.clear()
    browser.complaints.clear()
    browser.open(shop.address)
    yield browser
    assert browser.complaints == []


def test_the_shelves_are_filled_and_say_from_where(page: Page) -> None:
    titles = page.run("[...document.querySelectorAll('.shelf h2')].map((one) => one.textContent)")
    assert titles == ["Recommended for you", "Popular"]
    assert page.run("document.querySelectorAll('.shelf .card').length") == 24
    assert page.run("document.querySelector('.shelf .source').textContent") == "campaign"
    assert page.run("document.querySelectorAll('#happened .call').length") == 2


def test_a_click_moves_the_list_and_the_panel_tells_how(page: Page, shop: Open) -> None:
    page.run("document.querySelectorAll('.shelf .add')[4].click()")
    page.until("document.querySelector('#happened .moves')")
    moved = page.run("[...document.querySelectorAll('#happened .moves li')].slice(0, 2).map((one) => one.className)")
    assert (moved, [event["eventType"] for event in shop.api.events]) == (["up", "down"], ["AddToCart"])
    assert shop.api.events[0]["recommendationId"].startswith("RID-")
    assert page.run("document.querySelector('#cart').getAttribute('aria-label')") == "Cart, 1 item"


def test_from_the_shelf_through_the_cart_to_the_purchase(page: Page, shop: Open) -> None:
    page.run("document.querySelector('.shelf .title').click()")
    page.until("document.querySelector('.product')")
    page.settled()
    page.run("document.querySelector('.buy .primary').click()")
    page.until("document.querySelector('#cart .number').textContent === '1'")
    page.run("location.hash = '#/cart'")
    page.until("document.querySelector('[data-key=goes-with] .card')")
    page.run("location.hash = '#/checkout'")
    page.until("document.querySelector('form.checkout')")
    page.run("document.querySelector('form.checkout .primary').click()")
    page.until("location.hash === '#/done'")
    page.settled()
    assert [event["eventType"] for event in shop.api.events] == ["View", "AddToCart", "Purchase"]
    assert page.run("document.activeElement.tagName") == "H1"


def test_a_new_shopper_is_told_to_the_api(page: Page, shop: Open) -> None:
    page.run("document.querySelector('#account').click()")
    page.until("document.querySelector('dialog[open]')")
    assert page.run("document.querySelectorAll('.person').length") == 7
    assert page.run(NAMELESS) == []
    page.run("document.querySelector('.newcomer button').click()")
    page.until("document.querySelector('#who').textContent.startsWith('New shopper')")
    page.settled()
    method, path, _, body = next(request for request in reversed(shop.api.requests) if request[0] == "PUT")
    assert (method, path.startswith("/shops/green/users/new-")) == ("PUT", True)
    assert body == {"properties": {"KIDS": "2"}}


def test_search_finds_and_an_empty_one_says_so(page: Page) -> None:
    page.run("location.hash = '#/s?q=milk%203'")
    page.until("document.querySelector('.grid .card')")
    assert page.run("[...document.querySelectorAll('.grid .title')].map((one) => one.textContent)") == ["Milk 3"]
    page.run("location.hash = '#/s?q=unobtainium'")
    page.until("document.querySelector('.nothing')")


def test_it_speaks_korean(page: Page) -> None:
    page.run("document.querySelector('.tools [lang=ko]').click()")
    page.settled()
    assert page.run("document.documentElement.lang") == "ko"
    assert page.run("document.querySelector('.shelf h2').textContent") == "추천 상품"


def test_every_control_has_a_name_and_every_picture_is_silent(page: Page) -> None:
    assert page.run(NAMELESS) == []
    assert page.run("[...document.querySelectorAll('svg')].every((one) => one.closest('[aria-hidden=true]'))") is True
    assert page.run("document.querySelectorAll('h1').length") == 1
    ids = page.run("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("hash_", ["", "#/cart", "#/c/Produce", "#/p/milk-1", "#/absent"])
def test_it_fits_a_phone(hash_: str, page: Page, shop: Open) -> None:
    page.size(390, 844)
    page.open(shop.address + hash_)
    assert page.run("document.documentElement.scrollWidth") <= 390
    assert page.run("document.body.classList.contains('with-panel')") is False


def test_it_is_drawn(page: Page, shop: Open, tmp_path: Path) -> None:
    for is_dark in (False, True):
        page.size(1280, 900, is_dark=is_dark)
        page.open(shop.address)
        page.picture(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 40_000
