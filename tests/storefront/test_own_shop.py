# SPDX-License-Identifier: Apache-2.0
"""The storefront of a shop with ids and names of its own, and no CSV at hand."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from local.storefront.catalogue import catalogue, document
from local.storefront.server import Storefront, serving
from tests.storefront.browser import settle, show, until, visiting
from tests.storefront.conftest import Open
from tests.storefront.shop import KEY, Api, listening

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


@pytest.fixture
def own_shop() -> Iterator[Open]:
    """A shop that the storefront knows by its API's answers alone."""
    with listening(Named()) as api, serving(Storefront(api.address, KEY, goods())) as address:
        yield Open(address, api)


def goods() -> bytes:
    """A catalogue without items."""
    return document(catalogue("lamps-and-more") | {"placements": []})


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


def test_what_an_answer_shows_is_newer_than_the_catalogues_file(browser: Browser, tmp_path: Path) -> None:
    items = tmp_path / "items.csv"
    items.write_text(f"ITEM_ID,NAME,PRICE\n{IDS[0]},Candle,1.00\n{IDS[1]},Candlestick,2.00\n")
    told = document(catalogue("lamps", items) | {"placements": []})
    with (
        listening(Named()) as api,
        serving(Storefront(api.address, KEY, told)) as address,
        visiting(browser, address) as page,
    ):
        show(page, address)
        tiles = page.evaluate("[...document.querySelectorAll('.card')].map((one) => one.textContent)")
    assert not any("Candle" in tile for tile in tiles)
    assert any("1.00" in tile and "Lamp 0" in tile for tile in tiles)


def test_a_name_on_two_lines_does_not_shut_the_shop(browser: Browser, tmp_path: Path) -> None:
    items = tmp_path / "items.csv"
    items.write_text('ITEM_ID,NAME\ni1,"Lamp\nwith a shade 12 cm"\ni2,Chair\u2029of oak\n')
    told = document(catalogue("lamps", items) | {"placements": []})
    with (
        listening(Named()) as api,
        serving(Storefront(api.address, KEY, told)) as address,
        visiting(browser, address) as page,
    ):
        show(page, f"{address}#/c")
        titles = page.evaluate("[...document.querySelectorAll('.grid .title')].map((one) => one.textContent)")
    assert {"Chair\u2029of oak", "Lamp\nwith a shade"} <= set(titles)


def test_a_search_that_finds_nothing_leads_on(page: Page) -> None:
    page.evaluate("location.hash = '#/s?q=unobtainium'")
    until(page, "document.querySelector('.nothing')")
    page.evaluate("document.querySelector('main .primary').click()")
    until(page, "location.hash === '#/c'")
