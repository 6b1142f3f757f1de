# SPDX-License-Identifier: Apache-2.0
"""What will grow: the share of the next window's growth of its 25 fastest growing items (Personalize's metric).

That is how the developer guide defines trend prediction accuracy ("Evaluating a solution version with metrics"). The
second figure is the share of the 25 most taken items of the next window that are named. A unit is a window.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from personalize_local.data.frames import pl
from personalize_local.recipes import training
from personalize_local.recipes.base import Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import WINDOWS

from benchmarks.questions.answers import Chosen, Judged
from benchmarks.questions.figures import Sums
from benchmarks.questions.shop import Shop
from local.evaluation import splitting
from local.evaluation.splitting import Split

DEPTH = 25
WINDOWS_BACK = 100
"""Windows before a cut that rules and recipes learn from."""
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """Interactions by window: `counts[n]` those of all items in the window that ends n windows before the cut."""

    number: int
    end: int
    """Unix epoch seconds of the cut."""
    counts: npt.NDArray[np.float64]
    following: npt.NDArray[np.float64]
    """[items] interactions in the window after the cut."""

    def figures(self, scores: Scores) -> tuple[float, float]:
        return self.of(np.argsort(-scores, kind="stable")[:DEPTH])

    def of(self, chosen: Sequence[int] | npt.NDArray[np.intp]) -> tuple[float, float]:
        gained = np.maximum(self.following - self.counts[0], 0.0)
        taken = np.argsort(-self.following, kind="stable")[:DEPTH]
        named = np.asarray(chosen, np.intp)
        share = float(gained[named].sum() / max(np.sort(gained)[-DEPTH:].sum(), 1e-12))
        return share, float(np.isin(taken, named).mean())


def _windows(shop: Shop, first: int) -> Iterator[Window]:
    """Yield tested windows of the half, newest first; `first` counts windows from the newest."""
    frequency, count, _ = shop.spec.trend
    seconds = WINDOWS[frequency]
    rows = splitting.of_type(shop.tables.interactions, shop.spec.event_type)
    items = {item: position for position, item in enumerate(_items(shop))}
    item = rows["ITEM_ID"].replace_strict(items, return_dtype=pl.Int64).to_numpy()
    time = rows["TIMESTAMP"].to_numpy()
    last = int(time.max()) // seconds * seconds
    age = (last - 1 - time) // seconds
    most = int(age.max())
    table = np.zeros((most + 2, len(items)))
    np.add.at(table, (age[age >= 0], item[age >= 0]), 1.0)
    for number in range(first, min(first + count, most - 2)):
        following, before = table[number], table[number + 1 :][:WINDOWS_BACK]
        if shop.half.has(f"window {number}") and np.maximum(following - before[0], 0).any() and before[0].any():
            yield Window(number, last - (number + 1) * seconds, before, following)


def _items(shop: Shop) -> list[str]:
    items: list[str] = shop.tables.interactions["ITEM_ID"].unique().sort().to_list()
    return items


def popular_in_window(counts: Scores, _recurs: int) -> Scores:
    return np.asarray(counts[0] + 1e-6 * counts.sum(axis=0))


def decayed(counts: Scores, _recurs: int, half_life: float) -> Scores:
    """Score popularity of the windows so far, each counting less than the one after it."""
    return np.asarray(0.5 ** (np.arange(len(counts)) / half_life) @ counts)


def growth(counts: Scores, _recurs: int, prior: float) -> Scores:
    """Score growth between the last two windows, in standard deviations of a count that does not grow."""
    expected = np.sqrt(counts[0] + counts[1] + prior)
    return np.asarray((counts[0] - counts[1]) / expected + 1e-6 * counts.sum(axis=0))


def below_usual(counts: Scores, _recurs: int, half_life: float) -> Scores:
    """Score how far an item lies below its usual count, to which it may return."""
    weight = 0.5 ** (np.arange(len(counts)) / half_life)
    return np.asarray(weight @ counts / weight.sum() - counts[0] + 1e-6 * counts.sum(axis=0))


def recurring(counts: Scores, recurs: int, seasons: float) -> Scores:
    """Score the usual count at the same time of earlier days, or the same day of earlier weeks, over the last one."""
    chosen = list(range(recurs - 1, len(counts), recurs))[: int(seasons)]
    if not chosen:
        return popular_in_window(counts, recurs)
    return np.asarray(counts[chosen].mean(axis=0) - counts[0] + 1e-6 * counts.sum(axis=0))


RULES = (
    ("popular in the window", popular_in_window, ((),)),
    ("decayed popularity", decayed, ((1.0,), (3.0,), (12.0,), (48.0,))),
    ("growth", growth, ((1.0,), (4.0,), (20.0,))),
    ("below its usual count", below_usual, ((3.0,), (12.0,), (48.0,))),
    ("as at this time before", recurring, ((1.0,), (2.0,), (4.0,))),
)


def rules(shop: Shop, _question: str) -> list[Judged]:
    """Return every rule's figures; parameters and the best one are chosen on the windows before the tested ones."""
    _, count, recurs = shop.spec.trend
    earlier, tested = (list(_windows(shop, at * count)) for at in (shop.first + 1, shop.first))
    chosen = []
    for name, rule, grid in RULES:
        tried = [
            (float(np.mean([w.figures(rule(w.counts, recurs, *options_tried))[0] for w in earlier])), options_tried)
            for options_tried in grid
        ]
        value, options = max(tried, key=itemgetter(0))
        chosen.append((value, name, rule, options))
    best = max(chosen, key=itemgetter(0))[1]
    judged = []
    for _, name, rule, options in chosen:
        pairs = [window.figures(rule(window.counts, recurs, *options)) for window in tested]
        judged.append(Judged(Chosen(name, options), _sums(pairs), best=name == best))
    return judged


def recipe(shop: Shop, _question: str, name: str, _tier: str) -> tuple[Sums, float]:
    """Train before each window on all that lies before it, and name 25 items."""
    frequency, count, _ = shop.spec.trend
    places = {item: position for position, item in enumerate(_items(shop))}
    config = TrainingConfig(
        event_type=shop.spec.event_type, hyperparameters={"trend_discovery_frequency": frequency}, minimum_users=1,
        minimum_interactions=1,
    )  # fmt: skip
    rows, pairs, seconds_back = shop.tables.interactions, [], WINDOWS_BACK * WINDOWS[frequency]
    for window in _windows(shop, shop.first * count):
        past_rows = rows.filter(pl.col("TIMESTAMP").is_between(window.end - seconds_back, window.end, closed="left"))
        split = Split("time", past_rows, {}, window.end, 0.0)
        with tempfile.TemporaryDirectory(prefix="trend-") as folder:
            snapshot = splitting.snapshot(shop.tables, split, Path(folder))
        model = training.train(name, snapshot, config).model
        listed = model.recommend(Query(now=float(window.end)), None, DEPTH)
        pairs.append(window.of([places[scored.item_id] for scored in listed if scored.item_id in places]))
    return _sums(pairs), 0.0


def _sums(pairs: Sequence[tuple[float, float]]) -> Sums:
    return Sums.means([first for first, _ in pairs], [second for _, second in pairs])
