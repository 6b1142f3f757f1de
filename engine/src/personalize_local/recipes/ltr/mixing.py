# SPDX-License-Identifier: Apache-2.0
"""Shares of several sources in one score, chosen by held-out lists (Jelinek and Mercer, 1980, by NDCG)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common.rows import Floats, Ints, Mask, Numbers
from personalize_local.recipes.common.topk import POSITIVE, Places, Scores, best
from personalize_local.recipes.ltr.fitting import DEPTH, DISCOUNT, ideal_gain

CANDIDATES, WIDTH = 40, 400
"""The best items of each source that are candidates, and the most candidates of a list."""
STEPS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Shares that are tried."""
LEAST_GAIN = 1.002
"""A change of shares must gain so much: a smaller gain is chance."""
Shares = npt.NDArray[np.float64]


class HeldOut(NamedTuple):
    """A list that is held out."""

    sources: Sequence[Scores]
    """For each source its scores [items]. The best items of an array that many lists share are found once."""
    taken: Numbers
    """The items to find."""
    left_out: Numbers
    """Items that the list may not have."""


@dataclass(frozen=True)
class Lists:
    """Held-out lists of one question: the candidates by each source, and which of them were taken."""

    scores: npt.NDArray[np.float32]
    """[sources, lists, candidates]; -1 where a list has fewer candidates."""
    taken: Mask
    """[lists, candidates] whether the user took it."""
    ideal: Floats
    """[lists] the gain of the best order."""

    def part(self, part: int, parts: int) -> Self:
        """Return one of so many interleaved parts of the lists."""
        return type(self)(self.scores[:, part::parts], self.taken[part::parts], self.ideal[part::parts])

    def first(self, sources: int) -> Self:
        """Return the same lists with the first sources only."""
        return type(self)(self.scores[:sources], self.taken, self.ideal)

    def gains(self, shares: Shares) -> Floats:
        """[lists] NDCG; ties count against it."""
        return self.ndcg(self.mixed(shares))

    def mixed(self, shares: Shares) -> npt.NDArray[np.float32]:
        """[lists, candidates] the mixture."""
        score = np.zeros(self.taken.shape, np.float32)
        for source in np.flatnonzero(shares).tolist():
            score += np.float32(shares[source]) * self.scores[source]
        return score

    def ndcg(self, score: npt.NDArray[np.float32]) -> Floats:
        """[lists] NDCG of a mixture."""
        of, candidate = self._hits
        taken_score = score[of, candidate]
        some = taken_score >= np.partition(score, -DEPTH, axis=1)[of, -DEPTH]  # the others are too low to count
        of, taken_score = of[some], taken_score[some]
        rank = np.count_nonzero(score[of] >= taken_score[:, None], axis=1) - 1
        of, rank = of[rank < DEPTH], rank[rank < DEPTH]
        return np.bincount(of, DISCOUNT[rank], minlength=len(score)) / self.ideal

    @cached_property
    def _hits(self) -> tuple[Ints, Ints]:
        of, candidate = np.nonzero(self.taken)
        return of, candidate


class Collector:
    """Keeps the candidates of lists, one list at a time: what sources say of all items would fill the memory."""

    def __init__(self) -> None:
        self._scores, self._takes, self._ideal = list[npt.NDArray[np.float32]](), list[Mask](), list[float]()
        self._searched: dict[int, tuple[Scores, Places]] = {}

    def __len__(self) -> int:
        return len(self._takes)

    def add(self, held_out: HeldOut) -> None:
        chosen = np.zeros(len(held_out.sources[0]), bool)
        for number, source in enumerate(held_out.sources):
            if number not in self._searched or self._searched[number][0] is not source:
                self._searched[number] = source, best(source, None, CANDIDATES, POSITIVE)
            chosen[self._searched[number][1]] = True
        chosen[held_out.left_out] = False
        some = np.flatnonzero(chosen)[:WIDTH]
        self._scores.append(np.array([source[some] for source in held_out.sources], np.float32))
        self._takes.append(np.isin(some, held_out.taken))
        self._ideal.append(ideal_gain(len(held_out.taken)))

    def lists(self) -> Lists:
        width = max(DEPTH + 1, *(len(takes) for takes in self._takes))
        scores = np.full((len(self._scores[0]), len(self), width), -1.0, np.float32)
        taken = np.zeros((len(self), width), bool)
        for number, (score, take) in enumerate(zip(self._scores, self._takes, strict=True)):
            scores[:, number, : len(take)] = score
            taken[number, : len(take)] = take
        return Lists(scores, taken, np.array(self._ideal))


