# SPDX-License-Identifier: Apache-2.0
"""The data that tests of the demo share."""

import fcntl

import pytest

from local.cloud.environments import LOCAL
from local.demo.sample_data import DemoData, prepare


@pytest.fixture(scope="session")
def demo_data() -> DemoData:
    """Return the data of `make demo`, which one worker prepares and the others find."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return prepare(LOCAL / "demo")
