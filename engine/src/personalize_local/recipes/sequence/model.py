# SPDX-License-Identifier: Apache-2.0
"""The deep tier's network at serving time: it reads a user's latest items and scores every next one (numpy only).

The newest basket is the query of one attention step over the items before it (after Self-Attentive Sequential
Recommendation, Kang and McAuley 2018), with learned weights for an item's age in baskets and in time.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common.repeat_features import Past
from personalize_local.recipes.common.topk import Places, Scores

Vectors = npt.NDArray[np.float32]
AGES = 24
"""Ages in baskets that have a weight of their own; older items count as the oldest."""
GAPS = 18
"""Ages in time that have a weight of their own, each twice the one before; the first is an hour."""
READ = 50
"""A user's latest interactions that are read."""
_PARTS = ("inputs", "outputs", "bias", "ask", "keep", "take", "age", "gap")


@dataclass(frozen=True, slots=True)
class SequenceModel:
    """The network's weights; `dimensions` is the length of a vector."""

    inputs: Vectors
    """[items, dimensions] an item's vector as input."""
    outputs: Vectors
    """[items, dimensions] an item's vector as the next item."""
    bias: Vectors
    """[items] the score without any input; very low for items that training never saw."""
    ask: Vectors
    """[dimensions, dimensions] from the newest basket to its attention query."""
    keep: Vectors
    """[dimensions, dimensions] the newest basket's own part in the state."""
    take: Vectors
    """[dimensions, dimensions] the attended items' part in the state."""
    age: Vectors
    """[AGES] attention by baskets since."""
    gap: Vectors
    """[GAPS] attention by time since."""

    def probabilities(self, past: Past) -> Scores:
        """[items] probability of each to be the next; adds up to 1."""
        score = self.outputs @ self._state(past) + self.bias
        exponential: Scores = np.exp(score - score.max()).astype(np.float64)
        return exponential / float(exponential.sum())

    def _state(self, past: Past) -> Vectors:
        """[dimensions] the summary of the latest items."""
        items = self.inputs[past.items[-READ:]]
        age, gap = ages(past.baskets_since[-READ:]), gaps(past.times[-1] - past.times[-READ:])
        newest = items[age == 0].mean(axis=0)
        look = items @ (newest @ self.ask) + self.age[age] + self.gap[gap]
        weight = np.exp(look - look.max())
        state: Vectors = newest @ self.keep + ((weight / weight.sum()) @ items) @ self.take
        return state

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {f"sequence.{name}": getattr(self, name) for name in _PARTS}

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self | None:
        if "sequence.inputs" not in files:
            return None
        return cls(*(np.asarray(files[f"sequence.{name}"]) for name in _PARTS))


def ages(baskets: Places) -> Places:
    """Return the number of each age in baskets."""
    return np.minimum(baskets, AGES - 1)


def gaps(seconds: npt.NDArray[Any]) -> Places:
    """Return the number of each age in seconds."""
    doublings: Places = np.minimum(np.log2(1.0 + np.maximum(seconds, 0) / 3600.0), GAPS - 1).astype(np.intp)
    return doublings
