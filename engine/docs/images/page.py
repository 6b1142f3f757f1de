# SPDX-License-Identifier: Apache-2.0
"""Make engine/docs/images/page.png: the page with its sample shop, after an event changed an answer.

.venv/bin/python -m engine.docs.images.page
"""

from pathlib import Path

from personalize_local.testing import personalize

from tests.storefront.browser import browsing, until, visiting

TARGET = Path(__file__).parent / "page.png"
USER = "user-240"


def main() -> None:
    """Make the sample shop by the page's own button, ask, send an event, and take the picture."""
    with personalize() as aws, browsing() as browser, visiting(browser, aws.url) as page:
        page.set_viewport_size({"width": 1200, "height": 1000})
        page.goto(aws.url)
        until(page, "document.querySelector('[data-key=sample]')")
        page.evaluate("document.querySelector('[data-key=sample]').click()")
        until(page, "document.querySelectorAll('form.ask select')[0]?.options.length === 2")
        until(page, "!document.querySelector('.now') && !document.querySelector('#notice').textContent")
        page.evaluate(f"document.querySelector('form.ask input').value = '{USER}'")
        page.evaluate("document.querySelector('form.ask .primary').click()")
        until(page, "document.querySelectorAll('.items .send button').length > 6")
        page.evaluate("document.querySelectorAll('.items .send button')[6].click()")
        until(page, "document.querySelector('.change')")
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=TARGET)


if __name__ == "__main__":
    main()
