# SPDX-License-Identifier: Apache-2.0
"""How often an interleaved experiment names a winner where there is none, and how much sooner it finds one.

``python -m benchmarks.interleavings [--experiments N] [--users N]``. Users of a made-up shop come at rates of their
own, have tastes of their own, click more or less readily, and look at a list from the top. Two rankers order the items
by what the user likes and by an error of their own; the better one errs less. In the one experiment each list is a
draft of both. In the other, by the same visits, each user has one of them, and the arms are compared by clicks per
list, or by orders per user: one click in ten becomes an order, and nine orders in ten come from elsewhere. Without a
difference, each user's rankers are exchanged at random.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from personalization.api.drafts import draft
from personalization.experiments.statistics import sequential, signs
from personalization.experiments.statistics.signs import Signs

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
WEEKS, LENGTH, ITEMS, DRAFTS = 4, 8, 40, 4
LOOKS: Floats = 1.0 / np.log2(np.arange(LENGTH) + 2.0)
"""The chance that a user looks at a position."""
USUAL = -3.2
"""Mean log-odds of a click on what is looked at: some 3 % of what is seen."""
READY = 1.0
"""The standard deviation of the log-odds with which users click at all."""
BUYS, ELSEWHERE = 0.1, 9.0
"""Orders of a click; orders from elsewhere for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The visits of four weeks, and what rankers would show at each."""

    user: Integers
    week: Integers
    alone: tuple[Floats, Floats]
    """[visits, positions] the chance of a click in the list of each ranker."""
    mixed: Floats
    """[drafts, visits, positions] the same in lists of both, by some coins."""
    side: Integers
    """[drafts, visits, positions] +1 for an item of the second ranker, -1 for one of the first, 0 for neither."""
    coin_of: Integers
    """The day of each visit: coins last as long."""

    @property
    def users(self) -> int:
        return int(self.user.max()) + 1


def world(users: int, errors: tuple[float, float], seed: int) -> World:
    """Draw a shop, in which the rankers err by so much."""
    rng = np.random.default_rng(seed)
    visits = rng.poisson(rng.gamma(0.7, 4 / 0.7, users))
    user = np.repeat(np.arange(users), visits)
    day = rng.integers(0, 7 * WEEKS, len(user))
    quality = rng.normal(0, 0.5, ITEMS)
    taste, ready = rng.normal(0, 1.0, (users, ITEMS)), rng.normal(USUAL, READY, (users, 1))
    # A ranker errs in the same way about a user, whenever they come.
    ranked = [
        np.argsort(-(taste + quality + rng.normal(0, error, taste.shape)), axis=1)[:, :LENGTH] for error in errors
    ]
    appeal, other = (LOOKS / (1 + np.exp(-ready - np.take_along_axis(taste + quality, of, 1))) for of in ranked)
    shape = (DRAFTS, users, LENGTH)
    items, side = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    names = [str(number) for number in range(ITEMS)]
    for number in range(users):
        rankings = tuple([names[item] for item in of[number].tolist()] for of in ranked)
        for coins in range(DRAFTS):
            picks = draft((rankings[0], rankings[1]), LENGTH, f"{seed} {number} {coins}")
            items[coins, number] = [int(pick.item) for pick in picks]
            side[coins, number] = [(2 * pick.side - 1) * pick.counts for pick in picks]
    liked = 1 / (1 + np.exp(-ready - np.take_along_axis((taste + quality)[None].repeat(DRAFTS, 0), items, 2)))
    return World(
        user=user,
        week=day // 7,
        alone=(appeal[user], other[user]),
        mixed=(liked * LOOKS)[:, user],
        side=side[:, user],
        coin_of=day * users + user,
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """What two experiments found: +1 for the second ranker, -1 for the first, 0 for neither; and their last z."""

    interleaved: int
    apart: int
    z: tuple[float, float, float]
    band: bool
    """Whether the band ever left out one half."""


def played(shop: World, rng: np.random.Generator, *, planted: bool) -> Ended:
    """Play one experiment of each kind, on the same visits."""
    exchanged = np.zeros(shop.users, bool) if planted else rng.random(shop.users) < 0.5
    sign = np.where(exchanged, -1, 1)[shop.user]
    coins = rng.integers(0, DRAFTS, shop.coin_of.max() + 1)[shop.coin_of]
    visits = np.arange(len(shop.user))
    clicked = rng.random((len(visits), LENGTH)) < shop.mixed[coins, visits]
    net = (clicked * shop.side[coins, visits]).sum(axis=1) * sign
    weekly = [np.bincount(shop.user[at], net[at], shop.users) for at in (shop.week == week for week in range(WEEKS))]
    signed = np.sign(np.cumsum(weekly, axis=0)).astype(np.int64)
    seen = [
        Signs(
            users=int((now != 0).sum()),
            for_variant=int((now > 0).sum()),
            before=int((before != 0).sum()),
            shared=int((now * before).sum()),
        )
        for before, now in pairwise([np.zeros(shop.users, np.int64), *signed])
    ]
    result = signs.judge(list(enumerate(seen, 1)), WEEKS)
    bands = [signs.band(look, seen[-1].users) for look in seen]
    treated = rng.random(shop.users) < 0.5
    arm = (treated ^ exchanged)[shop.user]
    chance = np.where(arm[:, None], shop.alone[1], shop.alone[0])
    clicks = (rng.random(chance.shape) < chance).sum(axis=1)
    apart, last = _apart(shop, treated, clicks)
    orders = rng.binomial(clicks, BUYS) + rng.poisson(BUYS * ELSEWHERE * clicks.mean(), len(clicks))
    return Ended(
        interleaved={"variant": 1, "control": -1, "open": 0}[result.outcome],
        apart=apart,
        z=(seen[-1].z, last, _of_orders(shop, treated, orders)),
        band=any(ends is not None and not ends[0] <= 0.5 <= ends[1] for ends in bands),
    )


def _apart(shop: World, treated: npt.NDArray[np.bool_], clicks: Integers) -> tuple[int, float]:
    """Return what the weekly looks of an A/B test say of clicks per list, and its last z."""
    winner, z = 0, 0.0
    bounds = sequential.looks([(week + 1) / WEEKS for week in range(WEEKS)]).bounds
    for week, bound in enumerate(bounds):
        until = shop.week <= week
        lists = np.bincount(shop.user[until], minlength=shop.users).astype(np.float64)
        sums = np.bincount(shop.user[until], clicks[until], shop.users)
        rates, variances = [], []
        for side in (~treated, treated):
            rate = sums[side].sum() / lists[side].sum()
            rates.append(rate)
            variances.append((((sums - rate * lists)[side]) ** 2).sum() / lists[side].sum() ** 2)
        z = (rates[1] - rates[0]) / math.sqrt(sum(variances))
        if not winner and abs(z) > bound:
            winner = int(np.sign(z))
    return winner, z


def _of_orders(shop: World, treated: npt.NDArray[np.bool_], orders: Integers) -> float:
    """Return z of orders per user at the end."""
    counts = np.bincount(shop.user, orders, shop.users)[np.bincount(shop.user, minlength=shop.users) > 0]
    arms = treated[np.bincount(shop.user, minlength=shop.users) > 0]
    sides = [counts[~arms], counts[arms]]
    return float((sides[1].mean() - sides[0].mean()) / math.sqrt(sum(side.var() / len(side) for side in sides)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many experiments found what was planted, or anything where nothing was."""

    interleaved: float
    apart: float
    band: float
    times: tuple[float, float]
    """How many times the traffic gives the A/B test the same mean z: of clicks per list, and of orders per user."""


