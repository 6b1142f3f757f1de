# SPDX-License-Identifier: Apache-2.0
"""The storefront of a shop with ids, names, prices, pictures and a language of its own."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, Route

from local.storefront.catalogue import Shop
from local.storefront.server import Storefront, serving
from tests.storefront.browser import settle, show, until, visiting
from tests.storefront.conftest import Open
from tests.storefront.shop import KEY, Api, listening, shop_of
from tests.storefront.test_checks import seen

PIXEL = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'
IDS = [str(uuid.UUID(int=number << 64 | number)) for number in range(1, 13)]
USER = str(uuid.UUID(int=99 << 64))
NAMES = {item: f"Lamp {number}\u2028with\na shade" for number, item in enumerate(IDS)}


@dataclass
class Named(Api):
    """An API whose lists carry the items' names, unless `silent`."""

    silent: bool = False

    def answer(self, method: str, path: str, body: Any) -> tuple[int, object]:  # noqa: ANN401 - any document
        if method == "POST" and path.endswith("/events"):
            return super().answer(method, path, body)
        told = [{"itemId": item, "metadata": {} if self.silent else {"NAME": NAMES[item]}} for item in IDS]
        return 200, {"recommendationId": "RID-1", "items": told}


@dataclass
class Silent(Api):
    """An API that recommends nothing and orders what it is given."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, object]:  # noqa: ANN401 - any document
        if path.endswith("/events"):
            return super().answer(method, path, body)
        listed = [{"itemId": item} for item in (body or {}).get("itemIds", ())]
        return 200, {"recommendationId": None, "items": listed}


@pytest.fixture
def own_shop() -> Iterator[Open]:
    """A shop that the storefront knows by its API's answers alone."""
    with listening(Named()) as api, serving(Storefront(api.address, KEY, Shop(name="lamps-and-more"))) as address:
        yield Open(address, api)


@pytest.fixture
def page(browser: Browser, own_shop: Open) -> Iterator[Page]:
    """The front page for a stranger."""
    with visiting(browser, own_shop.address) as page:
        show(page, own_shop.address)
        yield page


def test_the_shop_goes_by_its_own_name(page: Page) -> None:
    assert page.evaluate("[document.title, document.querySelector('.logo').textContent]") == ["lamps-and-more"] * 2


def test_long_ids_fit_the_panel_and_only_the_session_is_shortened(page: Page) -> None:
    page.evaluate("document.querySelector('#account').click()")
    until(page, "document.querySelector('dialog[open]')")
    page.evaluate(f"document.querySelector('dialog input').value = '{USER}'")
    page.evaluate("document.querySelector('dialog form button').click()")
    until(page, f"document.querySelector('#happened').textContent.includes('{USER}/recommendations')")
    paths = page.evaluate("[...document.querySelectorAll('#happened code')].map((one) => one.textContent)")
    assert "users/session/recommendations" in paths
    page.evaluate(f"location.hash = '#/p/{IDS[0]}'")
    settle(page)
    widths = "(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])(document.querySelector('#panel'))"
    scrolled, seen = page.evaluate(widths)
    assert scrolled <= seen


def test_a_name_is_shown_as_soon_as_an_answer_tells_it(page: Page, own_shop: Open) -> None:
    assert isinstance(own_shop.api, Named)
    own_shop.api.silent = True
    show(page, f"{own_shop.address}?again#/p/{IDS[3]}")
    assert page.evaluate("document.querySelector('#happened h3').textContent") == f"Looked at {IDS[3]}"
    own_shop.api.silent = False
    page.evaluate("location.hash = '#/'")
    settle(page)
    told = page.evaluate("[...document.querySelectorAll('#happened h3')].map((one) => one.textContent)")
    assert f"Looked at {NAMES[IDS[3]]}" in told


@contextmanager
def visited(browser: Browser, items: pl.DataFrame, api: Api, settings: str = "", *, refused: int = 0) -> Iterator[Page]:
    """A page of somebody at a shop with these items, whose pictures of `cdn.example` come and of others do not.

    `refused`: how many lists the API refuses.
    """

    def picture(route: Route) -> None:
        if urlsplit(route.request.url).hostname == "cdn.example":
            route.fulfill(body=PIXEL, content_type="image/svg+xml")
        else:
            route.abort()

    errors = refused + sum(
        "gone.example" in str(image) for image in items.get_column("IMAGE_URL", default=pl.Series([""]))
    )
    with (
        listening(api),
        serving(Storefront(api.address, KEY, shop_of(items, settings=settings))) as address,
        visiting(browser, address, storage={}, errors=errors) as page,
    ):
        page.route(re.compile("https?://[a-z.]+example/"), picture)
        show(page, address)
        yield page


def test_what_an_answer_shows_is_newer_than_the_table(browser: Browser) -> None:
    items = pl.DataFrame({"ITEM_ID": IDS[:2], "NAME": ["Candle", "Candlestick"], "PRICE": ["1.00", "2.00"]})
    with visited(browser, items, Named()) as page:
        tiles = page.evaluate("[...document.querySelectorAll('.card')].map((one) => one.textContent)")
    assert not any("Candle" in tile for tile in tiles)
    assert any("1" in tile and "Lamp 0" in tile for tile in tiles)


