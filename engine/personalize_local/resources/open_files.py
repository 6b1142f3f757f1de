# SPDX-License-Identifier: Apache-2.0
"""Open files: the limit of this process, raised as far as it goes, and what to say where it is too low."""

import errno
import os
import resource
from contextlib import suppress
from typing import Final

LEAST: Final = 64
"""Open files without which the engine cannot work at all."""
ENOUGH: Final = 1024
"""Under a lower limit the engine says at its start that models will be closed and opened again."""
_MOST: Final = 65_536
_MACOS: Final = 10_240
"""What macOS takes where its hard limit says `unlimited`."""
_RESERVED: Final = (60, 256)
"""Open files kept for connections, the database and the worker: half of the limit, but within these."""
_ADVICE: Final = (
    "raise the hard limit of the shell, service or container that starts the engine "
    "(`ulimit -Hn`, LimitNOFILE= of systemd, --ulimit nofile= of Docker) to 4096 or more, and start it again"
)


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one, or as near as the system allows; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (_MOST, _MACOS):
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                break
    return limit()


def limit() -> int:
    """How many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else soft


def room(most: int) -> int:
    """How many files of models and data may stay open where the process may open `most`."""
    low, high = _RESERVED
    return most - max(low, min(high, most // 2))


def complaint(most: int) -> str:
    """What to say of a limit that is too low to work under, or to keep much open; empty where it is neither."""
    if most < LEAST:
        return f"this process may open {most} files, and needs {LEAST}: {_ADVICE}"
    if most < ENOUGH:
        kept = f"{room(most)} files of models and data stay open, the others are opened again when they are asked"
        return f"this process may open {most} files: {kept}. To keep more open, {_ADVICE}"
    return ""


def shortage(error: BaseException | None) -> str:
    """What to say of an error behind which is the limit of open files; empty for any other error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
            return _short()
        error = error.__cause__ or error.__context__
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return _short()
    return ""


def _short() -> str:
    return f"The engine has no file descriptor left: it may open {limit()} files. To let it open more, {_ADVICE}."
