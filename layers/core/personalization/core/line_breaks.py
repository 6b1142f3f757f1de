# SPDX-License-Identifier: Apache-2.0
"""Line breaks within values, in all forms of Unicode: Personalize reads one record per line."""

import re

KINDS = "\n\v\f\r\x85\u2028\u2029"
PATTERN = f"\r\n|[{KINDS}]"
"""A line break, for the regular expressions of Python and of polars."""
_BREAK = re.compile(PATTERN)
_BEYOND_ASCII = tuple(each.encode() for each in KINDS if not each.isascii())


def has_break(text: str) -> bool:
    return _BREAK.search(text) is not None


def replace_breaks(text: str) -> str:
    """Return a text with a space in place of each line break."""
    return _BREAK.sub(" ", text)


def within(data: bytes) -> bool:
    """Return whether lines that end with LF or CRLF have other line breaks in them.

    Lone carriage returns are not checked: the parser of rows handles them.
    """
    return b"\v" in data or b"\f" in data or (not data.isascii() and any(each in data for each in _BEYOND_ASCII))


def without_breaks(text: str) -> str:
    """Return the text, for a model's field.

    Raises:
        ValueError: it has a line break.
    """
    if has_break(text):
        raise ValueError("must not contain line breaks")
    return text
