# SPDX-License-Identifier: Apache-2.0
"""Read and write CSV in two forms that are never mixed.

The reasons are in docs/decisions/reading-files.md.

Personalize's form is for files that Personalize reads: import copies, histories made of them, lists of users to delete.
A value with a comma, a quote or a backslash is quoted, and a backslash escapes each quote and backslash in it, as
Personalize documents. The standard form (RFC 4180) is for spreadsheets and other programs: exports, copies of events,
refused rows. It doubles a quote within quotes, and a backslash is an ordinary character.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeVar

T = TypeVar("T")

SPECIAL = r'[",\\\n\r]'
"""Characters that make a value quoted in Personalize's form: for the regular expressions of Python and of polars."""
ESCAPED = r'["\\]'
"""Characters that a backslash escapes within these quotes."""
_SPECIAL = re.compile(SPECIAL)
_ESCAPED = re.compile(ESCAPED)
# Every kind of line break, and the separators that `str.splitlines` counts as one: some readers end a row there.
_STANDARD_SPECIAL = re.compile('[",\n\v\f\r\x1c-\x1e\x85\u2028\u2029]')
# Personalize is known to read a backslash before a quote or a backslash in quotes, and a doubled quote.
_READ_VALUE = re.compile(r'"((?:[^"\\]++|\\.|"")*+)"(?=,|\Z)|([^,]*+)', re.DOTALL)
_READ_ESCAPE = re.compile(r'\\(["\\])|""')
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*")


def record(values: Iterable[str]) -> str:
    """Return a row in Personalize's form, with its line feed."""
    cells = [quoted(value) if _SPECIAL.search(value) else value for value in values]
    return ",".join(cells if cells != [""] else ['""']) + "\n"


def quoted(value: str) -> str:
    """Return a quoted value in Personalize's form."""
    return '"' + _ESCAPED.sub(r"\\\g<0>", value) + '"'


def records(lines: Iterable[str]) -> Iterator[list[str]]:
    """Parse the rows of a file in Personalize's form, from lines that are split at line feeds alone."""
    return csv.reader(lines, escapechar="\\")


def cells(line: str) -> list[str]:
    """Parse one row in Personalize's form, without its line end; quotes may be doubled as well.

    Raises:
        ValueError: its quotes do not match.
    """
    if '"' not in line:
        return line.split(",")
    values, at = [], 0
    while True:
        match = _READ_VALUE.match(line, at)
        if match is None or (match[1] is None and line.startswith('"', at)):
            raise ValueError("its quotes do not match")
        values.append(_READ_ESCAPE.sub(lambda match: match[1] or '"', match[1]) if match[1] is not None else match[2])
        at = match.end() + 1
        if at > len(line):
            return values


def standard(values: Iterable[str | int], *, all_quoted: bool = False) -> str:
    """Return a row in the standard form, with its line feed; texts are quoted where necessary, or all of them."""
    written = [
        '"' + value.replace('"', '""') + '"'
        if isinstance(value, str) and (all_quoted or _STANDARD_SPECIAL.search(value))
        else str(value)
        for value in values
    ]
    return ",".join(written if written != [""] else ['""']) + "\n"


def begins_a_formula(text: str) -> bool:
    """Return whether spreadsheets may take a text for a formula, or it begins as `inert` texts do."""
    return text.startswith(_FORMULA)


def inert(value: T) -> T | str:
    """Return a value as spreadsheets show it: an apostrophe precedes texts that they would take for formulas.

    Numbers stay, also negative ones. A text that begins with an apostrophe gets another one, so that taking one off
    brings every text back (OWASP, CSV injection).
    """
    if isinstance(value, str) and begins_a_formula(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def is_standard(row: str, separator: str = ",") -> bool:
    """Return whether a row, without its line end, is surely in the standard form: quotes are around whole values."""
    return _standard_row(separator).fullmatch(row) is not None


@cache
def _standard_row(separator: str) -> re.Pattern[str]:
    value = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\x{ord(separator):02x}\r\n]*+)'
    return re.compile(rf"{value}(?:\x{ord(separator):02x}{value})*+")


def standardised(data: bytes) -> bytes:
    """Convert a file in either form to the standard form; UTF-8.

    Raises:
        ValueError: the quotes of a row do not match; the arguments are its line number and the reason.
    """
    if b"\\" not in data or b'"' not in data:
        return data
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        # A quote that is open at the end of a line would include the following lines.
        if b'"' in line and (b"\\" in line or line.count(b'"') % 2):
            end = b"\r" if line.endswith(b"\r") else b""
            try:
                row = standard(cells(line.decode().removesuffix("\r")))
            except ValueError as error:
                raise ValueError(number, str(error)) from None
            lines[number - 1] = row.removesuffix("\n").encode() + end
    return b"\n".join(lines)


def standardised_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Convert a file in chunks of any size like `standardised`.

    Raises:
        ValueError: the quotes of a row do not match.
    """
    left = b""
    for chunk in chunks:
        complete, end, rest = (left + chunk).rpartition(b"\n")
        if end:
            yield standardised(complete + end)
        left = rest
    yield standardised(left)


def rows(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Iterate over the raw rows of a file in Personalize's form, with their line ends: each is a line."""
    left = b""
    for chunk in chunks:
        *complete, left = (left + chunk).split(b"\n")
        for line in complete:
            yield line + b"\n"
    if left:
        yield left
