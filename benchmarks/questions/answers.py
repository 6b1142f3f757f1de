# SPDX-License-Identifier: Apache-2.0
"""What every kind of question returns: the figures of each rule, with the one that was chosen."""

from dataclasses import dataclass

from personalize_local.recipes.config import EventParameters

from benchmarks.questions.figures import Sums


@dataclass(frozen=True, slots=True)
class Chosen:
    """A rule with the parameters that were best on the cut before."""

    name: str
    options: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {', '.join(f'{option:g}' for option in self.options)}".strip()


@dataclass(frozen=True, slots=True)
class Judged:
    rule: Chosen
    sums: Sums
    best: bool
    """Whether it was the best rule on the cut before."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to train a recipe for a question that has several; the first of them is what the others are held to."""

    name: str = ""
    events: tuple[EventParameters, ...] = ()
    """What events of each type count for; empty = as the set says."""
    decides: bool = True
    """Whether a primary row of it can fail."""
