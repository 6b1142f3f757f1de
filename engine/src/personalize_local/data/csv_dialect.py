# SPDX-License-Identifier: Apache-2.0
"""CSV in the two forms that Personalize reads, and the standard form (RFC 4180) that everything here writes.

In Personalize's form, a backslash stands before each quote and backslash of a quoted value. In the standard form a
quote within quotes is doubled, and a backslash is a character like any other.
"""

import re
from collections.abc import Iterable

# Every line break, and the separators that `str.splitlines` takes for one: some readers end a row there.
_SPECIAL = re.compile('[",\n\v\f\r\x1c-\x1e\x85\u2028\u2029]')
_VALUE = re.compile(r'"((?:[^"\\]++|\\.|"")*+)"(?=,|\Z)|([^,]*+)', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\])|""')


def cells(line: str) -> list[str]:
    """Return the values of one row, without its line end, in either form. Raises ValueError for unbalanced quotes."""
    if '"' not in line:
        return line.split(",")
    values, at = [], 0
    while at <= len(line):
        match = _VALUE.match(line, at)
        if match is None or (match[1] is None and line.startswith('"', at)):
            raise ValueError("its quotes do not match")
        values.append(match[2] if match[1] is None else _ESCAPE.sub(lambda escape: escape[1] or '"', match[1]))
        at = match.end() + 1
    return values


def row(values: Iterable[str]) -> str:
    """Return a row in the standard form, with its line feed."""
    written = ['"' + value.replace('"', '""') + '"' if _SPECIAL.search(value) else value for value in values]
    return ",".join(written if written != [""] else ['""']) + "\n"


def standardized(data: bytes) -> bytes:
    """Return a UTF-8 file of either form in the standard form.

    Raises ValueError, with a line's number and what is wrong, if its quotes do not match.
    """
    if b"\\" not in data or b'"' not in data:
        return data
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        # A quote that is open at the end of a line would swallow the lines that follow.
        if b'"' in line and (b"\\" in line or line.count(b'"') % 2):
            end = b"\r" if line.endswith(b"\r") else b""
            try:
                written = row(cells(line.decode().removesuffix("\r")))
            except ValueError as error:
                raise ValueError(number, str(error)) from None
            lines[number - 1] = written.removesuffix("\n").encode() + end
    return b"\n".join(lines)
