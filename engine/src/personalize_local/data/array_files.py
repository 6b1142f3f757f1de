# SPDX-License-Identifier: Apache-2.0
"""The files in which arrays lie on the disk; who writes them needs no library for arrays."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

ARRAYS: Final = "arrays.bin"
INDEX: Final = "arrays.json"
FACTS: Final = "facts.json"
_ALIGNED: Final = 64
"""Bytes; every array begins at a multiple."""


class Stored(NamedTuple):
    """An array as it lies in the file."""

    kind: str
    """As numpy writes a dtype: "<i4", for example."""
    shape: tuple[int, ...]
    parts: Iterable[bytes | memoryview]


def save(directory: Path, arrays: Mapping[str, Stored], facts: Mapping[str, object]) -> None:
    """Write arrays into one file, and facts as JSON; `directory` is replaced as a whole or not at all."""
    fresh = directory.with_name(f"{directory.name}.new-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    index: dict[str, tuple[str, tuple[int, ...], int]] = {}
    with (fresh / ARRAYS).open("wb") as file:
        for name, array in arrays.items():
            index[name] = (array.kind, array.shape, file.tell())
            for part in array.parts:
                file.write(part)
            file.write(bytes(_ALIGNED - file.tell() % _ALIGNED))
        file.write(bytes(_ALIGNED))  # an empty file cannot be mapped
        os.fsync(file.fileno())
    write_json(fresh / INDEX, index)
    write_json(fresh / FACTS, facts)
    put_in_place(fresh, directory)


def write_json(path: Path, document: object, indent: int | None = None) -> None:
    """Write a document, and wait until it is on the disk."""
    with path.open("w", encoding="utf-8") as text:
        json.dump(document, text, indent=indent)
        os.fsync(text.fileno())


def put_in_place(fresh: Path, target: Path) -> None:
    """Let a folder become `target`, in place of an earlier one."""
    before = target.with_name(f"{target.name}.old-{os.getpid()}")
    if target.exists():
        target.replace(before)
    fresh.replace(target)
    shutil.rmtree(before, ignore_errors=True)
