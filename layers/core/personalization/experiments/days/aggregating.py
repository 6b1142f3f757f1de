# SPDX-License-Identifier: Apache-2.0
"""Make a shop's days up to today: of all its units, and of each of its experiments."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Protocol, Self

import polars as pl

from personalization.experiments.days import credit, events, imported_orders, reading, units
from personalization.experiments.days.events import Events
from personalization.experiments.days.files import DayFiles, ShopDay
from personalization.experiments.days.imported_orders import Calendar
from personalization.experiments.days.links import Links, links_of
from personalization.experiments.days.reading import Rules
from personalization.experiments.days.units import Beside, Days
from personalization.experiments.experiment import Experiment

SETTLED = timedelta(days=2)
"""How long a day is made again: files of events and of exposures may come late."""
LATE = timedelta(days=7)
"""How late orders may come by a drop and still count for placements, on the oldest day that is still made again."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The days of a shop's experiments."""

    rows: Mapping[str, Days]
    """By experiment and day; empty where `read` has them."""
    currency: str | None
    foreign: Mapping[str, int]
    """Lines by another currency since the first day, whose money is not added."""
    unvalued: int
    """Lines without a value."""
    busy: frozenset[date]
    """Days with events."""
    whole: bool
    """Whether all days up to today are made; otherwise the next round goes on."""
    days: Mapping[date, ShopDay] = field(default_factory=dict)
    """What is known of the shop's days, without their rows."""
    links: Links = field(default_factory=Links)
    """Which names are one unit's; the rows have one for each."""
    read: Callable[[str], Iterator[Days]] | None = None
    """Reads the rows of an experiment, a shard at a time, where all at once would fill the memory.

    It yields one shard at least, which is empty without a row.
    """

    def shards_of(self, name: str) -> Iterator[Days]:
        """Iterate over the rows of an experiment, a shard at a time."""
        return iter((self.rows[name],)) if self.read is None else self.read(name)

    def foreign_of(self, experiment: Experiment) -> dict[str, int]:
        """Return the lines by another currency on the days of an experiment."""
        return _foreign(self._days_of(experiment))

    def unvalued_of(self, experiment: Experiment) -> int:
        """Return the lines without a value on the days of an experiment."""
        return sum(day.unvalued for day in self._days_of(experiment))

    def _days_of(self, experiment: Experiment) -> list[ShopDay]:
        first, last = day_of(experiment.starts_at), day_of(experiment.last_second)
        return [shop_day for day, shop_day in self.days.items() if first <= day <= last]

    def without(self, digests: Collection[str]) -> Self:
        """Return the days without some units, and those that are one with them."""
        left = partial(_left, gone={self.links.unit(unit) for unit in digests})
        read = self.read
        return replace(
            self,
            rows={name: left(days) for name, days in self.rows.items()},
            read=None if read is None else lambda name: map(left, read(name)),
        )


