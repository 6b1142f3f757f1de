# SPDX-License-Identifier: Apache-2.0
"""The deep tier's network as it learns: its loss on some moments, and the gradient of that by hand.

The loss is the cross-entropy of the next item among some others that all moments of a batch share, drawn by popularity
and corrected for it (sampled softmax, Bengio and Senécal 2008). An item is the sum of a vector of its own and of those
of its categories, so that a rare one learns from its like.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.recipes.common.cooccurrence import Matrix
from personalize_local.recipes.common.rows import Ints
from personalize_local.recipes.sequence.model import AGES, GAPS, Vectors

SCALE = 7.0
"""What the product of two vectors counts, so that vectors of length 1 can tell many items apart."""
KEPT = 0.3
"""At the beginning, the part of the newest moment that speaks for itself; the rest comes by way of what it finds."""
FADES = 0.5
"""At the beginning, the power by which older moments are looked at less."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Moments to foretell: the items before each of them, and what was taken."""

    start: Ints
    """[moments + 1] where the items before each one begin in `item`; each has some."""
    item: Ints
    age: Ints
    gap: Ints
    chosen_start: Ints
    """[moments + 1] where each one's items begin in `chosen`; each has some."""
    chosen: Ints
    others: Ints
    """Items drawn by popularity."""

    @property
    def owner(self) -> Ints:
        """[item] the moment that each item was before."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @property
    def chooser(self) -> Ints:
        """[chosen] the moment that each item was taken in."""
        return np.repeat(np.arange(len(self.chosen_start) - 1), np.diff(self.chosen_start))


@dataclass(frozen=True, slots=True)
class TableRows:
    """The gradient of some rows of a table; that of the others is 0."""

    rows: Ints
    values: Vectors


Gradient = dict[str, Vectors | TableRows]


@dataclass(frozen=True, slots=True)
class _Read:
    """What a batch's inputs came to."""

    items: Ints
    """Different items, [n]."""
    vectors: Vectors
    """[n, dimensions] theirs, some numbers left out."""
    kept: Vectors
    """[n, dimensions] 0 where a number was left out."""
    place: Ints
    """[inputs] which of `items` each input is."""
    newest: Matrix
    """[moments, n] shares of the newest moment."""
    looked: Matrix
    """[moments, n] shares of attention."""
    weight: Vectors
    """[inputs] the same shares."""


