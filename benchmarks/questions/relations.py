# SPDX-License-Identifier: Apache-2.0
"""What goes with an item, by users who are held out: not the next item, which popular ones often are by chance.

A quarter of the users trains nothing. What they took near an item, or in one basket with it, is the truth, as far as it
is more than chance would have it: each item of a list is worth the pairs that were counted beyond those that the two
items' counts would give by chance. So a list of best sellers is worth nothing. `worth@10` is the discounted sum of the
first ten, as a share of the best order's. A unit is an item with five interactions or more. `same-session` counts what
they took in one session with it alone; `same-kind` needs no users, but categories and titles.

Another question is whether the lists of different items are different lists: what two of them have in common, and
which of their places the best sellers have, beside plain cosine. Items that only fill a list do not count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import numpy.typing as npt
from personalize_local.recipes.base import Model
from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.cooccurrence import Shared
from personalize_local.recipes.common.rows import Rows
from personalize_local.recipes.related import neighbours
from personalize_local.recipes.related.distinctness import SHRINKAGE, best_sellers, beyond_chance
from personalize_local.recipes.related.model import ListModel

from benchmarks.questions.answers import Chosen, Judged
from benchmarks.questions.figures import Sums
from benchmarks.questions.kinds import Kinds
from benchmarks.questions.shop import Shop, number, without
from local.evaluation import distinct_lists
from local.evaluation.distinct_lists import DEPTH, LEAST, Items
from local.evaluation.pasts import Past

NEAR, SESSION, KIND = "related", "same-session", "same-kind"
"""The questions: what users took near the item, in one session with it, and what is of its kind."""
PAUSE = 1_800
"""Seconds after which a user's next interaction begins another session."""
PARTS = 4
"""One of so many parts of the users is held out."""
MOST = 300
"""Items that are asked about, at most."""
DISCOUNT = 1.0 / np.log2(np.arange(DEPTH) + 2)
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class World:
    """The users who train, the items that are asked about, and what goes with them."""

    name: str
    past: Past
    items: Items
    worth: Array
    """[asked, items]."""
    kinds: Kinds | None = None
    """What is asked about instead of users, where that is the question."""

    @classmethod
    def of(cls, shop: Shop, back: int, question: str = NEAR) -> "World":
        """`back`: another part of the users, to choose rules by."""
        part, split = back + shop.first, shop.split(0)
        held = {
            user for user in shop.tables.interactions["USER_ID"].unique() if number("related", user) % PARTS == part
        }
        name = f"without part {part} of the users"
        past, whole = shop.past(name, without(split, "USER_ID", held)), shop.past("cut 0", split)
        judged = np.array([user in held and shop.half.has(user) for user in whole.snapshot.users.tolist()])
        truth = whole.rows.where(judged[whole.rows.user])
        popular = np.bincount(past.rows.item, minlength=past.rows.items)
        ids, places = past.snapshot.items, whole.places
        taken = np.bincount(truth.item, minlength=truth.items)
        starts = [item for item in np.flatnonzero(popular >= LEAST).tolist() if taken[places[ids[item]]]]
        items = np.random.default_rng(7).permutation(np.array(starts, np.int64))[:MOST]
        numbers = np.array([places[item] for item in ids.tolist()])
        worth = _worth(truth, numbers[items], question)[:, numbers]
        if question == KIND:
            return cls(name, past, items, worth, Kinds.of(past, shop.tables.items))
        related = np.maximum(worth, 0.0).sum(axis=1) > 0
        return cls(name, past, items[related], worth[related])

    def sums(self, lists: Sequence[Items]) -> Sums:
        """Return what lists are worth; the second figure is the share of their places that are worth something."""
        if self.kinds:
            return self.kinds.sums(self.items, lists)
        value, right = [], []
        for worth, listed in zip(self.worth, lists, strict=True):
            best = -np.sort(-np.maximum(worth, 0.0))[:DEPTH]
            value.append(float(worth[listed] @ DISCOUNT[: len(listed)]) / float(best @ DISCOUNT[: len(best)]))
            right.append(float((worth[listed] > 0).sum()) / DEPTH)
        return Sums.means(value, right)


def _worth(rows: Rows, items: Items, question: str) -> Array:
    """[len(items), all items] pairs beyond chance."""
    if question == SESSION:
        pairs: Shared | cooccurrence.Matrix = Shared(_sessions(rows), rows)
    else:
        pairs = cooccurrence.both_ways(cooccurrence.pairs(rows, decay=1.0), backward=1.0)
    beyond = neighbours.BeyondChance(pairs, items)
    worth = np.array([beyond[row] for row in range(len(items))])
    worth[np.arange(len(items)), items] = 0.0
    return worth


