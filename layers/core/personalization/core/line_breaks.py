# SPDX-License-Identifier: Apache-2.0
"""Line breaks within values, in all forms of Unicode: Personalize reads one record per line."""

import re

KINDS = "\n\v\f\r\x85\u2028\u2029"
PATTERN = f"\r\n|[{KINDS}]"
"""A line break, for the regular expressions of Python and of polars."""
BREAK = re.compile(PATTERN)
_BEYOND_ASCII = tuple(each.encode() for each in KINDS if not each.isascii())


def has_break(text: str) -> bool:
    return BREAK.search(text) is not None


def within(data: bytes) -> bool:
    """Return whether lines that end with LF or CRLF have other line breaks in them.

    Lone carriage returns are not checked: the parser of rows handles them.
    """
    return b"\v" in data or b"\f" in data or (not data.isascii() and any(each in data for each in _BEYOND_ASCII))
