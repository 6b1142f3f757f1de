# SPDX-License-Identifier: Apache-2.0
"""Polars, told to give memory back at once: the worker shares a laptop with everything else.

Its allocator reads the setting when the library is loaded, hence an assignment before an import.
"""

import os

os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")

import polars as pl

__all__ = ["pl"]
