# SPDX-License-Identifier: Apache-2.0
"""Containers of functions, as they are when they have just started."""

from importlib import reload
from types import ModuleType


def start(*functions: ModuleType) -> None:
    """Let functions remember nothing of earlier requests: no release, no user who leaves, no failure, no file."""
    for function in functions:
        reload(function)
