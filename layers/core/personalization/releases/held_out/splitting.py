# SPDX-License-Identifier: Apache-2.0
"""Cut an exported history in two at the cut-off: the training part and the held-out part.

Rows are streamed twice, once to find the latest and once to cut; memory use does not grow with their number.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from table_intake.check import counts
from table_intake.check.findings import MINIMUM_INTERACTIONS, MINIMUM_USERS
from table_intake.check.state import State
from table_intake.check.tallies import HashTally, Tally
from table_intake.columns.schema import RETURN
from table_intake.ranges.ranges import Range
from table_intake.read.line_breaks import PATTERN
from table_intake.read.rows import Rows, Table, render, source
from table_intake.wording import counted
from table_intake.write import dialect

from personalization.core.errors import Broken, intake_translated

_SEED = 2_027
"""Seed of the hash that samples users, so that the sample is always the same."""
_OVERSAMPLING = 8
"""Factor by which the sample exceeds the test: users without a past are dropped at the end."""
_RESAMPLE_ROWS = 200_000
"""Held-out rows that are buffered before the next sampling."""
_CELLS = ("USER_ID", "ITEM_ID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The result of cutting a history."""

    rows: int
    """Interactions up to the cut-off."""
    held_out_rows: int
    reason: str
    """Why the history is too short for training; empty if it is not."""
    event_type: str
    """The held-out event type that counts; empty if all do."""
    baskets: dict[str, list[str]]
    """The held-out items of each sampled user with a past."""
    new_shoppers: int
    """Sampled users without a past."""
    popular: list[str]
    """Items with most interactions up to the cut-off, most first."""
    catalogue: int
    """The number of items with interactions up to the cut-off."""


class Export:
    """A dataset's exported file as data frames of its schema's columns, all of type string.

    Args:
        resource: what error messages name. chunks: the file's bytes. names: the columns of the schema, in order.
        copied: whether the file is an import copy, in Personalize's form of CSV; exports are in the standard one.

    Raises:
        Broken: the file lacks one of the columns, or is not an import copy.
    """

    def __init__(self, resource: str, chunks: Iterable[bytes], names: Sequence[str], *, copied: bool = False) -> None:
        with intake_translated():
            table = Table(resource, _standardised(resource, chunks) if copied else chunks)
        self._frames = frames(resource, table, names)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Iterate over frames of rows without line breaks; once."""
        return self._frames


def frames(resource: str, table: Table | Range, names: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Return frames of an export's rows, or those of a range of it, without line breaks.

    Raises:
        Broken: at once, if a column is missing.
    """
    places = {name.strip().upper(): index for index, name in enumerate(table.header)}
    if missing := [name for name in names if name not in places]:
        raise Broken(resource, f"the export has no column {', '.join(missing)}")
    columns = [pl.col(source(places[name])).alias(name) for name in names]
    selected = ((rows.frame.select(columns), rows.breaks) for rows in _pieces(table))
    # Who streams rows without this application may have sent line breaks.
    return (
        frame.with_columns(pl.all().str.replace_all(PATTERN, " ")) if breaks else frame for frame, breaks in selected
    )


def _pieces(table: Table | Range) -> Iterator[Rows]:
    with intake_translated():
        yield from table.rows()


