# SPDX-License-Identifier: Apache-2.0
"""Purchase likelihood: the calibrated probability that a user buys an item within the horizon.

`histories tables training` read whole histories with numpy, in the function that fits. `features model counters
shards` belong to both sides: the function that serves imports nothing heavier.
"""
