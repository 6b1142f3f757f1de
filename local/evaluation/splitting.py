# SPDX-License-Identifier: Apache-2.0
"""The past to learn from, and what each user did next: cut by time, as a shop lives through it.

Everything up to the cut trains. The test of a user is the first basket after it: what was taken then is relevant. A
user with a past is *known*, one without is *cold*. Where times are positions, as in many public data sets, or hardly
anybody goes on after a cut, the last basket of users with three baskets is the test, and everything else trains.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from personalize_local.data.building import build_snapshot
from personalize_local.data.frames import pl
from personalize_local.data.importing import write
from personalize_local.data.snapshots import Snapshot, SnapshotSpec
from table_intake.wording import counted

from local.evaluation.files import BadInput, Tables

DAY = 86_400
SHARE, LEAST_DAYS, MOST_DAYS = 0.1, 7, 28
"""The share of the time at its end that is the test, and its bounds where the history is long enough."""
FEW = 25
"""The fewest users with a past for which a cut by time says anything."""
LEAST_ROWS = 1_000
"""The fewest rows on which anything trains."""
BASKETS = 3
"""The baskets of a user whose last one is the test where times are no clock."""


@dataclass(frozen=True, slots=True)
class Split:
    kind: Literal["time", "last"]
    """Cut by time, or before each user's last basket."""
    training: pl.DataFrame
    """All rows of the past, of every event type."""
    tests: Mapping[str, frozenset[str]]
    """By user: the items of the first basket after the past, of the event type to predict."""
    cut: int
    """Unix epoch seconds of the newest row that trains."""
    days: float
    positions: bool = False
    """Whether the times are positions: then seconds and days mean nothing."""


def split(rows: pl.DataFrame, event_type: str | None, days: float | None, *, positions: bool = False) -> Split:
    """Cut a shop's interactions into past and tests. Raises BadInput.

    Args:
        rows: USER_ID, ITEM_ID, EVENT_TYPE, TIMESTAMP, and other columns.
        event_type: what to predict; None = all.
        days: length of the test; None = a tenth of the time, 7 to 28 days.
        positions: whether the times are positions.
    """
    wanted = of_type(rows, event_type)
    if wanted["ITEM_ID"].n_unique() < 2:
        raise BadInput("all interactions are with one item: there is nothing to choose from")
    first, last = _seconds(wanted["TIMESTAMP"].min()), _seconds(wanted["TIMESTAMP"].max())
    if first == last:
        raise BadInput(
            "all interactions are of one instant: nothing comes before anything, so nothing can be predicted"
        )
    if positions:
        if days is not None:
            raise BadInput(f"--days {days:g} means nothing here: TIMESTAMP holds positions, not times")
        split = replace(by_last(rows, event_type, 0.0), positions=True)
        if not _known_users(split):
            raise BadInput(f"no user has {BASKETS} baskets, the last of which could be predicted")
        return split
    span = (last - first) / DAY
    if days is not None and days >= span:
        raise BadInput(f"--days {days:g} leaves nothing to train on: the interactions span {span:.1f} days")
    split = by_time(rows, event_type, last, days or _usual(span))
    baskets = wanted.group_by("USER_ID").agg(pl.col("TIMESTAMP").n_unique())["TIMESTAMP"]
    if days is None and _known_users(split) < max(FEW, 0.02 * int((baskets > 1).sum())):
        split = max(split, by_last(rows, event_type, split.days), key=_known_users)
    if not _known_users(split):
        reason = f"no user with a past does anything in the last {counted(split.days, 'day')}"
        raise BadInput(f"{reason}: choose more of them with --days, or give a longer history")
    return split


def earlier(given: Split, event_type: str | None) -> Split | None:
    """Split the past alone, to choose parameters on; None where it is too short."""
    if given.kind == "last":
        split = replace(by_last(given.training, event_type, given.days), positions=given.positions)
    else:
        split = by_time(given.training, event_type, given.cut, given.days)
    return split if _known_users(split) else None


def of_type(rows: pl.DataFrame, event_type: str | None) -> pl.DataFrame:
    """Return the rows of an event type, in any case. Raises BadInput where there are none."""
    if event_type is None:
        return rows
    rows_of_type = rows.filter(pl.col("EVENT_TYPE").str.to_lowercase() == event_type.lower())
    if rows_of_type.is_empty():
        types = ", ".join(str(name) for name in rows["EVENT_TYPE"].drop_nulls().unique().sort()[:10])
        raise BadInput(f"there are no interactions of type {event_type}; the types are {types}")
    return rows_of_type


def snapshot(tables: Tables, given: Split, folder: Path) -> Snapshot:
    """Build what a training reads: the past, all users, and the items that existed before the cut."""
    folder.mkdir(parents=True, exist_ok=True)
    items = tables.items
    if items is not None and "CREATION_TIMESTAMP" in items.columns and not given.positions:
        items = items.filter(pl.col("CREATION_TIMESTAMP").fill_null(0) <= given.cut)
    spec: dict[str, object] = {}
    for kind, rows in (("interactions", given.training), ("users", tables.users), ("items", items)):
        if rows is not None and not rows.is_empty():
            write(rows, folder / f"{kind}.parquet")
            spec |= {kind: [folder / f"{kind}.parquet"], f"{kind}_schema": tables.schemas[kind]}  # type: ignore[index]
    return build_snapshot(SnapshotSpec(**spec))  # type: ignore[arg-type]


def by_time(rows: pl.DataFrame, event_type: str | None, last: int, days: float) -> Split:
    """Cut so many days before second `last`; what comes after `last` is neither past nor test."""
    cut = int(last - days * DAY)
    later = of_type(rows, event_type).filter(pl.col("TIMESTAMP").is_between(cut, last, closed="right"))
    basket = pl.col("TIMESTAMP") == pl.col("TIMESTAMP").min().over("USER_ID")
    return Split("time", rows.filter(pl.col("TIMESTAMP") <= cut), _tests(later.filter(basket)), cut, days)


def by_last(rows: pl.DataFrame, event_type: str | None, days: float, baskets: int = BASKETS) -> Split:
    """Cut before the last basket of each user with so many of them; all rows of the others are past."""
    last = (
        of_type(rows, event_type)
        .group_by("USER_ID")
        .agg(pl.col("TIMESTAMP").max().alias("last"), pl.col("TIMESTAMP").n_unique().alias("baskets"))
    )
    held = rows.join(last.filter(pl.col("baskets") >= baskets), on="USER_ID", how="left", maintain_order="left")
    before = (pl.col("TIMESTAMP") < pl.col("last")).fill_null(value=True)
    past = held.filter(before).drop("last", "baskets")
    tests = _tests(of_type(held.filter(~before), event_type))
    return Split("last", past, tests, _seconds(past["TIMESTAMP"].max()), days)


def _tests(rows: pl.DataFrame) -> dict[str, frozenset[str]]:
    taken = rows.group_by("USER_ID").agg("ITEM_ID").sort("USER_ID")
    return {user: frozenset(items) for user, items in taken.iter_rows()}


def _known_users(given: Split) -> int:
    return len(frozenset(given.training["USER_ID"].unique()) & given.tests.keys())


def _usual(span: float) -> float:
    days = max(LEAST_DAYS, min(MOST_DAYS, SHARE * span))
    return float(round(days)) if days <= span / 2 else span / 4


def _seconds(value: object) -> int:
    return value if isinstance(value, int) else 0
