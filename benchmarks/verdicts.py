# SPDX-License-Identifier: Apache-2.0
"""How often verdicts are wrong, and how often they find what is there.

``python -m benchmarks.verdicts [--experiments N] [--interactions FILE]``. Each experiment draws its arms anew among the
users of a shop's last four weeks: a made-up one (see `benchmarks.planned_lifts`), or the one of a file, such as copies
of events. The sums of each day go through the verdict as a deployed function would send them. Without a lift, a verdict
for or against the variant is false, and so is a band that leaves out 0 on any day. A planted lift is compared with a
test that looks once, at the end.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import polars as pl
from personalization.experiments.statistics.bands import Guardrail
from personalization.experiments.statistics.checks import RATIO_LEVEL, Facts, Period, sample_ratio
from personalization.experiments.statistics.effects import Metric
from personalization.experiments.statistics.planning import sight
from personalization.experiments.statistics.sums import HAS_PAST, USERS, Sums
from personalization.experiments.statistics.verdicts import Day, Design, Look, Scale, judge

from benchmarks.planned_lifts import visits
from local.experiments.history import DAY, ORDERS, PAST, WEEK, History, history

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
WEEKS = 4
DAYS = 7 * WEEKS
COLUMNS = (USERS, HAS_PAST, "past", "goal", "buyers")
GOAL = Metric(name="goal", value="goal", past=("past", USERS))
_FIXED = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Of a shop and of a twin: who, on which day of the experiment, and for how much."""

    user: Integers
    day: Integers
    amount: Floats

    def a_day(self, users: int, chosen: npt.NDArray[np.bool_] | None = None) -> tuple[Floats, Floats]:
        """Return each user's amount and number of orders of each day."""
        keep = slice(None) if chosen is None else chosen
        cells = self.user[keep] * DAYS + self.day[keep]
        sums = [np.bincount(cells, weights, users * DAYS) for weights in (self.amount[keep], np.ones(len(cells)))]
        return sums[0].reshape(users, DAYS).astype(np.float64), sums[1].reshape(users, DAYS).astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The users of a shop's last weeks, whose arms are drawn anew for each experiment."""

    exposed: Integers
    """The day of each user's exposure, from 0."""
    seen_before: Floats
    past: Floats
    orders: Orders
    twin: Orders
    """Further orders, of which treated users have some."""
    design: Design
    share: float = 0.5
    """Of the users who are treated."""

    @property
    def users(self) -> int:
        return len(self.exposed)


