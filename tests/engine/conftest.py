# SPDX-License-Identifier: Apache-2.0
"""One engine for the session; a region for each test, so that names and quotas are its own."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engine.harness import Aws, EngineProcess, StillAws
from tests.engine.shop import Shop, open_shop

_NUMBERS = itertools.count(1)
RECIPES = ("aws-user-personalization", "aws-personalized-ranking", "aws-similar-items", "aws-popularity-count")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess(tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.fixture(scope="session")
def still_engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, EngineProcess]]:
    """Two engines whose clocks stand still: one with a small quota of imports, one as strict as AWS's API reference."""
    options = {"": ["--faults", "--incremental-bytes", "50000"], "--strict": ["--faults", "--strict"]}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(EngineProcess(tmp_path_factory.mktemp("still"), StillAws.STEP, options=given))
            for name, given in options.items()
        }


@pytest.fixture
def still(still_engines: dict[str, EngineProcess]) -> StillAws:
    return StillAws(still_engines[""], f"test-{next(_NUMBERS)}")


@pytest.fixture
def strictly_still(still_engines: dict[str, EngineProcess]) -> StillAws:
    return StillAws(still_engines["--strict"], f"test-{next(_NUMBERS)}")


@pytest.fixture
def aws(engine: EngineProcess) -> Aws:
    return Aws(engine, f"test-{next(_NUMBERS)}")


@pytest.fixture(scope="session")
def shop(engine: EngineProcess) -> Shop:
    """A trained shop that tests share: what they stream must be under ids of their own."""
    return open_shop(Aws(engine, "test-shop"), RECIPES)


@pytest.fixture
def bucket(engine: EngineProcess, aws: Aws) -> Path:
    """A bucket of the test's own, named by its region."""
    return engine.s3_root / aws.region
