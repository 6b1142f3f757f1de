# SPDX-License-Identifier: Apache-2.0
"""Boosted oblivious trees at serving time: each level of a tree splits all items by one feature (numpy only)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays
from personalize_local.recipes.common.topk import Places, Scores

Features = npt.NDArray[np.float32]
"""[items, features]."""


@dataclass(frozen=True)
class Trees:
    """A sum of trees; bit `d` of a leaf's number is the outcome of level `d`."""

    feature: npt.NDArray[np.intp]
    """[trees, depth] the feature of each level."""
    threshold: Features
    """[trees, depth] values above it set the bit."""
    value: Features
    """[trees, 2 ** depth] what each leaf adds to an item's score."""

    def first(self, length: int) -> Self:
        """Return the first trees only."""
        return type(self)(self.feature[:length], self.threshold[:length], self.value[:length])

    @classmethod
    def mean(cls, grown: Sequence[Self], trust: float) -> Self:
        """Return trees that score as the mean of all, times `trust`."""
        feature, threshold = (np.concatenate([getattr(e, name) for e in grown]) for name in ("feature", "threshold"))
        return cls(feature, threshold, np.concatenate([e.value for e in grown]) * np.float32(trust / len(grown)))

    def predict(self, features: Features) -> Scores:
        """[items] the score of each row of `features`."""
        score: Scores = self._values(features).sum(axis=0, dtype=np.float64)
        return score

    def stages(self, features: Features) -> Scores:
        """[trees, items] the score after each tree."""
        return np.cumsum(self._values(features), axis=0, dtype=np.float64)

    def _values(self, features: Features) -> Features:
        trees, depth = self.feature.shape
        feature, threshold, split_of_level = self._splits
        split = (np.ascontiguousarray(features.T).take(feature, axis=0) > threshold).view(np.uint8)
        above = split.take(split_of_level, axis=0).reshape(depth, trees, -1)
        leaf = above[-1].copy()  # a byte holds a leaf's number
        for level in above[-2::-1]:
            leaf += leaf
            leaf += level
        # No index is out of range, and numpy need not look for one.
        values: Features = self.value.ravel().take(leaf + (np.arange(trees) << depth)[:, None], mode="clip")
        return values

    @cached_property
    def _splits(self) -> tuple[Places, Features, Places]:
        """Distinct splits, which trees share: the feature and threshold of each, and their places [depth * trees]."""
        pairs = self.feature.T.ravel().astype(np.int64) << 32 | self.threshold.T.ravel().view(np.uint32)
        splits, split_of_level = np.unique(pairs, return_inverse=True)
        return splits >> 32, splits.astype(np.uint32).view(np.float32)[:, None], split_of_level

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        return {f"{name}.feature": self.feature, f"{name}.threshold": self.threshold, f"{name}.value": self.value}

    @classmethod
    def from_arrays(cls, files: Arrays, name: str) -> Self | None:
        if f"{name}.feature" not in files:
            return None
        return cls(*(np.array(files[f"{name}.{part}"]) for part in ("feature", "threshold", "value")))


@dataclass(frozen=True, slots=True)
class Rankers:
    """The trees of a model, by what they rank; None where counting is better or there is too little to learn from."""

    trees: Trees | None = None
    """All items, known ones too."""
    new: Trees | None = None
    """Items that are new to the user."""
    newcomers: Trees | None = None
    """All items, for users without a history."""
    more: Trees | None = None
    """Items that are new to the user, for the rest of a basket that has begun."""

    @property
    def for_new(self) -> Trees | None:
        """The trees for new items: their own, or else those for all items."""
        return self.trees if self.new is None else self.new

    @property
    def for_histories(self) -> bool:
        """Whether any of them ranks for users with a history."""
        return any(trees is not None for trees in (self.trees, self.new, self.more))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        named = {name: getattr(self, name) for name in _NAMES}
        return {name: a for key, trees in named.items() if trees for name, a in trees.arrays(key).items()}

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self:
        return cls(*(Trees.from_arrays(files, name) for name in _NAMES))


_NAMES = tuple(field.name for field in fields(Rankers))
