# SPDX-License-Identifier: Apache-2.0
"""One local cloud for all tests of the whole: on free ports, in a folder of its own, gone at the end."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from personalization.core.names import Backend
from xdist.scheduler import LoadScopeScheduling

from local.cloud import lifecycle
from local.cloud.client import Answer
from local.cloud.home import Home
from local.cloud.runs import Run
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.matrix.cases import CASES, KILLED
from tests.app.waiting import PACE, until

GREEN = {
    "test_browsers",
    "test_erasing",
    "test_main_job",
    "test_outage",
    "test_requests",
    "test_rights",
    "test_watch",
}
"""The files that play in the shop of :func:`shop`."""
_ITS_FAULTS = "its faults are those of the service"
_LOCAL = "about the local cloud, whatever its shops"
PERSONALIZE_ALONE = {
    "test_actions": "the engine has no next best action",
    "test_backends": "its shop moves between the backends",
    "test_bill": "what a campaign bills by the hour",
    "test_burst": _ITS_FAULTS,
    "test_bursts": _ITS_FAULTS,
    "test_campaigns": "throughput and generations of campaigns",
    "test_cloud": _LOCAL,
    "test_demo": "the engine's demo is `make demo BACKEND=engine`",
    "test_docs": "pages show the default backend",
    "test_fallback": "its shop is on both backends",
    "test_held_out": "the engine has no test on held-out time",
    "test_kills": "its shop is on the engine by its own settings",
    "test_large_days": "days of experiments ask no backend",
    "test_long_run": _ITS_FAULTS,
    "test_messages": _LOCAL,
    "test_outage": _ITS_FAULTS,
    "test_pages": _LOCAL,
    "test_recipe_backends": "its shop is on both backends",
    "test_recipe_moves": "its shop is on both backends",
    "test_recommenders": "the engine has no recommenders",
    "test_reliability": _ITS_FAULTS,
    "test_rights": "the rights of calls to the service",
    "test_takeover": _ITS_FAULTS,
}
"""Files whose scenarios play on Amazon Personalize alone, and why; single scenarios have the mark `personalize`."""
ON_ENGINE_BY_DAY = {"test_main_job", "test_releases", "test_watch"}
"""The files that `make test` plays in shops on the engine's backend as well; by night all do that can."""
LONGEST = (
    "test_reliability",
    "test_docs",
    "test_browsers",
    "test_held_out",
    "test_likelihood",
    "test_campaigns",
)
"""Files in the order in which they begin, before all others; `test_browsers` brings those of `GREEN` along."""
ON_ENGINE = ("[engine]", "-engine]")
"""How the ids of scenarios end that play in shops on the engine's backend; they have a cloud of their own."""
KILLS = tuple(f"[{case.name}]" for case in CASES if case.part == KILLED)


class Scenarios(LoadScopeScheduling):  # type: ignore[misc]
    """Let the workers play files side by side, each with a cloud of its own; what shares a shop stays together."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.endswith(ON_ENGINE):
            return "engine"
        stem = Path(nodeid.partition("::")[0]).stem
        if stem in GREEN:
            return "green"
        return "kills" if nodeid.endswith(KILLS) else stem


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scenarios | None:  # noqa: ANN401 - xdist's own
    """Choose how tests are spread over workers."""
    return Scenarios(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker ends long after the others."""

    def turn(item: pytest.Item) -> int:
        if item.nodeid.endswith(ON_ENGINE):
            return -1
        return LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)

    items.sort(key=turn)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Play scenarios on both backends, but for those that say why they are about Amazon Personalize."""
    scenario, file = metafunc.definition, metafunc.definition.path.stem
    alone = file in PERSONALIZE_ALONE or scenario.get_closest_marker("personalize")
    if "laptop" not in metafunc.fixturenames or alone:
        return
    by_day = file in ON_ENGINE_BY_DAY
    engine = pytest.param("engine", id="engine", marks=() if by_day else pytest.mark.nightly)
    metafunc.parametrize("backend", [pytest.param(None, id=pytest.HIDDEN_PARAM), engine], indirect=True)


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """Where the shops of a scenario are."""
    chosen: Backend | None = getattr(request, "param", None)
    return chosen or "personalize"


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[Laptop]:
    """The stack built from these sources and deployed on a cloud that no other session knows of."""
    home = Home(tmp_path_factory.mktemp("cloud"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        # What a ranker on top of the counts adds is for tests of the engine, for the demo and for the replay.
        patch.setenv(lifecycle.TIER, "fast")
        try:
            state, _ = lifecycle.up(home, faults=True)
            laptop = Laptop(home, state, tmp_path_factory.mktemp("files"), backend)
            laptop.cloud_faults.scale_waits(PACE)
            yield laptop
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

    def ready(self, *paths: str) -> None:
        """Wait until lists come from campaigns: a new container of the engine may answer its first by the fallback."""
        until(lambda: not any("degraded" in self.call("GET", path).body for path in paths), "campaigns answer")

    def items(self, user: str, **query: str) -> list[str]:
        """The item ids recommended to `user`."""
        answer = self.call("GET", f"/users/{user}/recommendations", **query)
        assert answer.status == 200, answer.body
        return [item["itemId"] for item in answer.body["items"]]


@pytest.fixture(scope="session")
def shop(laptop: Laptop) -> Shop:
    """The small shop of :mod:`tests.app.retail`, trained and promoted."""
    contents = {"users": retail.users(), "items": retail.items(), "interactions": retail.interactions()}
    runs = tuple(laptop.drop("green", kind, content) for kind, content in contents.items())
    green = Shop("green", laptop, runs)
    green.ready("/users/u1/recommendations", "/items/garden-03/similar")
    return green
