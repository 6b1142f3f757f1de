# SPDX-License-Identifier: Apache-2.0
"""Days that are too large for one function: parts of their files are read, and then shards of their units are made.

The machine that checks large drops takes these steps as well. Each leaves a file and can be repeated:

1. The round plans: it cuts the files into parts by their bytes, and starts the machine.
2. A part is read: what counts of it stays as rows. One that an earlier round had is not read again.
3. All parts together say which digests are one unit, so that no unit is in two shards.
4. The days of a shard are made as one function makes those of a shop, see `aggregating.make`.
5. The next round adds up what the shards say, and judges experiments by reading their rows a shard at a time.
"""