class Impersonal(Silent):
    """An API of a shop whose personal lists the gate refused."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, object]:  # noqa: ANN401 - any document
        if "/recommendations" in path:
            return 404, {"title": "Not Found", "detail": "No version was approved yet."}
        if "/popular" in path:
            return 200, {"recommendationId": None, "items": [{"itemId": item} for item in IDS[:2]]}
        return super().answer(method, path, body)


def test_a_shop_without_personal_lists_has_no_shelf_for_them(browser: Browser) -> None:
    items = pl.DataFrame({"ITEM_ID": IDS[:2], "NAME": ["Candle", "Candlestick"], "PRICE": ["1.00", "2.00"]})
    with visited(browser, items, Impersonal(), refused=1) as page:
        until(page, "[...document.querySelectorAll('.shelf')].some((shelf) => shelf.hidden)")
        shown = page.evaluate("document.querySelector('main').innerText")
    assert "Candlestick" in shown
    assert "could not" not in shown


def test_a_name_is_shown_as_it_stands_also_on_two_lines(browser: Browser) -> None:
    names = ["Lamp\nwith a shade 12 cm (white)", "Chair\u2029of oak", "iPhone 15"]
    with visited(browser, pl.DataFrame({"ITEM_ID": ["i1", "i2", "i3"], "NAME": names}), Silent()) as page:
        page.evaluate("location.hash = '#/c'")
        until(page, "document.querySelector('.grid .title')")
        titles = page.evaluate("[...document.querySelectorAll('.grid .title')].map((one) => one.textContent)")
    assert set(titles) == set(names)


def test_pictures_come_late_and_from_the_items_hosts_and_a_plain_tile_stands_for_the_others(browser: Browser) -> None:
    images = [
        "https://cdn.example/a.svg",
        "https://gone.example/b.png",
        "javascript:alert(1)",
        "data:image/png;base64,AA",
        "",
    ]
    items = pl.DataFrame(
        {"ITEM_ID": list("abcde"), "NAME": ["PARTY BUNTING", "bread bin", "Çup", "42", "…"], "IMAGE_URL": images}
    )
    with visited(browser, items, Silent()) as page:
        page.evaluate("location.hash = '#/c'")
        until(page, "document.querySelectorAll('.grid .card').length === 5")
        until(
            page,
            "document.querySelector('.grid img')?.naturalWidth && document.querySelectorAll('.grid .blank')[3]",
        )
        shown = page.evaluate(
            "[...document.querySelectorAll('.grid img')].map(({ src, loading, alt }) => [src, loading, alt])"
        )
        letters = page.evaluate("[...document.querySelectorAll('.grid .blank')].map((one) => one.dataset.letter)")
        drawn = page.evaluate("document.querySelectorAll('.tile svg').length")
        loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert shown == [["https://cdn.example/a.svg", "lazy", ""]]
    assert (sorted(letters), drawn) == (["", "4", "B", "Ç"], 0)
    assert not [name for name in loaded if "tiles.js" in name]


def test_its_words_and_prices_are_korean_where_its_settings_say_so(browser: Browser) -> None:
    items = pl.DataFrame({"ITEM_ID": ["a"], "NAME": ["따뜻한 양말"], "PRICE": ["12900"], "CATEGORY_L1": ["의류"]})
    settings = "language: ko\nstorefront: {title: 봄날, currency: KRW}"
    with visited(browser, items, Silent(), settings) as page:
        page.evaluate("location.hash = '#/p/a'")
        until(page, "document.querySelector('.product .price')")
        settle(page)
        told = page.evaluate(
            "[document.documentElement.lang, document.title, document.querySelector('.product .price').textContent]"
        )
        assert told == ["ko", "따뜻한 양말 \u2013 봄날", "12,900원"]
        page.evaluate("document.querySelector('.tools [lang=en]').click()")
        until(page, "document.documentElement.lang === 'en'")
        settle(page)
        assert page.evaluate("document.querySelector('.product .primary').textContent") == "Add to cart"


def test_a_price_without_a_currency_is_a_number(browser: Browser) -> None:
    items = pl.DataFrame({"ITEM_ID": ["a", "b"], "NAME": ["A", "B"], "PRICE": ["1250", "9.5"]})
    with visited(browser, items, Silent()) as page:
        page.evaluate("location.hash = '#/c'")
        until(page, "document.querySelectorAll('.grid .price').length === 2")
        prices = page.evaluate("[...document.querySelectorAll('.grid .price')].map((one) => one.textContent)")
    assert sorted(prices) == ["1,250", "9.50"]


def test_a_list_goes_on_page_by_page(browser: Browser) -> None:
    items = pl.DataFrame({"ITEM_ID": [f"i{number:03d}" for number in range(130)], "NAME": ["Thing"] * 130})
    with visited(browser, items, Silent()) as page:
        show(page, f"{page.url}#/s?q=thing")
        assert seen(page)["shift"] <= 0.1
        assert page.evaluate("document.querySelectorAll('.grid .card').length") == 24
        assert page.evaluate("document.querySelector('.page .hint').textContent") == "130 items"
        for count in (48, 72, 96, 120, 130):
            page.evaluate("document.querySelector('.listed .secondary').click()")
            until(page, f"document.querySelectorAll('.grid .card').length === {count}")
        assert page.evaluate("document.querySelector('.listed .secondary').hidden") is True
        ids = page.evaluate("[...document.querySelectorAll('.grid .card')].map((one) => one.dataset.id)")
    assert len(set(ids)) == 130


def test_a_search_that_finds_nothing_leads_on(page: Page) -> None:
    page.evaluate("location.hash = '#/s?q=unobtainium'")
    until(page, "document.querySelector('.nothing')")
    settle(page)
    assert page.evaluate("document.querySelectorAll('main .shelf .card').length") == 24
