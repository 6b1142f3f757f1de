# SPDX-License-Identifier: Apache-2.0
"""Arrays and string tables on disk, in a form that another process maps into memory."""

import json
import mmap
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import array_files
from personalize_local.data.array_files import ARRAYS, FACTS, INDEX, Stored

Arrays = Mapping[str, npt.NDArray[Any]]
_ATTEMPTS, _PAUSE = 5, 0.01
"""How often a folder is read that another process replaces meanwhile, and the seconds between."""


class StringTable:
    """Many strings in one text, found by position, or by bisection if they are sorted."""

    def __init__(self, text: str, offsets: npt.NDArray[np.int64]) -> None:
        self._text = text
        self._offsets = offsets

    @classmethod
    def of(cls, strings: Iterable[str]) -> Self:
        rows = list(strings)
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return cls("".join(rows), np.concatenate(([0], np.cumsum(lengths))))

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, position: int) -> str:
        return self._text[self._offsets[position] : self._offsets[position + 1]]

    def find(self, string: str) -> int:
        """Return the position of a string in a sorted table; -1 if it is not there."""
        position = bisect_left(range(len(self)), string, key=self.__getitem__)
        return position if position < len(self) and self[position] == string else -1

    def starting(self, text: str, most: int) -> list[str]:
        """Return the first strings of a sorted table that begin with a text."""
        first = bisect_left(range(len(self)), text, key=self.__getitem__)
        nearest = (self[position] for position in range(first, min(first + most, len(self))))
        return [string for string in nearest if string.startswith(text)]

    def all(self) -> npt.NDArray[np.object_]:
        cuts, text = self._offsets.tolist(), self._text
        strings = np.empty(len(self), object)
        strings[:] = [text[start:end] for start, end in pairwise(cuts)]
        return strings

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        return {f"{name}.text": np.frombuffer(self._text.encode(), np.uint8), f"{name}.offsets": self._offsets}

    @classmethod
    def from_arrays(cls, arrays: Arrays, name: str) -> Self:
        return cls(arrays[f"{name}.text"].tobytes().decode(), arrays[f"{name}.offsets"])


def save(directory: Path, arrays: Arrays, facts: Mapping[str, object]) -> None:
    """Write arrays into one file, and facts as JSON; `directory` is replaced as a whole or not at all."""
    array_files.save(directory, {name: _stored(name, array) for name, array in arrays.items()}, facts)


def _stored(name: str, array: npt.NDArray[Any]) -> Stored:
    if array.dtype.hasobject:
        raise ValueError(f"{name} has no plain values")
    parts = [np.ascontiguousarray(array).reshape(-1).view(np.uint8).data] if array.size else []
    return Stored(array.dtype.str, array.shape, parts)


def load(directory: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Map arrays read-only, and read the facts. One file stays open until the last array is gone.

    Raises FileNotFoundError.
    """
    for _ in range(_ATTEMPTS):
        with suppress(FileNotFoundError):
            folder = directory.stat().st_ino
            loaded = _load(directory)
            if directory.stat().st_ino == folder:
                return loaded
        time.sleep(_PAUSE)  # another process is replacing it
    raise FileNotFoundError(directory)


def _load(directory: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
    index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
    with (directory / ARRAYS).open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return {
        name: np.ndarray(tuple(shape), np.dtype(kind), whole, offset) for name, (kind, shape, offset) in index.items()
    }, facts
