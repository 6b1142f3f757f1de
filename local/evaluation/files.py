# SPDX-License-Identifier: Apache-2.0
"""From files to rows: the same checks as for a drop, the same import as the engine's, and items under other names."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from personalization.shop.settings.settings import ShopSettings
from personalize_local.data.building import read_rows
from personalize_local.data.frames import pl
from personalize_local.data.importing import import_files
from personalize_local.data.schemas import Schema, parse_schema
from personalize_local.wire.errors import ImportRefused
from table_intake import (
    DataKind,
    Expected,
    FileSettings,
    Mode,
    Refused,
    Table,
    check_table,
    hash_id,
    judge,
    open_table,
)
from table_intake.check import findings
from table_intake.columns import schema
from table_intake.columns.header import fitting, recognise
from table_intake.read.archives import LocalFile

from local.cloud.environments import LocalError
from local.evaluation import positions, samples
from local.evaluation.samples import BadFile

_STATE = "Or say what it has: --interactions, --users or --items before its name"
_PROPOSE = "`python -m local map {path}` proposes settings for it, to give with --settings"


class BadInput(LocalError):
    """The files cannot be evaluated: the message says which one, why, and what to do."""

    code = 2


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    kind: DataKind
    rows: int
    rejected: int
    """The rows that an import would leave out."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The files of a shop as tables; items have names that say nothing of their order in the files."""

    sources: tuple[Source, ...]
    interactions: pl.DataFrame
    schemas: dict[DataKind, Schema]
    """As the engine reads them; interactions always, users and items where there are files of them."""
    users: pl.DataFrame | None
    items: pl.DataFrame | None
    positions: bool = False
    """Whether the times are positions; see `positions`."""


def read(
    paths: Sequence[Path],
    settings: ShopSettings,
    scratch: Path,
    seed: int,
    stated: Sequence[tuple[Path, DataKind]] = (),
) -> Tables:
    """Check and import files.

    Args:
        paths: files, or folders of parts, which are recognised as `map` does.
        settings, scratch: the shop's settings, and a folder for copies.
        seed: that of the items' new names.
        stated: further files, with the data that they have.

    Raises:
        BadInput: a file cannot be read, or there are too few interactions.
    """
    given = [*stated, *((path, _kind(path, settings, scratch)) for path in paths)]
    paths, kinds = zip(*((part, kind) for path, kind in given for part in _parts(path)), strict=True)
    if "interactions" not in kinds:
        named = ", ".join(f"{path.name} has {kind}" for path, kind in zip(paths, kinds, strict=True))
        raise BadInput(f"none of the files has interactions (USER_ID, ITEM_ID, TIMESTAMP): {named}")
    dated = _dated(paths, kinds, settings, scratch)
    # Ids must only agree among these files.
    hashed = partial(hash_id, secrets.token_hex(32), "evaluation")
    schemas: dict[DataKind, schema.Schema] = {}
    sources, copies = [], dict[DataKind, list[Path]]()
    for number, (path, kind) in enumerate(zip(paths, kinds, strict=True)):
        alone = kinds.count(kind) == 1
        mode: Mode = "FULL" if alone else "INCREMENTAL"
        expected = Expected(path.name, kind, mode, settings=settings, existing=schemas.get(kind), hashed=hashed)
        copies.setdefault(kind, []).append(scratch / f"{number}.csv")
        source, schemas[kind] = _checked(path, dated.get(path, path), expected, copies[kind][-1])
        sources.append(source)
    engines = {kind: parse_schema(schema.text(), settings.personalize_domain) for kind, schema in schemas.items()}
    tables = {kind: _imported(files, engines[kind], scratch / f"{kind}.parquet") for kind, files in copies.items()}
    interactions, items = _renamed(tables["interactions"], tables.get("items"), seed)
    ordered = bool(dated) or positions.together(interactions)
    return Tables(tuple(sources), interactions, engines, users=tables.get("users"), items=items, positions=ordered)


def _kind(path: Path, settings: ShopSettings, scratch: Path) -> DataKind:
    """Return what a file has: by its columns, and where they leave it open, by its values and its name."""
    first = _parts(path)[0]
    try:
        with _opened(first, FileSettings(), scratch) as table:
            return recognise(first.name, table.header, settings)
    except BadInput as error:
        unclear = error
    try:
        # A file with an encoding or a separator of its own is read as its section says.
        taken = samples.read(path, settings, None)
    except BadFile:
        raise unclear from None
    with suppress(Refused):
        fits, judgement = fitting(path.name, taken.header, settings), judge(taken, settings)
        if len(fits) == 1:
            return fits[0]
        if judgement.kind in fits:
            return judgement.kind
    raise BadInput(f"{unclear}; {_PROPOSE.format(path=path)}. {_STATE}") from None


