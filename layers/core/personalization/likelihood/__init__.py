# SPDX-License-Identifier: Apache-2.0
"""Purchase likelihood: the probability that a user buys an item within the horizon, and what it is made from.

`histories tables training` read whole histories with numpy, in the function that fits. `features model counters
shards snapshots` are what both sides share: the function that serves imports nothing heavier than them.
"""
