# SPDX-License-Identifier: Apache-2.0
"""Training of the deep tier's network: batches of baskets, Adam, and early stopping by held-out users."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.cooccurrence import Matrix
from personalize_local.recipes.common.rows import Floats, Ints, Rows
from personalize_local.recipes.common.sparse_rows import spans
from personalize_local.recipes.sequence.model import READ, SequenceModel, Vectors, ages, gaps
from personalize_local.recipes.sequence.network import SCALE, Batch, Gradient, Network, TableRows

HELD_OUT = 1000
"""Users, a twentieth at most, whose last basket only decides when to stop."""
UNSEEN_BIAS = -1e4
CHOSEN_A_SECOND = 40_000
"""Chosen items that a slow processor learns from in a second."""
MAX_BASKET = 100
"""Items of one basket that are learned from."""
MAX_SCORES = 4_000_000
"""Scores that are computed at once."""
BETA_1, BETA_2 = 0.9, 0.99
"""Adam's decay of the mean gradient and of its mean square."""
WARM_UP = 50
"""Steps until the learning rate is reached."""


@dataclass(frozen=True, slots=True)
class Plan:
    dimensions: int = 96
    """Length of an item's vector."""
    epochs: int = 14
    batch: int = 512
    """Chosen items, about, of one step; fewer where an epoch would have less than `steps` steps."""
    steps: int = 60
    """Least steps, about, of an epoch."""
    negatives: int = 1024
    """Negatives that a batch shares."""
    rate: float = 2e-3
    """Initial learning rate; it falls to a tenth."""
    dropout: float = 0.6
    patience: int = 4
    """Epochs without a gain after which training stops."""
    most: int = 4_000_000
    """Chosen items of all epochs; of more, each epoch draws some."""


@dataclass(frozen=True, slots=True)
class _Baskets:
    """Every user's baskets, and the rows before each."""

    rows: Rows
    first: Ints
    """[baskets] first row."""
    end: Ints
    """[baskets] the row after the last one that is learned from."""
    begin: Ints
    """[baskets] first row that is read before it."""
    number: Ints
    """[rows] the basket of each."""

    @classmethod
    def of(cls, rows: Rows) -> Self:
        new = rows.begins()
        first = np.flatnonzero(new)
        begin = np.maximum(np.searchsorted(rows.user, rows.user[first]), first - READ)
        end = np.minimum(np.append(first[1:], len(rows)), first + MAX_BASKET)
        return cls(rows, first, end, begin, np.cumsum(new) - 1)

    def batch(self, baskets: Ints, negatives: Ints) -> Batch:
        """Return some baskets, each with rows before it, as a batch."""
        rows, first = self.rows, self.first[baskets]
        start, read = spans(self.begin[baskets], first)
        last = np.repeat(first - 1, np.diff(start))
        chosen_start, chosen = spans(first, self.end[baskets])
        age, gap = ages(self.number[last] - self.number[read]), gaps(rows.time[last] - rows.time[read])
        before, own = (rows.item[place].astype(np.int64) for place in (read, chosen))
        return Batch(start, before, age, gap, chosen_start, own, negatives)


def train(rows: Rows, content: Content, near: Matrix, plan: Plan | None = None) -> SequenceModel | None:
    """Train on all rows but the held-out baskets; None if no basket has another before it.

    The item vectors begin with co-occurrence, `near` [items, items].
    """
    plan, random, baskets = plan or Plan(), np.random.default_rng(21), _Baskets.of(rows)
    learned, held_out = _divided(baskets, random)
    if not len(learned):
        return None
    seen = np.bincount(rows.item, minlength=rows.items)
    chances = np.sqrt(seen) / np.sqrt(seen).sum()
    with np.errstate(divide="ignore"):
        log_chances = np.log(plan.negatives * chances).astype(np.float32)
    network = Network(_tokens(content, rows.items), _initial_vectors(near, plan.dimensions), log_chances)
    adam, batches = _Adam(network), _Batches(baskets, learned, np.cumsum(chances), plan)
    best, found, since = -1.0, _frozen(network, seen), 0
    for epoch in range(plan.epochs):
        for done, batch in batches.epoch(random):
            _, gradient = network.gradient(batch, plan.dropout, random)
            adam.step(gradient, plan.rate * (1.0 - 0.9 * (epoch + done) / plan.epochs))
        model = _frozen(network, seen)
        quality, since = _quality(network, model, baskets, held_out), since + 1
        if quality >= best:
            best, found, since = quality, model, 0
        if since >= plan.patience:
            break
    return found


