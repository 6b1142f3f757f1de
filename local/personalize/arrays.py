# SPDX-License-Identifier: Apache-2.0
"""Arrays and string tables on disk, in the form that another process maps into memory without reading them."""

import json
import os
import shutil
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


class StringTable:
    """Many strings in one text, found by position, or by bisection where they are sorted."""

    def __init__(self, text: str, offsets: npt.NDArray[np.int64]) -> None:
        self._text = text
        self._offsets = offsets

    @classmethod
    def of(cls, strings: Iterable[str]) -> Self:
        """Make a table of strings in the order given."""
        rows = list(strings)
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return cls("".join(rows), np.concatenate(([0], np.cumsum(lengths))))

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, position: int) -> str:
        return self._text[self._offsets[position] : self._offsets[position + 1]]

    def find(self, string: str) -> int:
        """Position of a string in a sorted table; -1 if it is not there."""
        position = bisect_left(range(len(self)), string, key=self.__getitem__)
        return position if position < len(self) and self[position] == string else -1

    def all(self) -> npt.NDArray[np.object_]:
        """Every string, as an object array."""
        cuts, text = self._offsets.tolist(), self._text
        strings = np.empty(len(self), object)
        strings[:] = [text[start:end] for start, end in pairwise(cuts)]
        return strings

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """The two arrays to save."""
        return {f"{name}.text": np.frombuffer(self._text.encode(), np.uint8), f"{name}.offsets": self._offsets}

    @classmethod
    def from_arrays(cls, arrays: Arrays, name: str) -> Self:
        """The table that was saved as `name`."""
        return cls(arrays[f"{name}.text"].tobytes().decode(), arrays[f"{name}.offsets"])


def save(directory: Path, arrays: Arrays, facts: Mapping[str, object]) -> None:
    """Write arrays and a JSON file of facts; `directory` is replaced as a whole or not at all."""
    fresh = directory.with_name(f"{directory.name}.new-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, array in arrays.items():
        with (fresh / f"{name}.npy").open("wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
            sync(file.fileno())
    with (fresh / "facts.json").open("w", encoding="utf-8") as text:
        json.dump(facts, text)
        sync(text.fileno())
    if directory.exists():
        shutil.rmtree(directory)
    fresh.replace(directory)


def load(directory: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Arrays mapped read-only, and the facts. Raises FileNotFoundError."""
    arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in directory.glob("*.npy")}
    return arrays, json.loads((directory / "facts.json").read_text(encoding="utf-8"))


def sync(descriptor: int) -> None:
    """Hand a file to the disk: what is acknowledged later must survive a crash of the machine."""
    os.fsync(descriptor)