def _sessions(rows: Rows) -> Items:
    """[rows] the number of the session."""
    later = (rows.user[1:] != rows.user[:-1]) | (rows.time[1:] - rows.time[:-1] > PAUSE)
    return np.concatenate(([0], np.cumsum(later)))


def _popular(past: Past, items: Items) -> Array:
    return np.tile(np.bincount(past.rows.item, minlength=past.rows.items).astype(np.float64), (len(items), 1))


def _cosine(past: Past, items: Items, shrinkage: float) -> Array:
    rows = past.rows
    takers = np.bincount(rows.once().item, minlength=rows.items)
    return np.asarray(Shared(rows.user, rows)[items].toarray() * (takers + shrinkage) ** -0.5)


def _basket(past: Past, items: Items, shrinkage: float) -> Array:
    rows = past.rows
    counts = Shared(np.cumsum(rows.begins()) - 1, rows)[items].toarray()
    return np.asarray(counts * (np.bincount(rows.item, minlength=rows.items) + shrinkage) ** -0.5)


def _chain(past: Past, items: Items) -> Array:
    return np.asarray(cooccurrence.pairs(past.rows, decay=1.0)[items].toarray(), np.float64)


COSINE = "same users (cosine)"
RULES: Sequence[tuple[str, Callable[..., Array], Sequence[tuple[float, ...]]]] = (
    ("popular", _popular, ((),)),
    (COSINE, _cosine, ((1.0,), (5.0,), (20.0,), (80.0,))),
    ("same basket (cosine)", _basket, ((1.0,), (5.0,), (20.0,), (80.0,))),
    ("what follows", _chain, ((),)),
)


def _by_rule(world: World, rule: Callable[..., Array], options: tuple[float, ...]) -> list[Items]:
    scores = rule(world.past, world.items, *options)
    scores[np.arange(len(scores)), world.items] = 0.0
    return list(map(distinct_lists.first, scores))


def _by_model(world: World, model: Model) -> list[Items]:
    if not isinstance(model, ListModel):
        raise TypeError(f"{type(model).__name__} has no lists of items")
    return distinct_lists.of_model(world.past, model, world.items)


def rules(shop: Shop, question: str) -> list[Judged]:
    """Return every rule's figures; parameters and the best rule are chosen on other users."""
    earlier, world = World.of(shop, 1, question), World.of(shop, 0, question)
    chosen = []
    for name, rule, grid in RULES:
        value, options = max(
            ((earlier.sums(_by_rule(earlier, rule, options)).mean(), options) for options in grid),
            key=itemgetter(0),
        )
        chosen.append((value, name, rule, options))
    best = max(chosen, key=itemgetter(0))[1]
    return [
        Judged(Chosen(name, options), world.sums(_by_rule(world, rule, options)), best=name == best)
        for _, name, rule, options in chosen
    ]


def recipe(shop: Shop, question: str, name: str, tier: str) -> tuple[Sums, float]:
    world = World.of(shop, 0, question)
    model, seconds = shop.model(world.name, world.past, name, tier)
    return world.sums(_by_model(world, model)), seconds


def different_rules(shop: Shop, _question: str) -> list[Judged]:
    """Return how different the lists of plain cosine are."""
    world = World.of(shop, 0)
    lists = distinct_lists.plain(world.past, world.items)
    return [Judged(Chosen(COSINE, (SHRINKAGE,)), _different(world.past, lists), best=True)]


def different_recipe(shop: Shop, _question: str, name: str, tier: str) -> tuple[Sums, float]:
    world = World.of(shop, 0)
    model, seconds = shop.model(world.name, world.past, name, tier)
    return _different(world.past, _by_model(world, model)), seconds


def _different(past: Past, lists: Sequence[Items]) -> Sums:
    """Return by list what it has in common with the one after it, beyond chance, and the share of best sellers."""
    popular = np.bincount(past.rows.item, minlength=past.rows.items).astype(np.float64)
    best, by_chance = {*best_sellers(popular).tolist()}, DEPTH / int(np.count_nonzero(popular))
    overlap, share = [], []
    sets = [set(listed.tolist()) for listed in lists]
    for row, listed in enumerate(sets):
        others = [len(listed & sets[(row + step) % len(sets)]) / DEPTH for step in range(1, min(20, len(sets)))]
        overlap.append(beyond_chance(float(np.mean(others or [0.0])), by_chance))
        share.append(len(listed & best) / max(len(listed), 1))
    return Sums.means(overlap, share)
