# SPDX-License-Identifier: Apache-2.0
"""Whether a whole history that was dropped is the one that was imported last, so that there is nothing to do.

Its bytes must be the same, and so must those settings that decide what becomes of them. An ETag does not tell: that of
an upload in parts depends on the parts.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from personalization.shop.keys import DataKind
from personalization.shop.settings import ShopSettings

_CHECK = 1
"""Raised with each version whose check makes something else of the same bytes: then they are imported again."""
_OF_NO_DROP = frozenset({"prices", "erasure", "schedules"})
_OF_TRAINING = frozenset(
    {
        "campaigns",
        "event_type",
        "filters",
        "gate",
        "generation",
        "likelihood",
        "placements",
        "probe",
        "recipes",
        "recommenders",
        "unused_campaigns",
    }
)
"""What decides nothing about users and items, which are imported and not trained on by themselves."""


class Digest:
    """The size and the SHA-256 of bytes that are read once."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._size = 0

    def take(self, data: bytes, /) -> None:
        """Look at the next bytes."""
        self._sha256.update(data)
        self._size += len(data)

    def content(self, kind: DataKind, settings: ShopSettings) -> str:
        """What tells these bytes, under these settings, from others."""
        return f"{self._size}-{self._sha256.hexdigest()}-{_digest(kind, settings)}"


def may_be(content: str, size: int, kind: DataKind, settings: ShopSettings) -> bool:
    """Whether bytes of a size, under these settings, can be those of a content: only then they are worth reading."""
    told, _, settled = content.split("-") if content.count("-") == 2 else ("", "", "")
    return told == str(size) and settled == _digest(kind, settings)


def _digest(kind: DataKind, settings: ShopSettings) -> str:
    leave_out = _OF_NO_DROP if kind == "interactions" else _OF_NO_DROP | _OF_TRAINING
    told: Mapping[str, Any] = {"check": _CHECK, **settings.model_dump(mode="json", exclude=set(leave_out))}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
