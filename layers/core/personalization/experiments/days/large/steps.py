# SPDX-License-Identifier: Apache-2.0
"""What the machine's functions do with a plan: read a part, fit the parts together, make a shard."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from personalization.core.aws import objects
from personalization.core.errors import Broken
from personalization.experiments.days import aggregating, reading, shards
from personalization.experiments.days.aggregating import Also
from personalization.experiments.days.files import DayFiles
from personalization.experiments.days.large.plan import (
    Kind,
    PartOfDay,
    Plan,
    Result,
    Shared,
    Work,
    part_key,
    put_rows,
    rows_at,
)
from personalization.experiments.days.links import LINK, LINKS, Links, links_of
from personalization.experiments.days.reading import Rules
from personalization.experiments.days.shards import Shard

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TELLING = dict.fromkeys(("kind", "unit", "other", "user", "visitor", "session", "currency"), pl.String())
"""The columns of parts that tell who is one unit, and in which currency a shop sells."""


class ShardFiles(DayFiles):
    """The files of a shop's shard, whose new days are made of parts."""

    def __init__(
        self, s3: "S3Client", bucket: str, shop: str, shard: Shard, together: Links, plan: Plan | None = None
    ) -> None:
        """Read nothing yet.

        Args:
            s3, bucket, shop, shard: whose they are.
            together: which digests must be in one shard.
            plan: which days are to be made, if some are.
        """
        super().__init__(s3, bucket, shop, shard)
        self._together = together
        self._plan = plan

    def copies(self, day: date, rules: Rules) -> pl.DataFrame:  # noqa: ARG002 - they were read by the same rules
        return pl.concat([pl.DataFrame(schema=reading.COPIES), *self._of("events", day)])

    def exposures(self, day: date) -> pl.DataFrame:
        return reading.exposures_of(self._of("exposures", day))

    def impressions(self, day: date, rules: Rules) -> pl.DataFrame:
        return reading.impressions_of(self._of("impressions", day), rules.variants_in)

    def unread_copies(self) -> list[str]:
        """Return no import copies: they were read for all shards."""
        return []

    def put_links(
        self,
        _day: date,
        links: pl.DataFrame,
        erased: set[str],
        *,
        settled: bool,  # noqa: ARG002 - stored for all shards
    ) -> tuple[pl.DataFrame, set[str]]:
        return links, erased

    def rows_of(self, rows: pl.DataFrame) -> pl.DataFrame:
        units = self._together.joined(rows.select("unit"))["unit"]
        return rows.filter(self._shard.has(units))

    def counts(self, key: str) -> bool:
        """Return whether a file is the shard's; the first one counts what one function made, since all are added."""
        is_whole = not any(key.endswith(f"{shard.ending}.parquet") for shard in shards.EVERY)
        return key.endswith(f"{self._shard.ending}.parquet") or (is_whole and self._shard.number == 0)

    def _of(self, kind: Kind, day: date) -> Iterator[pl.DataFrame]:
        if self._plan is None or day not in self._plan.days:
            # An empty day would be stored in place of one with events.
            raise Broken(self._shop, f"the files of {day} are in no plan; the next round plans again")
        keys = (part_key(self._shop, part) for part in self._plan.parts_of(kind, day))
        return (self.rows_of(rows_at(self._s3, self._bucket, key)) for key in keys)


