# SPDX-License-Identifier: Apache-2.0
"""Training of the deep tier's network: batches of baskets, Adam, and early stopping by held-out users."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.cooccurrence import Matrix
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.common.rows import Floats, Ints, Rows
from personalize_local.recipes.common.sparse_rows import SparseRows, spans
from personalize_local.recipes.sequence.model import READ, SequenceModel, Vectors, ages, gaps
from personalize_local.recipes.sequence.network import SCALE, TABLES, Batch, Gradient, Network, TableRows

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
    epochs: int = 6
    """Epochs at least: on planted films, 14 made lists no better."""
    more_epochs: int = 20
    """Epochs of few rows, at most."""
    enough: int = 430_000
    """Chosen items of all epochs, from which on there are no more than `epochs`."""
    batch: int = 512
    """Chosen items, about, of one step; fewer where an epoch would have less than `steps` steps."""
    steps: int = 60
    """Least steps, about, of an epoch."""
    negatives: int = 1024
    """Negatives that a batch shares."""
    rate: float = 3e-3
    """Initial learning rate; it falls to a tenth. On Amazon Beauty, whose items are rare, 6 epochs at 4e-3 rank as well
    as 12 at 2e-3; on planted films 2e-3 ranks better by 3 %."""
    dropout: float = 0.6
    patience: int = 4
    """Epochs without a gain after which training stops."""
    most: int = 4_000_000
    """Chosen items of all epochs; of more, each epoch draws some."""

    def epochs_of(self, chosen: int) -> int:
        """Return the epochs for so many chosen items."""
        return max(self.epochs, min(self.more_epochs, self.enough // max(chosen, 1)))


@dataclass(frozen=True, slots=True)
class Learned:
    """A network from which training may go on, with other rows and items."""

    model: SequenceModel
    items: ItemIndex
    weights: dict[str, npt.NDArray[Any]]
    """See Network."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What training begins with: the rows and what was counted of them."""

    rows: Rows
    """Items numbered as in `items`."""
    items: ItemIndex
    content: Content
    factors: Vectors
    """[items, dimensions] the vectors that it begins with: similar for items that co-occur."""
    near: SparseRows
    """[items, items] co-occurrence: items that are new to a network begin near others."""


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
        before, after = (rows.item[position].astype(np.int64) for position in (read, chosen))
        return Batch(start, before, age, gap, chosen_start, after, negatives)


def train(
    counted: Counted,
    plan: Plan | None = None,
    begun: Learned | None = None,
    go_on: Callable[[float], bool] = lambda _done: True,
) -> Learned | None:
    """Train on all rows but the held-out baskets; None if no basket has another before it, or time is over too soon.

    Args:
        counted: what to learn from.
        plan: how to.
        begun: a network to go on from; None: a new one.
        go_on: called before each step with the share that is done; training ends where it answers False, and the last
            whole epoch counts.
    """
    rows, plan, random = counted.rows, plan or Plan(), np.random.default_rng(21)
    baskets = _Baskets.of(rows)
    learned, held_out = _divided(baskets, random)
    if not len(learned):
        return None
    seen = np.bincount(rows.item, minlength=rows.items)
    chances = np.sqrt(seen) / np.sqrt(seen).sum()
    with np.errstate(divide="ignore"):
        log_chances = np.log(plan.negatives * chances).astype(np.float32)
    vectors = _of_unit_length(counted.factors) if begun is None else begun.model.inputs[:0]
    network = Network(_tokens(counted.content, rows.items), vectors, log_chances)
    if begun is not None:
        _take_over(network, begun, counted)
    adam, batches = _Adam(network), _Batches(baskets, learned, np.cumsum(chances), plan)
    # A network that goes on is not compared with what it was: it may have learned from baskets that are held out now.
    best_quality, best_network, since = -1.0, begun and _frozen(network, counted.items, seen), 0
    for epoch in range(batches.epochs):
        for done, batch in batches.epoch(random):
            over = (epoch + done) / batches.epochs
            if not go_on(over):
                return best_network
            _, gradient = network.gradient(batch, plan.dropout, random)
            adam.step(gradient, plan.rate * (1.0 - 0.9 * over))
        latest = _frozen(network, counted.items, seen)
        quality, since = _quality(network, latest.model, baskets, held_out), since + 1
        if quality >= best_quality:
            best_quality, best_network, since = quality, latest, 0
        if since >= plan.patience:
            break
    return best_network


