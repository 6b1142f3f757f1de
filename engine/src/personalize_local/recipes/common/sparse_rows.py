# SPDX-License-Identifier: Apache-2.0
"""Sparse matrices that the serving process maps: numpy only, one bincount per answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays


def spans(low: npt.NDArray[Any], high: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where each of some concatenated ranges begins (and the last ends), and the numbers in them."""
    start = np.concatenate(([0], np.cumsum(high - low)))
    return start, np.arange(start[-1]) + np.repeat(low - start[:-1], high - low)


@dataclass(frozen=True, slots=True)
class SparseRows:
    """A square sparse matrix: row `i` is `start[i]:start[i + 1]` of `column` and `value`."""

    start: npt.NDArray[np.int64]
    column: npt.NDArray[np.int32]
    value: npt.NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Put the rows of some matrices below each other."""
        matrices = list(parts)
        sizes = np.concatenate([np.diff(matrix.start) for matrix in matrices])
        columns, values = (
            np.concatenate(arrays) for arrays in zip(*((m.column, m.value) for m in matrices), strict=True)
        )
        return cls(np.concatenate(([0], np.cumsum(sizes))), columns, values)

    def weighted(
        self, rows: npt.NDArray[np.intp], weights: npt.NDArray[np.float64], columns: int
    ) -> npt.NDArray[np.float64]:
        """[columns] weighted sum of some rows."""
        if not len(rows):
            return np.zeros(columns)
        low, high = self.start[rows], self.start[rows + 1]
        parts = list(map(slice, low.tolist(), high.tolist()))
        value = np.concatenate([self.value[part] for part in parts]) * np.repeat(weights, high - low)
        column = np.concatenate([self.column[part] for part in parts])
        return np.bincount(column, value, minlength=columns).astype(np.float64, copy=False)

    def row(self, index: int, columns: int) -> npt.NDArray[np.float64]:
        """[columns] one row, dense."""
        dense = np.zeros(columns)
        span = slice(self.start[index], self.start[index + 1])
        dense[self.column[span]] = self.value[span]
        return dense

    def at(self, index: int, columns: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """[columns] the values of one row at some columns, in ascending order; 0 where it has none."""
        values = np.zeros(len(columns), np.float32)
        if len(columns):
            span = slice(self.start[index], self.start[index + 1])
            filled = self.column[span]
            position = np.minimum(np.searchsorted(columns, filled), len(columns) - 1)
            hit = columns[position] == filled
            values[position[hit]] = self.value[span][hit]
        return values

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        return {f"{name}.start": self.start, f"{name}.column": self.column, f"{name}.value": self.value}

    @classmethod
    def from_arrays(cls, files: Arrays, name: str) -> Self:
        return cls(*(np.asarray(files[f"{name}.{part}"]) for part in ("start", "column", "value")))