def _parts(path: Path) -> list[Path]:
    try:
        return samples.parts(path)
    except BadFile as error:
        raise BadInput(str(error)) from None


@contextmanager
def _opened(path: Path, settings: FileSettings, scratch: Path) -> Iterator[Table]:
    """Open a file of any format. Raises BadInput, also for what the block finds."""
    try:
        with path.open("rb") as file, open_table(path.name, LocalFile(file, path), settings, scratch) as table:
            yield table
    except Refused as refused:
        raise BadInput(f"{path}: {refused.reason}") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


def _dated(paths: Sequence[Path], kinds: Sequence[DataKind], settings: ShopSettings, scratch: Path) -> dict[Path, Path]:
    """Write files of interactions with dates in place of positions, if none of them has times."""
    form = settings.file_settings("interactions")
    columns = dict[Path, int]()
    for path, kind in zip(paths, kinds, strict=True):
        if kind == "interactions":
            with _opened(path, form, scratch) as table:
                index = positions.column(path.name, table, settings)
            if index is None:
                return {}
            columns[path] = index
    lasts, files = list[int](), dict[Path, Path]()
    for path, index in columns.items():
        with _opened(path, form, scratch) as table:
            lasts.append(positions.last(table, index))
    seconds = positions.step(lasts)
    for number, (path, index) in enumerate(columns.items()):
        with _opened(path, form, scratch) as table:
            files[path] = positions.dated(table, index, seconds, scratch / f"dated-{number}.csv")
    return files


def _checked(path: Path, content: Path, expected: Expected, target: Path) -> tuple[Source, schema.Schema]:
    """Write the good rows of a file as the import of a drop would; `content` has them, with dates."""
    form = expected.settings.file_settings(expected.kind) if content == path else FileSettings()
    with target.open("wb") as file, _opened(content, form, target.parent) as table:
        copied = check_table(table, expected, file.write, target.parent)
    checked = copied.findings
    if problems := findings.problems(expected, checked):
        way = [_PROPOSE.format(path=path)] if findings.above_limit(expected, checked) else []
        raise BadInput(f"{path}: {'; '.join([*problems, *way])}")
    return Source(path.name, expected.kind, checked.accepted, checked.rejected), copied.schema


def _imported(copies: Sequence[Path], schema: Schema, target: Path) -> pl.DataFrame:
    try:
        import_files(copies, schema, target)
    except ImportRefused as refused:
        raise BadInput(f"the files cannot be imported: {refused}") from None
    return read_rows(target)


def _renamed(rows: pl.DataFrame, items: pl.DataFrame | None, seed: int) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Rename items at random, since ids in order often reveal what is bestselling or new."""
    ids = rows["ITEM_ID"] if items is None else pl.concat([rows["ITEM_ID"], items["ITEM_ID"]])
    ids = ids.unique().sort()
    drawn = pl.Series([f"item-{number:08d}" for number in np.random.default_rng(seed).permutation(ids.len())])
    renamed = pl.col("ITEM_ID").replace_strict(ids, drawn)
    return rows.with_columns(renamed), None if items is None else items.with_columns(renamed)


def summary(tables: Tables, event_type: str | None) -> dict[str, Any]:
    """Return the summary of a shop's tables; `trains` counts what the recipes may learn from, before the split."""
    rows = tables.interactions
    wanted = rows if event_type is None else rows.filter(pl.col("EVENT_TYPE").str.to_lowercase() == event_type.lower())
    per_user = wanted.group_by("USER_ID").len("rows")["rows"]
    per_item = wanted.group_by("ITEM_ID").len("rows")["rows"].sort(descending=True)
    per_day = wanted.group_by((pl.col("TIMESTAMP") // 86_400).alias("day")).len("rows").sort("day")
    types = rows["EVENT_TYPE"].value_counts(sort=True).iter_rows()
    return {
        "files": [asdict(source) for source in tables.sources],
        "interactions": rows.height,
        "trains": wanted.height,
        "shoppers": per_user.len(),
        "returning": int((per_user >= 2).sum()),
        "items": per_item.len(),
        "times": "positions" if tables.positions else "times",
        "first": None if tables.positions else _day(int(wanted["TIMESTAMP"].min())),  # type: ignore[arg-type]
        "last": None if tables.positions else _day(int(wanted["TIMESTAMP"].max())),  # type: ignore[arg-type]
        "perDay": [] if tables.positions else [[_day(86_400 * day), count] for day, count in per_day.iter_rows()],
        "eventTypes": [{"name": name, "rows": count} for name, count in types],
        "medianPerShopper": float(per_user.median()),  # type: ignore[arg-type]
        "bestsellers": round(float(per_item.head(max(1, per_item.len() // 5)).sum()) / wanted.height, 4),
        "again": round(1 - wanted.select("USER_ID", "ITEM_ID").n_unique() / wanted.height, 4),
    }


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
