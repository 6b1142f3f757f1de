# SPDX-License-Identifier: Apache-2.0
"""How far a `start` has come, in the cloud's folder: what lets an interrupted one go on where it was."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

VERSION = 1
_FILE = "progress.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What was done for a shop."""

    files: Mapping[str, str]
    """The SHA-256 of each file's bytes, by its path."""
    settings: str = ""
    """The path of the settings."""
    answers: Mapping[str, str] = field(default_factory=dict)
    joined: str = ""
    """The digest of the files and of how they were joined."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What joining them counted."""
    texts: Mapping[str, Any] = field(default_factory=dict)
    """What the names of counts are in other languages; see `table_intake.wording.codes`."""
    dropped: str = ""
    """The SHA-256 of the settings with which the files were dropped."""
    runs: tuple[str, ...] = ()
    """The ARNs of the runs that handle the files, which were dropped all, and of a retraining after them."""
    version: int = VERSION


def read(folder: Path) -> Progress | None:
    """Return how far a start has come; None where there was none, or one of another version."""
    try:
        content = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    names = {entry.name for entry in fields(Progress)}
    if not isinstance(content, dict) or content.get("version") != VERSION or not content.keys() <= names:
        return None
    return Progress(**content | {"runs": tuple(content.get("runs", ()))})


def write(folder: Path, progress: Progress) -> None:
    scratch = folder / f"{_FILE}.new"
    scratch.write_text(json.dumps(asdict(progress), indent=1, ensure_ascii=False), encoding="utf-8")
    scratch.replace(folder / _FILE)


def shop_of(folder: Path) -> str:
    """Return a shop's name made of a folder's; `myshop` where that has no letter or digit that a name may have."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:30].strip("-")
    return name or "myshop"
