# SPDX-License-Identifier: Apache-2.0
"""Check a dropped CSV of any size and write its import copy, a piece at a time, with polars.

Only the function that checks drops imports this package: no other function carries polars.
"""
