# SPDX-License-Identifier: Apache-2.0
"""The identity of a drop's content, by which a repeated drop is known: its bytes, and the settings that matter."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from table_intake import DataKind

from personalization.shop.settings import ShopSettings

_CHECK = 1
"""Raised with each version whose check changes the outcome for the same bytes, which are then imported again."""
_OF_NO_DROP = frozenset({"batch", "changes", "prices", "erasure", "schedules"})
_SECTIONS = frozenset({"interactions", "users", "items"})
"""Settings for files of one kind, of which a drop's own count."""
_OF_TRAINING = frozenset(
    {
        "campaigns",
        "deploy",
        "diversity",
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
"""Settings without effect on users and items, which are imported but start no training by themselves."""


def identity(size: int, digest: str, kind: DataKind, settings: ShopSettings) -> str:
    """Return the identity of a drop's content by its size, the digest of its bytes and the settings that matter."""
    relevant = settings_digest(kind, settings)
    return f"{size}-{digest}-{relevant}"


def settings_digest(kind: DataKind, settings: ShopSettings) -> str:
    excluded = _OF_NO_DROP if kind == "interactions" else _OF_NO_DROP | _OF_TRAINING
    # Left out when true: digests from before the setting existed lack it.
    excluded |= {"deploy"} if settings.deploy else set()
    shared = settings.model_dump(mode="json", exclude={*excluded, *_SECTIONS})
    file_settings = settings.own_file_settings(kind)
    relevant: Mapping[str, Any] = {"check": _CHECK, **shared, **({kind: file_settings} if file_settings else {})}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


def is_known(identity: str, size: int, kind: DataKind, settings: ShopSettings) -> bool:
    """Tell whether a drop of a size may be one whose identity is known, before its bytes are read."""
    known_size, _, digest = identity.split("-") if identity.count("-") == 2 else ("", "", "")
    return known_size == str(size) and digest == settings_digest(kind, settings)
