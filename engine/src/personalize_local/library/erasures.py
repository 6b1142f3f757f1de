# SPDX-License-Identifier: Apache-2.0
"""Erasures: what was learned and imported of some users goes."""

from collections.abc import Collection
from pathlib import Path

from personalize_local.library import folders
from personalize_local.library.refusals import Refused, refusing
from personalize_local.library.tables import ROWS, write_table


def without_users(folder: Path, users: Collection[str]) -> int:
    """Take users out of the folder of a table or of a model; returns the rows that went, of a model 0 or 1.

    The folder is replaced as a whole, and only if there is something to take out; who has opened it keeps what they
    see. A model says 1 where it was written anew: most models name no users. A table needs polars, and its
    `rows.parquet`. Raises Refused (DAMAGED, NEWER).
    """
    with refusing():
        try:
            folders.checked(folder, "model")
        except Refused:
            return _rows_without(folder, frozenset(users))
        return _model_without(folder, frozenset(users))


def _model_without(folder: Path, users: frozenset[str]) -> int:
    from personalize_local.library.models import open_model  # noqa: PLC0415 - models alone need numpy

    rest = open_model(folder).model.without_users(users)
    if rest is None:
        return 0
    with folders.written(folder, "model", folders.checked(folder, "model")) as fresh:
        rest.save(fresh)
    return 1


def _rows_without(folder: Path, users: frozenset[str]) -> int:
    from personalize_local.data.frames import pl  # noqa: PLC0415 - tables alone need it

    manifest = folders.checked(folder, "table")
    rows = pl.read_parquet(folder / ROWS)
    if "USER_ID" not in rows.columns:
        return 0
    rest = rows.filter(~pl.col("USER_ID").is_in(sorted(users)))
    if rest.height < rows.height:
        write_table(rest, folder, manifest)
    return rows.height - rest.height
