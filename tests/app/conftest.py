# SPDX-License-Identifier: Apache-2.0
"""One local cloud for all tests of the whole: on free ports, in a folder of its own, gone at the end."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.cloud import lifecycle
from local.cloud.client import Answer
from local.cloud.home import Home
from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pytest-xdist play files side by side, each worker with a cloud of its own; the longest first.

    Whatever plays in the shop of :func:`shop` stays together.
    """
    scenarios = [item for item in items if Path(__file__).parent in item.path.parents]
    green = {item.path for item in scenarios if "shop" in getattr(item, "fixturenames", ())}
    for item in scenarios:
        item.add_marker(pytest.mark.xdist_group("green" if item.path in green else item.path.stem))
    items.sort(key=lambda item: item.path.stem != "test_reliability")


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """The stack built from these sources and deployed on a cloud that no other session knows of."""
    home = Home(tmp_path_factory.mktemp("cloud"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        try:
            state, _ = lifecycle.up(home, faults=True)
            yield Laptop(home, state, tmp_path_factory.mktemp("files"))
        finally:
            lifecycle.down(home, wipe=True)


@dataclass(frozen=True)
class Shop:
    """A shop whose users, items and interactions were dropped in that order, and the runs that this started."""

    name: str
    laptop: Laptop
    runs: tuple[Run, ...]

    def call(self, method: str, path: str, body: object = None, **query: str) -> Answer:
        """One request below ``/shops/<shop>``; any status is an answer."""
        return self.laptop.call(method, f"/shops/{self.name}{path}", body, **query)

    def items(self, user: str, **query: str) -> list[str]:
        """The item ids recommended to `user`."""
        answer = self.call("GET", f"/users/{user}/recommendations", **query)
        assert answer.status == 200, answer.body
        return [item["itemId"] for item in answer.body["items"]]


@pytest.fixture(scope="session")
def shop(laptop: Laptop) -> Shop:
    """The small shop of :mod:`tests.app.retail`, trained and promoted."""
    contents = {"users": retail.users(), "items": retail.items(), "interactions": retail.interactions()}
    return Shop("green", laptop, tuple(laptop.drop("green", kind, content) for kind, content in contents.items()))
