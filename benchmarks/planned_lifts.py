# SPDX-License-Identifier: Apache-2.0
"""Whether the lift that a plan tells is found in 80 % of the experiments, and no lift in 5 %.

``python -m benchmarks.planned_lifts [--experiments N]``. A made-up shop has users who come and buy at rates of their
own, and orders of heavy-tailed values. Each experiment draws its arms among the users of the last weeks anew; treated
users order more, by the told lift. It is looked at each week with the plan's bounds, on means that CUPED has adjusted
by a pooled θ, and ends with the first that is passed.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from personalization.experiments.statistics.planning import Sight, sight

from local.experiments.history import PAST, WEEK, History, history

Floats = npt.NDArray[np.float64]
END = 20_000 * 86_400
WEEKS_OF_DATA = 11
SHOPS = 20
"""Made-up shops, since the luck of one twin is a lift of its own."""
GOALS = ("orders", "revenue", "revenueWinsorized")


def visits(users: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a made-up shop's interactions, a view a visit and purchases at some, and the purchases of a twin shop.

    Twins have the same users, visits and rates, and another chance: a share of the twin's orders is a lift.
    """
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.7, 1 / 0.7, users)
    user = np.repeat(np.arange(users), rng.poisson(rate * WEEKS_OF_DATA))
    time = END - 1 - rng.integers(0, WEEKS_OF_DATA * WEEK, len(user))
    views = {"USER_ID": user, "TIMESTAMP": time, "EVENT_TYPE": "View", "EVENT_VALUE": np.nan}
    tables = [pl.DataFrame(views)]
    for _ in range(2):
        buys = rng.random(len(user)) < 0.06
        value = np.round(rng.lognormal(3, 1, buys.sum()), 2)
        bought = {"USER_ID": user[buys], "TIMESTAMP": time[buys], "EVENT_TYPE": "Purchase", "EVENT_VALUE": value}
        tables.append(pl.DataFrame(bought))
    view, shop, twin = (table.with_columns(pl.format("u{}", "USER_ID").alias("USER_ID")) for table in tables)
    return pl.concat([view, shop]), pl.concat([view, twin])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The users who are exposed in the last weeks, and their orders, for one goal."""

    exposed: npt.NDArray[np.int64]
    """The week of each user's exposure, from 0."""
    past: Floats
    user: npt.NDArray[np.int64]
    """Of each order, as the week and the amount are."""
    week: npt.NDArray[np.int64]
    amount: Floats
    weeks: int

    def sums(self, week: int, counted: npt.NDArray[np.bool_]) -> Floats:
        """Return the amount of each user's orders up to a week."""
        chosen = counted & (self.week <= week)
        return np.bincount(self.user[chosen], self.amount[chosen], len(self.past)).astype(np.float64)


def z_values(
    shop: Trial, before: Sequence[Floats], twin: Trial, treated: npt.NDArray[np.bool_], extra: npt.NDArray[np.bool_]
) -> list[float]:
    """Return z after each week, where treated users have some of their twins' orders as well.

    `before` has the sums of each week without these.
    """
    values = []
    more = extra & treated[twin.user]
    for week in range(shop.weeks):
        there = shop.exposed <= week
        total = (before[week] + twin.sums(week, more) if more.any() else before[week])[there]
        past, arm = shop.past[there], treated[there]
        total = total - theta(total, past) * past
        groups = total[arm], total[~arm]
        error = np.sqrt(sum(group.var(ddof=1) / len(group) for group in groups))
        values.append(float((groups[0].mean() - groups[1].mean()) / error))
    return values


def theta(total: Floats, past: Floats) -> float:
    spread = np.cov(total, past)
    return float(spread[0, 1] / spread[1, 1]) if spread[1, 1] else 0.0


def trial(shop: History, goal: str, weeks: int) -> Trial:
    start = shop.end - weeks * WEEK
    first = shop.events.filter(pl.col("time") >= start).group_by("user").agg(pl.col("time").min().alias("exposed"))
    first = first.sort("user").with_row_index("number")
    orders = shop.orders.join(first, on="user")
    before = orders.filter((pl.col("time") < pl.col("exposed")) & (pl.col("time") >= pl.col("exposed") - PAST))
    since = orders.filter(pl.col("time") >= start)
    return Trial(
        exposed=(first["exposed"].to_numpy() - start) // WEEK,
        past=np.bincount(before["number"], before[goal], first.height).astype(np.float64),
        user=since["number"].to_numpy().astype(np.int64),
        week=(since["time"].to_numpy() - start) // WEEK,
        amount=since[goal].to_numpy(),
        weeks=weeks,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    plan: Sight
    found_share: float
    """The share of experiments with the told lift in which a look finds more."""
    false_alarms: float
    """The share of those without a lift in which a look finds any."""


def measured(users: int, goal: str, weeks: int, control: float, experiments: int, seed: int) -> Measured:
    """Return the plan of a made-up shop, and what its experiments find."""
    shop, twin = (history(rows, "Purchase") for rows in visits(users, seed))
    plan = sight([week[goal] for week in shop.exposed(weeks)], control)
    trials = trial(shop, goal, weeks), trial(twin, goal, weeks)
    before = [trials[0].sums(week, np.ones(len(trials[0].user), dtype=bool)) for week in range(weeks)]
    rng = np.random.default_rng(seed)
    # Twins are as likely to buy, and one of them had more luck.
    luck = trials[1].amount.sum() / trials[0].amount.sum()

    def ends(lift: float) -> tuple[float, float]:
        """Return in which shares of the experiments a look finds more, and less."""
        signs = []
        for _ in range(experiments):
            treated = rng.permutation(len(trials[0].past)) >= control * len(trials[0].past)
            values = z_values(trials[0], before, trials[1], treated, rng.random(len(trials[1].user)) < lift / luck)
            passed = [z for z, bound in zip(values, plan.looks.bounds, strict=True) if abs(z) > bound]
            signs.append(np.sign(passed[0]) if passed else 0)
        return signs.count(1) / experiments, signs.count(-1) / experiments

    return Measured(plan=plan, found_share=ends(plan.lift or 0.0)[0], false_alarms=sum(ends(0.0)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=4_000, metavar="N")
    options = parser.parse_args(arguments)
    for users, control in ((8_000, 0.5), (40_000, 0.05)):
        for goal in GOALS:
            for weeks in (2, 4, 8):
                results = [
                    measured(users, goal, weeks, control, options.experiments // SHOPS, seed) for seed in range(SHOPS)
                ]
                lift, found_share, alarms = (
                    statistics.fmean(values)
                    for values in zip(
                        *((result.plan.lift or 0.0, result.found_share, result.false_alarms) for result in results),
                        strict=True,
                    )
                )
                print(
                    f"control {control:.0%}, {goal}, {weeks} weeks: told {lift:+.1%}, found in {found_share:.1%}; "
                    f"without a lift {alarms:.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
