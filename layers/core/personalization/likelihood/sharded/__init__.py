# SPDX-License-Identifier: Apache-2.0
"""A fit in shards of users, for histories that exceed one function's memory.

The files' rows are partitioned by the hash of the user. Each shard counts its items and gives a sample of its users;
one function combines and fits them; and each shard writes the counters of all its users.
docs/decisions/purchase-likelihood.md has the reasons.
"""
