# SPDX-License-Identifier: Apache-2.0
"""What exploring new items costs and earns in thirty days of a simulated shop, against not exploring.

``python -m benchmarks.exploration [--quick] [--tuning]``. User-Personalization v1 (tier `fast`) is trained on days 0
and 15 (EASE's share is chosen on day 0) and updated on the others, as a campaign is between trainings. It answers each
visitor with a list of ten, and counts at once what they click. Each policy meets the same shops (`simulated_shop`):
SEEDS judge, TUNING_SEEDS are for everything that is chosen; `--quick` takes three of them and the default weight only.

Regret is how many expected clicks of thirty days weight 0 has more than a policy, by shop; its interval (95 %) is
Student's over the shops. Two plain rules change the last position of weight 0's list. `best lists` knows every appeal.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.online_counts import OnlineCounts
from personalize_local.recipes.common.rows import training_rows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RECIPES
from personalize_local.recipes.ltr.trees import Rankers
from personalize_local.recipes.user_personalization import new_items
from personalize_local.recipes.user_personalization.model import PersonalModel
from personalize_local.recipes.user_personalization.training import Decisions, PersonalTrainer, SharedCounts
from scipy import stats

from benchmarks.simulated_shop import DAY, DAYS, FINDS, LIST, OPENING, VISITS, Floats, Mask, Shop, World, event

SEEDS, TUNING_SEEDS = range(1000, 1030), range(10)
WEIGHTS, CUT_OFFS = (0.1, 0.3, 0.6, 1.0), (5.0, 30.0)
EVERY = 15
"""Days from one training to the next."""
EPSILON = 0.3
"""Chance of a random new item at the last position."""
RECIPE = RECIPES["aws-user-personalization"]
CONFIG = TrainingConfig(hyperparameters={"tier": "fast"})


@dataclass(frozen=True, slots=True)
class Policy:
    name: str
    weight: float = 0.0
    days: float = 30.0
    """Age up to which items are new."""
    rule: str = ""
    """What becomes of the last position: `random`, `newest`; empty: the engine's list as it is."""


NONE: Final = Policy("weight 0")
BEST: Final = Policy("best lists")
RULES: Final = (
    Policy(f"random new item, last position, chance {EPSILON:g}", rule="random"),
    Policy("newest item, last position", rule="newest"),
)


def policies(quick: bool) -> list[Policy]:
    """Return what is measured, weight 0 first."""
    weights, cut_offs = ((0.3,), (30.0,)) if quick else (WEIGHTS, CUT_OFFS)
    policies = [Policy(f"weight {weight:g}, {days:g} days", weight, days) for days in cut_offs for weight in weights]
    return [NONE, *policies, *RULES, BEST]


def trained(shop: Shop, day: int, share: float | None = None) -> PersonalModel:
    """Return the model that would serve; its offline metrics are left out. `share`: of EASE; None to choose it."""
    snapshot = shop.snapshot(day)
    trainer, rows = PersonalTrainer(snapshot, RECIPE, CONFIG, SharedCounts()), training_rows(snapshot, CONFIG)
    return trainer.fit(rows) if share is None else trainer.count(rows, Decisions(Rankers(), share), ranked=False)


