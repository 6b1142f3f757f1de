# SPDX-License-Identifier: Apache-2.0
"""Filter expressions: their language here, without numpy; the items that they let through in `evaluation`."""

from personalize_local.filters.checking import check
from personalize_local.filters.expressions import Filter
from personalize_local.filters.parser import parse

__all__ = ["Filter", "check", "parse"]
