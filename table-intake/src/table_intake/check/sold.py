# SPDX-License-Identifier: Apache-2.0
"""How often items were bought, counted while interactions are checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST = 20_000
"""Items in one count: forty times the length of a list, so that later tables can still change the list."""


@dataclass(frozen=True, slots=True)
class Sold:
    """How often items were bought, and how often they had any event; the most frequent of each."""

    rows: int = 0
    bought: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
