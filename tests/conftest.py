# SPDX-License-Identifier: Apache-2.0
"""What all tests run with.

A property test tries the same few examples on every machine, and each night many others.
"""

import fcntl
import os

import pytest
from hypothesis import HealthCheck, settings

from local.cloud.environments import LOCAL
from local.demo.sample_data import DemoData, prepare

# Read when numpy is imported. Threads that wait for each other keep the processors from the other workers.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=30,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly", deadline=None, max_examples=200, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(scope="session")
def demo_data() -> DemoData:
    """Return the data of `make demo`, which one worker prepares and the others find."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return prepare(LOCAL / "demo")