def shares(worlds: Sequence[World], experiments: int, *, planted: bool, seed: int = 0) -> Shares:
    """Play experiments in some worlds in turn."""
    rng = np.random.default_rng(seed)
    ends = [played(worlds[number % len(worlds)], rng, planted=planted) for number in range(experiments)]
    z = np.array([end.z for end in ends]).mean(axis=0)
    return Shares(
        interleaved=float(np.mean([end.interleaved == 1 if planted else end.interleaved != 0 for end in ends])),
        apart=float(np.mean([end.apart == 1 if planted else end.apart != 0 for end in ends])),
        band=float(np.mean([end.band for end in ends])),
        times=(float((z[0] / z[1]) ** 2), float((z[0] / z[2]) ** 2)),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=2_000, metavar="N")
    parser.add_argument("--users", type=int, nargs="+", default=[500, 2_000])
    options = parser.parse_args(arguments)
    for users in options.users:
        for name, errors in {
            "no difference": (1.0, 1.0),
            "a small one": (1.15, 1.0),
            "a large one": (1.6, 1.0),
        }.items():
            planted = errors[0] != errors[1]
            # Many shops, as two equal rankers of one shop are not equal there.
            worlds = [world(users, errors, seed) for seed in range(40)]
            told = shares(worlds, options.experiments, planted=planted)
            clicks, orders = told.times
            more = (
                f"; the A/B test needs {clicks:.1f} times the traffic, by orders {orders:.0f} times" if planted else ""
            )
            print(
                f"{users:,} users, {name}: interleaved {told.interleaved:.1%}, A/B {told.apart:.1%}, "
                f"band {told.band:.1%}{more}",
                flush=True,
            )


if __name__ == "__main__":
    main()
