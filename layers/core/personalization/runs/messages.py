# SPDX-License-Identifier: Apache-2.0
"""What the state machine tells and asks at the two ends of a run, as JSON in camelCase."""

from typing import Literal

from personalization.runs.claims import ClaimKind
from personalization.runs.lifecycle import Drop
from personalization.shop.plan import Part


class _Asked(Part):
    run: str
    """The execution's name."""
    execution: str
    """Its ARN."""
    machine: str
    """The state machine's ARN."""


class ClaimRequest(_Asked):
    """The first step: what started the run?"""

    step: Literal["claim"]
    input: object
    """The execution's input."""


class CollectRequest(_Asked):
    """What is waiting for this run?"""

    step: Literal["collect"]
    shop: str
    again: str | None = None
    """A failed run whose drops are to be handled again."""


class HoldRequest(_Asked):
    """Does this run still lead the shop?"""

    step: Literal["hold"]
    shop: str
    drops: tuple[Drop, ...]


class FinishRequest(_Asked):
    """The last step: what became of the drops?"""

    step: Literal["finish"]
    shop: str
    drops: tuple[Drop, ...]
    failure: str | None = None
    imported: frozenset[ClaimKind] = frozenset()
    """The kinds that were imported before it failed."""
