# SPDX-License-Identifier: Apache-2.0
"""Boosted oblivious trees at serving time: every level of a tree asks all items the same question (numpy only)."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from local.personalize.arrays import Arrays

Features = npt.NDArray[np.float32]
"""[items, features]."""

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trees:
    """A sum of trees; leaf `j` of a tree is the number whose bit `d` says how level `d` was answered."""

    feature: npt.NDArray[np.intp]
    """[trees, depth] the column that each level looks at."""
    threshold: Features
    """[trees, depth] the answer is yes above it."""
    value: Features
    """[trees, 2 ** depth]."""

    def first(self, length: int) -> Self | None:
        """The first trees only; None instead of none."""
        return type(self)(self.feature[:length], self.threshold[:length], self.value[:length]) if length else None

    def predict(self, features: Features) -> Scores:
        """[items] the score of each row of `features`."""
        score: Scores = self._values(features).sum(axis=0, dtype=np.float64)
        return score

    def stages(self, features: Features) -> Scores:
        """[trees, items] the score after each tree."""
        return np.cumsum(self._values(features), axis=0, dtype=np.float64)

    def _values(self, features: Features) -> Features:
        trees, depth = self.feature.shape
        leaf = np.zeros((trees, len(features)), np.intp)
        columns = np.ascontiguousarray(features.T)
        for level in range(depth):
            leaf |= (columns[self.feature[:, level]] > self.threshold[:, level, None]).astype(np.intp) << level
        leaf += (np.arange(trees) << depth)[:, None]
        values: Features = self.value.ravel()[leaf]
        return values

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to save."""
        return {"trees.feature": self.feature, "trees.threshold": self.threshold, "trees.value": self.value}

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self | None:
        """What was saved; None if there are no trees."""
        if "trees.feature" not in files:
            return None
        return cls(*(np.array(files[f"trees.{part}"]) for part in ("feature", "threshold", "value")))
