# SPDX-License-Identifier: Apache-2.0
"""How often a byte occurs, in any bytes; and texts that begin as packed files do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_intake.read.byte_counts import count_byte
from table_intake.read.rows import Table

LOOKS_PACKED = (
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"x\x01",
    b"x^",
    b"x\x9c",
    b"x\xda",
    b"\xef\xbb\xbf",
    b"BZh9",
    b"#",
)
TOKENS = st.sampled_from([*LOOKS_PACKED, b"\n", b"\r\n", b"\r", b",", b'"', b"\0", b"\xff", b" ", b"ab", b";"])


@given(st.lists(TOKENS, max_size=8), st.lists(TOKENS, min_size=1, max_size=40), st.sampled_from([b"\n", b",", b";"]))
def test_a_byte_is_counted_in_any_bytes(first: list[bytes], others: list[bytes], byte: bytes) -> None:
    row = b"".join(others)
    short = b"".join(first) + row
    data = short + row * (300_000 // len(row))
    assert count_byte(data, byte) == data.count(byte)
    assert count_byte(short, byte) == short.count(byte)


@pytest.mark.parametrize("begin", ["x\x01", "x^", "BZh9", "PK\x03\x04", "#", "\ufeff"])
def test_rows_that_begin_as_a_packed_file_does_are_rows(begin: str) -> None:
    data = f"ID,NOTE\n{begin}1,a\n{begin}2,b\n".encode()
    rows = [row for piece in Table("file", [data], 12).rows() for row in piece.frame.select("c0", "c1").rows()]
    assert rows == [(f"{begin}1", "a"), (f"{begin}2", "b")]
