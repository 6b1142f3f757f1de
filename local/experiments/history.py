# SPDX-License-Identifier: Apache-2.0
"""What the users of the last weeks did: who came, who ordered, and for how much."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
from personalization.experiments.statistics.planning import Moments
from table_intake.columns import usual_names
from table_intake.columns.schema import RETURN
from table_intake.wording import Text

from local.evaluation.files import BadInput

DAY = 86_400
WEEK = 7 * DAY
MOST_WEEKS = 8
LEAST_WEEKS = 2
PAST = 14 * DAY
"""How long before their exposure a user's past is looked at."""
ROBOT_EVENTS, ROBOT_ORDERS = 1_000, 50
"""More of them on one day than a person makes."""
ALONE, LEAST_ALONE = 0.05, 100
"""The share of all orders that no person makes alone, such as a till's one id for everybody, and the least number."""
CAP = 0.999
LEAST_VALUED = 0.9
"""The share of orders that must have a value for revenue to be told."""
LOOKERS = 99
"""Users who only look, for each one who orders, where files have orders alone."""
ORDERS, REVENUE, CAPPED = "orders", "revenue", "revenueWinsorized"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A shop's last weeks; times are seconds, and an order is what a user bought at the same second."""

    events: pl.DataFrame
    """Of every type: `user` and `time`."""
    orders: pl.DataFrame
    """`user`, `time`, and what each of the goals counts of an order, by its name."""
    weeks: int
    """Whole ones at the end, at most eight, each with events."""
    end: int
    cap: float | None
    """The value above which the revenue of an order is cut; None without revenue."""
    no_revenue: str
    """Why revenue is unknown, or empty."""
    robots: Mapping[str, str]
    """The users who are left out, and why."""
    only_orders: bool
    """Whether the files have nobody who only looks."""

    @property
    def goals(self) -> tuple[str, ...]:
        return (ORDERS,) if self.cap is None else (ORDERS, REVENUE, CAPPED)

    @property
    def days(self) -> tuple[date, date]:
        """Return the first and the last day."""
        ends = (self.end - self.weeks * WEEK, self.end - 1)
        first, last = (datetime.fromtimestamp(seconds, UTC).date() for seconds in ends)
        return first, last

    @property
    def users_a_week(self) -> int:
        start = self.end - self.weeks * WEEK
        week = ((pl.col("time") - start) // WEEK).alias("week")
        users = self.events.filter(pl.col("time") >= start).group_by(week).agg(pl.col("user").n_unique())
        return round(float(users["user"].sum()) / self.weeks)

    def exposed(self, weeks: int) -> Iterator[dict[str, Moments]]:
        """Yield for each week of the last ones who was exposed by its end, and what they did since, for each goal.

        A user is exposed by the first event of these weeks; the past is the 14 days before.
        """
        start = self.end - weeks * WEEK
        first = self.events.filter(pl.col("time") >= start).group_by("user").agg(pl.col("time").min().alias("exposed"))
        known_before = self.events.join(first, on="user").filter(_before())["user"].unique()
        orders = self.orders.join(first, on="user")
        users = _joined(first, orders.filter(_before()), self.goals, "past").with_columns(
            pl.col("user").is_in(known_before.implode()).alias("known")
        )
        since = orders.filter(pl.col("time") >= start)
        users = _joined(users, since, self.goals, "last")
        for week in range(1, weeks + 1):
            cut = start + week * WEEK
            there = _joined(
                users.filter(pl.col("exposed") < cut), since.filter(pl.col("time") < cut), self.goals, "now"
            )
            yield {goal: self._moments(there, goal) for goal in self.goals}

    def _moments(self, users: pl.DataFrame, goal: str) -> Moments:
        now, past, last = (users[f"{name}-{goal}"].to_numpy() for name in ("now", "past", "last"))
        enough = users.height > 1
        spread = np.cov([now, past, last]) if enough else np.zeros((3, 3))
        moments = Moments(
            users=users.height,
            buyers=int((users[f"now-{ORDERS}"] > 0).sum()),
            with_past=int(users["known"].sum()),
            mean=float(now.mean()) if len(now) else 0.0,
            variance=float(spread[0, 0]),
            by_chance=float(users[f"now-{goal}-squared"].sum()) / max(users.height, 1),
            last_mean=float(last.mean()) if len(last) else 0.0,
            last_covariance=float(spread[0, 2]),
            past_variance=float(spread[1, 1]),
            covariance=float(spread[0, 1]),
        )
        return moments.among(LOOKERS * users.height) if self.only_orders and enough else moments


def history(rows: pl.DataFrame, event_type: str) -> History:
    """Return the last weeks of interactions, as the engine reads them.

    Raises:
        BadInput: there are too few weeks, users or orders to plan with.
    """
    # What comes back is nobody's visit.
    rows = rows.filter(pl.col("EVENT_TYPE").str.to_lowercase() != RETURN.lower())
    end = (int(rows["TIMESTAMP"].max()) // DAY + 1) * DAY  # type: ignore[arg-type]
    weeks = _weeks(rows["TIMESTAMP"], end)
    bought = _bought(rows, event_type)
    events = rows.select(
        pl.col("USER_ID").alias("user"),
        pl.col("TIMESTAMP").alias("time"),
        bought.alias("bought"),
        _value(rows.columns).alias("value"),
        _currency(rows.columns).alias("currency"),
    )
    events = events.filter(pl.col("time") >= end - weeks * WEEK - PAST)
    orders = (
        events.filter("bought")
        .group_by("user", "time", maintain_order=True)
        .agg(pl.col("value").sum(), pl.col("value").count().alias("valued"))
    )
    robots = _robots(events, orders, end - weeks * WEEK)
    human = ~pl.col("user").is_in(list(robots))
    events, orders = events.filter(human), orders.filter(human)
    recent = orders.filter(pl.col("time") >= end - weeks * WEEK)
    users = events.filter(pl.col("time") >= end - weeks * WEEK)["user"].n_unique()
    if users < 2:
        text = (
            "the last {weeks} weeks have only {users:,} {users:user|users}, and an experiment needs two groups: "
            "name the files with everybody's events"
        )
        raise BadInput(Text("experiment.one-user", text, weeks=weeks, users=users))
    if not recent.height:
        text = (
            "the last {weeks} weeks have no {type}: name files that have them, or the event type that "
            "counts as an order by --event-type"
        )
        raise BadInput(Text("experiment.no-recent-orders", text, weeks=weeks, type=event_type))
    no_revenue = _no_revenue(recent, events.filter("bought"))
    cap = None if no_revenue else recent.select(pl.col("value").quantile(CAP, "linear")).item()
    return History(
        events=events.select("user", "time"),
        orders=orders.select(
            "user",
            "time",
            pl.lit(1.0).alias(ORDERS),
            pl.col("value").alias(REVENUE),
            pl.min_horizontal("value", pl.lit(cap)).alias(CAPPED),
        ),
        weeks=weeks,
        end=end,
        cap=cap,
        no_revenue=no_revenue,
        robots=robots,
        only_orders=bool(events["bought"].all()),
    )


def _before() -> pl.Expr:
    return pl.col("time").is_between(pl.col("exposed") - PAST, pl.col("exposed"), closed="left")


def _joined(users: pl.DataFrame, orders: pl.DataFrame, goals: tuple[str, ...], name: str) -> pl.DataFrame:
    """Return users with the sums of their orders, in columns named after their time."""
    sums = orders.group_by("user").agg(
        *(pl.col(goal).sum().alias(f"{name}-{goal}") for goal in goals),
        *((pl.col(goal) ** 2).sum().alias(f"{name}-{goal}-squared") for goal in goals),
    )
    return users.join(sums, on="user", how="left", maintain_order="left").with_columns(
        pl.selectors.starts_with(f"{name}-").fill_null(0.0)
    )


def _weeks(times: pl.Series, end: int) -> int:
    """Return how many whole weeks at the end have events, without a gap."""
    whole = (end - int(times.min()) // DAY * DAY) // WEEK  # type: ignore[arg-type]
    with_events = set(((end - 1 - times) // WEEK).unique().to_list())
    weeks = next(
        number for number in range(MOST_WEEKS + 1) if number not in with_events or number in {whole, MOST_WEEKS}
    )
    if weeks < LEAST_WEEKS:
        text = (
            "a plan needs at least {least} whole weeks without a gap, better {best}, and the files have {weeks} "
            "up to {last}: add the files of the weeks before"
        )
        last = datetime.fromtimestamp(end - 1, UTC).date().isoformat()
        raise BadInput(Text("experiment.few-weeks", text, least=LEAST_WEEKS, best=MOST_WEEKS, weeks=weeks, last=last))
    return weeks


def _bought(rows: pl.DataFrame, event_type: str) -> pl.Series:
    bought = (rows["EVENT_TYPE"].str.to_lowercase() == event_type.lower()).fill_null(value=False)
    if not bought.any():
        types = Text.some_of([str(name) for name in rows["EVENT_TYPE"].value_counts(sort=True)["EVENT_TYPE"]])
        text = "no row is a {type}; there are: {types}. Name what counts as an order by --event-type"
        raise BadInput(Text("experiment.no-orders", text, type=event_type, types=types))
    return bought


def _value(columns: Sequence[str]) -> pl.Expr:
    """Return what each row was worth: its EVENT_VALUE, else its PRICE times its QUANTITY; null where unknown."""
    names = ["EVENT_VALUE"] if "EVENT_VALUE" in columns else [name for name in ("PRICE", "QUANTITY") if name in columns]
    if names in ([], ["QUANTITY"]):
        return pl.lit(None, dtype=pl.Float64)
    first, *others = (pl.col(name).cast(pl.Float64, strict=False) for name in names)
    value = first * others[0] if others else first
    return pl.when((value >= 0) & value.is_finite()).then(value)


def _currency(columns: Sequence[str]) -> pl.Expr:
    names = [name for name in columns if usual_names.plain(name) in usual_names.CURRENCY]
    return pl.col(names[0]).cast(pl.String) if names else pl.lit(None, dtype=pl.String)


def _no_revenue(orders: pl.DataFrame, bought: pl.DataFrame) -> str:
    """Return why the revenue of orders is unknown, and the way out; empty where it is known."""
    currencies = bought["currency"].drop_nulls().unique().sort().to_list()
    if len(currencies) > 1:
        text = "Revenue is unknown: orders are in {currencies}. Convert them, or give files of one currency."
        return Text("experiment.currencies", text, currencies=Text.some_of(currencies))
    share = float((orders["valued"] > 0).mean())  # type: ignore[arg-type]
    if share < LEAST_VALUED:
        text = (
            "Revenue is unknown: {share:.0%} of the orders have a value, and {least:.0%} are needed. "
            "Map the column of amounts to EVENT_VALUE in the settings."
        )
        return Text("experiment.no-values", text, share=share, least=LEAST_VALUED)
    return ""


def _robots(events: pl.DataFrame, orders: pl.DataFrame, start: int) -> dict[str, str]:
    """Return users who cannot be a person, by the most that one does on a day, or by their share of all orders."""
    robots = dict[str, str]()
    for table, most, kind in ((events, ROBOT_EVENTS, "events"), (orders, ROBOT_ORDERS, "orders")):
        a_day = table.group_by("user", pl.col("time") // DAY).len("rows").filter(pl.col("rows") > most)
        for user, rows in a_day.group_by("user").agg(pl.col("rows").max()).sort("user").iter_rows():
            texts = {
                "events": Text("experiment.robot-events", "{rows:,} events on one day", rows=rows),
                "orders": Text("experiment.robot-orders", "{rows:,} orders on one day", rows=rows),
            }
            robots[user] = texts[kind]
    recent = orders.filter(pl.col("time") >= start)
    alone = max(LEAST_ALONE, ALONE * recent.height)
    for user, rows in recent.group_by("user").len("rows").filter(pl.col("rows") >= alone).sort("user").iter_rows():
        text = "{share:.0%} of all orders"
        robots.setdefault(user, Text("experiment.robot-share", text, share=rows / recent.height))
    return robots
