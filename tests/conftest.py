# SPDX-License-Identifier: Apache-2.0
"""What tests of several folders share: the data of the demo, and what handlers have around them."""

import fcntl

import pytest

from local.cloud.environments import LOCAL
from local.demo.sample_data import DemoData, prepare
from tests.handlers.fixtures import (  # noqa: F401 - fixtures
    _bucket,
    _scheduler,
    aws,
    bucket,
    demo,
    drop,
    fitted,
    personalize,
    queues,
    scheduler,
    table,
    unanswered,
    unfitted,
)


@pytest.fixture(scope="session")
def demo_data() -> DemoData:
    """Return the data of `make demo`, which one worker prepares and the others find."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return prepare(LOCAL / "demo")
