# SPDX-License-Identifier: Apache-2.0
"""Where a line of a drop comes from: lines are numbered over all parts, and people look for them in one part."""

from bisect import bisect_left
from dataclasses import dataclass

from table_intake.wording import Text


@dataclass(frozen=True, slots=True)
class Origins:
    """The parts of a drop in the order in which they were read; none of a lone file."""

    names: tuple[str, ...] = ()
    before: tuple[int, ...] = ()
    """The lines before each part, ascending."""

    def locate(self, line: int) -> tuple[str, int]:
        """Return the part of a line and its number there; "" for a lone file."""
        if not self.names:
            return "", line
        # Of empty parts and the next one, which begin alike, the last has the line.
        number = max(0, bisect_left(self.before, line) - 1)
        return self.names[number], line - self.before[number]

    def describe(self, line: int) -> Text:
        part, number = self.locate(line)
        if part:
            return Text("line.of-part", "{part}, line {line:,}", part=part, line=number)
        return Text("line", "line {line:,}", line=number)


LONE = Origins()
