# SPDX-License-Identifier: Apache-2.0
"""The limit of open files of this process: raised as far as possible, with messages where it is too low."""

from contextlib import suppress
from typing import Final

from personalize_local.platforms import resource

LEAST: Final = 64
"""Least open files with which the engine works at all."""
ENOUGH: Final = 1024
"""Below this limit the engine warns at start that it will close and reopen models."""
_MOST: Final = 65_536
_MACOS: Final = 10_240
"""The most that macOS accepts although its hard limit is `unlimited`."""
_RESERVED: Final = (60, 256)
"""Least and most open files for connections, the database and the worker: half of the limit, within these."""
_ADVICE: Final = (
    "raise the hard limit of the shell, service or container that starts the engine "
    "(`ulimit -Hn`, LimitNOFILE= of systemd, --ulimit nofile= of Docker) to 4096 or more, and start it again"
)


def raise_limit() -> int:
    """Raise the soft limit to the hard one, or as near as the system allows; returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (_MOST, _MACOS):
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                break
    return limit()


def limit() -> int:
    """Return how many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else soft


def room(most: int) -> int:
    """Return how many files of models and data may stay open under a limit of `most`."""
    low, high = _RESERVED
    return most - max(low, min(high, most // 2))


def complaint(most: int) -> str:
    """Return a message about a limit that is too low to work, or to keep much open; empty if it is neither."""
    if most < LEAST:
        return f"this process may open {most} files, and needs {LEAST}: {_ADVICE}"
    if most < ENOUGH:
        reopened = f"{room(most)} files of models and data stay open, the others are opened again on demand"
        return f"this process may open {most} files: {reopened}. To keep more open, {_ADVICE}"
    return ""


def exhausted() -> str:
    """Return the message about an error of a process that has no file descriptor left."""
    return f"The engine has no file descriptor left: it may open {limit()} files. To let it open more, {_ADVICE}."
