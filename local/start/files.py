# SPDX-License-Identifier: Apache-2.0
"""The files that `start` was given: their names, what their bytes are, and what is in them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from table_intake import Refused, Sample, Table, list_tables, open_file, sample_table
from table_intake.settings.exports import ExportedTable
from table_intake.wording import Text

from local.evaluation import samples
from local.evaluation.samples import BadFile
from local.start import document

PIECES = 12
"""Pieces of 8 MB that are read of a table, to tell what it has."""
_SETTINGS = (".yaml", ".yml")


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the files by their names, with the folder where two have one name; a file that is named twice once.

    A shell names the settings that an earlier start wrote among `export/*`: they are no table, and read anyway.

    Raises:
        BadFile: a file is not there, or is a file of other settings.
    """
    others = [path for path in paths if not _is_written(path)]
    # Those beside the first file are the ones that are read.
    tables = [path for path in paths if path in others or path.parent != others[0].parent] if others else paths
    different = {path.resolve(): path for path in tables}
    for path in different.values():
        if not path.exists():
            raise BadFile(Text("start.no-file", "there is no file {path}", path=path))
        if path.suffix.lower() in _SETTINGS and path.is_file():
            text = "{path} is not a table: settings are given with --settings, answers with --answers"
            raise BadFile(Text("start.no-table", text, path=path))
    names = [path.name for path in different]
    return {path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}": path for path in different}


def _is_written(path: Path) -> bool:
    """Tell whether a file is the settings that `start` wrote."""
    if path.name != "settings.yaml" or not path.is_file():
        return False
    return bool(document.written_for(path.read_text(encoding="utf-8", errors="replace")))


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
    """Yield the names of files that are byte for byte the same as another one, and that one's: the shortest name."""
    first: dict[str, str] = {}
    # `orders.csv` and not `orders copy.csv`: a name tells which ids a file has.
    for name in sorted(of_files, key=len):
        if (other := first.setdefault(of_files[name], name)) != name:
            yield name, other


@dataclass(frozen=True, slots=True)
class Source:
    """Where a table is: in a file, of which it may be one of several."""

    path: Path
    inside: str = ""

    def opened(self) -> AbstractContextManager[Table]:
        return open_file(self.path, None, self.inside)


def tables(files: Mapping[str, Path]) -> dict[str, Source]:
    """Return the tables in files by their names.

    They are `shop.xlsx#Orders` for a sheet, `export.zip/orders.csv` for a file of a zip, and `orders/part-0.csv` for a
    part of a folder.

    Raises:
        BadFile: a file is damaged, or a folder is empty.
    """
    return {f"{name}{inside}": source for name, path in files.items() for inside, source in _inside(path)}


def refusal(refused: Refused) -> BadFile:
    """Return what a command says of a refusal of the library."""
    return BadFile(Text.joined(": ", [refused.resource, refused.reason]))


def _inside(path: Path) -> Iterator[tuple[str, Source]]:
    if path.is_dir():
        yield from ((f"/{part.name}", Source(part)) for part in samples.parts(path))
        return
    try:
        yield from ((inside, Source(path, inside)) for inside in list_tables(path))
    except Refused as refused:
        raise BadFile(Text.joined(": ", [str(path), refused.reason])) from None
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from None


def several_tables(file: Path) -> str:
    """Return what to do with a dropped file of several tables; "" for a file of one."""
    try:
        tables = list_tables(file) if file.is_file() else ()
    except Refused:  # which the run says, with the way out
        return ""
    if len(tables) < 2:
        return ""
    text = (
        "{file} has several tables ({tables}): the run reads the one that `sheet` or `member` in the settings names. "
        "To take all of them: python -m local start {path}"
    )
    names = Text.some_of([table.lstrip("#/") for table in tables], 8)
    return Text("drop.several", text, file=file.name, tables=names, path=quote(str(file)))


def take(files: Mapping[str, Path], sources: Mapping[str, Source]) -> dict[str, Sample]:
    """Return rows of each table; the parts of a folder are one table, named `FOLDER/*`. Raises BadFile."""
    wanted = {name: source for name, source in sources.items() if source.path in files.values()}
    for name, path in files.items():
        if path.is_dir():
            wanted[f"{name}/*"] = Source(samples.parts(path)[0])
    taken = {}
    for name, source in wanted.items():
        try:
            with source.opened() as table:
                sample = sample_table(name, table, PIECES)
            taken[name] = replace(sample, whole=sample.whole and name in sources)
        except Refused as refused:
            text, reason = "{name}: {reason}. Mend it, or leave it out of the command", refused.reason
            raise BadFile(Text("start.bad-file", text, name=name, reason=reason)) from None
        except OSError as error:
            raise BadFile(f"{source.path}: {error.strerror or error}") from None
    return taken


def whole(table: ExportedTable, files: Mapping[str, Path], sources: Mapping[str, Source]) -> Path | None:
    """Return the file or folder that has a kind of data as it is; None where it has to be made of several."""
    if not table.as_it_is:
        return None
    path = files.get(table.file.removesuffix("/*"))
    is_plain = path is not None and (path.is_dir() or sources.get(table.file, Source(path, "?")).inside == "")
    return path if is_plain else None
