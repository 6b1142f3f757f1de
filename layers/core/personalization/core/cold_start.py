# SPDX-License-Identifier: Apache-2.0
"""Shorten the cold start of functions that users wait for.

Importing this module first disables Python's cycle collector; the last line of a function's module enables it. Objects
from the start stay for good, and collecting garbage among them costs a tenth of the start (benchmarks/serving.py).
"""

import gc
import random
from contextlib import suppress

gc.disable()

with suppress(ImportError):
    # Lambda's runtimes from python3.12 on have it. Containers that started from one snapshot (SnapStart) share a random
    # state, from which the SDK draws its pauses between attempts; from the restore on each has its own.
    from snapshot_restore_py import register_after_restore

    register_after_restore(random.seed)


def end() -> None:
    """End the start: exempt all objects from the collector, and enable it."""
    gc.freeze()
    gc.enable()
