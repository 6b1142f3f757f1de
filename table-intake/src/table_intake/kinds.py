# SPDX-License-Identifier: Apache-2.0
"""The kinds of tables that a retailer has, and how a new one relates to those before it."""

from typing import Literal

DataKind = Literal["interactions", "users", "items", "actions", "action-interactions"]
EVENTS: tuple[DataKind, ...] = ("interactions", "action-interactions")
"""The kinds whose rows are events, of which an id may have many."""
OF_ACTIONS: tuple[DataKind, ...] = ("actions", "action-interactions")
"""The kinds for the next best action."""
Mode = Literal["FULL", "INCREMENTAL"]
"""A FULL table replaces all earlier ones of its kind; an INCREMENTAL one adds to them."""