def _take_over(network: Network, begun: Learned, counted: Counted) -> None:
    """Begin with what another network learned; its new items begin as the mean of what they co-occur with."""
    places = np.array(begun.items.positions(counted.items.ids.tolist()), np.intp)
    old = np.flatnonzero(places >= 0)
    for name, weight in network.weights.items():
        before = begun.weights[name]
        if name not in TABLES:
            weight[:] = before
            continue
        weight[len(places) :] = before[len(begun.items) :]
        weight[old] = before[places[old]]
        for item in np.flatnonzero(places < 0).tolist():
            span = slice(counted.near.start[item], counted.near.start[item + 1])
            others, share = counted.near.column[span], counted.near.value[span]
            some = places[others] >= 0
            total = float(share[some].sum())
            weight[item] = share[some] @ before[places[others[some]]] / total if total > 0 else 0.0


class _Batches:
    """Baskets in a new order for each epoch, with about `plan.batch` chosen items in a batch."""

    def __init__(self, baskets: _Baskets, learned: Ints, chances: Floats, plan: Plan) -> None:
        self._baskets, self._learned, self._chances, self._plan = baskets, learned, chances, plan
        self._sizes = (baskets.end - baskets.first)[learned]
        self.epochs = plan.epochs_of(int(self._sizes.sum()))

    def epoch(self, random: np.random.Generator) -> Iterator[tuple[float, Batch]]:
        """Yield (share of the epoch that is over, batch)."""
        order, plan = random.permutation(len(self._learned)), self._plan
        taken = np.cumsum(self._sizes[order])
        order = order[: int(np.searchsorted(taken, plan.most // self.epochs)) + 1]
        size = min(plan.batch, int(taken[len(order) - 1]) // plan.steps + 1)
        cuts = np.flatnonzero(np.diff(taken[: len(order)] // size)) + 1
        for number, part in enumerate(np.split(order, cuts)):
            negatives = np.searchsorted(self._chances, random.random(plan.negatives) * self._chances[-1])
            yield number / (len(cuts) + 1), self._baskets.batch(self._learned[part], negatives)


class _Adam:
    """Adam (Kingma and Ba 2015); a step moves only the table rows that have a gradient."""

    def __init__(self, network: Network) -> None:
        self._weights, self._steps = network.weights, 0
        self._mean = {name: np.zeros_like(weight) for name, weight in network.weights.items()}
        self._square = {name: np.zeros_like(weight) for name, weight in network.weights.items()}

    def step(self, gradient: Gradient, rate: float) -> None:
        self._steps += 1
        rate *= min(self._steps / WARM_UP, 1.0)
        for name, slope_of in gradient.items():
            rows, slope = (
                (slope_of.rows, slope_of.values) if isinstance(slope_of, TableRows) else (slice(None), slope_of)
            )
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


def _of_unit_length(factors: Vectors) -> Vectors:
    """[items, dimensions] the same vectors, of mean length 1."""
    length = np.linalg.norm(factors, axis=1)
    return factors / np.float32(max(length.sum() / max(np.count_nonzero(length), 1), 1e-6))


def _tokens(content: Content, items: int) -> Matrix:
    """[items, items + categories] the tokens of each item: its own and its categories."""
    ones = np.ones(items, np.float32)
    itself = sparse.csr_array((ones, np.arange(items), np.arange(items + 1)), shape=(items, items))
    weights = content.weights.astype(np.float32)
    kinds = sparse.csr_array((weights, content.codes, content.starts), shape=(items, max(content.size, 1)))
    return sparse.hstack((itself, kinds), format="csr")


def _frozen(network: Network, items: ItemIndex, seen: Ints) -> Learned:
    """Return a copy of the network, in the form that serves too."""
    every, weights = np.arange(len(seen)), {name: weight.copy() for name, weight in network.weights.items()}
    inputs, outputs = network.items("inputs", every), SCALE * network.items("outputs", every)
    bias = np.where(seen > 0, outputs[:, -1], np.float32(UNSEEN_BIAS))
    dense = (weights[name] for name in ("ask", "keep", "take", "age", "gap"))
    return Learned(SequenceModel(inputs, outputs[:, :-1].copy(), bias, *dense), items, weights)


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