def lists(held_out_lists: Iterable[HeldOut]) -> Lists:
    """Keep the candidates of each list."""
    collector = Collector()
    for held_out in held_out_lists:
        collector.add(held_out)
    return collector.lists()


def trusted_shares(questions: Sequence[Lists], usual: int, start: int | None = None) -> Shares:
    """[sources] the shares with the best lists, shrunk towards those of the first `usual` sources by the evidence.

    Each half of the lists judges what the other half chose, by its gain as a share of the usual sources' NDCG.
    """
    halves = [[question.part(half, 2) for question in questions] for half in range(2)]
    chosen = [best_shares(half, start) for half in halves]
    few = [best_shares([question.first(usual) for question in half], start) for half in halves]
    few = [np.append(shares, np.zeros(len(chosen[0]) - usual)) for shares in few]
    gains = []
    for half, shares, others in zip(halves[::-1], chosen, few, strict=True):
        for question in half:
            before = question.gains(others)
            gains.append((question.gains(shares) - before) / max(float(before.mean()), 1e-9))
    return shrunk(chosen, few, np.concatenate(gains))


def shrunk(chosen: Sequence[Shares], usual: Sequence[Shares], gains: Floats) -> Shares:
    """[sources] the mean of the chosen shares, shrunk towards that of the usual ones.

    With m the mean gain of lists over the usual shares and s its standard error, the chosen ones count 1 - (s / m)^2
    (James and Stein 1961).
    """
    mean, error = float(gains.mean()), float(gains.std()) / len(gains) ** 0.5
    trust = 1.0 - (error / mean) ** 2 if mean > error else 0.0
    shares: Shares = trust * np.mean(chosen, axis=0) + (1.0 - trust) * np.mean(usual, axis=0)
    return shares


def best_shares(questions: Sequence[Lists], start: int | None = None) -> Shares:
    """[sources] the shares, adding up to 1, with the best lists, each question measured by its best single source.

    Coordinate ascent: from the best single source (or `start`) on, each source in turn, twice, is given the best of
    STEPS as its share, and the others what is left in the same proportions.
    """
    sources = len(questions[0].scores)
    alone = np.array([[question.ndcg(source).mean() for source in question.scores] for question in questions])
    most = np.maximum(alone.max(axis=1), 1e-9)
    order = np.argsort(-(alone / most[:, None]).sum(axis=0), kind="stable")
    shares: Shares = np.eye(sources)[order[0] if start is None else start]
    reached = float((np.array([question.gains(shares).mean() for question in questions]) / most).sum())
    speaks = [source for source in order.tolist() if any(question.scores[source].max() > 0 for question in questions)]
    unchanged = 0
    for source in [*speaks, *speaks]:
        if unchanged == len(speaks):
            break
        unchanged += 1
        rest = np.where(np.arange(sources) == source, 0.0, shares)
        if not rest.sum():
            continue
        rest /= rest.sum()
        parts = [(question, question.mixed(rest), question.scores[source]) for question in questions]
        for step in STEPS:
            gains = [question.ndcg((1.0 - step) * others + step * alone).mean() for question, others, alone in parts]
            gain = float((np.array(gains) / most).sum())
            if gain > LEAST_GAIN * reached:
                shares, reached = (1.0 - step) * rest, gain
                shares[source] = step
                unchanged = 1
    return shares