class Companion(Protocol):
    """Makes something else of the days whose events are read anyway."""

    @property
    def first(self) -> date:
        """The first day that it makes."""

    def needs(self, day: date) -> bool:
        """Return whether the events of a settled day must be read for it."""

    def made(self, day: date, accepted: Events, viewable: pl.DataFrame, links: Links, *, settled: bool) -> None:
        """Take a day's events and items on screen, and who is one unit; days come in order, all that it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Also:
    """What days are made with beside events."""

    number_of: Callable[[str], int] | None = None
    """Returns the number of a variant, named `experiment.variant`, in listIds; None to count all lists."""
    companion: Companion | None = None


def day_of(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


@dataclass(frozen=True, slots=True)
class Needed:
    """Which days a round needs."""

    experiments: Sequence[Experiment]
    """Those that run or have ended within `SETTLED`."""
    today: date
    shelves: date | None = None
    """The first day of the shop's placements, if it has some."""

    @property
    def first(self) -> date:
        """The first day, with the past of experiments."""
        days = [start - units.PAST_DAYS * _DAY for start in self.starts.values()]
        return min([*days, self.today + _DAY, *([] if self.shelves is None else [self.shelves])])

    @property
    def starts(self) -> dict[str, date]:
        return {experiment.name: day_of(experiment.starts_at) for experiment in self.experiments}

    def of(self, day: date) -> list[Experiment]:
        """Return the experiments that have a day."""
        return [
            experiment
            for experiment in self.experiments
            if day_of(experiment.starts_at) <= day <= day_of(experiment.last_second + SETTLED.total_seconds())
        ]

    def is_settled(self, day: date) -> bool:
        """Return whether no more files of a day are expected."""
        return day < self.today - SETTLED

    @property
    def first_counted(self) -> date:
        """The first day of an experiment, or else of placements: what was before is only their past."""
        return min(self.starts.values(), default=self.shelves or self.today)

    @property
    def days(self) -> list[date]:
        """All days up to today."""
        return [self.first + number * _DAY for number in range((self.today - self.first).days + 1)]

    @property
    def settled(self) -> list[date]:
        """The days of which no more files are expected."""
        return [day for day in self.days if self.is_settled(day)]

    def calendar(self, closed: Collection[date]) -> Calendar:
        """Return on which days imported orders count; closed ones are not made again."""
        # Orders that come late count for placements, and for an experiment by their own time alone.
        late = [] if self.shelves is None else [self.today - SETTLED - LATE]
        now = int(datetime(self.today.year, self.today.month, self.today.day, tzinfo=UTC).timestamp()) + 86_399
        return Calendar(
            first=self.first,
            start=min([*self.starts.values(), self.today, *late]),
            oldest_open=max(self.first, self.today - SETTLED),
            closed=closed,
            now=now,
        )


def make(
    files: DayFiles,
    rules: Rules,
    experiments: Sequence[Experiment],
    today: date,
    late: Callable[[], bool],
    also: Also | None = None,
) -> Made:
    """Make the days that are missing or not settled, oldest first, since each tells the next what was sent already.

    Args:
        experiments: those that run or have ended within `SETTLED`.
        late: returns whether the time is over.
        also: what else days are made with, and for.
    """
    number_of, companion = (also.number_of, also.companion) if also else (None, None)
    numbers = {
        experiment.name: {number_of(name) for name in experiment.listed} if number_of else None
        for experiment in experiments
    }
    needed = Needed(experiments, today, companion.first if companion else None)
    starts = needed.starts
    rows: dict[str, dict[date, pl.DataFrame]] = {}
    for experiment in experiments:
        stored = files.experiment_days(experiment.name)
        rows[experiment.name] = {day: stored[day] for day in stored if day >= starts[experiment.name]}
    shop_days: dict[date, ShopDay] = {}
    erased = files.erased()
    links = files.links()
    day, stored_days = needed.first, files.shop_days(needed.settled)
    settled = {made: shop_day for made, shop_day in stored_days.items() if shop_day.settled}
    imported = units.left(_imported(files, rules, needed.calendar(settled), late, today), erased)
    while day <= today and not late():
        is_settled = needed.is_settled(day)
        shop_day = settled.get(day)
        missing = [experiment for experiment in needed.of(day) if day not in rows[experiment.name]]
        accepted, viewable, exposed = None, None, pl.DataFrame(schema=reading.EXPOSURES)
        joins = companion is not None and companion.first <= day and (not is_settled or companion.needs(day))
        if shop_day is None or missing or joins:
            copies = files.copies(day, rules)
            exposed = files.exposures(day) if shop_day is None or missing else exposed
            if shop_day is None:
                made_links, erased = files.put_links(day, links_of(exposed, copies), erased, settled=is_settled)
                links.add(made_links)
            orders = imported.filter(pl.col("day") == day)
            accepted = events.accepted(copies, rules, _remembered(shop_days, links), orders)
            viewable = files.impressions(day, rules)
        if shop_day is None and accepted is not None:
            shop_day = _shop_day(accepted, viewable, erased, settled=is_settled)
            files.put_shop_day(day, shop_day)
        if companion is not None and joins and accepted is not None and viewable is not None:
            companion.made(day, accepted, viewable, links, settled=is_settled)
        if missing and accepted is not None:
            joined = accepted.joined(links)
            on_screen = None if viewable is None else links.joined(viewable)
            for experiment in missing:
                shown = links.joined(exposed.filter(pl.col("experiment") == experiment.name))
                made = credit.day(
                    shown,
                    joined,
                    {before: links.joined(earlier) for before, earlier in rows[experiment.name].items()},
                    Beside(
                        until=experiment.last_second * 1000,
                        past=_past(shop_days, day, links, shown.select("unit").unique()),
                        viewable=on_screen,
                        numbers=numbers[experiment.name],
                    ),
                    credit.sides_of(experiment, number_of, day),
                )
                rows[experiment.name][day] = units.left(made, {links.unit(unit) for unit in erased})
                files.put_experiment_day(experiment.name, day, rows[experiment.name][day], settled=is_settled)
        shop_days[day] = shop_day if shop_day is not None else ShopDay(rows=pl.DataFrame(schema=units.SHOP_DAY))
        day += _DAY
    first = needed.first_counted
    return Made(
        rows={name: {day: links.joined(made) for day, made in days.items()} for name, days in rows.items()},
        currency=_currency(shop_days),
        foreign=_foreign(shop_day for day, shop_day in shop_days.items() if day >= first),
        unvalued=sum(shop_day.unvalued for day, shop_day in shop_days.items() if day >= first),
        days={day: replace(shop_day, rows=shop_day.rows.clear()) for day, shop_day in shop_days.items()},
        busy=frozenset(day for day, shop_day in shop_days.items() if shop_day.rows["events"].sum()),
        whole=day > today,
        links=links,
    )


