# SPDX-License-Identifier: Apache-2.0
"""How days are made by what listIds say: by the round, or by the functions that make a shard."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from personalization.experiments.assignment import unit_digest
from personalization.experiments.days.aggregating import Also
from personalization.experiments.days.files import DayFiles
from personalization.experiments.days.large.plan import Plan
from personalization.experiments.days.reading import Rules, VariantsIn
from personalization.experiments.shelves.files import ShelfFiles
from personalization.experiments.shelves.placement_days import FACTS, ShelfRules


def no_facts(_lists: pl.Series) -> pl.DataFrame:
    return pl.DataFrame(schema=FACTS)


@dataclass(frozen=True, slots=True)
class Lists:
    """What listIds say."""

    variants_in: VariantsIn
    """Returns the number of the variant that each listId names; 0 for a list in no experiment."""
    number_of: Callable[[str], int]
    """Returns the number of a variant, named `experiment.variant`."""
    facts_of: Callable[[pl.Series], pl.DataFrame] = no_facts
    """Returns what listIds say of their lists, as `FACTS`."""

    def rules(self, plan: Plan, currency: str | None) -> Rules:
        """Return how a shop's events are read."""
        unit_of = partial(unit_digest, plan.tracking_id)
        return Rules(purchase=plan.purchase, unit_of=unit_of, currency=currency, variants_in=self.variants_in)

    def also(self, plan: Plan, files: DayFiles) -> Also:
        """Return what else days are made with."""
        shelves = plan.shelves
        if shelves is None:
            return Also(number_of=self.number_of)
        rules = ShelfRules(
            facts_of=self.facts_of, variants=shelves.variants, left_out=shelves.left_out, window=shelves.window
        )
        return Also(number_of=self.number_of, companion=ShelfFiles(files, rules, plan.today))
