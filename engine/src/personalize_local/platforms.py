# SPDX-License-Identifier: Apache-2.0
"""The systems that the engine runs on: those with Python's `resource`, which others import from here."""

try:
    import resource
except ModuleNotFoundError:
    raise ImportError(
        "Personalize Local needs Linux or macOS; on Windows, install and run it in WSL, or in a Linux container"
    ) from None

__all__ = ["resource"]
