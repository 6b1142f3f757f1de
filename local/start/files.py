# SPDX-License-Identifier: Apache-2.0
"""The files that `start` was given: their names, what their bytes are, and what is in them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from personalization.shop.settings.settings import ShopSettings
from table_intake import propose_together

from local.evaluation import samples
from local.evaluation.samples import BadFile
from local.start.outlook import LeftOut, Outlook, look_together

_SETTINGS = (".yaml", ".yml", ".json")


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the files by their names, with the folder where two have one name; a file that is named twice once.

    Raises:
        BadFile: a file is not there, or is a file of settings.
    """
    different = {path.resolve(): path for path in paths}
    for path in different.values():
        if not path.exists():
            raise BadFile(f"there is no file {path}")
        if path.suffix.lower() in _SETTINGS and path.is_file():
            raise BadFile(f"{path} is not a table: settings are given with --settings, answers with --answers")
    names = [path.name for path in different]
    return {path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}": path for path in different}


def digests(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of each file's bytes, of a folder that of its parts. Raises BadFile."""
    return {name: _digest(path) for name, path in files.items()}


def _digest(path: Path) -> str:
    parts = samples.parts(path)
    try:
        hashes = [_sha256(part) for part in parts]
    except OSError as error:
        raise BadFile(f"{error.filename}: {error.strerror or error}") from None
    return hashes[0] if parts == [path] else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def repeated(of_files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the names of files that are byte for byte the same as an earlier one, and that one's."""
    first: dict[str, str] = {}
    for name, digest in of_files.items():
        if first.setdefault(digest, name) != name:
            yield name, first[digest]


def look(
    files: Mapping[str, Path], of_files: Mapping[str, str], settings: ShopSettings, base: Mapping[str, object]
) -> tuple[Outlook, dict[str, Sequence[str]]]:
    """Return what the files are, and their columns. Raises BadFile where one is no table."""
    twice = dict(repeated(of_files))
    taken = {name: samples.read(path, settings, None) for name, path in files.items() if name not in twice}
    outlook = look_together(propose_together(taken, settings), base)
    copies = [LeftOut(table=name, reason=f"it is the same as {first}, byte for byte") for name, first in twice.items()]
    return outlook.with_left_out(copies), {name: sample.header for name, sample in taken.items()}
