# SPDX-License-Identifier: Apache-2.0
"""The storefront as CloudFront shows it: nobody's key, tokens of sessions, no sample shoppers."""

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from local.storefront.catalogue import Shop
from tests.app.waiting import BOUND
from tests.storefront.browser import settle, show, until, visiting
from tests.storefront.conftest import Open
from tests.storefront.shop import green


@pytest.fixture
def page(browser: Browser, strangers: Open) -> Iterator[Page]:
    """The front page of a browser that was never here."""
    for requests in (strangers.api.requests, strangers.api.events):
        requests.clear()
    with visiting(browser, strangers.address) as page:
        show(page, strangers.address)
        yield page


def test_its_catalogue_tells_of_no_shopper() -> None:
    told = Shop(name="green").document_for_strangers("")
    assert (told["shoppers"], told["profiles"], told["api"], told["tokens"]) == ([], {}, "", True)


def test_a_browsers_token_goes_along_and_no_key(strangers: Open) -> None:
    connection = http.client.HTTPConnection(urlsplit(strangers.address).netloc, timeout=BOUND)
    connection.request("GET", "/api/shops/green/popular", headers={"Authorization": "Bearer t", "Cookie": "a=b"})
    assert connection.getresponse().read()
    connection.close()
    _, _, sent, _ = strangers.api.requests[-1]
    assert sent["authorization"] == "Bearer t"
    assert not {"x-api-key", "cookie"} & set(sent)


def test_each_call_carries_the_token_of_its_session(page: Page, strangers: Open) -> None:
    page.evaluate("document.querySelectorAll('.shelf .add')[4].click()")
    until(page, "document.querySelector('#happened .moves')")
    (first, *others) = strangers.api.requests
    assert first[:2] == ("POST", "/shops/green/sessions")
    session = json.loads(page.evaluate("localStorage['shop:sessions']"))["current"]
    assert {sent.get("authorization") for _, _, sent, _ in others} == {f"Bearer {session}"}
    (body,) = (body for _, path, _, body in others if path.endswith("/events"))
    assert body["sessionId"] == session
    assert page.evaluate("document.querySelectorAll('.shelf .card').length") == 24


def test_a_visitor_may_begin_anew_and_be_nobody_else(page: Page) -> None:
    before = page.evaluate("localStorage['shop:sessions']")
    page.evaluate("document.querySelector('#account').click()")
    until(page, "document.querySelector('dialog[open]')")
    assert page.evaluate("document.querySelectorAll('.person').length") == 1
    assert page.evaluate("document.querySelector('.newcomer')") is None
    page.evaluate("document.querySelector('.person').click()")
    until(page, f"localStorage['shop:sessions'] !== {json.dumps(before)}")
    settle(page)


def test_a_session_that_ended_is_replaced_at_the_next_page(page: Page, strangers: Open) -> None:
    page.evaluate("localStorage['shop:sessions'] = '{}'")
    page.evaluate("location.hash = '#/p/milk-1'")
    until(page, "document.querySelectorAll('.product ~ div .shelf').length === 2")
    settle(page)
    session = json.loads(page.evaluate("localStorage['shop:sessions']"))["current"]
    assert {sent["authorization"] for _, path, sent, _ in strangers.api.requests[-3:]} == {f"Bearer {session}"}


def test_without_a_server_pages_find_the_same_in_files(page: Page, strangers: Open) -> None:
    titles = "[...document.querySelectorAll('.grid .title')].map((one) => one.textContent)"
    shop = green()
    for hash_, listed in {
        "#/s?q=milk%203": shop.page("milk 3"),
        "#/c/Dairy": shop.page(category="Dairy"),
        "#/c/Dairy/milk": shop.page(category="Dairy", shelf="milk"),
        "#/c": shop.page(),
        "#/s?q=unobtainium": shop.page("unobtainium"),
    }.items():
        show(page, f"{strangers.address}{hash_}")
        names = {str(row[1]).partition(" 8 oz")[0] for row in listed["items"]}
        shown = page.evaluate(titles)
        assert len(shown) == min(24, listed["total"])
        assert set(shown) <= names
