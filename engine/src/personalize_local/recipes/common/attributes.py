# SPDX-License-Identifier: Apache-2.0
"""How much more often users (or baskets) with a value choose an item: naive-Bayes lifts with shrinkage.

A column is text (several values joined by `|`) or numbers, which are cut into at most five bands of equal size.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.snapshots import Column
from personalize_local.recipes.common.sparse_rows import spans

BANDS = 5
MAX_VALUES = 200
"""Most values of one column that count; rarer ones have too little data."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The values of some columns as numbers, the same at training and at serving."""

    codes: Mapping[str, Mapping[str, int]]
    """Text columns: code of each value."""
    bands: Mapping[str, tuple[Sequence[float], int]]
    """Numeric columns: cutting points, and the code of the lowest band."""
    size: int

    @classmethod
    def of(cls, columns: Mapping[str, Column], most: int = MAX_VALUES, least: int = 1) -> Self:
        """Learn the `most` frequent values of each column, those with at least `least` rows."""
        codes: dict[str, dict[str, int]] = {}
        bands: dict[str, tuple[Sequence[float], int]] = {}
        size = 0
        for name, column in sorted(columns.items()):
            if column.dtype == object:
                codes[name] = {value: size + rank for rank, value in enumerate(_frequent(column, most, least))}
                size += len(codes[name])
            else:
                cuts = _cuts(column)
                bands[name] = (cuts, size)
                size += len(cuts) + 1
        return cls(codes, bands, size)

    def encode(self, row: Mapping[str, Any]) -> list[int]:
        """Return the codes of one row's values; unknown values and columns have none."""
        codes = [
            self.codes[name].get(value, -1) for name in self.codes for value in str(row.get(name) or "").split("|")
        ]
        for name, (cuts, first) in self.bands.items():
            number = _number(row.get(name))
            if number is not None:
                codes.append(first + int(np.searchsorted(cuts, number, side="right")))
        return [code for code in codes if code >= 0]

    def pairs(self, columns: Mapping[str, Column]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return (row, code) of every known value in aligned columns, by row."""
        rows, codes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for name, codes_of in self.codes.items():
            row, code = _text_pairs(columns[name], codes_of)
            rows.append(row)
            codes.append(code)
        for name, (cuts, first) in self.bands.items():
            present = np.flatnonzero(~np.isnan(columns[name].astype(np.float64)))
            rows.append(present)
            codes.append(first + np.searchsorted(cuts, columns[name][present].astype(np.float64), side="right"))
        row, code = np.concatenate(rows), np.concatenate(codes)
        order = np.argsort(row, kind="stable")
        return row[order], code[order]

    def spans(self) -> list[tuple[int, int]]:
        """Return the first code of each column and the one after its last."""
        text = [(min(codes.values()), max(codes.values()) + 1) for codes in self.codes.values() if codes]
        return sorted(text + [(first, first + len(cuts) + 1) for cuts, first in self.bands.values()])

    def facts(self) -> dict[str, object]:
        return {"codes": self.codes, "bands": self.bands, "size": self.size}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        return cls(
            facts["codes"], {name: (cuts, first) for name, (cuts, first) in facts["bands"].items()}, facts["size"]
        )


def lifts(counts: npt.NDArray[np.float64], shrinkage: float) -> npt.NDArray[np.float32]:
    """[values, items] from counts [values, items]: observed over expected, each plus `shrinkage`."""
    total = counts.sum()
    if total == 0:
        return np.ones(counts.shape, np.float32)
    expected = counts.sum(axis=1, keepdims=True) * (counts.sum(axis=0, keepdims=True) / total)
    return np.asarray((counts + shrinkage) / (expected + shrinkage), np.float32)


def _text_pairs(column: Column, codes_of: Mapping[str, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    cells = column.tolist()
    numbers = {cell: position for position, cell in enumerate(dict.fromkeys(cells))}
    number = np.fromiter(map(numbers.__getitem__, cells), np.int64, len(column))
    lists = [[codes_of[value] for value in _split(cell) if value in codes_of] for cell in numbers]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    flat = np.fromiter((code for codes in lists for code in codes), np.int64, int(lengths.sum()))
    ends = np.cumsum(lengths)
    _, position = spans((ends - lengths)[number], ends[number])
    return np.repeat(np.arange(len(column)), lengths[number]), flat[position]


def _frequent(column: Column, most: int, least: int) -> list[str]:
    values: Counter[str] = Counter()
    for cell, count in Counter(column.tolist()).items():
        for value in _split(cell):
            values[value] += count
    enough = (value for value, count in values.items() if count >= least)
    return sorted(sorted(enough, key=lambda value: (-values[value], value))[:most])


def _split(cell: str | None) -> Iterable[str]:
    return cell.split("|") if cell else ()


def _cuts(column: Column) -> Sequence[float]:
    numbers = column[~np.isnan(column.astype(np.float64))].astype(np.float64)
    if not len(numbers):
        return ()
    return sorted({float(cut) for cut in np.quantile(numbers, np.arange(1, BANDS) / BANDS)})


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return None if np.isnan(number) else number
