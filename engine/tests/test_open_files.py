# SPDX-License-Identifier: Apache-2.0
"""How many files the engine has open, and how it gets along with a low limit."""

import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from personalize_local.data import arrays

from engine.tests.conftest import RECIPES
from engine.tests.harness import Argument, Aws, EngineProcess
from engine.tests.shop import Shop, open_shop

QUESTION: Argument = {"userId": "u1", "numResults": 5}
RANKING = "aws-personalized-ranking"


def opened(engine: EngineProcess) -> int:
    return psutil.Process(engine.process.pid).num_fds()


def answers(shop: Shop) -> list[list[str]]:
    """What each of the shop's campaigns answers."""
    ranked = shop.aws.runtime.get_personalized_ranking(
        campaignArn=shop.campaigns[RANKING], userId="u1", inputList=["i1", "i30", "i5"]
    )
    campaigns = [campaign for recipe, campaign in shop.campaigns.items() if recipe != RANKING]
    recommended = [shop.aws.recommended(campaign, itemId="i5", **QUESTION) for campaign in campaigns]
    return [*recommended, [item["itemId"] for item in ranked["personalizedRanking"]]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The folder of an engine with two shops of four campaigns each, ended again; the files that the second opened."""
    folder, files = tmp_path_factory.mktemp("whole"), []
    with EngineProcess(folder) as engine:
        for name in ("one", "two"):
            answers(open_shop(Aws(engine, name), RECIPES))
            files.append(opened(engine))
    return folder, files[1] - files[0]


@pytest.fixture
def whole(built: tuple[Path, int]) -> Path:
    return built[0]


def again(engine: EngineProcess, name: str) -> Shop:
    """A shop that `whole` has, in an engine on that folder."""
    aws = Aws(engine, name)
    prefix = f"arn:aws:personalize:{name}:123456789012:"
    tracker = aws.control.list_event_trackers()["eventTrackers"][0]["eventTrackerArn"]
    tracking_id = aws.control.describe_event_tracker(eventTrackerArn=tracker)["eventTracker"]["trackingId"]
    campaigns = {recipe: f"{prefix}campaign/shop-{recipe}" for recipe in RECIPES}
    return Shop(aws, f"{prefix}dataset-group/shop", tracking_id, {}, campaigns)


@pytest.mark.nightly
def test_a_shop_keeps_a_handful_of_files_open(built: tuple[Path, int]) -> None:
    connections = 6
    assert built[1] <= len(RECIPES) + 1 + connections


@pytest.mark.nightly
def test_two_shops_answer_under_the_lowest_limit_as_under_any(whole: Path) -> None:
    with EngineProcess(whole) as engine:
        plenty = [answers(again(engine, name)) for name in ("one", "two")]
    with EngineProcess(whole, limits="-n 64") as engine:
        shops = [again(engine, name) for name in ("one", "two")]
        for _ in range(3):
            assert [answers(shop) for shop in shops] == plenty
        assert opened(engine) < 64


@pytest.mark.nightly
def test_what_was_closed_has_every_event_when_it_is_opened_again(whole: Path) -> None:
    with EngineProcess(whole, limits="-n 64") as engine:
        first, two = again(engine, "one"), again(engine, "two")
        first.click("i33", user="late")
        recommended = first.aws.recommended(first.personal, userId="late")
        answers(two)
        first.click("i3", user="late")
        answers(two)
        seen = first.aws.filter(first.group, 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("View")', "seen")
        rest = first.aws.recommended(first.personal, userId="late", numResults=500, filterArn=seen)
        assert recommended != first.aws.recommended(first.personal, userId="late")
        assert {"i3", "i33"}.isdisjoint(rest)


def test_a_low_limit_is_told_at_the_start(tmp_path: Path) -> None:
    with EngineProcess(tmp_path, limits="-n 256") as engine:
        assert engine.url
    log = (tmp_path / "engine.log").read_text()
    assert "this process may open 256 files: 128 files of models and data stay open" in log
    assert "ulimit -Hn" in log


def test_a_limit_that_is_far_too_low_is_refused_with_what_to_do(tmp_path: Path) -> None:
    status, complaint = EngineProcess(tmp_path, limits="-n 40").refused()
    assert status == 1
    assert "this process may open 40 files, and needs 64: raise the hard limit" in complaint


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the limits of another process")
def test_the_soft_limit_is_raised(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
    try:
        with EngineProcess(tmp_path) as engine:
            soft, hard = resource.prlimit(engine.process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert soft == min(hard, 65_536)


def test_saved_arrays_are_read_as_they_were(tmp_path: Path) -> None:
    values: dict[str, Any] = {"a": np.arange(5, dtype=np.int32), "b": np.zeros((0, 3)), "c": np.ones((2, 2), np.bool_)}
    arrays.save(tmp_path / "folder", values, {"family": "list"})
    loaded, facts = arrays.load(tmp_path / "folder")
    assert facts == {"family": "list"}
    assert loaded.keys() == values.keys()
    for name, array in values.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(loaded[name], array)
