# SPDX-License-Identifier: Apache-2.0
"""Training of the answer for users without a history: counts moved through time, a ranker of users' first moments."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.rows import Floats, Ints, Rows
from personalize_local.recipes.ltr.fitting import LEAST, Case, learned
from personalize_local.recipes.ltr.trees import Trees
from personalize_local.recipes.popularity.model import HALVES, RECENT, Crowd, offset
from personalize_local.recipes.user_personalization.recency_windows import span

NEWEST = 2_000_000
"""Interactions, the newest, that count: what is older has faded."""
SHORTEST = 182 * 86_400
"""Least span, in seconds, of which half-lives are shares: nothing fades within a day."""
STOPS = 60
"""Moments at which the counts are taken for training: about a week apart in a year."""
LISTS = 3000
"""First moments, the newest, that the ranker is made from."""
HELD_OUT = 0.15
"""Share of them, the newest, that only tell when to stop."""


class Timeline:
    """Interactions in the order of time, with the values of metadata and context that each one has."""

    def __init__(self, rows: Rows, codes: tuple[Ints, Ints], spans: Ints, of_context: int) -> None:
        """`codes`: (row, code) pairs; `spans`: those of each column, the last `of_context` of which are context."""
        order = np.argsort(rows.time, kind="stable")[-NEWEST:]
        begin = np.full(int(np.max(rows.user)) + 1, np.iinfo(np.int64).max)
        np.minimum.at(begin, rows.user, rows.time)
        self.time, self.item, self.user = rows.time[order], rows.item[order], rows.user[order]
        self.first = self.time == begin[self.user]
        self.span, self._of_context = max(span(rows.time), SHORTEST), of_context
        place = np.full(len(rows), -1, np.int64)
        place[order] = np.arange(len(order))
        row, code = place[codes[0]], codes[1]
        kept = np.flatnonzero(row >= 0)
        kept = kept[np.argsort(row[kept], kind="stable")]
        self._row, self._code, self._spans = row[kept], code[kept], spans

    def start(self, lifted: int, created: Floats) -> Crowd:
        """Counts before the first interaction."""
        return Crowd.empty(float(self.time[0]), lifted, created, self._spans, self._of_context)

    def codes(self, row: int) -> list[int]:
        """The values of one interaction."""
        a, b = np.searchsorted(self._row, [row, row + 1]).tolist()
        found: list[int] = self._code[a:b].tolist()
        return found

    def moved(self, crowd: Crowd, start: int, stop: int, now: float) -> Crowd:
        """Counts with interactions `start` to `stop` too, decayed to a later moment."""
        item, age, passed = self.item[start:stop], now - self.time[start:stop], now - crowd.time
        first, count = self.first[start:stop], len(crowd.total)
        whole, firsts = [], []
        for place, half in enumerate(HALVES):
            fade, weight = 0.5 ** (passed / (half * self.span)), 0.5 ** (age / (half * self.span))
            whole.append(fade * crowd.whole[place] + np.bincount(item, weight, minlength=count))
            firsts.append(fade * crowd.first[place] + np.bincount(item, weight * first, minlength=count))
        groups, recent = self._grouped(crowd, (start, stop), now)
        total = crowd.total + np.bincount(item, minlength=count)
        return replace(
            crowd, time=now, whole=np.stack(whole), first=np.stack(firsts), total=total, groups=groups, recent=recent
        )

    def _grouped(
        self, crowd: Crowd, rows: tuple[int, int], now: float
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        a, b = np.searchsorted(self._row, rows).tolist()
        width, size = crowd.groups.shape[1], crowd.groups.size
        some = np.flatnonzero(self.item[self._row[a:b]] < width) + a
        row, place = self._row[some], self._code[some] * width + self.item[self._row[some]]
        half = HALVES[RECENT] * self.span
        weight = 0.5 ** ((now - self.time[row]) / half)
        added, fresh = (np.bincount(place, w, minlength=size).reshape(crowd.groups.shape) for w in (None, weight))
        recent = 0.5 ** ((now - crowd.time) / half) * crowd.recent + fresh
        return (crowd.groups + added).astype(np.float32), recent.astype(np.float32)


def row_codes(rows: Rows, of_user: tuple[Ints, Ints], of_row: tuple[Ints, Ints], shift: int) -> tuple[Ints, Ints]:
    """(row, code) pairs of rows, from pairs (user, code) by user and (row, code) by row; the latter's codes shifted."""
    user, code = of_user
    starts = np.searchsorted(user, rows.user)
    lengths = np.searchsorted(user, rows.user, side="right") - starts
    place = np.arange(int(lengths.sum())) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    row = np.repeat(np.arange(len(rows)), lengths)
    return np.concatenate((row, of_row[0])), np.concatenate((code[place], of_row[1] + shift))


def at_the_end(timeline: Timeline, lifted: int, created: Floats) -> Crowd:
    """Counts of everything, a second after the newest interaction."""
    whole = len(timeline.time)
    return timeline.moved(timeline.start(lifted, created), 0, whole, float(timeline.time[-1]) + 1.0)


def learn(timeline: Timeline, lifted: int, created: Floats) -> Trees | None:
    """Trees that correct the counted order for users without a history; None where they find nothing to correct."""
    cases = list(_cases(timeline, lifted, created))
    cut = int(len(cases) * (1.0 - HELD_OUT))
    return learned(cases[:cut], cases[cut:], even=True)


def _cases(timeline: Timeline, lifted: int, created: Floats) -> Iterator[Case]:
    """The list of each first moment, oldest first, as the counts at the last stop before it see it."""
    firsts = np.flatnonzero(timeline.first)
    _, place = np.unique(timeline.user[firsts], return_index=True)
    firsts = np.sort(firsts[place])[-LISTS:]
    stops = np.linspace(float(timeline.time[0]), float(timeline.time[-1]), STOPS + 1)[1:]
    if timeline.time[firsts[-LEAST:][0]] < stops[STOPS // 2]:
        return  # hardly anybody new since: those of the beginning do not tell what newcomers take now
    crowd, done = timeline.start(lifted, created), 0
    firsts = firsts[timeline.time[firsts] > stops[0]]
    if len(firsts) < LEAST:
        return
    for now, until in pairwise(stops):
        ready = int(np.searchsorted(timeline.time, now))
        crowd, done = timeline.moved(crowd, done, ready, float(now)), ready
        for row in firsts[(timeline.time[firsts] >= now) & (timeline.time[firsts] < until)].tolist():
            yield _case(timeline, crowd, row)


def _case(timeline: Timeline, crowd: Crowd, row: int) -> Case:
    end = int(np.searchsorted(timeline.time, timeline.time[row], side="right"))
    mine = timeline.user[row:end] == timeline.user[row]
    wanted, codes = np.unique(timeline.item[row:end][mine]), timeline.codes(row)
    mass = crowd.base(codes)
    candidates = crowd.candidates(mass)
    hit = np.isin(candidates, wanted)
    features = crowd.features(codes, candidates, mass)
    return Case(features, offset(mass[candidates]), hit, len(wanted) - int(hit.sum()))
