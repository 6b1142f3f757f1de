# SPDX-License-Identifier: Apache-2.0
"""The storefront as CloudFront shows it: nobody's key, tokens of sessions, no sample shoppers."""

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from local.shopfront.catalogue import for_strangers
from tests.storefront.browser import Page
from tests.storefront.conftest import Open


@pytest.fixture
def page(browser: Page, strangers: Open) -> Iterator[Page]:
    """The front page of a browser that was never here; nothing may go wrong in it."""
    browser.size(1280, 900)
    browser.open(strangers.address)
    browser.run("localStorage.clear(); localStorage.setItem('shop:language', '\"en\"')")
    for kept in (strangers.api.requests, strangers.api.events, browser.complaints):
        kept.clear()
    browser.open(strangers.address)
    yield browser
    assert browser.complaints == []


def test_its_catalogue_tells_of_no_shopper() -> None:
    told = for_strangers("green", None, "")
    assert (told["shoppers"], told["profiles"], told["api"], told["tokens"]) == ([], {}, "", True)


def test_a_browsers_token_goes_along_and_no_key(strangers: Open) -> None:
    connection = http.client.HTTPConnection(urlsplit(strangers.address).netloc, timeout=10)
    connection.request("GET", "/api/shops/green/popular", headers={"Authorization": "Bearer t", "Cookie": "a=b"})
    assert connection.getresponse().read()
    connection.close()
    _, _, sent, _ = strangers.api.requests[-1]
    assert sent["authorization"] == "Bearer t"
    assert not {"x-api-key", "cookie"} & set(sent)


def test_each_call_carries_the_token_of_its_session(page: Page, strangers: Open) -> None:
    page.run("document.querySelectorAll('.shelf .add')[4].click()")
    page.until("document.querySelector('#happened .moves')")
    (first, *others) = strangers.api.requests
    assert first[:2] == ("POST", "/shops/green/sessions")
    session = json.loads(page.run("localStorage['shop:sessions']"))["current"]
    assert {sent.get("authorization") for _, _, sent, _ in others} == {f"Bearer {session}"}
    (body,) = (body for _, path, _, body in others if path.endswith("/events"))
    assert body["sessionId"] == session
    assert page.run("document.querySelectorAll('.shelf .card').length") == 24


def test_a_visitor_may_begin_anew_and_be_nobody_else(page: Page) -> None:
    before = page.run("localStorage['shop:sessions']")
    page.run("document.querySelector('#account').click()")
    page.until("document.querySelector('dialog[open]')")
    assert page.run("document.querySelectorAll('.person').length") == 1
    assert page.run("document.querySelector('.newcomer')") is None
    page.run("document.querySelector('.person').click()")
    page.until(f"localStorage['shop:sessions'] !== {json.dumps(before)}")
    page.settled()


def test_a_session_that_ended_is_replaced_at_the_next_page(page: Page, strangers: Open) -> None:
    page.run("localStorage['shop:sessions'] = '{}'")
    page.run("location.hash = '#/p/milk-1'")
    page.until("document.querySelectorAll('.product ~ div .shelf').length === 2")
    page.settled()
    session = json.loads(page.run("localStorage['shop:sessions']"))["current"]
    assert {sent["authorization"] for _, path, sent, _ in strangers.api.requests[-3:]} == {f"Bearer {session}"}
