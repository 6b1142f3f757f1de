# SPDX-License-Identifier: Apache-2.0
"""The deep tier's network in training: its loss on a batch of baskets, and the gradient of that by hand.

The loss is the cross-entropy of the next item among negatives that all baskets of a batch share, drawn by popularity
and corrected for it (sampled softmax, Bengio and Senécal 2008). An item's vector is the sum of its own and of those of
its categories, so that rare items learn from similar ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.recipes.common.cooccurrence import Matrix
from personalize_local.recipes.common.rows import Ints
from personalize_local.recipes.common.sparse_rows import spans
from personalize_local.recipes.sequence.model import AGES, GAPS, Vectors

SCALE = 7.0
"""Factor of the product of two vectors, so that vectors of length 1 can tell many items apart."""
NEWEST_SHARE = 0.3
"""Initial part of the newest basket in the state; the rest are the attended items."""
TABLES = ("inputs", "outputs")
"""The weights that have a row for each token."""
DECAY = 0.5
"""Initial power by which attention to older baskets falls."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Baskets to predict: the items before each, and its own."""

    start: Ints
    """[baskets + 1] where the items before each begin in `item`; each has some."""
    item: Ints
    age: Ints
    gap: Ints
    chosen_start: Ints
    """[baskets + 1] where the items of each begin in `chosen`; each has some."""
    chosen: Ints
    negatives: Ints
    """Items drawn by popularity."""

    @property
    def owner(self) -> Ints:
        """[item] the basket that each item precedes."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @property
    def chooser(self) -> Ints:
        """[chosen] the basket that each item is in."""
        return np.repeat(np.arange(len(self.chosen_start) - 1), np.diff(self.chosen_start))


@dataclass(frozen=True, slots=True)
class TableRows:
    """The gradient of some rows of a table; those of the others are 0."""

    rows: Ints
    values: Vectors


Gradient = dict[str, Vectors | TableRows]


@dataclass(frozen=True, slots=True)
class _Read:
    """The forward pass of a batch's inputs."""

    items: Ints
    """[n] distinct items."""
    vectors: Vectors
    """[n, dimensions] their vectors, after dropout."""
    mask: Vectors
    """[n, dimensions] 0 where a number was dropped."""
    position: Ints
    """[inputs] index into `items`."""
    newest: Matrix
    """[baskets, n] shares of the newest basket."""
    attended: Matrix
    """[baskets, n] shares of attention."""
    weight: Vectors
    """[inputs] the same shares."""


