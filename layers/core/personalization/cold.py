# SPDX-License-Identifier: Apache-2.0
"""A quicker start of the functions that shoppers wait for.

Importing this module, before everything else, rests Python's cycle collector; `over`, after the first answer, wakes
it. What is imported and read at the start stays for good, and looking for garbage in it costs a tenth of the start
(benchmarks/serving.py).
"""

import gc
import random

gc.disable()


def over() -> None:
    """The start is over: collect as ever, and never look at what the start left.

    Containers that started from one snapshot (SnapStart) began with the same chance, which the SDK's pauses between
    two attempts are drawn from. From here on each has its own.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
        random.seed()
