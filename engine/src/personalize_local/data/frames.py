# SPDX-License-Identifier: Apache-2.0
"""Polars, set to return freed memory at once: the worker shares the machine with everything else.

Its allocator reads the setting when the library is loaded, so the setting precedes the import.
"""

import os

os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")

import polars as pl

__all__ = ["pl"]
