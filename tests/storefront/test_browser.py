# SPDX-License-Identifier: Apache-2.0
"""The storefront as a person meets it, in headless Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.storefront.browser import settle, show, until, visiting
from tests.storefront.conftest import Open

NAMELESS = """[...document.querySelectorAll('a[href], button, input, select')]
  .filter((one) => one.tabIndex >= 0 && !one.closest('[inert], [hidden]'))
  .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length))
  .map((one) => one.outerHTML)"""


@pytest.fixture
def page(browser: Browser, shop: Open) -> Iterator[Page]:
    """The front page for a stranger who was never here."""
    shop.api.events.clear()
    with visiting(browser, shop.address) as page:
        show(page, shop.address)
        yield page


def test_the_shelves_are_filled_and_say_from_where(page: Page) -> None:
    titles = page.evaluate("[...document.querySelectorAll('.shelf h2')].map((one) => one.textContent)")
    assert titles == ["Recommended for you", "Popular"]
    assert page.evaluate("document.querySelectorAll('.shelf .card').length") == 24
    told = page.evaluate("[...document.querySelectorAll('#happened .list')].map((one) => one.textContent)")
    assert set(told) == {"Recommended for you from personal picks", "Popular"}
    assert page.evaluate("document.querySelectorAll('#happened .call').length") == 2


def test_a_click_moves_the_list_and_the_panel_tells_how(page: Page, shop: Open) -> None:
    page.evaluate("document.querySelectorAll('.shelf .add')[4].click()")
    until(page, "document.querySelector('#happened .moves')")
    moved = page.evaluate(
        "[...document.querySelectorAll('#happened .moves li')].slice(0, 2).map((one) => one.className)"
    )
    assert (moved, [event["eventType"] for event in shop.api.events]) == (["up", "down"], ["AddToCart"])
    assert shop.api.events[0]["recommendationId"].startswith("RID-")
    assert page.evaluate("document.querySelector('#cart').getAttribute('aria-label')") == "Cart, 1 item"


def test_from_the_shelf_through_the_cart_to_the_purchase(page: Page, shop: Open) -> None:
    page.evaluate("document.querySelector('.shelf .title').click()")
    until(page, "document.querySelector('.product')")
    settle(page)
    page.evaluate("document.querySelector('.buy .primary').click()")
    until(page, "document.querySelector('#cart .number').textContent === '1'")
    page.evaluate("location.hash = '#/cart'")
    until(page, "document.querySelector('[data-key=goes-with] .card')")
    page.evaluate("location.hash = '#/checkout'")
    until(page, "document.querySelector('form.checkout')")
    page.evaluate("document.querySelector('form.checkout .primary').click()")
    until(page, "location.hash === '#/done'")
    settle(page)
    assert [event["eventType"] for event in shop.api.events] == ["View", "AddToCart", "Purchase"]
    assert page.evaluate("document.activeElement.tagName") == "H1"


def test_a_page_recommends_nothing_that_it_shows_already(page: Page, shop: Open) -> None:
    shop.api.events.append({"itemId": "milk-2"})  # which the API's lists begin with
    listed = "[...document.querySelectorAll('[data-key=recommended] [data-id]')].map((card) => card.dataset.id)"
    page.evaluate("location.hash = '#/p/milk-2'")
    until(page, "document.querySelector('[data-key=recommended] [data-id]')")
    assert "milk-2" not in page.evaluate(listed)
    page.evaluate("document.querySelector('.buy .primary').click()")
    settle(page)
    page.evaluate("location.hash = '#/cart'")
    until(page, "document.querySelector('.lines')")
    settle(page)
    assert ("milk-2" in page.evaluate(listed), len(page.evaluate(listed)) > 5) == (False, True)


def test_a_new_shopper_is_told_to_the_api(page: Page, shop: Open) -> None:
    page.evaluate("document.querySelector('#account').click()")
    until(page, "document.querySelector('dialog[open]')")
    assert page.evaluate("document.querySelectorAll('.person').length") == 7
    assert page.evaluate(NAMELESS) == []
    page.evaluate("document.querySelector('.newcomer button').click()")
    until(page, "document.querySelector('#who').textContent.startsWith('New customer')")
    settle(page)
    method, path, _, body = next(request for request in reversed(shop.api.requests) if request[0] == "PUT")
    assert (method, path.startswith("/shops/green/users/new-")) == ("PUT", True)
    assert body == {"properties": {"KIDS": "2"}}


def test_search_finds_and_an_empty_one_says_so(page: Page) -> None:
    page.evaluate("location.hash = '#/s?q=milk%203'")
    until(page, "document.querySelector('.grid .card')")
    assert page.evaluate("[...document.querySelectorAll('.grid .title')].map((one) => one.textContent)") == ["Milk 3"]
    page.evaluate("location.hash = '#/s?q=unobtainium'")
    until(page, "document.querySelector('.nothing')")
    settle(page)
    assert page.evaluate("[...document.querySelectorAll('.shelf h2')].map((one) => one.textContent)") == [
        "Recommended for you", "Popular",
    ]  # fmt: skip


def test_it_speaks_korean(page: Page) -> None:
    page.evaluate("document.querySelector('.tools [lang=ko]').click()")
    settle(page)
    assert page.evaluate("document.documentElement.lang") == "ko"
    assert page.evaluate("document.querySelector('.shelf h2').textContent") == "추천 상품"
    told = page.evaluate("[...document.querySelectorAll('#happened .list')].map((one) => one.textContent)")
    assert "추천 상품 · 맞춤 추천" in told
    words = page.evaluate("document.querySelector('main').textContent + document.querySelector('#panel').textContent")
    assert not {"campaign", "household", "API"} & set(words.split())
    page.evaluate("document.querySelector('#account').click()")
    until(page, "document.querySelector('dialog[open] option')")
    values = page.evaluate("[...document.querySelectorAll('dialog option')].map((one) => [one.value, one.textContent])")
    assert values[0] == ["", "선택 안 함"]
    assert ["2", "2명"] in values


def test_every_control_has_a_name_and_every_picture_is_silent(page: Page) -> None:
    assert page.evaluate(NAMELESS) == []
    assert (
        page.evaluate("[...document.querySelectorAll('svg')].every((one) => one.closest('[aria-hidden=true]'))") is True
    )
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


def test_it_fits_a_phone(browser: Browser, shop: Open) -> None:
    with visiting(browser, shop.address, width=390) as page:
        for hash_ in ("", "#/cart", "#/c/Produce", "#/p/milk-1", "#/absent"):
            show(page, shop.address + hash_)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, hash_
            assert page.evaluate("document.body.classList.contains('with-panel')") is False, hash_


@pytest.mark.parametrize("is_dark", [False, True])
def test_it_is_drawn(is_dark: bool, browser: Browser, shop: Open) -> None:
    with visiting(browser, shop.address, is_dark=is_dark) as page:
        show(page, shop.address)
        assert len(page.screenshot()) > 40_000
