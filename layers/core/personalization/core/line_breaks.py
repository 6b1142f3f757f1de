# SPDX-License-Identifier: Apache-2.0
"""Line breaks within values, of every kind that Unicode knows: Personalize reads one record a line."""

import re

KINDS = "\n\v\f\r\x85\u2028\u2029"
PATTERN = f"\r\n|[{KINDS}]"
"""A line break, for the regular expressions of Python and of polars."""
_BREAK = re.compile(PATTERN)
_BEYOND_ASCII = tuple(each.encode() for each in KINDS if not each.isascii())


def has_break(text: str) -> bool:
    """Whether there is a line break in a text."""
    return _BREAK.search(text) is not None


def replace_breaks(text: str) -> str:
    """A text on one line: a space in place of each line break."""
    return _BREAK.sub(" ", text)


def within(data: bytes) -> bool:
    """Whether lines that end with a line feed, or a carriage return and one, have other line breaks in them.

    A lone carriage return is not looked for: the reader of rows knows those.
    """
    return b"\v" in data or b"\f" in data or (not data.isascii() and any(each in data for each in _BEYOND_ASCII))


def without_breaks(text: str) -> str:
    """The text, for a model's field.

    Raises:
        ValueError: there is a line break in it.
    """
    if has_break(text):
        raise ValueError("must not contain line breaks")
    return text
