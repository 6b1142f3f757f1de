# SPDX-License-Identifier: Apache-2.0
"""How hard property tests look, and how much is learned.

Property tests try the same few examples by day on every machine, and each night many others.
"""

import gc
import os

from hypothesis import HealthCheck, settings

# Read when numpy is imported. Threads that wait for each other keep the processors from the other workers.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Networks would take most of the time of the tests.
os.environ.setdefault("PERSONALIZE_LOCAL_TIER", "standard")
settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=15,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly", deadline=None, max_examples=200, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)


def pytest_collection_finish() -> None:
    """Leave modules and tests out of every later collection of garbage, which would take a tenth of the time."""
    gc.collect()
    gc.freeze()
