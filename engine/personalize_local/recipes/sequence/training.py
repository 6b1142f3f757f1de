# SPDX-License-Identifier: Apache-2.0
"""Training of the deep tier's network: batches of moments, Adam, and held-out users that tell when to stop."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.cooccurrence import Matrix
from personalize_local.recipes.common.rows import Floats, Ints, Rows
from personalize_local.recipes.sequence.model import READ, SequenceModel, Vectors, ages, gaps
from personalize_local.recipes.sequence.network import SCALE, Batch, Gradient, Network, TableRows, spans

ASKED = 1000
"""Users, a twentieth at most, whose last moment is not learned from and only tells when to stop."""
UNSEEN = -1e4
"""Bias of an item that training never saw."""
TAKEN = 100
"""Items of one moment that are learned from, of more some at random."""
CELLS = 4_000_000
"""Scores that are made at once."""
FIRST, SECOND = 0.9, 0.99
"""How much Adam's means of the gradient and of its square keep in each step."""
WARMING = 50
"""Steps until a step has its full length."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train."""

    dimensions: int = 96
    """Length of an item's vector."""
    epochs: int = 14
    batch: int = 512
    """Chosen items, about, that one step learns from; fewer where an epoch would have less than `steps`."""
    steps: int = 60
    """Steps of an epoch, at least about, where there are so many chosen items."""
    others: int = 1024
    """Items that all of them are held against."""
    rate: float = 2e-3
    """Length of a step at the beginning; it falls to a tenth."""
    dropout: float = 0.6
    patience: int = 4
    """Epochs without a gain after which to stop."""
    most: int = 4_000_000
    """Chosen items that are learned from in all; of more, some are drawn anew in each epoch."""


@dataclass(frozen=True, slots=True)
class _Moments:
    """Every user's moments, and what came before each."""

    rows: Rows
    first: Ints
    """[moments] first row."""
    end: Ints
    """[moments] the row after the last one that is learned from."""
    begin: Ints
    """[moments] first row that is read before it."""
    number: Ints
    """[rows] the moment of each."""

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """Find them."""
        new = rows.begins()
        first = np.flatnonzero(new)
        begin = np.maximum(np.searchsorted(rows.user, rows.user[first]), first - READ)
        end = np.minimum(np.append(first[1:], len(rows)), first + TAKEN)
        return cls(rows, first, end, begin, np.cumsum(new) - 1)

    def batch(self, moments: Ints, others: Ints) -> Batch:
        """Some moments that have something before them."""
        rows, first = self.rows, self.first[moments]
        start, read = spans(self.begin[moments], first)
        last = np.repeat(first - 1, np.diff(start))
        chosen_start, chosen = spans(first, self.end[moments])
        age, gap = ages(self.number[last] - self.number[read]), gaps(rows.time[last] - rows.time[read])
        return Batch(start, rows.item[read], age, gap, chosen_start, rows.item[chosen], others)


def learn(rows: Rows, content: Content, near: Matrix, plan: Plan | None = None) -> SequenceModel | None:
    """Train on all rows but the held-out moments; None if no moment has another before it.

    Args:
        rows: in the numbering of `content`.
        content: the items' categories.
        near: [items, items] what the same people choose; the vectors begin with what it says.
        plan: how to train.
    """
    plan, random, moments = plan or Plan(), np.random.default_rng(21), _Moments.of(rows)
    learned, asked = _divided(moments, random)
    if not len(learned):
        return None
    seen = np.bincount(rows.item, minlength=rows.items)
    chances = np.sqrt(seen) / np.sqrt(seen).sum()
    with np.errstate(divide="ignore"):
        log_chances = np.log(plan.others * chances).astype(np.float32)
    network = Network(_tokens(content, rows.items), _beginning(near, plan.dimensions), log_chances)
    adam, batches = _Adam(network), _Batches(moments, learned, np.cumsum(chances), plan)
    best, found, since = -1.0, _frozen(network, seen), 0
    for epoch in range(plan.epochs):
        for done, batch in batches.epoch(random):
            _, gradient = network.learn(batch, plan.dropout, random)
            adam.step(gradient, plan.rate * (1.0 - 0.9 * (epoch + done) / plan.epochs))
        model = _frozen(network, seen)
        quality, since = _quality(network, model, moments, asked), since + 1
        if quality >= best:
            best, found, since = quality, model, 0
        if since >= plan.patience:
            break
    return found


