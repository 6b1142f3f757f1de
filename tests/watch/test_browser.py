# SPDX-License-Identifier: Apache-2.0
"""The watch page as its reader meets it, in headless Chromium."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from playwright.sync_api import Browser, Page

from tests.storefront.browser import until, visiting
from tests.storefront.test_checks import AXE, violations
from tests.storefront.test_checks import WATCH as MEASURES
from tests.watch.conftest import Watch
from tests.watch.sample import KEY, ODD

STATIC = Path(__file__).resolve().parents[2] / "local" / "watch" / "static"
ODD_ADDRESS = f"#/s/green/u/{quote(ODD, safe='')}"
PAGES = {
    "shops": ("#/", ".shops"),
    "shop": ("#/s/green", ".runs"),
    "run": ("#/s/green/r/running-run", ".steps"),
    "customer": ("#/s/green/u/u1", "#list"),
    "item": ("#/s/green/i/i7", "#who"),
    "search": ("#/s/green/f/lamp", "#customers"),
    "absent": ("#/s/absent", ".notice"),
}
"""Every page, and what is there once it is shown."""
ENGLISH = {"watch:language": "en"}
KOREAN = {"watch:language": "ko"}
HANGUL = r"[가-힣]"


@pytest.fixture
def page(browser: Browser, watch: Watch) -> Iterator[Page]:
    """The page, opened as `open` does."""
    with visiting(browser, watch.address, storage=ENGLISH) as page:
        page.goto(watch.opened)
        until(page, "document.querySelector('.shops')")
        yield page


def go(page: Page, name: str) -> None:
    """Go to one of the pages, and wait until it is there."""
    address, shown = PAGES[name]
    page.evaluate(f"location.hash = {json.dumps(address)}")
    until(page, f"document.querySelector('{shown}')")


def text(page: Page, selector: str) -> str:
    shown: str = page.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
    return shown


def test_the_key_is_kept_and_leaves_the_address(page: Page, watch: Watch) -> None:
    assert page.evaluate("location.href") == f"{watch.address}#/"
    page.reload()
    until(page, "document.querySelector('.shops')")
    assert KEY not in page.content()


def test_without_the_key_it_says_how_to_open_it(browser: Browser, watch: Watch) -> None:
    with visiting(browser, watch.address, storage=ENGLISH, errors=1) as page:
        page.goto(watch.address)
        until(page, "document.querySelector('.notice')")
        assert "python -m local open" in text(page, ".notice")


def test_the_shops_their_runs_and_errors_with_a_way_out_are_shown(page: Page) -> None:
    assert [words in text(page, "main") for words in ("green", "new-shop", "1 event was not delivered")] == [True] * 3
    assert ".venv/bin/python -m local continue --run-dir /a green failed-run" in text(page, ".problem")
    assert "52% of the rows are bad" in text(page, ".problem")
    page.evaluate("document.querySelector('.shop').click()")
    until(page, "document.querySelector('.runs')")
    assert re.findall("running|promoted|failed", text(page, ".runs")) == ["running", "promoted", "failed"]
    assert "user-personalization" in text(page, "main table")
    assert page.evaluate("[...document.querySelectorAll('.side .paper')].map((link) => link.textContent)") == [
        "Shelves today",
        "A week",
        "own-list",
        "Interactions",
        "Interactions: refused rows",
    ]


def test_a_run_opens_its_steps_and_they_go_on(page: Page, watch: Watch) -> None:
    go(page, "shop")
    page.evaluate("document.querySelector('.run-head').click()")
    until(page, "document.querySelectorAll('.step').length === 3")
    assert "Train each recipe" in text(page, ".steps")
    watch.cloud.facts["shops"][0]["waiting"] = 7
    go(page, "shops")
    until(page, "document.querySelector('.shop').innerText.includes('7')")


def test_a_report_opens_beside_the_page(page: Page) -> None:
    go(page, "shop")
    with page.context.expect_page() as opened:
        page.evaluate("document.querySelector('[aria-labelledby=reports] .paper').click()")
    report = opened.value
    report.wait_for_load_state()
    assert report.title() == "Report"


def test_it_says_that_the_cloud_is_down_and_goes_on_when_it_is_up_again(browser: Browser, watch: Watch) -> None:
    with visiting(browser, watch.address, storage=ENGLISH, errors=None) as page:
        page.goto(watch.opened)
        until(page, "document.querySelector('.shops')")
        watch.cloud.is_down = True
        until(page, "document.querySelector('.notice')")
        assert "python -m local up --run-dir /a" in text(page, ".notice")
        assert "green" in text(page, ".shops")
        watch.cloud.is_down = False
        until(page, "!document.querySelector('.notice')")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not on this machine: `make test` fetches it by npm")
@pytest.mark.parametrize(("storage", "width", "is_dark"), [(ENGLISH, 1280, False), (KOREAN, 390, True)])
def test_nobody_is_kept_out(storage: dict[str, str], width: int, is_dark: bool, browser: Browser, watch: Watch) -> None:
    problems = []
    with visiting(browser, watch.address, width=width, is_dark=is_dark, storage=storage, errors=None) as page:
        page.goto(watch.opened)
        until(page, "document.querySelector('.shops')")
        page.evaluate(f"{AXE.read_text()}; undefined")
        for name in PAGES:
            go(page, name)
            problems += violations(page, name)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            if name in {"shop", "customer"}:
                page.evaluate("document.querySelector('.action:not(:disabled)').click()")
                problems += violations(page, f"{name}, a question")
                page.keyboard.press("Escape")
        watch.cloud.is_down = True
        until(page, "document.querySelector('#banner .command')")
        problems += violations(page, "down")
    assert problems == []


def test_it_is_light_and_soon_there(page: Page) -> None:
    page.evaluate(MEASURES)
    until(page, "seen.first && seen.largest")
    sizes = page.evaluate(
        """["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
          .map(({ transferSize }) => transferSize)"""
    )
    assert sum(sizes) <= 60_000
    assert page.evaluate("seen.shift") <= 0.1


def test_a_reader_of_korean_finds_nothing_in_english_but_names(browser: Browser, watch: Watch) -> None:
    with visiting(browser, watch.address, storage=KOREAN) as page:
        page.goto(watch.opened)
        until(page, "document.querySelector('.shops')")
        words = []
        for name in ("shops", "run", "customer", "item", "search"):
            go(page, name)
            words += page.evaluate(
                "[...document.querySelectorAll('h2, small, .soft, thead th, button, .step .what, p')]"
                ".map((element) => element.textContent.trim()).filter(Boolean)"
            )
    names = (
        r"English|◐|HTTP API|http\S+|[a-z0-9-]+|[a-z]+\.csv|solution version .*|green.*|[\d:.\s,~%€]+"
        r"|.*looks wrong.*|Rejected.*|AGE: .*"
    )
    assert [word for word in words if not re.search(HANGUL, word) and not re.fullmatch(names, word)] == []


def test_both_languages_have_every_text(page: Page) -> None:
    english, korean = page.evaluate(
        "import('./js/i18n.js').then(({ texts }) => ['en', 'ko'].map((code) => Object.entries(texts[code])))"
    )
    values = [{key: sorted(re.findall(r"\{\w+\}", value)) for key, value in entries} for entries in (english, korean)]
    assert values[0] == values[1]
    names = {"place.api"}
    assert [key for key, value in korean if key not in names and not re.search(HANGUL, value)] == []
    source = "".join(file.read_text() for file in STATIC.rglob("*.js"))
    used = set(re.findall(r"\bt\(\"([\w.]+)\"", source))
    assert used <= {key for key, _ in english}


def test_a_customer_is_looked_up_and_told_about(page: Page) -> None:
    go(page, "shop")
    page.evaluate("document.querySelector('#q').focus()")
    page.keyboard.type("lamp")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#customers')")
    assert text(page, "h1") == "“lamp”"
    assert "AGE: 25-34" in text(page, "main .side")
    page.evaluate("[...document.querySelectorAll('main a')].find((link) => link.textContent === 'u1').click()")
    until(page, "document.querySelector('#list')")
    assert "43% of the score is due to Lamp" in text(page, ".ranked")
    assert ["4.2%" in text(page, ".ranked"), "€12.50" in text(page, ".ranked")] == [True, True]
    assert "Chair <i>of oak</i>" in text(page, ".ranked")
    assert "the numbers mean what they say" in text(page, "main")
    assert "25-34" in text(page, "main")
    page.evaluate("document.querySelector('.side a').click()")
    until(page, "document.querySelector('#who')")
    assert "Number 3 by popularity" in text(page, "main")


def test_a_customer_of_a_shop_without_personal_lists_is_told_about(page: Page) -> None:
    page.evaluate("location.hash = '#/s/blue/u/u1'")
    until(page, "document.querySelector('#list')")
    assert "The shop has no such list" in text(page, "main .main")
    assert "Lamp" in text(page, "main .side")


def test_ids_with_odd_characters_are_shown_as_they_are(page: Page) -> None:
    page.evaluate(f"location.hash = {json.dumps(ODD_ADDRESS)}")
    until(page, "document.querySelector('#list')")
    assert text(page, "h1") == ODD
    page.evaluate("location.hash = '#/s/green/u/%'")
    until(page, "document.querySelector('.shops')")


def test_a_run_is_started_after_a_question_and_once(page: Page, watch: Watch) -> None:
    go(page, "shop")
    page.evaluate("document.querySelector('#do-retrain').click()")
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    page.keyboard.press("Escape")
    until(page, "document.activeElement.id === 'do-retrain'")
    assert not watch.cloud.acts
    page.evaluate("document.querySelector('#do-retrain').click()")
    page.evaluate("document.querySelector('dialog form').requestSubmit()")
    page.evaluate("document.querySelector('dialog form').requestSubmit()")
    until(page, "document.querySelector('dialog .said a')")
    assert [done[:2] for done in watch.cloud.acts] == [("green", "retrain")]


def test_a_customer_is_erased_only_by_their_id(page: Page, watch: Watch) -> None:
    go(page, "customer")
    page.evaluate("document.querySelector('#do-erase').click()")
    page.keyboard.type("u2")
    page.keyboard.press("Enter")
    assert "That is not u1" in text(page, "dialog .said")
    page.keyboard.press("Backspace")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('dialog .said').textContent.includes('R-1')")
    assert [(shop, action, user) for shop, action, _, user in watch.cloud.acts] == [("green", "erase", "u1")]


def test_what_cannot_be_done_now_says_why(browser: Browser, watch: Watch) -> None:
    watch.cloud.refusal = "a run is at work"
    with visiting(browser, watch.address, storage=ENGLISH, errors=1) as page:
        page.goto(watch.opened)
        until(page, "document.querySelector('.shops')")
        go(page, "shop")
        page.evaluate("document.querySelector('#do-continue').click()")
        page.evaluate("document.querySelector('dialog form').requestSubmit()")
        until(page, "document.querySelector('dialog .said').textContent.includes('a run is at work')")
        assert page.evaluate("document.querySelector('#confirm').disabled") is False


def test_the_steps_of_what_a_shop_runs_have_korean_names(page: Page) -> None:
    korean = page.evaluate("import('./js/i18n.js').then(({ STEPS }) => Object.keys(STEPS))")
    machines = [STATIC.parents[2] / "statemachines" / f"{name}.asl.yaml" for name in ("retrain", "likelihood", "batch")]
    named = {step for machine in machines for step in steps_of(yaml.safe_load(machine.read_text())["States"])}
    assert named - set(korean) == set()


def steps_of(states: dict[str, Any]) -> Iterator[str]:
    """The states of a machine that a run's board has: what works, and what is done for each of several things."""
    for name, state in states.items():
        if state["Type"] in {"Task", "Map"}:
            yield name
        if state["Type"] == "Map":
            yield from steps_of(state["ItemProcessor"]["States"])
