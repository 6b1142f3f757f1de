# SPDX-License-Identifier: Apache-2.0
"""Deletions of users from imported rows and models (polars)."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from personalize_local.data import csv_dialect
from personalize_local.data.frames import pl
from personalize_local.data.importing import write
from personalize_local.data.s3 import Location, fetch
from personalize_local.recipes import loading
from personalize_local.resources.quotas import AWS
from personalize_local.wire.errors import ImportRefused, JobRefused


def delete(
    source: Location, files: Sequence[Path], models: Sequence[Path], most: int = AWS.deletion_bytes
) -> tuple[list[str], int]:
    with tempfile.TemporaryDirectory(prefix="deletion-") as scratch:
        try:
            inputs = fetch(source, Path(scratch), deep=True)
        except ImportRefused as refused:
            raise JobRefused.since(refused, str(refused)) from refused
        if sum(path.stat().st_size for path in inputs) > most:
            raise JobRefused(f"The input of a data deletion job has at most {most / 1024**2:g} MB.")
        users = sorted({user for path in inputs for user in _users(path)})
    gone = 0
    for path in files:
        rows = pl.read_parquet(path)
        rest = rows.filter(~pl.col("USER_ID").is_in(users))
        if rest.height < rows.height:
            write(rest, path)
        gone += rows.height - rest.height
    for path in models:
        model = loading.load(path).without_users(set(users))
        if model is not None:
            model.save(path)
    return users, gone


def _users(path: Path) -> list[str]:
    try:
        # Only a line feed ends a line: ids may contain the other characters that `splitlines` cuts at.
        lines = [line.removesuffix("\r") for line in path.read_bytes().decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise JobRefused(f"Input CSV is not encoded in UTF-8: {path.name}.") from error
    if lines[0] not in {"USER_ID", '"USER_ID"'}:
        raise JobRefused(f"Input CSV must have the single column USER_ID: {path.name}.")
    users: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        try:
            values = csv_dialect.cells(line)
        except ValueError as error:
            reason = f"Each record must be on a single line: row {number} of {path.name}, {error}."
            raise JobRefused(reason) from error
        if len(values) != 1:
            raise JobRefused(f"Input CSV has {len(values)} values instead of 1 in row {number} of {path.name}.")
        users += filter(None, values)
    return users