def play(world: World, policy: Policy, opening: PersonalModel) -> Shop:
    """Play thirty days; `opening` is the model of the first, which is the same for every policy."""
    shop, full = Shop(world), opening
    served = opening

    def positions(items: Sequence[str]) -> list[int]:
        return served.positions(items)

    online = OnlineCounts(positions, len(served.item_ids), ())

    def count(number: int) -> None:
        if number:
            online.add([event(row) for row in shop.rows[-number:]], lambda user: shop.histories[int(user[1:])])

    for day in range(DAYS):
        luck, luck_of_finds = world.luck(day)
        if policy is not BEST and day % EVERY:
            served = new_items.added(full, shop.snapshot(day), CONFIG)
            # New items come last: the counts go on.
            online.seen = np.concatenate((online.seen, np.zeros(len(served.item_ids) - len(online.seen))))
        elif policy is not BEST and day:
            served = full = trained(shop, day, opening.settings.ease_share)
            online = OnlineCounts(positions, len(served.item_ids), ())
        places = np.array([int(item[1:]) for item in served.item_ids])
        for visit, user in enumerate(world.visitors[day].tolist()):
            offered = shop.offered(user, day)
            if policy is BEST:
                items = np.argsort(-world.appeal[user] * offered, kind="stable")[:LIST].tolist()
            else:
                query = Query(
                    f"u{user}",
                    history=shop.histories[user],
                    now=float(OPENING + day * DAY + visit * 600),
                    exploration={"explorationWeight": policy.weight, "explorationItemAgeCutOff": policy.days},
                    online=online,
                )
                scored = served.recommend(query, offered[places], LIST)
                items = _ruled(world, policy, [int(item.item_id[1:]) for item in scored], offered, (day, visit))
            count(shop.show(day, visit, items, luck[visit]))
        shop.find(day, luck_of_finds)
        count(FINDS)
    return shop


def _ruled(world: World, policy: Policy, items: list[int], offered: Mask, when: tuple[int, int]) -> list[int]:
    """Return a list whose last position a plain rule may have changed."""
    if not policy.rule:
        return items
    new = np.setdiff1d(np.flatnonzero(offered & (world.arrives > when[0] - policy.days)), items[:-1])
    rng = np.random.default_rng((world.seed, *when, 1))
    if not len(new) or (policy.rule == "random" and rng.random() >= EPSILON):
        return items
    newest = new[world.arrives[new] == world.arrives[new].max()]
    return [*items[:-1], int(rng.choice(newest if policy.rule == "newest" else new))]


def share(shop: Shop, ages: tuple[int, int]) -> float:
    """Return the share of all impressions that items of some days of age got."""
    age = np.arange(DAYS)[:, None] - shop.world.arrives
    return float(shop.impressions[(age >= ages[0]) & (age < ages[1])].sum() / shop.impressions.sum())


def interval(values: Floats) -> tuple[float, float]:
    """Return the mean and half of its 95 % interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean()), float(half)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three shops, the default weight only")
    parser.add_argument("--tuning", action="store_true", help="the shops to choose by, not those that judge")
    options = parser.parse_args(arguments)
    seeds = list(TUNING_SEEDS if options.tuning else SEEDS)[: 3 if options.quick else None]
    chosen, begun = policies(options.quick), time.process_time()
    played: dict[str, list[Shop]] = {policy.name: [] for policy in chosen}
    for seed in seeds:
        world = World.of(seed)
        opening = trained(Shop(world), 0)
        for policy in chosen:
            played[policy.name].append(play(world, policy, opening))
    plain = np.array([shop.earned.sum() for shop in played[NONE.name]])
    print(f"{len(seeds)} shops, {DAYS} days of {VISITS} lists; weight 0 earns {plain.mean():.1f} clicks a shop")
    print(f"{'':42} {'regret (95 %)':>16} {'in %':>6}   {'impressions of ages':>19}")
    print(f"{'':42} {'':>16} {'':>6}   {'0-5 days':>9} {'5-30 days':>9}")
    for name, shops in played.items():
        mean, half = interval(plain - [shop.earned.sum() for shop in shops])
        young, older = (100 * float(np.mean([share(shop, ages) for shop in shops])) for ages in ((0, 5), (5, 30)))
        shown = f"{mean:+8.1f} ± {half:5.1f}" if name != NONE.name else "-"
        print(f"{name:42} {shown:>16} {100 * mean / plain.mean():+6.1f}   {young:8.1f}% {older:8.1f}%")
    print(f"{time.process_time() - begun:.0f} processor seconds")


if __name__ == "__main__":
    main()
