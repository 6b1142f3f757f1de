# SPDX-License-Identifier: Apache-2.0
"""The kinds of tables that a retailer has, and how a new one relates to those before it."""

from typing import Literal

DataKind = Literal["interactions", "users", "items"]
Mode = Literal["FULL", "INCREMENTAL"]
"""A FULL table replaces all earlier ones of its kind; an INCREMENTAL one adds to them."""
