# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven by Playwright; each visitor has a profile of their own."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState, sync_playwright

from tests.storefront import chromium

MOST_TABS = 60
MILLISECONDS = 600_000
"""How long a page is waited for: long, since a busy machine does not fail it."""
RULES = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
ENGLISH = {"shop:language": '"en"'}


@contextmanager
def browsing(*aliases: str) -> Iterator[Browser]:
    """A browser that reaches 127.0.0.1 and no other machine; `aliases` are further names that lead there."""
    rules = ", ".join([*(f"MAP {alias} 127.0.0.1" for alias in aliases), RULES])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.find(),
            env=dict(chromium.environment()),
            args=[f"--host-resolver-rules={rules}", "--disable-quic", "--disable-gpu"],
        )
        yield browser
        browser.close()


@contextmanager
def visiting(
    browser: Browser,
    address: str,
    *,
    width: int = 1280,
    is_dark: bool = False,
    storage: Mapping[str, str] = ENGLISH,
    errors: int | None = 0,
) -> Iterator[Page]:
    """A page of somebody whose browser has `storage` this for the shop, with so many `errors` in its log at the end.

    None stands for any number of them.
    """
    stored: StorageState = {
        "cookies": [],
        "origins": [
            {
                "origin": "{0.scheme}://{0.netloc}".format(urlsplit(address)),
                "localStorage": [{"name": name, "value": value} for name, value in storage.items()],
            }
        ],
    }
    with browser.new_context(
        viewport={"width": width, "height": 844 if width < 600 else 900},
        is_mobile=width < 600,
        color_scheme="dark" if is_dark else "light",
        reduced_motion="reduce",
        storage_state=stored,
    ) as context:
        context.set_default_timeout(MILLISECONDS)
        page, complaints = context.new_page(), list[str]()

        def note(message: ConsoleMessage) -> None:
            if message.type == "error":
                complaints.append(f"{message.text} {message.location['url']}")

        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", note)
        yield page
        assert errors in {None, len(complaints)}, complaints


def show(page: Page, address: str) -> None:
    """Go to an address and wait until its shelves are filled."""
    page.goto("about:blank")
    page.goto(address)
    settle(page)


def settle(page: Page) -> None:
    """Wait until no shelf is being filled."""
    until(page, "document.querySelector('main h1') && !document.querySelector('[aria-busy=true]')")


def until(page: Page, script: str) -> None:
    """Return once a JavaScript expression is true.

    Playwright's own waiting evaluates a string at each look, which the shop's content security policy forbids.
    """
    waiting = f"""() => new Promise((end, fail) => {{
      const look = () => ({script}) ? end() : setTimeout(look, 20);
      setTimeout(() => fail(new Error("never true: " + {json.dumps(script)})), {MILLISECONDS});
      look();
    }})"""
    page.evaluate(waiting)


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until what has the focus matches, and can be seen to have it."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
            assert page.evaluate("document.activeElement.matches(':focus-visible')"), selector
            return
    raise AssertionError(f"Tab never comes to {selector}")
