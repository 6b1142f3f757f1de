# SPDX-License-Identifier: Apache-2.0
"""Training of the ranker: lists of candidates before a user's next moment, made by models that know the past only."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from local.personalize.data import Snapshot
from local.personalize.recipes.base import Value
from local.personalize.recipes.boosting import Lists, Plan, boost
from local.personalize.recipes.features import MIXED, TRUST
from local.personalize.recipes.personal import PersonalModel
from local.personalize.recipes.rows import Ints, Mask, Rows, renumbered
from local.personalize.recipes.trees import Trees

LISTS = (3000, 10_000)
"""Lists that the ranker is made from, a fifth of them only to stop it in time: one for two users, within these bounds.

So its cost grows more slowly than the data.
"""
OTHERS = 50
"""Items that were not chosen, in each list of training."""
LEAST = 50
"""Lists below which nothing is learned."""
CUTS = (0.9, 0.8, 0.7, 0.6)
"""Shares of the rows that are the past: a later cut first, earlier ones where that gives too few lists."""
REPEATS = 0.01
"""Share of returns to a known item above which returns are worth ranking."""


@dataclass(frozen=True, slots=True)
class Split:
    """What the models are made of, and the moments that they have to foretell."""

    before: Mask
    """[rows] the past."""
    asked: Ints
    """[moments] the first row of each moment to foretell."""
    clock: bool
    """Whether the past ends at one time for all; else it ends with each user's last moment but one."""


@dataclass(frozen=True, slots=True)
class Case:
    """One list: what the ranker sees of the candidates, and which of them were chosen."""

    features: npt.NDArray[np.float32]
    chosen: Mask
    missed: int
    """Chosen items that are no candidates."""


def splits(rows: Rows) -> list[Split]:
    """Cut the rows by time if enough users go on after the cut; else (times are no clock) before each last moment."""
    users = int(np.max(rows.user)) + 1
    first = _firsts(rows)
    moments = np.bincount(rows.user[first], minlength=users)
    found: list[Split] = []
    end = int(np.max(rows.time))
    for share in CUTS:
        cut = int(np.quantile(rows.time, share, method="lower"))
        before, between = rows.time <= cut, (rows.time > cut) & (rows.time <= end)
        old = np.bincount(rows.user[before], minlength=users) > 0
        asked = np.flatnonzero(between & first & old[rows.user])
        if not found and len(np.unique(rows.user[asked])) < max(LEAST, 0.1 * (moments > 1).sum()):
            last = rows.baskets_from_end() == 0
            return [Split(~last, np.flatnonzero(last & first & (moments > 1)[rows.user]), clock=False)]
        found.append(Split(before, asked, clock=True))
        end = cut
    return found


def learn(
    snapshot: Snapshot, rows: Rows, splits: Sequence[Split], count: Callable[[Rows], PersonalModel]
) -> Trees | None:
    """Trees that correct the counted order; None if held-out users' next items don't come up sooner by them."""
    held_out = np.random.default_rng(11).permutation(int(np.max(rows.user)) + 1) % 5 == 0
    training: list[Case] = []
    asked: list[Case] = []
    for user, case in _cases(snapshot, rows, splits, count):
        (asked if held_out[user] else training).append(case)
    if len(training) < LEAST or len(asked) < LEAST // 5:
        return None
    trees = boost(_lists(training), Plan())
    return trees.first(_best_length(trees, asked))


def _cases(
    snapshot: Snapshot, rows: Rows, splits: Sequence[Split], count: Callable[[Rows], PersonalModel]
) -> Iterator[tuple[int, Case]]:
    """(user, list) until there are enough of them."""
    random, made = np.random.default_rng(12), 0
    most = min(max(len(np.unique(rows.user)) // 2, LISTS[0]), LISTS[1])
    for split in splits:
        if not len(split.asked):
            continue
        model = count(rows.where(split.before))
        renamed = renumbered(rows, np.array(model.positions(snapshot.items), np.int64))
        for row in random.permutation(split.asked).tolist():
            for case in _of_moment(snapshot, renamed, model, row):
                made += 1
                yield int(rows.user[row]), case
            if made >= most:
                return


def _of_moment(snapshot: Snapshot, rows: Rows, model: PersonalModel, row: int) -> Iterator[Case]:
    """The list of all items (where people come back to items) and that of items new to the user."""
    user = int(rows.user[row])
    start, stop = np.searchsorted(rows.user, [user, user + 1]).tolist()
    end = row + int(np.searchsorted(rows.time[row:stop], rows.time[row], side="right"))
    past, chosen = rows.item[start:row], np.unique(rows.item[row:end])
    properties: dict[str, Value] = {
        name: column[user] for name, column in snapshot.user_columns.items() if column[user] is not None
    }
    view = model.view(past, rows.time[start:row].astype(np.float64), properties)
    new = np.ones(len(model.item_ids), bool)
    new[past] = False
    for allowed in (None, new) if model.settings.repeats > REPEATS else (new,):
        wanted = chosen if allowed is None else chosen[allowed[chosen]]
        if len(wanted):
            candidates = view.candidates(allowed)
            hit = np.isin(candidates, wanted)
            yield Case(view.features(candidates), hit, len(wanted) - int(hit.sum()))


def _firsts(rows: Rows) -> Mask:
    """[rows] whether a row is the first of its moment."""
    first = np.ones(len(rows), bool)
    first[1:] = (rows.time[1:] != rows.time[:-1]) | (rows.user[1:] != rows.user[:-1])
    return first


def _lists(cases: Sequence[Case]) -> Lists:
    random = np.random.default_rng(5)
    kept = []
    for case in cases:
        others = np.flatnonzero(~case.chosen)
        if len(others) > OTHERS:
            others = random.choice(others, OTHERS, replace=False)
        if case.chosen.any():
            kept.append((case, np.concatenate((np.flatnonzero(case.chosen), others))))
    features = np.concatenate([case.features[rows] for case, rows in kept])
    chosen = np.concatenate([case.chosen[rows] for case, rows in kept]).astype(np.float64)
    starts = np.cumsum([0, *(len(rows) for _, rows in kept)])[:-1]
    return Lists(features, chosen, _offset(features), starts.astype(np.intp))


def _best_length(trees: Trees, asked: Sequence[Case]) -> int:
    """After how many trees (in fives; 0 = the counted order) the lists of held-out users are ordered best."""
    features = np.concatenate([case.features for case in asked])
    stages, offset = trees.stages(features), _offset(features)
    spans = list(pairwise(np.cumsum([0, *(len(case.chosen) for case in asked)]).tolist()))
    gains = []
    for length in range(0, len(stages) + 1, 5):
        score = offset + (stages[length - 1] if length else 0.0)
        gains.append(np.mean([gain(case, score[a:b]) for case, (a, b) in zip(asked, spans, strict=True)]))
    return 5 * int(np.argmax(gains))


def _offset(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return TRUST * np.log(np.maximum(features[:, MIXED].astype(np.float64), 1e-12))


def gain(case: Case, score: npt.NDArray[np.float64], depth: int = 10) -> float:
    """NDCG of the first `depth` candidates by score; ties count against us."""
    order = np.lexsort((case.chosen, -score))[:depth]
    discount = 1.0 / np.log2(np.arange(2, depth + 2))
    ideal = discount[: int(case.chosen.sum()) + case.missed].sum()
    return float(discount[: len(order)][case.chosen[order]].sum() / ideal)
