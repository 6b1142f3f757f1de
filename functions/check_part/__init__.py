# SPDX-License-Identifier: Apache-2.0
"""Check a range of a large drop, or count a partition of its hashes."""
