# SPDX-License-Identifier: Apache-2.0
"""What a ranker learns from: lists of candidates before moments of users, made by models that know the past only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from personalize_local.data.snapshots import Column, Snapshot
from personalize_local.recipes.base import Value
from personalize_local.recipes.common import seasons
from personalize_local.recipes.common.rows import Ints, Mask, Rows, renumbered
from personalize_local.recipes.ltr.fitting import Case
from personalize_local.recipes.user_personalization.features import MIXED, View, offset
from personalize_local.recipes.user_personalization.model import PersonalModel
from personalize_local.recipes.user_personalization.recency_windows import Pulse, Pulses, span


@dataclass(frozen=True, slots=True)
class Split:
    """What the models are made of, and the moments that they have to foretell."""

    before: Mask
    """[rows] the past."""
    asked: Ints
    """[moments] the first row of each moment to foretell."""
    clock: bool
    """Whether the past ends at one time for all; else it ends with each user's last moment but one."""


class Moments:
    """The moments of a split, as a model of its past sees them."""

    def __init__(self, snapshot: Snapshot, rows: Rows, split: Split, model: PersonalModel) -> None:
        self._snapshot, self._model = snapshot, model
        self._rows = renumbered(rows, np.array(model.positions(snapshot.items), np.int64))
        self._pulses: Pulses | None = None
        if split.clock:
            whole, asked = span(rows.time[split.before]), rows.time[split.asked]
            self._pulses = Pulses.of(rows.time, self._rows.item, rows.items, whole, asked)

    def cases(self, row: int, *, fresh: bool, new: bool) -> Iterator[tuple[str, Case]]:
        """(which trees learn from it, list) of the moment that begins with a row.

        `fresh`: the shop's windows of time end at the moment. `new`: where people come back to items, also make the
        list of items that are new to the user; where they do not, it is the only one. Of a moment with several items
        (a basket) there is also the list `more`: a part of it, drawn at random, is taken already.
        """
        chosen = self.chosen(row)
        before = self.view(row, chosen[:0], fresh=fresh)
        unknown = before.unknown
        returning = self._model.settings.returning
        for kind, allowed in (("trees", None), ("new", unknown)) if returning else (("trees", unknown),):
            wanted = chosen if allowed is None else chosen[allowed[chosen]]
            if len(wanted) and (kind == "trees" or new):
                yield kind, self._case(before, wanted, allowed)
        taken, rest = parted(chosen, row)
        wanted = rest[unknown[rest]]
        if len(taken) and len(wanted):
            begun = self.view(row, taken, fresh=fresh)
            yield "more", self._case(begun, wanted, begun.unknown)

    def chosen(self, row: int) -> Ints:
        """The items of the moment that begins with a row."""
        rows = self._rows
        stop = int(np.searchsorted(rows.user, rows.user[row], side="right"))
        end = row + int(np.searchsorted(rows.time[row:stop], rows.time[row], side="right"))
        return np.unique(rows.item[row:end])

    def view(self, row: int, taken: Ints, *, fresh: bool = False) -> View:
        """What is known when the moment that begins with a row is, with items that are taken at it already."""
        rows = self._rows
        user, time = int(rows.user[row]), int(rows.time[row])
        start = int(np.searchsorted(rows.user, user))
        times = np.concatenate((rows.time[start:row], np.full(len(taken), time))).astype(np.float64)
        pulse: Pulse | None = self._pulses.before(time) if fresh and self._pulses else None
        context = {**at(self._snapshot.context, int(rows.source[row])), seasons.COLUMN: seasons.month(time)}
        of_user = at(self._snapshot.user_columns, user)
        return self._model.view(np.concatenate((rows.item[start:row], taken)), times, of_user, context, pulse)

    def _case(self, view: View, wanted: Ints, allowed: Mask | None) -> Case:
        candidates = view.candidates(allowed)
        hit = np.isin(candidates, wanted)
        features = view.features(candidates)
        counted = np.isin(candidates, view.candidates(allowed, deep=False)) if self._model.deep else None
        return Case(features, offset(features[:, MIXED]), hit, len(wanted) - int(hit.sum()), counted)


def parted(items: Ints, seed: int) -> tuple[Ints, Ints]:
    """Some of the items, and the others, of which there is always one."""
    random = np.random.default_rng(seed)
    mixed = random.permutation(items)
    size = int(random.integers(len(items)))
    return mixed[:size], mixed[size:]


def at(columns: Mapping[str, Column], row: int) -> dict[str, Value]:
    """The values of one row that are not missing."""
    cells = {name: column[row] for name, column in columns.items()}
    return {name: cell for name, cell in cells.items() if cell is not None and cell == cell}  # noqa: PLR0124 — NaN