def _standardised(resource: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from dialect.standardised_chunks(chunks)
    except ValueError as error:
        raise Broken(resource, f"it is not an import copy: {error.args[-1]}") from None


def _seconds(frame: pl.DataFrame) -> pl.Series:
    return frame["TIMESTAMP"].cast(pl.Int64, strict=False)


def latest(frames: Iterable[pl.DataFrame], until: int | None = None) -> int | None:
    """Return the seconds of the latest interaction (up to `until`, if given), or None if there is none."""
    times = (_seconds(frame) for frame in frames)
    maxima = [(seconds if until is None else seconds.filter(seconds <= until)).max() for seconds in times]
    return max((int(moment) for moment in maxima if isinstance(moment, int)), default=None)


def copied(frame: pl.DataFrame) -> bytes:
    """Return rows as import CSV."""
    return render(frame, frame.columns) if frame.height else b""


class _Users(Tally):
    """A tally of users whose rows were counted before, part by part."""

    def _counted(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.group_by("key").agg(pl.col("rows").sum())


class Splitter:
    """Cut a history, or a part of one; the states of all parts add up to what the whole history has.

    Args:
        cut_off, until: seconds since 1970; interactions between them are held out, and later ones in neither part.
        event_type: the event type to predict; if no row has it, all interactions count.
        users: in the test, at most. candidates: the number of popular items to return.
        scratch: a folder for counts that do not fit into memory.
    """

    def __init__(
        self, cut_off: int, event_type: str, users: int, candidates: int, scratch: Path, until: int | None = None
    ) -> None:
        self._cut_off, self._until, self._type = cut_off, until, event_type
        self._candidates, self._wanted = candidates, users
        self._bought, self._any = _Sample(_OVERSAMPLING * users), _Sample(_OVERSAMPLING * users)
        self._users, self._merged_users = HashTally(scratch, "users"), _Users(scratch, "theirs")
        self._merged = False
        self._items = pl.DataFrame(schema={"ITEM_ID": pl.String, "rows": pl.UInt32})
        self._rows = self._held_out = 0

    def take(self, frame: pl.DataFrame) -> bytes:
        """Take some rows; return those up to the cut-off as import CSV."""
        times = _seconds(frame)
        after = times > self._cut_off
        early = frame.filter(times <= self._cut_off)
        late = frame.filter(after if self._until is None else after & (times <= self._until))
        self._rows += early.height
        self._held_out += late.height
        if early.height:
            self._users.take(counts.hash_ids(early["USER_ID"]))
            self._add_items(early.group_by("ITEM_ID").agg(rows=pl.len()))
        if late.height:
            types = late["EVENT_TYPE"].str.to_lowercase()
            self._any.take(late.filter(types != RETURN.lower()))
            self._bought.take(late.filter(types == self._type.lower()))
        return copied(early)

    def state(self) -> State:
        """Return what the part contributes to the whole; once, in place of `finish`."""
        users = [pl.DataFrame(schema={"key": pl.UInt64, "rows": pl.UInt64}), *self._users.counts()]
        frames = {"users": pl.concat(users), "items": self._items}
        samples = {"bought": self._bought.drawn(), "any": self._any.drawn()}
        return State(
            {"rows": self._rows, "held_out": self._held_out},
            frames | {name: frame.select(_CELLS) for name, frame in samples.items()},
        )

    def merge(self, state: State) -> None:
        """Add a part in place of its rows."""
        self._merged = True
        self._rows += state.document["rows"]
        self._held_out += state.document["held_out"]
        self._merged_users.hold(state.frames["users"])
        self._add_items(state.frames["items"])
        self._bought.take(state.frames["bought"])
        self._any.take(state.frames["any"])

    def _add_items(self, counted: pl.DataFrame) -> None:
        self._items = pl.concat([self._items, counted]).group_by("ITEM_ID").agg(pl.col("rows").sum())

    def finish(self) -> Parts:
        """Return the result; once."""
        bought = self._bought if self._bought.any else self._any
        drawn = bought.drawn()
        past, users, again = self._past(drawn)
        shoppers = drawn.unique("USER_ID").sort("draw", "USER_ID")
        familiar = shoppers["key"].is_in(past.implode())
        # In sampling order until there are enough, so that new users are counted over the same range.
        reached = familiar.cum_sum() - familiar < self._wanted
        sampled = shoppers["USER_ID"].filter(reached & familiar)
        of_sampled = drawn.filter(pl.col("USER_ID").is_in(sampled.implode()))
        baskets = of_sampled.group_by("USER_ID").agg(pl.col("ITEM_ID").sort()).sort("USER_ID")
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
        """Return the keys of sampled users with a past, the number of all users with one, and how many of these have
        two interactions or more."""
        users = again = 0
        with_past = [drawn["key"].clear()]
        keys = drawn["key"].unique()
        for frame in (self._merged_users if self._merged else self._users).counts():
            users += frame.height
            again += int((frame["rows"] >= 2).sum())
            with_past.append(keys.filter(keys.is_in(frame["key"].implode())))
        return pl.concat(with_past), users, again


class _Sample:
    """The held-out rows of at most so many users, those with the lowest hashes: a uniform sample."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: list[pl.DataFrame] = []
        self._size = 0
        self._edge: int | None = None

    @property
    def any(self) -> bool:
        return bool(self._held)

    def take(self, frame: pl.DataFrame) -> None:
        """Keep those rows that may be in the sample."""
        rows = frame.select(*_CELLS).unique().with_columns(draw=pl.col("USER_ID").hash(_SEED))
        if self._edge is not None:
            rows = rows.filter(pl.col("draw") <= self._edge)
        if rows.height:
            self._held.append(rows)
            self._size += rows.height
        if self._size > _RESAMPLE_ROWS:
            self._settle()

    def drawn(self) -> pl.DataFrame:
        """Return the sample: `USER_ID`, `ITEM_ID`, `draw` (the hash) and `key` (counts users)."""
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
    """Return why Personalize would not train on the rows; empty if it would."""
    needed = max(MINIMUM_USERS, -(-users // 100))
    if rows < MINIMUM_INTERACTIONS:
        have = counted(rows, "interaction is", "interactions are")
        return f"only {have} from before it, and Personalize trains on {MINIMUM_INTERACTIONS:,} or more"
    if again < needed:
        have = counted(again, "user has", "users have")
        return f"only {have} two interactions or more before it, and Personalize asks for {needed:,}"
    return ""


class Verifier:
    """Read a test's imported interactions again, beside the held-out items of each user."""

    def __init__(self, baskets: dict[str, list[str]]) -> None:
        pairs = [(user, item) for user, items in baskets.items() for item in items]
        self._pairs = pl.DataFrame(pairs, dict.fromkeys(_CELLS, pl.String), orient="row")
        self._seen = self._pairs.clear()
        self.rows = 0
        self.last = 0

    def take(self, frame: pl.DataFrame) -> None:
        self.rows += frame.height
        self.last = max(self.last, latest([frame]) or 0)
        seen = self._pairs.join(frame.select(_CELLS).unique(), on=list(_CELLS), how="semi")
        self._seen = pl.concat([self._seen, seen]).unique()

    def state(self) -> State:
        """Return what a part contributes to the whole."""
        return State({"rows": self.rows, "last": self.last}, {"seen": self._seen})

    def merge(self, state: State) -> None:
        self.rows += state.document["rows"]
        self.last = max(self.last, state.document["last"])
        self._seen = pl.concat([self._seen, state.frames["seen"]]).unique()

    @property
    def bought_again(self) -> float:
        """Share of the users' held-out items that they had before."""
        return self._seen.height / self._pairs.height if self._pairs.height else 0.0
