# SPDX-License-Identifier: Apache-2.0
"""Tell a machine that is short of room or of file descriptors from a bug, by an error."""

import errno
import os
import sqlite3
from typing import Final

from personalize_local.resources import open_files

_FULL: Final = "The disk of the engine's data folder is full: make room, and try again. What was acknowledged is there."
_FAILED: Final = "The disk of the engine's data folder takes no writes ({}). What was acknowledged is there."
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_DESCRIPTOR: Final = frozenset({errno.EMFILE, errno.ENFILE})
_TEXTS: Final = ("No space left on device", "Disk quota exceeded", "File too large")
"""What libraries say that keep no errno."""
_UNWRITABLE: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})


def shortage(error: BaseException) -> str:
    """Return a message about an error for which the machine is to blame; empty for any other error."""
    return of_disk(error) or _of_descriptors(error)


def of_disk(error: BaseException | None) -> str:
    """Return a message about an error for which the disk is to blame; empty for any other error."""
    while error is not None:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        full = isinstance(error, OSError) and error.errno in _NO_ROOM
        if full or code == sqlite3.SQLITE_FULL or any(text in str(error) for text in _TEXTS):
            return _FULL
        if code in _UNWRITABLE:
            return _FAILED.format(error)
        error = error.__cause__ or error.__context__
    return ""


def _of_descriptors(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_DESCRIPTOR:
            return open_files.exhausted()
        error = error.__cause__ or error.__context__
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))  # libraries hide the errno
    except OSError:
        return open_files.exhausted()
    return ""