class Network:
    """The weights, by name: `inputs` and `outputs` are tables of tokens (items, then categories), the others dense."""

    def __init__(self, tokens: Matrix, vectors: Vectors, log_chance: Vectors) -> None:
        """Begin as what is like the latest items.

        Args:
            tokens: [items, items + categories] each item as a sum of tokens.
            vectors: [items, dimensions] the items' own tokens to begin with.
            log_chance: [items] log of how often each is expected among a batch's other items.
        """
        size, itself = vectors.shape[1], np.eye(vectors.shape[1], dtype=np.float32)
        table = np.zeros((tokens.shape[1], size + 1), np.float32)
        table[: len(vectors), :size] = vectors
        self.tokens, self._log_chance = tokens, log_chance
        self.weights: dict[str, npt.NDArray[Any]] = {
            "inputs": table[:, :size].copy(),
            "outputs": table,
            "ask": np.zeros_like(itself),
            "keep": KEPT * itself,
            "take": (1.0 - KEPT) * itself,
            "age": (-FADES * np.log1p(np.arange(AGES))).astype(np.float32),
            "gap": np.zeros(GAPS, np.float32),
        }

    def items(self, table: str, items: Ints) -> Vectors:
        """[items, …] vectors of some items; of `outputs` the last number speaks for an item whatever was read."""
        vectors: Vectors = self.tokens[items] @ self.weights[table]
        return vectors

    def states(self, batch: Batch) -> Vectors:
        """[moments, dimensions] what the items before each moment say together."""
        return self._read(batch, 0.0, None)[0]

    def learn(self, batch: Batch, dropout: float, random: np.random.Generator) -> tuple[float, Gradient]:
        """The mean loss of the batch's chosen items, and its gradient.

        Args:
            batch: what to foretell.
            dropout: share of the numbers of the inputs that are left out, so that none is relied on.
            random: decides which.
        """
        state, read = self._read(batch, dropout, random)
        state = np.concatenate((state, np.ones((len(state), 1), np.float32)), axis=1)
        items, place = np.unique(np.concatenate((batch.others, batch.chosen)), return_inverse=True)
        vectors = self.items("outputs", items)
        other, chosen = place[: len(batch.others)], place[len(batch.others) :]
        loss, pull, push = self._loss(batch, state, vectors[other], vectors[chosen])
        of_state = SCALE * (push @ vectors[other] + pull @ vectors[chosen])
        to_items = (
            _summing(other, len(items)) @ (push.T @ state) + _summing(chosen, len(items)) @ (pull.T @ state)
        ) * SCALE
        gradient = self._back(read, batch, of_state[:, :-1])
        return loss, gradient | {"outputs": self._tokens_of(items, to_items)}

    def _loss(self, batch: Batch, state: Vectors, other: Vectors, chosen: Vectors) -> tuple[float, Matrix, Vectors]:
        """The loss, and its derivative by the scores of the chosen items and of the others, [moments, …]."""
        chooser, count = batch.chooser, len(batch.chosen)
        scores = SCALE * (state @ other.T) - self._log_chance[batch.others]
        scores[_taken(batch)] = -np.inf
        best = scores.max(axis=1)
        best[~np.isfinite(best)] = 0.0
        mass = np.exp(scores - best[:, None])
        total = mass.sum(axis=1)
        right = SCALE * np.einsum("id,id->i", state[chooser], chosen) - self._log_chance[batch.chosen]
        with np.errstate(divide="ignore"):
            wrong = best + np.log(total)
        loss = np.logaddexp(wrong[chooser], right) - right
        pull = sparse.csr_array(
            ((np.exp(-loss) - 1.0).astype(np.float32) / count, np.arange(count), batch.chosen_start),
            shape=(len(state), count),
        )
        missed = np.bincount(chooser, 1.0 - np.exp(-loss), minlength=len(state)) / count
        push = mass * (missed / np.maximum(total, 1e-30)).astype(np.float32)[:, None]
        return float(loss.mean()), pull, push

    def _read(self, batch: Batch, dropout: float, random: np.random.Generator | None) -> tuple[Vectors, _Read]:
        weights, owner, begin = self.weights, batch.owner, batch.start[:-1]
        items, place = np.unique(batch.item, return_inverse=True)
        kept = np.ones((len(items), len(weights["ask"])), np.float32)
        if random is not None and dropout > 0:
            kept *= (random.random(kept.shape, np.float32) >= dropout) / np.float32(1.0 - dropout)
        vectors = self.items("inputs", items) * kept
        new = (batch.age == 0).astype(np.float32)
        shape = (len(begin), len(items))
        newest = sparse.csr_array((new / np.add.reduceat(new, begin)[owner], place, batch.start), shape=shape)
        middle = newest @ vectors
        look = np.einsum("id,id->i", vectors[place], (middle @ weights["ask"])[owner])
        look += weights["age"][batch.age] + weights["gap"][batch.gap]
        weight = np.exp(look - np.maximum.reduceat(look, begin)[owner])
        weight /= np.add.reduceat(weight, begin)[owner]
        looked = sparse.csr_array((weight, place, batch.start), shape=shape)
        state = middle @ weights["keep"] + (looked @ vectors) @ weights["take"]
        return state, _Read(items, vectors, kept, place, newest, looked, weight)

    def _back(self, read: _Read, batch: Batch, of_state: Vectors) -> Gradient:
        """From the derivative by the states to that by everything they were made of."""
        weights, owner, vectors = self.weights, batch.owner, read.vectors
        middle, found = read.newest @ vectors, read.looked @ vectors
        of_found, of_middle = of_state @ weights["take"].T, of_state @ weights["keep"].T
        worth = np.einsum("id,id->i", vectors[read.place], of_found[owner])
        mean = np.add.reduceat(read.weight * worth, batch.start[:-1])
        of_look = read.weight * (worth - mean[owner])
        looks = sparse.csr_array((of_look, read.place, batch.start), shape=read.looked.shape)
        asked, of_asked = middle @ weights["ask"], looks @ vectors
        of_middle += of_asked @ weights["ask"].T
        of_vectors = (read.looked.T @ of_found + looks.T @ asked + read.newest.T @ of_middle) * read.kept
        return {
            "inputs": self._tokens_of(read.items, of_vectors),
            "ask": middle.T @ of_asked,
            "keep": middle.T @ of_state,
            "take": found.T @ of_state,
            "age": np.bincount(batch.age, of_look, minlength=AGES).astype(np.float32),
            "gap": np.bincount(batch.gap, of_look, minlength=GAPS).astype(np.float32),
        }

    def _tokens_of(self, items: Ints, values: Vectors) -> TableRows:
        """The gradient of items as that of the tokens that they are made of."""
        made = self.tokens[items]
        rows, place = np.unique(made.indices, return_inverse=True)
        own = sparse.csr_array((made.data, place, made.indptr), shape=(len(items), len(rows)))
        return TableRows(rows, own.T @ values)


def _summing(place: Ints, size: int) -> Matrix:
    """[size, places] adds up what belongs to the same one of `size`."""
    ones = np.ones(len(place), np.float32)
    return sparse.csr_array((ones, place, np.arange(len(place) + 1)), shape=(len(place), size)).T.tocsr()


def _taken(batch: Batch) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(moment, place in `others`) of the others that were taken in that very moment."""
    order = np.argsort(batch.others, kind="stable")
    ranked = batch.others[order]
    low, high = (np.searchsorted(ranked, batch.chosen, side) for side in ("left", "right"))
    _, index = spans(low, high)
    return np.repeat(batch.chooser, high - low), order[index]


def spans(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Where each of some ranges begins when they stand one after the other, and the numbers in them."""
    start = np.concatenate(([0], np.cumsum(high - low)))
    return start, np.arange(start[-1]) + np.repeat(low - start[:-1], high - low)
