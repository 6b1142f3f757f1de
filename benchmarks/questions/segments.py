# SPDX-License-Identifier: Apache-2.0
"""Who will take an item, or an item of a kind, within the test: precision among the 1 % of users that are named.

A unit is an item, or a kind, that at least five users take in the test; the second figure is the share of these users
that is named. Users are those with a past, of one half.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt
from personalize_local.data.frames import pl
from personalize_local.recipes.segments import AffinityModel
from scipy import sparse

from benchmarks.questions.answers import Chosen, Judged
from benchmarks.questions.figures import Sums
from benchmarks.questions.shop import Shop, mask
from local.evaluation import splitting
from local.evaluation.pasts import Past

SHARE, LEAST, MOST = 0.01, 5, 300
BY_COLUMNS = "what people like them take"
"""Shows what the users' columns are worth. No recipe is held against it: AWS trains segments on interactions and items,
and not on users (https://docs.aws.amazon.com/personalize/latest/dg/user-segmentation-recipes.html)."""
Interest = Callable[[npt.NDArray[np.bool_]], npt.NDArray[np.float64]]
"""[items] mask of a segment's items → [users] how much they are expected to take."""


class Horizon:
    """Segments to make at one cut, and who took what within the window after it."""

    def __init__(self, shop: Shop, question: str, back: int) -> None:
        self.name, split = f"cut {back}", shop.split(back)
        self.past = shop.past(self.name, split)
        users, items = self.past.snapshot.users, self.past.snapshot.items
        self.places = self.past.places
        self.allowed = np.array([user in self.past.active and shop.half.has(user) for user in users.tolist()])
        rows = splitting.of_type(shop.tables.interactions, shop.spec.event_type)
        after = rows.filter(
            pl.col("TIMESTAMP").is_between(split.cut, split.cut + split.days * splitting.DAY, closed="right")
        )
        took = [
            (self.past.numbers[user], self.places[item])
            for user, item in after.select("USER_ID", "ITEM_ID").unique(maintain_order=True).iter_rows()
            if user in self.past.active and shop.half.has(user) and item in self.places
        ]
        user, item = np.array(took, np.int64).T
        self.taken = sparse.coo_array((np.ones(len(user)), (user, item)), shape=(len(users), len(items))).tocsc()
        self.segments = self._of_items() if question == "segment-item" else self._of_kinds(shop.spec.kind)
        self.size = max(1, round(SHARE * int(self.allowed.sum())))

    def _of_items(self) -> list[tuple[str, npt.NDArray[np.bool_]]]:
        buyers = np.diff(self.taken.indptr)
        chosen = np.flatnonzero(buyers >= LEAST)
        chosen = np.random.default_rng(7).permutation(chosen)[:MOST]
        items = self.past.snapshot.items
        return [(items[position], mask(self.places, [items[position]])) for position in chosen.tolist()]

    def _of_kinds(self, column: str) -> list[tuple[str, npt.NDArray[np.bool_]]]:
        cells = self.past.snapshot.item_columns[column]
        kinds = sorted({cell for cell in cells.tolist() if cell})
        masks = [(kind, np.asarray(cells == kind)) for kind in kinds]
        return [(kind, items) for kind, items in masks if self.buyers(items).sum() >= LEAST]

    def buyers(self, items: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """[users] who took one of the items."""
        return np.asarray(self.taken @ items.astype(np.float64) > 0)

    def named(self, interest: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        return np.argsort(-np.where(self.allowed, interest, -np.inf), kind="stable")[: self.size]

    def sums(self, named: Sequence[npt.NDArray[np.intp]]) -> Sums:
        precision, recall = [], []
        for (_, items), users in zip(self.segments, named, strict=True):
            buyers = self.buyers(items)
            precision.append(float(buyers[users].sum()) / self.size)
            recall.append(float(buyers[users].sum() / buyers.sum()))
        return Sums.means(precision, recall)


def _decayed(past: Past, half_life: float) -> sparse.csr_array:
    rows = past.rows
    weight = 0.5 ** ((past.split.cut - rows.time) / 86_400 / half_life)
    shape = (len(past.snapshot.users), rows.items)
    return sparse.coo_array((weight, (rows.user, rows.item)), shape=shape).tocsr()


def how_often(past: Past, half_life: float) -> Interest:
    """Count what the user took of the segment's items, old ones less; ties by how much they take at all."""
    counts = _decayed(past, half_life)
    total = np.asarray(counts.sum(axis=1)).ravel()
    return lambda items: np.asarray(counts @ items.astype(np.float64)) + 1e-6 * total


def rate(past: Past, half_life: float, prior: float) -> Interest:
    """Expect a user's share of the segment's items, shrunk towards everybody's, times how much they take lately."""
    counts, lately = _decayed(past, half_life), np.asarray(_decayed(past, 30.0).sum(axis=1)).ravel()
    total = np.asarray(counts.sum(axis=1)).ravel()

    def interest(items: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        of_user = np.asarray(counts @ items.astype(np.float64))
        share = float(of_user.sum() / max(total.sum(), 1e-12))
        return (of_user + prior * share) / (total + prior) * (lately + 0.1)

    return interest


def activity(past: Past, half_life: float) -> Interest:
    """Count what the user took of anything."""
    total = np.asarray(_decayed(past, half_life).sum(axis=1)).ravel()
    return lambda _items: total


def by_columns(past: Past, prior: float) -> Interest:
    """Multiply how much the user takes lately by how much more of the segment's items each of their values takes.

    Their own history tells nothing else; a value's share is shrunk towards everybody's (naive Bayes).
    """
    counts = _decayed(past, 1e6)
    total, lately = np.asarray(counts.sum(axis=1)).ravel(), np.asarray(_decayed(past, 30.0).sum(axis=1)).ravel()

    def interest(items: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        of_user = np.asarray(counts @ items.astype(np.float64))
        share = float(of_user.sum() / max(total.sum(), 1e-12))
        expected = lately + 0.1
        for column in past.snapshot.user_columns.values():
            if column.dtype == object:
                _, value = np.unique(column.astype(str), return_inverse=True)
                taken, all_taken = np.bincount(value, of_user), np.bincount(value, total)
                expected = expected * ((taken + prior * share) / (all_taken + prior) / max(share, 1e-12))[value]
        return np.asarray(expected, np.float64)

    return interest


_LIVES = (14.0, 30.0, 60.0, 90.0, 180.0, 1e6)
RULES = (
    ("how often", how_often, tuple((life,) for life in _LIVES)),
    ("rate with shrinkage", rate, tuple((life, prior) for life in _LIVES for prior in (5.0, 20.0, 100.0))),
    ("activity", activity, ((30.0,), (90.0,))),
    (BY_COLUMNS, by_columns, ((100.0,), (500.0,))),
)


def rules(shop: Shop, question: str) -> list[Judged]:
    """Return every rule's figures; parameters and the best one are chosen on the window before."""
    earlier, tested = (Horizon(shop, question, back) for back in (1, 0))

    def sums(horizon: Horizon, rule: Callable[..., Interest], options: tuple[float, ...]) -> Sums:
        interest = rule(horizon.past, *options)
        return horizon.sums([horizon.named(interest(items)) for _, items in horizon.segments])

    chosen = []
    for name, rule, grid in RULES:
        if name == BY_COLUMNS and not earlier.past.snapshot.user_columns:
            continue
        value, options = max(((sums(earlier, rule, tried).mean(), tried) for tried in grid), key=itemgetter(0))
        chosen.append((value, name, rule, options))
    best = max((candidate for candidate in chosen if candidate[1] != BY_COLUMNS), key=itemgetter(0))[1]
    return [
        Judged(Chosen(name, options), sums(tested, rule, options), best=name == best)
        for _, name, rule, options in chosen
    ]


def recipe(shop: Shop, question: str, name: str, tier: str) -> tuple[Sums, float]:
    horizon = Horizon(shop, question, 0)
    model, seconds = shop.model(horizon.name, horizon.past, name, tier)
    assert isinstance(model, AffinityModel)  # noqa: S101
    users = {user: number for number, user in enumerate(model.user_ids.tolist())}
    order = np.array([users[user] for user in horizon.past.snapshot.users.tolist()])
    allowed = np.zeros(len(users), bool)
    allowed[order] = horizon.allowed
    named = []
    for label, items in horizon.segments:
        wanted = items if question == "segment-attribute" else None
        interest = model.of_item(label) if wanted is None else model.of_items(wanted)
        segment = model.segment(interest, allowed, horizon.size)
        named.append(np.array([horizon.past.numbers[user] for user in segment], np.intp))
    return horizon.sums(named), seconds
