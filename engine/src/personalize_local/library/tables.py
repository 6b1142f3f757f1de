# SPDX-License-Identifier: Apache-2.0
"""Tables: the rows of one dataset, imported from CSV files."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from personalize_local.data.schemas import Schema, as_items
from personalize_local.library import folders
from personalize_local.library.checks import schema_of
from personalize_local.library.refusals import refusing

if TYPE_CHECKING:
    import polars as pl

    from personalize_local.data.tables import Table

ROWS: Final = "rows.parquet"
_EVENTS: Final = frozenset({"INTERACTIONS", "ACTION_INTERACTIONS"})
_KEYS: Final = {"USERS": "USER_ID", "ITEMS": "ITEM_ID", "ACTIONS": "ACTION_ID"}


class Imported(NamedTuple):
    """What an import did."""

    rows: int
    """Rows of its files, without exact duplicates of interactions."""
    total: int
    """Rows that the table has now: interactions, or users (items, actions), each once."""


def import_table(
    files: Sequence[Path], schema: str, target: Path, *, before: Path | None = None, minimum: int = 1000
) -> Imported:
    """Check CSV files (.csv, .csv.gz) of one dataset as an import job does, and write them as a table.

    `schema`: the text of the dataset's Avro schema. `target`: the folder of the table, which appears as a whole or not
    at all; the same files into the same folder are not read again. `before`: the table to which the files add rows, as
    an INCREMENTAL import does; None replaces, as a FULL one. `minimum`: interactions that the files must have.

    Needs polars. Raises Refused: code FAILED with the failureReason of the job; InvalidInputException for the schema;
    DAMAGED and NEWER for `before`.
    """
    with refusing():
        parsed = schema_of(schema)
        old = folders.checked(before, "table")["files"] if before else None
        inputs = folders.digest([schema, minimum, [folders.sha256(path) for path in files], old])
        manifest = folders.finished(target, "table", inputs)
        if manifest is not None:
            return Imported(manifest["rows"], manifest["total"])
        rows = _read(files, parsed, minimum)
        count = rows.height
        if before:
            rows = _added(rows, before, distinct=parsed.dataset_type in _EVENTS)
        return Imported(count, write_table(rows, target, {"inputs": inputs, "rows": count, "schema": schema}))


def open_table(folder: Path, *, verify: bool = False) -> "Table":
    """Map a table, whose `rows.parquet` may be missing; `verify`: compare checksums too. Raises Refused."""
    from personalize_local.data.tables import Table  # noqa: PLC0415 - it needs numpy

    folders.checked(folder, "table", verify=verify, partial=True)
    return Table.open(folder)


def write_table(rows: "pl.DataFrame", target: Path, facts: folders.Manifest) -> int:
    """Write rows as a table; returns the number of rows that it has.

    `facts`: of its manifest, the text of its `schema` among them. Of rows with the same user, item or action the last
    one counts.
    """
    from personalize_local.data import columns, importing  # noqa: PLC0415 - they need polars

    schema = schema_of(facts["schema"])
    if schema.dataset_type not in _EVENTS:
        rows = rows.unique(_KEYS[schema.dataset_type], keep="last", maintain_order=True)
    named = rows.rename({"ACTION_ID": "ITEM_ID"}, strict=False)
    with folders.written(target, "table", {**facts, "total": rows.height}) as fresh:
        columns.columns_of(named, as_items(schema)).save(fresh, schema=asdict(as_items(schema)))
        importing.write(rows, fresh / ROWS)
    return rows.height


def _read(files: Sequence[Path], schema: Schema, minimum: int) -> "pl.DataFrame":
    from personalize_local.data import importing  # noqa: PLC0415 - it needs polars

    return importing.read_files(files, schema, minimum)


def _added(rows: "pl.DataFrame", before: Path, *, distinct: bool) -> "pl.DataFrame":
    from personalize_local.data import importing  # noqa: PLC0415 - it needs polars
    from personalize_local.data.frames import pl  # noqa: PLC0415

    together = pl.concat([pl.read_parquet(before / ROWS), rows], how="diagonal_relaxed")
    return importing.distinct(together) if distinct else together
