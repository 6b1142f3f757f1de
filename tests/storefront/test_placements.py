# SPDX-License-Identifier: Apache-2.0
"""The slots that the storefront's pages ask for: one call a page, nothing on it twice, and the settings with them."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from personalization.shop.settings.settings import parse
from playwright.sync_api import Browser, Page

from tests.storefront.browser import settle, show, until, visiting
from tests.storefront.conftest import PLACEMENTS, Open
from tests.storefront.test_page import FOLDER

SHELVES = "[...document.querySelectorAll('.shelf [data-id]')].map((one) => one.dataset.id)"
LINES = "[...document.querySelectorAll('.line a.title')].map((one) => one.hash.slice(4))"
TITLES = "[...document.querySelectorAll('.shelf:not([hidden]) h2')].map((one) => one.textContent)"


@pytest.fixture
def page(browser: Browser, placed: Open) -> Iterator[Page]:
    """A page of the shop for a stranger who was never here."""
    with visiting(browser, placed.address) as page:
        show(page, placed.address)
        for requests in (placed.api.requests, placed.api.events):
            requests.clear()
        yield page


def calls_of(page: Page, placed: Open, hash_: str, cart: list[list[Any]]) -> list[tuple[str, Any]]:
    """Open a page; the calls that filled it, as ends of paths and bodies."""
    page.evaluate(f"localStorage.setItem('shop:cart', {json.dumps(json.dumps(cart))})")
    show(page, placed.address + hash_)
    return [(path.rpartition("/")[2].partition("?")[0], body) for _, path, _, body in placed.api.requests]


def test_the_front_page_is_one_call(page: Page, placed: Open) -> None:
    assert calls_of(page, placed, "", []) == [("placements", {"placements": ["home", "home-popular"]})]
    assert page.evaluate(TITLES) == ["Recommended for you", "Popular"]
    told = page.evaluate("[...document.querySelectorAll('#happened .list')].map((one) => one.textContent)")
    assert told == ["Recommended for you from personal picks", "Popular"]


def test_an_items_page_looks_at_it_and_asks_for_what_is_like_it(page: Page, placed: Open) -> None:
    calls = calls_of(page, placed, "#/p/milk-1", [])
    assert [path for path, _ in calls] == ["events", "placements"]
    assert calls[1][1] == {"placements": ["product", "product-more"], "itemId": "milk-1"}
    assert page.evaluate(TITLES) == ["Similar items", "Recommended for you"]
    assert "milk-1" not in page.evaluate(SHELVES)


def test_a_basket_asks_with_its_newest_item_and_shows_nothing_that_is_in_it(page: Page, placed: Open) -> None:
    ((path, body),) = calls_of(page, placed, "#/cart", [["milk-1", 2], ["bread-0", 1]])
    assert path == "placements"
    body_sent = {"placements": ["basket", "basket-more"], "itemId": "bread-0", "excludeItemIds": ["milk-1", "bread-0"]}
    assert body == body_sent
    hint = page.evaluate("document.querySelector('.shelf .hint').textContent")
    assert hint == "Picked for Bread 0, the newest in the cart"
    assert not {"milk-1", "bread-0"} & set(page.evaluate(SHELVES))


def test_an_empty_basket_has_nothing_to_go_with(page: Page, placed: Open) -> None:
    ((_, body),) = calls_of(page, placed, "#/cart", [])
    assert body == {"placements": ["basket-more"], "excludeItemIds": []}


@pytest.mark.parametrize("hash_", ["#/", "#/p/milk-1", "#/cart"])
def test_nothing_is_on_a_page_twice_also_after_a_click(hash_: str, page: Page, placed: Open) -> None:
    calls_of(page, placed, hash_, [["milk-1", 2]])
    requests_before = len(placed.api.requests)
    page.evaluate("document.querySelectorAll('.shelf .add')[9].click()")
    until(page, "document.querySelector('#happened .moves')")
    settle(page)
    shown = [*page.evaluate(SHELVES), *page.evaluate(LINES)]
    assert len(shown) == len(set(shown)) >= 16
    names = [path.rpartition("/")[2].partition("?")[0] for _, path, _, _ in placed.api.requests[requests_before:]]
    assert names == ["events", "placements"]


def test_what_another_shelf_had_is_counted_apart_and_is_not_new(page: Page, placed: Open) -> None:
    calls_of(page, placed, "#/", [])
    page.evaluate("document.querySelectorAll('.shelf .add')[9].click()")
    until(page, "document.querySelector('#happened .moves')")
    settle(page)
    row = "(({ className, title, lastChild }) => [className, lastChild.textContent, title])"
    assert page.evaluate(f"{row}(document.querySelector('#happened .moves li'))") == [
        "across", "other shelf", "Popular",
    ]  # fmt: skip
    counts = page.evaluate("[...document.querySelectorAll('#happened .count')].map((one) => one.textContent)")
    assert counts == ["1 left", "1 from another shelf", "7 moved"]
    drawn = page.evaluate("[...document.querySelectorAll('#happened .moves li')].map((line) => line.className)")
    sums = Counter("moved" if kind in {"up", "down"} else kind for kind in drawn if kind != "still")
    assert sums == {"gone": 1, "across": 1, "moved": 7}
    assert page.evaluate("document.querySelector('.shelf .new')") is None


def test_what_was_taken_back_meanwhile_is_asked_for_shelf_by_shelf(
    browser: Browser, placed: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with visiting(browser, placed.address, errors=1) as page:
        show(page, placed.address)
        placed.api.requests.clear()
        monkeypatch.setattr(placed.api, "placed", False)
        calls = calls_of(page, placed, "", [])
        assert page.evaluate(TITLES) == ["Recommended for you", "Popular"]
    assert sorted(path for path, _ in calls) == ["placements", "popular", "recommendations"]


def test_the_settings_hold_and_have_just_the_slots_that_pages_ask_for() -> None:
    chosen = parse("settings.yaml", (FOLDER / "settings.yaml").read_text())
    placements = re.findall(r'"((?:home|product|basket)[a-z-]*)"', (FOLDER / "js/views.js").read_text())
    assert set(chosen.placements) == set(placements) == set(PLACEMENTS)
    # Their items are no shelf's own where nothing goes with the item of the page.
    starts = [name for name, placement in chosen.placements.items() if placement.recipe == "similar-items"]
    assert {chosen.placements[name].fallback for name in starts} == {"none"}
    # As many as Personalize tells columns of, so that no shelf of a page is cut short.
    home = [chosen.placements[name].limit for name in ("home", "home-viewed", "home-popular")]
    assert sum(home) < 50
