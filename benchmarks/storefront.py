# SPDX-License-Identifier: Apache-2.0
"""Measure how soon a first visit to the storefront shows something, at home and on a slow phone.

Needs a Chromium (`make clients`) and a quiet machine. Ends with 1 beyond what Lighthouse calls good.
"""

import sys

from playwright.sync_api import Browser

from local.storefront.server import serving
from tests.storefront.browser import browsing, show, visiting
from tests.storefront.conftest import PLACEMENTS
from tests.storefront.shop import Api, front, listening
from tests.storefront.test_checks import seen

SLOW = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
"""Milliseconds and bytes a second of the slow mobile network that Lighthouse plays."""
FIRST, LARGEST = 1_800, 2_500
"""Milliseconds until something, and until the largest thing, is seen; what Lighthouse calls good."""


def visit(browser: Browser, address: str, width: int, network: dict[str, object] | None) -> dict[str, float]:
    """Return the milliseconds of a first visit."""
    with visiting(browser, address, width=width) as page:
        if network:
            page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", network)
        show(page, address)
        return seen(page)


def main() -> None:
    """Print a line for each visit."""
    slow: dict[str, object] = dict(SLOW)
    is_good = True
    with browsing() as browser, listening(Api()) as api:
        for name, placements in (("shelves", []), ("placements", list(PLACEMENTS))):
            with serving(front(api, placements)) as address:
                for where, width, network in (("wide screen", 1280, None), ("slow phone", 390, slow)):
                    visited = visit(browser, address, width, network)
                    is_good &= visited["first"] <= FIRST and visited["largest"] <= LARGEST
                    print(f"{name}, {where}: first {visited['first']:.0f} ms, largest {visited['largest']:.0f} ms")
    sys.exit(None if is_good else f"Lighthouse calls {FIRST:,} and {LARGEST:,} ms good.")


if __name__ == "__main__":
    main()
