# SPDX-License-Identifier: Apache-2.0
"""Count how often a byte occurs."""

import polars as pl

_SHORT = 1 << 18
"""Bytes up to which a call of polars costs as much as it saves."""
_MARKED = b"\xef\x1f\x28x"
"""First bytes of what polars removes or unpacks: a byte order mark, gzip, zstd and zlib."""
_SAMPLED = 100
"""Lines from which polars infers a schema, whatever its options say: each comma in them costs some 200 bytes."""
_SAMPLE = 1 << 16
"""Bytes that these lines may have."""


def count_byte(data: bytes, byte: bytes) -> int:
    """Return how often an ASCII byte occurs, several times as fast as `bytes.count`, in a few MB of memory."""
    if len(data) < _SHORT or data[0] in _MARKED or not _begins_short(data, byte):
        return data.count(byte)
    # polars counts the lines that such a byte ends; the last one may lack it.
    ended = pl.scan_csv(data, has_header=False, quote_char=None, eol_char=byte.decode(), infer_schema=False)
    return int(ended.select(pl.len()).collect().item()) - (not data.endswith(byte))


def _begins_short(data: bytes, byte: bytes) -> bool:
    """Tell whether the lines that polars samples are short."""
    end = -1
    for _ in range(_SAMPLED):
        end = data.find(byte, end + 1, _SAMPLE)
        if end < 0:
            return False
    return True