class DaySteps:
    """What the machine's functions do with a plan; each step returns the key of what it leaves."""

    def __init__(
        self,
        s3: "S3Client",
        bucket: str,
        folder: str,
        rules_of: Callable[[Plan, str | None], Rules],
        also_of: Callable[[Plan, DayFiles], Also],
    ) -> None:
        """Read nothing yet.

        Args:
            s3, bucket, folder: where the plan is.
            rules_of: returns how events are read, by the plan and the shop's currency.
            also_of: returns what else days are made with, by the plan and a shard's files.
        """
        self._s3 = s3
        self._bucket = bucket
        self._shop = folder.split("/")[1]
        self._work = Work(s3, bucket, folder)
        self._rules_of = rules_of
        self._also_of = also_of

    def read(self, number: int) -> str:
        """Read a part, unless it was read."""
        plan = self._work.plan()
        part = plan.parts[number]
        key = part_key(self._shop, part)
        if objects.size(self._s3, self._bucket, key, None) is None:
            files = DayFiles(self._s3, self._bucket, self._shop).read(part.keys)
            put_rows(self._s3, self._bucket, key, self._read(part, plan, files))
        return key

    def fit(self) -> int:
        """Learn which digests are one unit, read new import copies, and return how many shards there are."""
        plan = self._work.plan()
        files = DayFiles(self._s3, self._bucket, self._shop)
        erased, sessions, currency = files.erased(), [pl.DataFrame(schema=LINKS)], plan.currency
        first = ShardFiles(self._s3, self._bucket, self._shop, shards.EVERY[0], files.links())
        closed = [day for day, made in first.shop_days(plan.needed.settled).items() if made.settled]
        for day in plan.days:
            events = [part_key(self._shop, part) for part in plan.parts_of("events", day)]
            if day not in closed:
                # The files of a closed day may be gone, and its links with them.
                shown = [part_key(self._shop, part) for part in plan.parts_of("exposures", day)]
                links = links_of(self._rows(shown, _exposed), self._rows(events, _linked))
                _, erased = files.put_links(day, links, erased, settled=plan.needed.is_settled(day))
            sessions.append(_in_one_session(partial(self._rows, events)))
            # As one function does: that of the first purchases stays.
            if currency is None:
                currency = _usual(self._rows(events, _currencies))
        aggregating.read_imports(files, self._rules_of(plan, plan.currency), plan.needed, closed)
        self._work.put("shared", Shared(currency=currency))
        self._work.put_rows("links", files.link_rows())
        self._work.put_rows("sessions", pl.concat(sessions))
        return len(shards.EVERY)

    def make(self, number: int, late: Callable[[], bool]) -> str:
        """Make the days of a shard."""
        plan, shared = self._work.plan(), self._work.shared()
        # Those of the plan: an erasure or a later plan changes others, and all shards must divide the units alike.
        links = Links([self._work.rows("links"), self._work.rows("sessions")])
        files = ShardFiles(self._s3, self._bucket, self._shop, shards.EVERY[number], links, plan=plan)
        rules, also = self._rules_of(plan, shared.currency), self._also_of(plan, files)
        experiments = plan.needed.experiments
        made = aggregating.make(files, rules, experiments, plan.today, late, also=also)
        return self._work.put(f"shard-{number}", Result.of(made, plan.today))

    def _read(self, part: PartOfDay, plan: Plan, files: Iterator[bytes]) -> pl.DataFrame:
        if part.kind == "events":
            return reading.copies(files, self._rules_of(plan, plan.currency))
        return reading.exposed(files, part.day) if part.kind == "exposures" else reading.on_screen(files)

    def _rows(self, keys: Iterable[str], of: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
        """Return what a question says of parts, which are asked one after the other: all of them fill the memory."""
        made = [rows_at(self._s3, self._bucket, key, of) for key in keys]
        return pl.concat(made) if made else of(pl.LazyFrame(schema=_TELLING)).collect()


def _linked(copies: pl.LazyFrame) -> pl.LazyFrame:
    return copies.filter(pl.col("kind") == LINK).select("kind", "unit", "other").unique()


def _exposed(shown: pl.LazyFrame) -> pl.LazyFrame:
    return shown.select("unit", "user", "visitor").unique()


def _currencies(copies: pl.LazyFrame) -> pl.LazyFrame:
    return copies.drop_nulls("currency").group_by("currency").len()


def _usual(lines: pl.DataFrame) -> str | None:
    """Return the currency of most lines, as parts count them."""
    numbers = sum((Counter({code: number}) for code, number in lines.rows()), Counter[str]())
    return min(numbers, key=lambda code: (-numbers[code], code), default=None)


def _in_one_session(rows: Callable[[Callable[[pl.LazyFrame], pl.LazyFrame]], pl.DataFrame]) -> pl.DataFrame:
    """Return units that were seen in one session, before a login and after: orders are joined to clicks by it as well.

    All are linked with the first of them. Most sessions have one, and only the others' digests are in memory.
    """
    unit = pl.col("unit").hash()
    seen = rows(lambda copies: _with_sessions(copies).group_by("hash").agg(unit.min().alias("least"), most=unit.max()))
    several = seen.group_by("hash").agg(pl.col("least").min(), pl.col("most").max())
    several = several.filter(pl.col("least") < pl.col("most")).select("hash")
    units = rows(lambda copies: _with_sessions(copies).join(several.lazy(), on="hash", how="semi").unique()).unique()
    units = units.join(units.group_by("hash").agg(other=pl.col("unit").min()), on="hash")
    return units.select("unit", "other").filter(pl.col("unit") != pl.col("other")).unique().sort("unit", "other")


def _with_sessions(copies: pl.LazyFrame) -> pl.LazyFrame:
    return copies.drop_nulls("session").select("unit", hash=pl.col("session").hash())