class _Batches:
    """Moments in a new order for each epoch, so many that a step learns from about `plan.batch` chosen items."""

    def __init__(self, moments: _Moments, learned: Ints, chances: Floats, plan: Plan) -> None:
        self._moments, self._learned, self._chances, self._plan = moments, learned, chances, plan
        self._sizes = (moments.end - moments.first)[learned]

    def epoch(self, random: np.random.Generator) -> Iterator[tuple[float, Batch]]:
        """(how much of the epoch is over, batch)."""
        order, plan = random.permutation(len(self._learned)), self._plan
        taken = np.cumsum(self._sizes[order])
        order = order[: int(np.searchsorted(taken, plan.most // plan.epochs)) + 1]
        size = min(plan.batch, int(taken[len(order) - 1]) // plan.steps + 1)
        cuts = np.flatnonzero(np.diff(taken[: len(order)] // size)) + 1
        for place, part in enumerate(np.split(order, cuts)):
            others = np.searchsorted(self._chances, random.random(plan.others) * self._chances[-1])
            yield place / (len(cuts) + 1), self._moments.batch(self._learned[part], others)


class _Adam:
    """Adam (Kingma and Ba 2015); of a table only the rows that a step touches move."""

    def __init__(self, network: Network) -> None:
        self._weights, self._steps = network.weights, 0
        self._mean = {name: np.zeros_like(weight) for name, weight in network.weights.items()}
        self._square = {name: np.zeros_like(weight) for name, weight in network.weights.items()}

    def step(self, gradient: Gradient, rate: float) -> None:
        """Go down."""
        self._steps += 1
        rate *= min(self._steps / WARMING, 1.0)
        for name, each in gradient.items():
            rows, slope = (each.rows, each.values) if isinstance(each, TableRows) else (slice(None), each)
            mean = FIRST * self._mean[name][rows] + (1.0 - FIRST) * slope
            square = SECOND * self._square[name][rows] + (1.0 - SECOND) * slope**2
            self._mean[name][rows], self._square[name][rows] = mean, square
            size = np.sqrt(square / (1.0 - SECOND**self._steps)) + 1e-8
            self._weights[name][rows] -= (rate / (1.0 - FIRST**self._steps) * mean / size).astype(np.float32)


def _divided(moments: _Moments, random: np.random.Generator) -> tuple[Ints, Ints]:
    """The moments that have some before them: those to learn from, and the last ones of some users."""
    user = moments.rows.user[moments.first]
    able = moments.begin < moments.first
    last = np.append(user[1:] != user[:-1], True) & able
    ends = np.flatnonzero(last)
    asked = random.permutation(ends)[: min(ASKED, len(ends) // 20)]
    able[asked] = False
    return np.flatnonzero(able), asked


def _beginning(near: Matrix, dimensions: int) -> Vectors:
    """[items, dimensions] vectors that point the same way for items near to each other; on average of length 1."""
    vectors = cooccurrence.factors(near, dimensions)
    length = np.linalg.norm(vectors, axis=1)
    return vectors / np.float32(max(length.sum() / max(np.count_nonzero(length), 1), 1e-6))


def _tokens(content: Content, items: int) -> Matrix:
    """[items, items + categories] an item is itself and its categories."""
    ones = np.ones(items, np.float32)
    itself = sparse.csr_array((ones, np.arange(items), np.arange(items + 1)), shape=(items, items))
    weights = content.weights.astype(np.float32)
    kinds = sparse.csr_array((weights, content.codes, content.starts), shape=(items, max(content.size, 1)))
    return sparse.hstack((itself, kinds), format="csr")


def _frozen(network: Network, seen: Ints) -> SequenceModel:
    """The network as it serves."""
    every, weights = np.arange(len(seen)), network.weights
    inputs, outputs = network.items("inputs", every), SCALE * network.items("outputs", every)
    bias = np.where(seen > 0, outputs[:, -1], np.float32(UNSEEN))
    dense = (weights[name].copy() for name in ("ask", "keep", "take", "age", "gap"))
    return SequenceModel(inputs, outputs[:, :-1].copy(), bias, *dense)


def _quality(network: Network, model: SequenceModel, moments: _Moments, asked: Ints) -> float:
    """Mean discounted gain of what held-out users took, each among all items."""
    gains: list[float] = []
    some = max(CELLS // len(model.bias), 1)
    for start in range(0, len(asked), some):
        batch = moments.batch(asked[start : start + some], np.zeros(0, np.int64))
        scores = network.states(batch) @ model.outputs.T + model.bias
        for chosen, score in zip(np.split(batch.chosen, batch.chosen_start[1:-1]), scores, strict=True):
            ranks = (score[:, None] > score[chosen]).sum(axis=0)
            gains.append(float((1.0 / np.log2(ranks + 2.0)).mean()))
    return float(np.mean(gains)) if gains else 0.0
