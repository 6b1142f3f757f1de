# SPDX-License-Identifier: Apache-2.0
"""The ids of a dataset as a small file of hashes, so that a drop of interactions can be held against them.

Hashes and not ids: eight bytes each, and nobody's name in a file that is kept. They are those of this build of
polars; a file of another build is as good as none.
"""

from collections.abc import Collection
from io import BytesIO

import polars as pl

MOST = 5_000_000
"""Ids of a dataset that are kept: 40 MB of them. Of a larger one none are."""


def hashed(ids: pl.Series) -> pl.Series:
    """The hashes of ids."""
    return ids.hash(0)


def pack(hashes: pl.Series) -> bytes | None:
    """The file of these hashes, or None where they are too many."""
    if hashes.len() > MOST:
        return None
    file = BytesIO()
    hashes.alias(_name()).to_frame().write_ipc(file)
    return file.getvalue()


def unpack(data: bytes | None) -> pl.Series | None:
    """The hashes in a file, or None where there is none that this build can read."""
    if data is None:
        return None
    try:
        frame = pl.read_ipc(BytesIO(data))
    except pl.exceptions.PolarsError:
        return None
    return frame.to_series().alias("key") if frame.columns == [_name()] else None


def without(data: bytes, ids: Collection[str]) -> bytes | None:
    """A file without some ids; None where it has none of them.

    A file that another build has made may have any of them, and nobody reads it any more: it becomes as good as none.
    """
    hashes = unpack(data)
    if hashes is None:
        return b"" if data else None
    gone = hashes.is_in(hashed(pl.Series(list(ids), dtype=pl.String)).implode())
    return pack(hashes.filter(~gone)) if gone.any() else None


def _name() -> str:
    """The column's name tells how the hashes were made."""
    return f"ids-{hashed(pl.Series(['fingerprint']))[0]:016x}"