class _Batches:
    """Baskets in a new order for each epoch, with about `plan.batch` chosen items in a batch."""

    def __init__(self, baskets: _Baskets, learned: Ints, chances: Floats, plan: Plan) -> None:
        self._baskets, self._learned, self._chances, self._plan = baskets, learned, chances, plan
        self._sizes = (baskets.end - baskets.first)[learned]

    def epoch(self, random: np.random.Generator) -> Iterator[tuple[float, Batch]]:
        """Yield (share of the epoch that is over, batch)."""
        order, plan = random.permutation(len(self._learned)), self._plan
        taken = np.cumsum(self._sizes[order])
        order = order[: int(np.searchsorted(taken, plan.most // plan.epochs)) + 1]
        size = min(plan.batch, int(taken[len(order) - 1]) // plan.steps + 1)
        cuts = np.flatnonzero(np.diff(taken[: len(order)] // size)) + 1
        for place, part in enumerate(np.split(order, cuts)):
            negatives = np.searchsorted(self._chances, random.random(plan.negatives) * self._chances[-1])
            yield place / (len(cuts) + 1), self._baskets.batch(self._learned[part], negatives)


class _Adam:
    """Adam (Kingma and Ba 2015); a step moves only the table rows that have a gradient."""

    def __init__(self, network: Network) -> None:
        self._weights, self._steps = network.weights, 0
        self._mean = {name: np.zeros_like(weight) for name, weight in network.weights.items()}
        self._square = {name: np.zeros_like(weight) for name, weight in network.weights.items()}

    def step(self, gradient: Gradient, rate: float) -> None:
        self._steps += 1
        rate *= min(self._steps / WARM_UP, 1.0)
        for name, each in gradient.items():
            rows, slope = (each.rows, each.values) if isinstance(each, TableRows) else (slice(None), each)
            mean = BETA_1 * self._mean[name][rows] + (1.0 - BETA_1) * slope
            square = BETA_2 * self._square[name][rows] + (1.0 - BETA_2) * slope**2
            self._mean[name][rows], self._square[name][rows] = mean, square
            size = np.sqrt(square / (1.0 - BETA_2**self._steps)) + 1e-8
            self._weights[name][rows] -= (rate / (1.0 - BETA_1**self._steps) * mean / size).astype(np.float32)


def _divided(baskets: _Baskets, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Divide the baskets with rows before them: those to learn from, and the last ones of some users."""
    user = baskets.rows.user[baskets.first]
    able = baskets.begin < baskets.first
    last = np.append(user[1:] != user[:-1], True) & able
    ends = np.flatnonzero(last)
    held_out = random.permutation(ends)[: min(HELD_OUT, len(ends) // 20)]
    able[held_out] = False
    return np.flatnonzero(able), held_out


def _initial_vectors(near: Matrix, dimensions: int) -> Vectors:
    """[items, dimensions] vectors that are similar for items that co-occur; of mean length 1."""
    vectors = cooccurrence.factors(near, dimensions)
    length = np.linalg.norm(vectors, axis=1)
    return vectors / np.float32(max(length.sum() / max(np.count_nonzero(length), 1), 1e-6))


def _tokens(content: Content, items: int) -> Matrix:
    """[items, items + categories] the tokens of each item: its own and its categories."""
    ones = np.ones(items, np.float32)
    itself = sparse.csr_array((ones, np.arange(items), np.arange(items + 1)), shape=(items, items))
    weights = content.weights.astype(np.float32)
    kinds = sparse.csr_array((weights, content.codes, content.starts), shape=(items, max(content.size, 1)))
    return sparse.hstack((itself, kinds), format="csr")


def _frozen(network: Network, seen: Ints) -> SequenceModel:
    """Return the network in the form that serves."""
    every, weights = np.arange(len(seen)), network.weights
    inputs, outputs = network.items("inputs", every), SCALE * network.items("outputs", every)
    bias = np.where(seen > 0, outputs[:, -1], np.float32(UNSEEN_BIAS))
    dense = (weights[name].copy() for name in ("ask", "keep", "take", "age", "gap"))
    return SequenceModel(inputs, outputs[:, :-1].copy(), bias, *dense)


def _quality(network: Network, model: SequenceModel, baskets: _Baskets, held_out: Ints) -> float:
    """Return the mean discounted gain of the held-out baskets' items, each ranked among all items."""
    gains: list[float] = []
    some = max(MAX_SCORES // len(model.bias), 1)
    for start in range(0, len(held_out), some):
        batch = baskets.batch(held_out[start : start + some], np.zeros(0, np.int64))
        scores = network.states(batch) @ model.outputs.T + model.bias
        for chosen, score in zip(np.split(batch.chosen, batch.chosen_start[1:-1]), scores, strict=True):
            ranks = (score[:, None] > score[chosen]).sum(axis=0)
            gains.append(float((1.0 / np.log2(ranks + 2.0)).mean()))
    return float(np.mean(gains)) if gains else 0.0
