# SPDX-License-Identifier: Apache-2.0
"""A watch page with a sample cloud behind it, and a browser."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser

from local.watch.server import WatchHandler
from local.web.server import serving
from tests.storefront import chromium
from tests.storefront.browser import browsing
from tests.watch.sample import KEY, Sample


@dataclass(frozen=True)
class Watch:
    """An open page: its address, which ends with a slash, and the cloud that it shows."""

    address: str
    cloud: Sample

    @property
    def opened(self) -> str:
        """The address that `open` prints."""
        return f"{self.address}#key={KEY}"


@pytest.fixture
def watch() -> Iterator[Watch]:
    cloud = Sample()
    with serving(WatchHandler, cloud=cloud) as address:
        yield Watch(address, cloud)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser for this machine's servers. It ends with this folder: its loop would be in others' way."""
    if chromium.find() is None:
        pytest.skip("Chromium is not on this machine: `make test` brings one where it can")
    with browsing() as browser:
        yield browser
