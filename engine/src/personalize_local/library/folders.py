# SPDX-License-Identifier: Apache-2.0
"""Folders of tables and models: each has a manifest with its format and the checksums of its files."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from personalize_local import __version__
from personalize_local.data import array_files
from personalize_local.library.refusals import DAMAGED, NEWER, Refused

Kind = Literal["model", "table"]
Manifest = Mapping[str, Any]
FORMAT: Final = 1
"""Of the folders that this version writes; it reads those of every lower one."""
_NAME: Final = "manifest.json"


@contextmanager
def written(target: Path, kind: Kind, facts: Manifest) -> Iterator[Path]:
    """Give a folder to write files into; it becomes `target`, with its manifest, as a whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
    try:
        yield fresh
        document = {**facts, "format": FORMAT, "engine": __version__, "kind": kind, "files": _files(fresh)}
        array_files.write_json(fresh / _NAME, document, indent=1)
        array_files.put_in_place(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def checked(folder: Path, kind: Kind, *, verify: bool = False, partial: bool = False) -> Manifest:
    """Return the manifest of a folder whose files have their sizes, and with `verify` their checksums.

    `partial`: files may be missing that only later imports need. Raises Refused (DAMAGED, NEWER).
    """
    try:
        manifest: Manifest = json.loads((folder / _NAME).read_bytes())
        version, files, actual = int(manifest["format"]), dict(manifest["files"]), manifest["kind"]
    except FileNotFoundError:
        raise Refused(DAMAGED, f"{folder} is not a {kind}: it has no {_NAME}, or is not there.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(DAMAGED, f"The {_NAME} of {folder} cannot be read: {error!r}.") from None
    if version > FORMAT:
        raise Refused(
            NEWER,
            f"{folder} was written by Personalize Local {manifest.get('engine')} in format {version}; this version "
            f"({__version__}) reads formats up to {FORMAT}.",
        )
    if actual != kind:
        raise Refused(DAMAGED, f"{folder} is a {actual}, not a {kind}.")
    for name, facts in files.items():
        file = folder / name
        if not file.is_file():
            if partial and facts.get("later"):
                continue
            raise Refused(DAMAGED, f"{folder} lacks its file {name}.")
        if (size := file.stat().st_size) != facts["size"]:
            raise Refused(DAMAGED, f"{file} has {size} bytes instead of {facts['size']}: it was cut off or changed.")
        if verify and sha256(file) != facts["sha256"]:
            raise Refused(DAMAGED, f"{file} has another checksum than its manifest says: it was changed.")
    return manifest


def finished(target: Path, kind: Kind, inputs: str) -> Manifest | None:
    """Return the manifest of a folder that was made of the same inputs; None if there is none that is whole."""
    try:
        manifest = checked(target, kind)
    except Refused:
        return None
    return manifest if manifest["inputs"] == inputs else None


def digest(document: object) -> str:
    """Return a short text for a JSON document, another for every other one."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


LATER: Final = frozenset({"rows.parquet"})
"""Files that neither trainings nor answers read, only later imports and erasures."""


def _files(folder: Path) -> dict[str, dict[str, object]]:
    return {
        path.name: {"size": path.stat().st_size, "sha256": sha256(path)}
        | ({"later": True} if path.name in LATER else {})
        for path in sorted(folder.iterdir())
    }