def world(shop: History, twin: History, goal: str) -> World:
    """Return the last four weeks of a shop, and a design that was planned with them."""
    start = shop.end - WEEKS * WEEK
    first = shop.events.filter(pl.col("time") >= start).group_by("user").agg(pl.col("time").min().alias("exposed"))
    first = first.sort("user").with_row_index("number")
    before = pl.col("time").is_between(pl.col("exposed") - PAST, pl.col("exposed"), closed="left")
    earlier, past = (table.join(first, on="user").filter(before) for table in (shop.events, shop.orders))

    def orders(of: History) -> Orders:
        since = of.orders.join(first, on="user").filter(pl.col("time") >= start)
        day = (since["time"].to_numpy() - start) // DAY
        return Orders(user=since["number"].to_numpy().astype(np.int64), day=day, amount=since[goal].to_numpy())

    plan = sight([week[goal] for week in shop.exposed(WEEKS)], 0.5)
    shares = plan.looks.times if len(plan.looks.times) == WEEKS else tuple((week + 1) / WEEKS for week in range(WEEKS))
    return World(
        exposed=(first["exposed"].to_numpy() - start) // DAY,
        seen_before=np.isin(first["number"].to_numpy(), earlier["number"].unique().to_numpy()).astype(np.float64),
        past=np.bincount(past["number"], past[goal], first.height).astype(np.float64),
        orders=orders(shop),
        twin=orders(twin),
        design=Design(
            control="A",
            variants=("B",),
            goal=GOAL,
            guardrails=(Guardrail(metric=GOAL, margin=0.1),),
            shares=shares,
            planned=first.height,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What an experiment found: +1 for better, -1 for worse, 0 for nothing."""

    weekly: int
    band: int
    fixed: int
    harmed: bool


def played(shop: World, lift: float, rng: np.random.Generator) -> Ended:
    """Play an experiment, in which the treated users order more by a lift."""
    treated = rng.permutation(shop.users) < shop.users * shop.share
    amounts, numbers = shop.orders.a_day(shop.users)
    if lift:
        # Twins are as likely to buy, and one of them had more luck.
        luck = shop.twin.amount.sum() / shop.orders.amount.sum()
        more = treated[shop.twin.user] & (rng.random(len(shop.twin.user)) < lift / luck)
        extra = shop.twin.a_day(shop.users, more)
        amounts, numbers = amounts + extra[0], numbers + extra[1]
    amounts, buyers = amounts.cumsum(axis=1), (numbers.cumsum(axis=1) > 0).astype(np.float64)
    there = (shop.exposed[:, None] <= np.arange(DAYS)).astype(np.float64)
    # By day and column, the values of users.
    columns = np.array([there, shop.seen_before[:, None] * there, shop.past[:, None] * there, amounts, buyers])
    columns = columns.transpose(2, 0, 1)
    arms = [np.ascontiguousarray(columns[:, :, chosen]) for chosen in (~treated, treated)]
    ends = np.arange(6, DAYS, 7)
    # By arm and day, the sums of one column times another.
    now = np.array([arm @ arm.swapaxes(1, 2) for arm in arms])
    since = np.array([arm[ends[:-1]] @ arm[ends[1:]].swapaxes(1, 2) for arm in arms])
    days = [
        Day(
            day=str(day),
            sums={name: Sums(columns=COLUMNS, products=_matrix(now[arm, day])) for arm, name in enumerate("AB")},
        )
        for day in range(DAYS)
    ]
    looks = [
        Look(
            week=week + 1,
            sums={
                name: replace(days[end].sums[name], since=_matrix(since[arm, week - 1]) if week else ())
                for arm, name in enumerate("AB")
            },
        )
        for week, end in enumerate(ends)
    ]
    counted = {name: days[-1].sums[name].users for name in ("A", "B")}
    facts = Facts(periods=[Period(weights={"A": 1 - shop.share, "B": shop.share}, users=counted)])
    result = judge(shop.design, looks, days, facts, Scale()).of("B")
    out = [point for point in result.curve if point.interval and not point.interval[0] <= 0 <= point.interval[1]]
    return Ended(
        weekly={"better": 1, "worse": -1, "open": 0}[result.outcome],
        band=int(np.sign(out[0].lift)) if out else 0,
        fixed=int(np.sign(z)) if abs(z := _z(shop.design, looks[-1])) > _FIXED else 0,
        harmed=bool(result.harmed),
    )


def _matrix(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, values.tolist()))


def _z(design: Design, look: Look) -> float:
    """Return z of one look at the end."""
    alone = judge(design, [Look(week=WEEKS, sums=look.sums)], [], Facts(periods=[]), Scale()).of("B").looks
    return alone[0].z if alone else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Of the experiments: how many found the sign that was planted, or any where there was none."""

    weekly: float
    band: float
    fixed: float
    harmed: float
    """Stopped for harm by the goal as a guardrail."""


def shares(worlds: Sequence[World], lift: float, experiments: int, seed: int = 0) -> Shares:
    """Play experiments in some worlds in turn."""
    rng = np.random.default_rng(seed)
    ends = [played(worlds[number % len(worlds)], lift, rng) for number in range(experiments)]

    def share(name: str) -> float:
        return float(np.mean([getattr(end, name) == 1 if lift else getattr(end, name) != 0 for end in ends]))

    harmed = float(np.mean([end.harmed for end in ends]))
    return Shares(weekly=share("weekly"), band=share("band"), fixed=share("fixed"), harmed=harmed)


def made_up(users: int, goal: str, shops: int) -> list[World]:
    """Return made-up shops, since the luck of one is an effect of its own."""
    pairs = [[history(rows, "Purchase") for rows in visits(users, seed)] for seed in range(shops)]
    return [world(shop, twin, goal) for shop, twin in pairs]


def interactions(path: Path) -> pl.DataFrame:
    """Return the columns of a file that experiments are counted by."""
    rows = pl.read_csv(path)
    names = [
        name for name in ("USER_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE", "PRICE", "QUANTITY") if name in rows
    ]
    return rows.select(names).with_columns(pl.col("USER_ID").cast(pl.String))


def uneven(users: int, share: float, draws: int, seed: int = 0) -> float:
    """Return how often users who spread unevenly are noticed."""
    counts = np.random.default_rng(seed).binomial(users, share, draws)
    weights = {"A": 1.0, "B": 1.0}
    chances = [sample_ratio([Period(weights=weights, users={"A": n, "B": users - n})]) for n in counts.tolist()]
    return float(np.mean([chance < RATIO_LEVEL for chance in chances]))


def peeked(experiments: int, seed: int = 0) -> float:
    """Return how often the sample ratio of a sound experiment looks wrong at any of two checks a day for 28 days."""
    rng = np.random.default_rng(seed)
    first = rng.binomial(350, 0.5, (experiments, 2 * DAYS)).cumsum(axis=1)
    users = 350 * np.arange(1, 2 * DAYS + 1)
    z = abs(2 * first - users) / np.sqrt(users)
    return float(np.mean((z > -_normal(RATIO_LEVEL / 2)).any(axis=1)))


def _normal(chance: float) -> float:
    return NormalDist().inv_cdf(chance)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000, metavar="N")
    parser.add_argument("--users", type=int, default=8_000)
    parser.add_argument("--interactions", type=Path, metavar="FILE", help="a CSV of interactions, plain or .gz")
    options = parser.parse_args(arguments)
    for goal in (ORDERS, "revenueWinsorized"):
        if options.interactions:
            shop = history(interactions(options.interactions), "Purchase")
            worlds, lifts = [world(shop, shop, goal)], [0.0]
        else:
            worlds = made_up(options.users, goal, 20)
            lifts = [0.0, 0.08, 0.12, 0.16]
        for lift in lifts:
            told = shares(worlds, lift, options.experiments)
            error = math.sqrt(told.weekly * (1 - told.weekly) / options.experiments)
            print(
                f"{goal}, lift {lift:.0%}, {options.experiments:,} experiments: weekly looks {told.weekly:.2%}, "
                f"band {told.band:.2%}, one look {told.fixed:.2%}, stopped for harm {told.harmed:.2%} (±{error:.2%})",
                flush=True,
            )
    print(f"48/52 of 20,000 users noticed: {uneven(20_000, 0.48, 10_000):.2%}")
    print(f"even users look uneven at any of 56 checks: {peeked(10_000):.2%}")


if __name__ == "__main__":
    main()
