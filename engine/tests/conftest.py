# SPDX-License-Identifier: Apache-2.0
"""One engine for the session; a region for each test, so that names and quotas are its own."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from engine.tests.bare import Bare
from engine.tests.calls import BUCKET, WORLD, prepare, write_files
from engine.tests.harness import Aws, Engine, EngineHere, EngineProcess, StillAws
from engine.tests.shop import Shop, open_shop

_NUMBERS = itertools.count(1)
RECIPES = ("aws-user-personalization", "aws-personalized-ranking", "aws-similar-items", "aws-popularity-count")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with EngineProcess(tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.fixture(scope="session")
def still_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine whose clock stands still, with a small quota of imports."""
    options = ["--faults", "--incremental-bytes", "50000"]
    with EngineHere(tmp_path_factory.mktemp("still"), StillAws.STEP, options=options) as process:
        yield process


@pytest.fixture(scope="session")
def strict_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine whose clock stands still, as strict as AWS's API reference."""
    options = ["--faults", "--strict"]
    with EngineHere(tmp_path_factory.mktemp("strict"), StillAws.STEP, options=options) as process:
        yield process


@pytest.fixture
def region() -> str:
    """A region of the test's own."""
    return f"test-{next(_NUMBERS)}"


@pytest.fixture
def still(still_engine: Engine, region: str) -> StillAws:
    return StillAws(still_engine, region)


@pytest.fixture
def strict(strict_engine: Engine, region: str) -> StillAws:
    return StillAws(strict_engine, region)


@pytest.fixture
def aws(engine: Engine, region: str) -> Aws:
    return Aws(engine, region)


@pytest.fixture(scope="session")
def shop(engine: Engine) -> Shop:
    """A trained shop that tests share: what they stream must be under ids of their own."""
    return open_shop(Aws(engine, "test-shop"), RECIPES)


@pytest.fixture
def bucket(engine: Engine, aws: Aws) -> Path:
    """A bucket of the test's own, named by its region."""
    return engine.s3_root / aws.region


@pytest.fixture(scope="session")
def bare(engine: Engine) -> Iterator[Bare]:
    """A client without an SDK, in the region of `world`."""
    with Bare(engine, "world") as client:
        yield client


@pytest.fixture(scope="session")
def world(engine: Engine, bare: Bare) -> Mapping[str, str]:
    """One resource of every kind, which tests share and leave as it is: ARNs by their names in the calls."""
    write_files(engine.s3_root / BUCKET)
    return prepare(bare.perform, WORLD)
