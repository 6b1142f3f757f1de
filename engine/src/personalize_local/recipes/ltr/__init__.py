# SPDX-License-Identifier: Apache-2.0
"""Learning to rank: boosted oblivious trees."""
