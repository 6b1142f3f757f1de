# SPDX-License-Identifier: Apache-2.0
"""The changes after a saved state, as a file whose records are there whole or not at all, whatever the disk takes."""

import os
import threading
from pathlib import Path


class Journal:
    """A journal that begins empty; any thread may write to it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._end = 0
        """Where the last whole record ends; what a full disk left behind it is no part of the journal."""
        self._lock = threading.Lock()

    def write(self, record: bytes) -> tuple[int, int]:
        """Write a record, and return where it begins and ends.

        Raises:
            OSError: the disk does not take it, and nothing of it is left.
        """
        with self._lock:
            begin, written = self._end, 0
            try:
                while written < len(record):
                    written += os.pwrite(self._file, record[written:], begin + written)
            except OSError:
                os.ftruncate(self._file, begin)
                raise
            self._end = begin + len(record)
            return begin, self._end

    def take_back(self, span: tuple[int, int]) -> bool:
        """Remove the record that begins and ends there, unless another one follows it; return whether it is gone."""
        with self._lock:
            if span[1] != self._end:
                return False
            os.ftruncate(self._file, span[0])
            self._end = span[0]
            return True

    def close(self) -> None:
        with self._lock:
            self._end = -1
            os.close(self._file)