def _left(days: Days, gone: Collection[str]) -> Days:
    return {day: units.left(rows, gone) for day, rows in days.items()}


def _foreign(shop_days: Iterable[ShopDay]) -> dict[str, int]:
    foreign: Counter[str] = sum((Counter(shop_day.foreign) for shop_day in shop_days), Counter())
    return dict(sorted(foreign.items()))


def read_imports(files: DayFiles, rules: Rules, needed: Needed, settled: Collection[date]) -> None:
    """Read the import copies that nobody has read, for those who make shards of days and read none themselves."""
    _imported(files, rules, needed.calendar(settled), lambda: False, needed.today)


def _imported(files: DayFiles, rules: Rules, calendar: Calendar, late: Callable[[], bool], today: date) -> pl.DataFrame:
    """Return the lines of orders that came by drops, after import copies that are new were read."""
    imported = files.imported(calendar.first)
    for key in files.unread_copies():
        if late():
            break
        lines = imported_orders.lines(files.import_copy(key), rules, calendar, imported)
        files.put_imported(key, today, lines)
        imported = pl.concat([imported, lines])
    return imported


def _remembered(shop_days: Mapping[date, ShopDay], links: Links) -> events.Remembered:
    return events.Remembered([made.rows for made in shop_days.values()], _currency(shop_days), links)


def _shop_day(accepted: Events, viewable: pl.DataFrame | None, erased: Collection[str], *, settled: bool) -> ShopDay:
    return ShopDay(
        rows=units.left(units.shop_day(accepted, viewable), erased),
        currency=accepted.currency,
        foreign=accepted.foreign,
        unvalued=accepted.unvalued,
        settled=settled,
    )


def _past(shop_days: Mapping[date, ShopDay], day: date, links: Links, exposed: pl.DataFrame) -> pl.DataFrame:
    """Return the past of units that are exposed on a day, which may be their first one."""
    before = [made.rows for earlier, made in shop_days.items() if earlier >= day - units.PAST_DAYS * _DAY]
    return units.past(links.joined(rows).join(exposed, on="unit", how="semi") for rows in before)


def _currency(shop_days: Mapping[date, ShopDay]) -> str | None:
    """Return the currency that the first purchases named, which stays."""
    return next((made.currency for made in shop_days.values() if made.currency), None)
