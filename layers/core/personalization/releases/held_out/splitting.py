# SPDX-License-Identifier: Apache-2.0
"""Cut an exported history in two at a time: what is imported for a test, and what the test asks about.

The rows stream past twice, once to find the latest of them and once to be cut; memory does not grow with them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from personalization.core import csv_dialect
from personalization.core.errors import Broken
from personalization.core.line_breaks import PATTERN
from personalization.ingest.csv import counts
from personalization.ingest.csv.counts import HashTally
from personalization.ingest.csv.rows import Table, source
from personalization.ingest.csv.writing import render
from personalization.ingest.findings import MINIMUM_INTERACTIONS, MINIMUM_USERS
from personalization.shop.schema import RETURN

_SEED = 2_027
"""Of the hash by which users are drawn: the same ones every time."""
_SPARE = 8
"""Times as many users are kept as are asked about, because those without a past drop out in the end."""
_SETTLE = 200_000
"""Held-out rows that are kept before the sample is drawn anew."""
_CELLS = ("USER_ID", "ITEM_ID")


@dataclass(frozen=True, slots=True)
class Parts:
    """What cutting gave."""

    rows: int
    """Interactions up to the cut-off."""
    held_out_rows: int
    reason: str
    """Why this is too little to be trained on; empty where it is enough."""
    event_type: str
    """The event type that counts of what was held out; empty where all do."""
    baskets: dict[str, list[str]]
    """What each user of the sample went on to have, of those with a past."""
    new_shoppers: int
    """Users of the sample without a past."""
    popular: list[str]
    """The items with most interactions up to the cut-off, most first."""
    catalogue: int
    """Items with interactions up to the cut-off."""


class Export:
    """A dataset's exported file as frames of the columns of its schema, all of them texts.

    Args:
        resource: what the messages name.
        chunks: the file's bytes.
        names: the columns of the schema, in order.
        copied: whether the file is an import copy, in Personalize's form of CSV; exports are in the standard one.

    Raises:
        Broken: the file lacks one of the columns, or is no import copy.
    """

    def __init__(self, resource: str, chunks: Iterable[bytes], names: Sequence[str], *, copied: bool = False) -> None:
        self._table = Table(resource, _standardised(resource, chunks) if copied else chunks)
        places = {name.strip().upper(): place for place, name in enumerate(self._table.header)}
        if missing := [name for name in names if name not in places]:
            raise Broken(resource, f"the export has no column {', '.join(missing)}")
        self._columns = [pl.col(source(places[name])).alias(name) for name in names]

    def frames(self) -> Iterator[pl.DataFrame]:
        """Some rows after the other, each on one line: an older stack may have streamed others."""
        for rows in self._table.rows():
            frame = rows.frame.select(self._columns)
            yield frame.with_columns(pl.all().str.replace_all(PATTERN, " ")) if rows.breaks else frame


def _standardised(resource: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from csv_dialect.standardised_chunks(chunks)
    except ValueError as error:
        raise Broken(resource, f"it is no import copy: {error.args[-1]}") from None


def seconds(frame: pl.DataFrame) -> pl.Series:
    """The times of some interactions; null where there is none."""
    return frame["TIMESTAMP"].cast(pl.Int64, strict=False)


def latest(frames: Iterable[pl.DataFrame], until: int | None = None) -> int | None:
    """Seconds of the latest interaction, or None where there is none; of none after `until`, if that is given."""
    times = (seconds(frame) for frame in frames)
    found = [(each if until is None else each.filter(each <= until)).max() for each in times]
    return max((int(each) for each in found if isinstance(each, int)), default=None)


def copied(frame: pl.DataFrame) -> bytes:
    """Rows as they are imported."""
    return render(frame, frame.columns) if frame.height else b""


class Splitter:
    """Cuts a history.

    Args:
        cut_off: seconds; what came later is held out.
        event_type: what a user is expected to have had. Where nobody had any of it, every interaction counts.
        users: users that are asked about, at most.
        candidates: how many of the most popular items are wanted.
        scratch: a folder for counts that do not fit into memory.
        until: seconds; what came later is in neither part.
    """

    def __init__(
        self,
        cut_off: int,
        event_type: str,
        users: int,
        candidates: int,
        scratch: Path,
        until: int | None = None,
    ) -> None:
        self._cut_off, self._until = cut_off, until
        self._type = event_type
        self._candidates = candidates
        self._wanted = users
        self._bought, self._any = _Sample(_SPARE * users), _Sample(_SPARE * users)
        self._users = HashTally(scratch, "users")
        self._items = pl.DataFrame(schema={"ITEM_ID": pl.String, "rows": pl.UInt32})
        self._rows = self._held_out = 0

    def take(self, frame: pl.DataFrame) -> bytes:
        """Look at some rows; returns those up to the cut-off as they are imported."""
        times = seconds(frame)
        after = times > self._cut_off
        early = frame.filter(times <= self._cut_off)
        late = frame.filter(after if self._until is None else after & (times <= self._until))
        self._rows += early.height
        self._held_out += late.height
        if early.height:
            self._users.take(counts.hash_ids(early["USER_ID"]))
            counted = early.group_by("ITEM_ID").agg(rows=pl.len())
            self._items = pl.concat([self._items, counted]).group_by("ITEM_ID").agg(pl.col("rows").sum())
        if late.height:
            types = late["EVENT_TYPE"].str.to_lowercase()
            self._any.take(late.filter(types != RETURN.lower()))
            self._bought.take(late.filter(types == self._type.lower()))
        return copied(early)

    def finish(self) -> Parts:
        """What all rows gave."""
        bought = self._bought if self._bought.any else self._any
        drawn = bought.drawn()
        past, users, again = self._past(drawn)
        shoppers = drawn.unique("USER_ID").sort("draw", "USER_ID")
        familiar = shoppers["key"].is_in(past.implode())
        # In the order of the draw until there are enough, so that the new ones are counted over the same stretch.
        reached = familiar.cum_sum() - familiar < self._wanted
        asked = shoppers["USER_ID"].filter(reached & familiar)
        theirs = drawn.filter(pl.col("USER_ID").is_in(asked.implode()))
        baskets = theirs.group_by("USER_ID").agg(pl.col("ITEM_ID").sort()).sort("USER_ID")
        popular = self._items.sort("rows", "ITEM_ID", descending=[True, False]).head(self._candidates)
        return Parts(
            rows=self._rows,
            held_out_rows=self._held_out,
            reason=_too_little(self._rows, users, again),
            event_type=self._type if bought is self._bought else "",
            baskets=dict(baskets.iter_rows()),
            new_shoppers=int((reached & ~familiar).sum()),
            popular=popular["ITEM_ID"].to_list(),
            catalogue=self._items.height,
        )

    def _past(self, drawn: pl.DataFrame) -> tuple[pl.Series, int, int]:
        """The keys of drawn users with a past; how many have one at all, and two interactions or more in it."""
        users = again = 0
        found = [drawn["key"].clear()]
        keys = drawn["key"].unique()
        for frame in self._users.counts():
            users += frame.height
            again += int((frame["rows"] >= 2).sum())
            found.append(keys.filter(keys.is_in(frame["key"].implode())))
        return pl.concat(found), users, again


class _Sample:
    """The held-out rows of some users: of those whose hash is least, so that they are drawn evenly.

    Args:
        most: users that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: list[pl.DataFrame] = []
        self._size = 0
        self._edge: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is a row at all."""
        return bool(self._held)

    def take(self, frame: pl.DataFrame) -> None:
        """Keep those of some rows that may be in the sample."""
        rows = frame.select(*_CELLS).unique().with_columns(draw=pl.col("USER_ID").hash(_SEED))
        if self._edge is not None:
            rows = rows.filter(pl.col("draw") <= self._edge)
        if rows.height:
            self._held.append(rows)
            self._size += rows.height
        if self._size > _SETTLE:
            self._settle()

    def drawn(self) -> pl.DataFrame:
        """The sample: `USER_ID`, `ITEM_ID`, `draw` and the `key` that users are counted by."""
        if not self._held:
            empty = {"USER_ID": pl.String, "ITEM_ID": pl.String, "draw": pl.UInt64, "key": pl.UInt64}
            return pl.DataFrame(schema=empty)
        self._settle()
        (rows,) = self._held
        return rows.with_columns(counts.hash_ids(rows["USER_ID"]).alias("key"))

    def _settle(self) -> None:
        rows = pl.concat(self._held).unique()
        draws = rows["draw"].unique().sort()
        if draws.len() > self._most:
            self._edge = int(draws[self._most - 1])
            rows = rows.filter(pl.col("draw") <= self._edge)
        self._held, self._size = [rows], rows.height


def _too_little(rows: int, users: int, again: int) -> str:
    """What Personalize would not train on."""
    needed = max(MINIMUM_USERS, -(-users // 100))
    if rows < MINIMUM_INTERACTIONS:
        return (
            f"only {rows:,} interactions are from before it, and Personalize trains on {MINIMUM_INTERACTIONS:,} or more"
        )
    if again < needed:
        return f"only {again:,} shoppers have two interactions or more before it, and Personalize asks for {needed:,}"
    return ""


class Verifier:
    """Looks again at what was imported for a test.

    Args:
        baskets: what the asked users went on to have.
    """

    def __init__(self, baskets: dict[str, list[str]]) -> None:
        pairs = [(user, item) for user, items in baskets.items() for item in items]
        self._pairs = pl.DataFrame(pairs, dict.fromkeys(_CELLS, pl.String), orient="row")
        self._seen = self._pairs.clear()
        self.rows = 0
        self.last = 0

    def take(self, frame: pl.DataFrame) -> None:
        """Look at some rows."""
        self.rows += frame.height
        self.last = max(self.last, latest([frame]) or 0)
        seen = self._pairs.join(frame.select(_CELLS).unique(), on=list(_CELLS), how="semi")
        self._seen = pl.concat([self._seen, seen]).unique()

    @property
    def bought_again(self) -> float:
        """Share of what the users went on to have that they had had before."""
        return self._seen.height / self._pairs.height if self._pairs.height else 0.0
