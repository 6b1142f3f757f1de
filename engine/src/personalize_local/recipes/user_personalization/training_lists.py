# SPDX-License-Identifier: Apache-2.0
"""What rankers learn from: lists of candidates before users' baskets, made by models that know only the past."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personalize_local.data.records import Value
from personalize_local.data.snapshots import Column, Snapshot
from personalize_local.recipes.common import seasons
from personalize_local.recipes.common.processes import spread
from personalize_local.recipes.common.recency_windows import RecencyWindows, WindowCounts, span
from personalize_local.recipes.common.rows import Ints, Mask, Rows, renumbered
from personalize_local.recipes.ltr.fitting import TrainingList
from personalize_local.recipes.ltr.mixing import HeldOut
from personalize_local.recipes.ltr.splits import Split
from personalize_local.recipes.user_personalization.features import MIXED, UserView, offset
from personalize_local.recipes.user_personalization.model import PersonalModel


@dataclass(frozen=True, slots=True)
class Draw:
    """A basket to make lists of, by its first row."""

    row: int
    fresh: bool
    """Whether the shop's recency windows end at the basket."""
    new: bool
    """Whether to make the list of new items, too, where users come back to others."""
    more: bool
    """Whether to make the list `more` as well, of what is missing in the begun basket."""


class BasketLists:
    """The baskets of a split, from the view of a model of its past."""

    def __init__(self, snapshot: Snapshot, rows: Rows, split: Split, model: PersonalModel) -> None:
        self._snapshot, self._model, self.split = snapshot, model, split
        self._rows = renumbered(rows, np.array(model.positions(snapshot.items), np.int32))
        self._windows: RecencyWindows | None = None
        if split.clock:
            whole, queries = span(rows.time[split.before]), rows.time[split.baskets]
            self._windows = RecencyWindows.of(rows.time, self._rows.item, rows.items, whole, queries)

    def lists(self, draws: Sequence[Draw]) -> list[list[tuple[str, TrainingList]]]:
        """Return the lists of some baskets, each with the ranker that learns from it."""
        return spread(lambda number: list(self._lists(draws[number])), len(draws))

    def _lists(self, draw: Draw) -> Iterator[tuple[str, TrainingList]]:
        """Yield (the ranker that learns from it, list) of a basket.

        Where users do not come back to items, the list of new items is the only one. A begun basket is a random part of
        one of several items.
        """
        row, fresh = draw.row, draw.fresh
        chosen = self.chosen(row)
        before = self.view(row, chosen[:0], fresh=fresh)
        unknown = before.unknown
        returning = self._model.settings.returning
        for kind, allowed in (("trees", None), ("new", unknown)) if returning else (("trees", unknown),):
            wanted = chosen if allowed is None else chosen[allowed[chosen]]
            if len(wanted) and (kind == "trees" or draw.new):
                yield kind, self._list(before, wanted, allowed)
        if not draw.more:
            return
        begun, rest = divided(chosen, row)
        wanted = rest[unknown[rest]]
        if len(begun) and len(wanted):
            view = self.view(row, begun, fresh=fresh)
            yield "more", self._list(view, wanted, view.unknown)

    def chosen(self, row: int) -> Ints:
        """Return the items of the basket that begins with a row."""
        rows = self._rows
        stop = int(np.searchsorted(rows.user, rows.user[row], side="right"))
        end = row + int(np.searchsorted(rows.time[row:stop], rows.time[row], side="right"))
        return np.unique(rows.item[row:end])

    def view(self, row: int, begun: Ints, *, fresh: bool = False) -> UserView:
        """Return the user's view when the basket of a row has `begun` with some items."""
        rows = self._rows
        user, time = int(rows.user[row]), int(rows.time[row])
        start = int(np.searchsorted(rows.user, rows.user[row]))
        times = np.concatenate((rows.time[start:row], np.full(len(begun), time))).astype(np.float64)
        windows: WindowCounts | None = self._windows.before(time) if fresh and self._windows else None
        context = {**_values(self._snapshot.context, int(rows.source[row])), seasons.COLUMN: seasons.month(time)}
        of_user = _values(self._snapshot.user_columns, user)
        return self._model.view(np.concatenate((rows.item[start:row], begun)), times, of_user, context, windows)

    def rules(self, row: int, kinds: Collection[str]) -> Iterator[tuple[str, HeldOut]]:
        """Yield (kind, list by plain rules) of the basket that begins with a row, of some kinds.

        The kinds: `next` the whole basket, `new` the new items in it, `begun` the new ones that are missing in a part
        of it. Where users do not come back to items, only new ones count.
        """
        items = self.chosen(row)
        view = self.view(row, items[:0])
        new, returning = items[view.unknown[items]], self._model.settings.returning
        sources = self._model.rules.sources(view.past, view.scores.by_rule, view.scores.tilts)
        if returning:
            yield "next", HeldOut(sources, items, items[:0])
        if len(new) and ("new" in kinds or not returning):
            yield "new" if returning else "next", HeldOut(sources, new, view.past.items)
        begun, rest = divided(items, row)
        if "begun" in kinds and len(begun) and len(rest[view.unknown[rest]]):
            view = self.view(row, begun)
            sources = self._model.rules.sources(view.past, view.scores.by_rule, view.scores.tilts)
            yield "begun", HeldOut(sources, rest[view.unknown[rest]], view.past.items)

    def _list(self, view: UserView, wanted: Ints, allowed: Mask | None) -> TrainingList:
        candidates = view.candidates(allowed)
        taken = np.zeros(len(self._model.item_ids), bool)
        taken[wanted] = True
        hit = taken[candidates]
        if not hit.any():  # no order of them gains anything
            candidates, hit = candidates[:0], hit[:0]
        features = view.features(candidates)
        counted = np.isin(candidates, view.candidates(allowed, deep=False)) if self._model.deep else None
        return TrainingList(features, offset(features[:, MIXED]), hit, len(wanted) - int(hit.sum()), counted)


def divided(items: Ints, seed: int) -> tuple[Ints, Ints]:
    """Divide a basket at random into a begun part, which may be empty, and a rest, which may not."""
    if len(items) < 2:
        return items[:0], items
    random = np.random.default_rng(seed)
    mixed = random.permutation(items)
    size = int(random.integers(len(items)))
    return mixed[:size], mixed[size:]


def _values(columns: Mapping[str, Column], row: int) -> dict[str, Value]:
    cells = {name: column[row] for name, column in columns.items()}
    return {name: cell for name, cell in cells.items() if cell is not None and cell == cell}  # noqa: PLR0124 — NaN
