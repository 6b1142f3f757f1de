# SPDX-License-Identifier: Apache-2.0
"""The deep tier's source: a small neural network that reads the latest items and scores every next one (numpy only).

The newest moment asks, the items before it answer (attention with one query, after Self-Attentive Sequential
Recommendation, Kang and McAuley 2018, with learned weights for how many moments and how long ago an item was).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common.topk import Mass
from personalize_local.recipes.user_personalization.repeat_features import Past, Places

Vectors = npt.NDArray[np.float32]
AGES = 24
"""Moments ago that are told apart; whatever is older counts as the oldest of them."""
GAPS = 18
"""Lengths of time that are told apart, each twice the one before; the first is an hour."""
READ = 50
"""How many of a user's latest interactions are read."""
_PARTS = ("inputs", "outputs", "bias", "ask", "keep", "take", "age", "gap")


@dataclass(frozen=True, slots=True)
class SequenceModel:
    """The network's weights; `dimensions` is the length of a vector."""

    inputs: Vectors
    """[items, dimensions] what an item says when it is read."""
    outputs: Vectors
    """[items, dimensions] what speaks for an item to be next."""
    bias: Vectors
    """[items] what speaks for it whatever was read; very low where training never saw it."""
    ask: Vectors
    """[dimensions, dimensions] from the newest moment to what it looks for in the items before."""
    keep: Vectors
    """[dimensions, dimensions] what the newest moment says of the next one by itself."""
    take: Vectors
    """[dimensions, dimensions] what the items that were found say of it."""
    age: Vectors
    """[AGES] how much an item is looked at by the moments since."""
    gap: Vectors
    """[GAPS] the same by the time since."""

    def mass(self, past: Past) -> Mass:
        """[items] chance of each to be the next; adds up to 1."""
        score = self.outputs @ self._state(past) + self.bias
        mass: Mass = np.exp(score - score.max()).astype(np.float64)
        return mass / float(mass.sum())

    def _state(self, past: Past) -> Vectors:
        """[dimensions] what the latest items say together."""
        items = self.inputs[past.items[-READ:]]
        age, gap = ages(past.baskets_since[-READ:]), gaps(past.times[-1] - past.times[-READ:])
        newest = items[age == 0].mean(axis=0)
        look = items @ (newest @ self.ask) + self.age[age] + self.gap[gap]
        weight = np.exp(look - look.max())
        state: Vectors = newest @ self.keep + ((weight / weight.sum()) @ items) @ self.take
        return state

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to save."""
        return {f"sequence.{name}": getattr(self, name) for name in _PARTS}

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self | None:
        """What was saved; None where there is no such network."""
        if "sequence.inputs" not in files:
            return None
        return cls(*(np.asarray(files[f"sequence.{name}"]) for name in _PARTS))


def ages(moments: Places) -> Places:
    """Numbers of later moments as the network tells them apart."""
    return np.minimum(moments, AGES - 1)


def gaps(seconds: npt.NDArray[Any]) -> Places:
    """Lengths of time as the network tells them apart."""
    found: Places = np.minimum(np.log2(1.0 + np.maximum(seconds, 0) / 3600.0), GAPS - 1).astype(np.intp)
    return found
