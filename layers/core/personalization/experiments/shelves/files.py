# SPDX-License-Identifier: Apache-2.0
"""The days of a shop's placements in the bucket: made from the days whose events are read, and read for reports."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from personalization.experiments.days import units
from personalization.experiments.days.events import Events
from personalization.experiments.days.files import TOUCHES, DayFiles
from personalization.experiments.days.links import Links
from personalization.experiments.shelves import placement_days
from personalization.experiments.shelves.placement_days import ShelfRules

DAYS = 29
"""The days before today that are made if they are missing: copies of events are kept for 30."""
PLACEMENTS = "placements"
_DAY = timedelta(days=1)


def first_day(today: date) -> date:
    """Return the first day that is made."""
    return today - DAYS * _DAY


class ShelfFiles:
    """Makes the days of one shop; `aggregating.make` brings it their events."""

    def __init__(self, files: DayFiles, rules: ShelfRules, today: date) -> None:
        """Read what is there.

        Args:
            files: the shop's.
            rules: how its lists and orders are joined; erased users are left out beside those that they name.
            today: the last day.
        """
        self._files = files
        self._rules = replace(rules, left_out={*rules.left_out, *files.erased()})
        self.first = first_day(today)
        made = files.tables(
            TOUCHES, [self.first + number * _DAY for number in range(-placement_days.DAYS_BACK, DAYS + 1)]
        )
        self._settled = {day for day, (_, is_settled) in made.items() if is_settled}
        self._touches: dict[date, pl.DataFrame] = {day: rows for day, (rows, _) in made.items()}

    def needs(self, day: date) -> bool:
        return day not in self._settled

    def made(self, day: date, accepted: Events, viewable: pl.DataFrame, links: Links, *, settled: bool) -> None:
        joined = accepted.joined(links)
        # Whoever clicked before a login may be somebody who objects.
        left_out = links.all_of(self._rules.left_out).union(units.busiest(joined))
        rules = replace(self._rules, left_out=left_out)
        before = (
            links.joined(placement_days.needed(rows, earlier, day, rules.window))
            for earlier, rows in sorted(self._touches.items())
            if earlier < day
        )
        done = placement_days.shelf_day(joined, links.joined(viewable), before, rules)
        self._touches[day] = done.touches
        # The second one says that both are there.
        self._files.put_table(PLACEMENTS, day, done.rows, settled=settled)
        self._files.put_table(TOUCHES, day, done.touches, settled=settled)


def between(files: DayFiles, first: date, last: date) -> Mapping[date, pl.DataFrame]:
    """Return the placements of days that were made."""
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    # A day that was too large for one function has rows of each shard.
    return {day: placement_days.added([rows]) for day, (rows, _) in files.tables(PLACEMENTS, days).items()}
