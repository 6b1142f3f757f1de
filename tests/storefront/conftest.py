# SPDX-License-Identifier: Apache-2.0
"""One shop and one storefront server for all tests of the storefront."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from playwright.sync_api import Browser

from local.storefront.server import serving
from tests.storefront import chromium
from tests.storefront.browser import browsing
from tests.storefront.shop import Api, front, front_for_strangers, listening
from tests.storefront.test_page import FOLDER

PLACEMENTS = yaml.safe_load((FOLDER / "settings.yaml").read_text())["placements"]


@dataclass(frozen=True)
class Open:
    """An open shop: its address, which ends with a slash, and the API behind it."""

    address: str
    api: Api


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser for visitors of this machine's servers. It ends with this folder: its loop would be in others' way."""
    if chromium.find() is None:
        pytest.skip("Chromium is not on this machine: `make test` brings one where it can")
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="session")
def shop() -> Iterator[Open]:
    """The shop of :mod:`tests.storefront.shop`, served."""
    with listening(Api()) as api, serving(front(api)) as address:
        yield Open(address, api)


@pytest.fixture(scope="session")
def placed() -> Iterator[Open]:
    """The same shop with the placements of `storefront/settings.yaml`, served."""
    with listening(Api()) as api, serving(front(api, list(PLACEMENTS))) as address:
        yield Open(address, api)


@pytest.fixture(scope="session")
def strangers() -> Iterator[Open]:
    """The same shop as CloudFront shows it to strangers, served."""
    with listening(Api()) as api, serving(front_for_strangers(api)) as address:
        yield Open(address, api)
