# SPDX-License-Identifier: Apache-2.0
"""Filter expressions: how they are parsed, their values, and the items that they let through."""

from personalize_local.filters.evaluation import Catalogue, allowed, check
from personalize_local.filters.expressions import Filter
from personalize_local.filters.parser import parse
from personalize_local.filters.values import Mask, parse_values

__all__ = ["Catalogue", "Filter", "Mask", "allowed", "check", "parse", "parse_values"]