class Network:
    """The weights, by name: `inputs` and `outputs` are tables of tokens (items, then categories), the others dense."""

    def __init__(self, tokens: Matrix, vectors: Vectors, log_chance: Vectors) -> None:
        """Begin with similarity to the latest items.

        `tokens`: [items, items + categories] each item as a sum of tokens; `vectors`: [items, dimensions] the items'
        own tokens to begin with; `log_chance`: [items] log of how often each is expected among a batch's negatives.
        """
        size, itself = vectors.shape[1], np.eye(vectors.shape[1], dtype=np.float32)
        table = np.zeros((tokens.shape[1], size + 1), np.float32)
        table[: len(vectors), :size] = vectors
        self.tokens, self._log_chance = tokens, log_chance
        self.weights: dict[str, npt.NDArray[Any]] = {
            "inputs": table[:, :size].copy(),
            "outputs": table,
            "ask": np.zeros_like(itself),
            "keep": NEWEST_SHARE * itself,
            "take": (1.0 - NEWEST_SHARE) * itself,
            "age": (-DECAY * np.log1p(np.arange(AGES))).astype(np.float32),
            "gap": np.zeros(GAPS, np.float32),
        }

    def items(self, table: str, items: Ints) -> Vectors:
        """[items, …] vectors of some items; the last number of `outputs` is an item's bias."""
        vectors: Vectors = self.tokens[items] @ self.weights[table]
        return vectors

    def states(self, batch: Batch) -> Vectors:
        """[baskets, dimensions] the summary of the items before each basket."""
        return self._read(batch, 0.0, None)[0]

    def gradient(self, batch: Batch, dropout: float, random: np.random.Generator) -> tuple[float, Gradient]:
        """Return the mean loss of the batch's chosen items, and its gradient; drops a share of the input numbers."""
        state, read = self._read(batch, dropout, random)
        state = np.concatenate((state, np.ones((len(state), 1), np.float32)), axis=1)
        items, position = np.unique(np.concatenate((batch.negatives, batch.chosen)), return_inverse=True)
        vectors = self.items("outputs", items)
        negative, chosen = position[: len(batch.negatives)], position[len(batch.negatives) :]
        loss, of_chosen, of_negatives = self._loss(batch, state, vectors[negative], vectors[chosen])
        of_state = SCALE * (of_negatives @ vectors[negative] + of_chosen @ vectors[chosen])
        to_items = (
            _summing(negative, len(items)) @ (of_negatives.T @ state)
            + _summing(chosen, len(items)) @ (of_chosen.T @ state)
        ) * SCALE
        gradient = self._back(read, batch, of_state[:, :-1])
        return loss, gradient | {"outputs": self._tokens_of(items, to_items)}

    def _loss(self, batch: Batch, state: Vectors, negative: Vectors, chosen: Vectors) -> tuple[float, Matrix, Vectors]:
        """Return the loss, and its derivatives by the scores of the chosen items and of the negatives, [baskets, …]."""
        chooser, count = batch.chooser, len(batch.chosen)
        scores = SCALE * (state @ negative.T) - self._log_chance[batch.negatives]
        scores[_chosen_negatives(batch)] = -np.inf
        best = scores.max(axis=1)
        best[~np.isfinite(best)] = 0.0
        exponential = np.exp(scores - best[:, None])
        total = exponential.sum(axis=1)
        right = SCALE * np.einsum("id,id->i", state[chooser], chosen) - self._log_chance[batch.chosen]
        with np.errstate(divide="ignore"):
            wrong = best + np.log(total)
        loss = np.logaddexp(wrong[chooser], right) - right
        of_chosen = sparse.csr_array(
            ((np.exp(-loss) - 1.0).astype(np.float32) / count, np.arange(count), batch.chosen_start),
            shape=(len(state), count),
        )
        missed = np.bincount(chooser, 1.0 - np.exp(-loss), minlength=len(state)) / count
        of_negatives = exponential * (missed / np.maximum(total, 1e-30)).astype(np.float32)[:, None]
        return float(loss.mean()), of_chosen, of_negatives

    def _read(self, batch: Batch, dropout: float, random: np.random.Generator | None) -> tuple[Vectors, _Read]:
        weights, owner, begin = self.weights, batch.owner, batch.start[:-1]
        items, position = np.unique(batch.item, return_inverse=True)
        mask = np.ones((len(items), len(weights["ask"])), np.float32)
        if random is not None and dropout > 0:
            mask *= (random.random(mask.shape, np.float32) >= dropout) / np.float32(1.0 - dropout)
        vectors = self.items("inputs", items) * mask
        new = (batch.age == 0).astype(np.float32)
        shape = (len(begin), len(items))
        newest = sparse.csr_array((new / np.add.reduceat(new, begin)[owner], position, batch.start), shape=shape)
        middle = newest @ vectors
        look = np.einsum("id,id->i", vectors[position], (middle @ weights["ask"])[owner])
        look += weights["age"][batch.age] + weights["gap"][batch.gap]
        weight = np.exp(look - np.maximum.reduceat(look, begin)[owner])
        weight /= np.add.reduceat(weight, begin)[owner]
        attended = sparse.csr_array((weight, position, batch.start), shape=shape)
        state = middle @ weights["keep"] + (attended @ vectors) @ weights["take"]
        return state, _Read(items, vectors, mask, position, newest, attended, weight)

    def _back(self, read: _Read, batch: Batch, of_state: Vectors) -> Gradient:
        """Return the gradient of the other weights from the loss's derivative by the states (backpropagation)."""
        weights, owner, vectors = self.weights, batch.owner, read.vectors
        middle, context = read.newest @ vectors, read.attended @ vectors
        of_found, of_middle = of_state @ weights["take"].T, of_state @ weights["keep"].T
        worth = np.einsum("id,id->i", vectors[read.position], of_found[owner])
        mean = np.add.reduceat(read.weight * worth, batch.start[:-1])
        of_look = read.weight * (worth - mean[owner])
        looks = sparse.csr_array((of_look, read.position, batch.start), shape=read.attended.shape)
        query, of_asked = middle @ weights["ask"], looks @ vectors
        of_middle += of_asked @ weights["ask"].T
        of_vectors = (read.attended.T @ of_found + looks.T @ query + read.newest.T @ of_middle) * read.mask
        return {
            "inputs": self._tokens_of(read.items, of_vectors),
            "ask": middle.T @ of_asked,
            "keep": middle.T @ of_state,
            "take": context.T @ of_state,
            "age": np.bincount(batch.age, of_look, minlength=AGES).astype(np.float32),
            "gap": np.bincount(batch.gap, of_look, minlength=GAPS).astype(np.float32),
        }

    def _tokens_of(self, items: Ints, values: Vectors) -> TableRows:
        """Turn the gradient of items into that of their tokens."""
        made = self.tokens[items]
        rows, position = np.unique(made.indices, return_inverse=True)
        token_shares = sparse.csr_array((made.data, position, made.indptr), shape=(len(items), len(rows)))
        return TableRows(rows, token_shares.T @ values)


def _summing(position: Ints, size: int) -> Matrix:
    """[size, places] a matrix that sums the rows of each place."""
    ones = np.ones(len(position), np.float32)
    return sparse.csr_array((ones, position, np.arange(len(position) + 1)), shape=(len(position), size)).T.tocsr()


def _chosen_negatives(batch: Batch) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return (basket, place in `negatives`) of the negatives that are in that very basket."""
    order = np.argsort(batch.negatives, kind="stable")
    ranked = batch.negatives[order]
    low, high = (np.searchsorted(ranked, batch.chosen, side) for side in ("left", "right"))
    return np.repeat(batch.chooser, high - low), order[spans(low, high)[1]]
