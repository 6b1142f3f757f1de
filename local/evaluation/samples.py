# SPDX-License-Identifier: Apache-2.0
"""The first rows of a shop's files, and which data each file has."""

import tempfile
from pathlib import Path

from personalization.shop.settings.settings import ShopSettings
from table_intake import DataKind, FileSettings, Refused, Sample, open_table, propose_settings, sample_table
from table_intake.read.archives import LocalFile

from local.cloud.environments import LocalError

KINDS: tuple[DataKind, ...] = ("interactions", "users", "items")
"""What the files of a shop that are told by their columns may have."""
_PIECES = 12
"""Pieces of 8 MB that are read of a file."""


class BadFile(LocalError):
    """A file cannot be read or written: the message says which one, and why."""

    code = 2


def parts(path: Path) -> list[Path]:
    """Return the files with the data of a folder, in order, or the file itself. Raises BadFile."""
    if not path.is_dir():
        return [path]
    inside = sorted(part for part in path.iterdir() if part.is_file() and part.name[0] not in "._")
    data = [part for part in inside if not part.name.lower().removesuffix(".json").endswith("manifest")]
    if not data:
        raise BadFile(f"{path}: the folder has no parts: files whose names begin with _ or . do not count")
    return data


def read(path: Path, settings: ShopSettings, kind: DataKind | None) -> Sample:
    """Return rows of a file, or of the first part of a folder, read as the section of its kind says. Raises BadFile."""
    path = parts(path)[0]
    if kind is not None:
        return _read(path, settings.section(kind))
    # What the file has is known once it is read, and how to read it may depend on what it has.
    refused: dict[DataKind, BadFile] = {}
    for candidate in KINDS:
        if (files := settings.section(candidate)) is None:
            continue
        try:
            taken = _read(path, files)
        except BadFile as error:
            refused[candidate] = error
            continue
        if (proposal := propose_settings(taken, settings)) is not None and proposal.kind == candidate:
            return taken
    try:
        taken = _read(path, None)
    except BadFile as error:
        raise next(iter(refused.values()), error) from None
    if (proposal := propose_settings(taken, settings)) is not None and proposal.kind in refused:
        raise refused[proposal.kind]
    return taken


def _read(path: Path, files: FileSettings | None) -> Sample:
    try:
        with (
            tempfile.TemporaryDirectory() as scratch,
            path.open("rb") as file,
            open_table(path.name, LocalFile(file, path), files or FileSettings(), Path(scratch)) as table,
        ):
            return sample_table(path.name, table, _PIECES)
    except Refused as refused:
        raise BadFile(f"{path}: {refused.reason}") from None
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from None
