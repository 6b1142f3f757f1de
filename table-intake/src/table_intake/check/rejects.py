# SPDX-License-Identifier: Apache-2.0
"""Keep refused rows as a CSV for repairs, and give up a drop that can no longer be accepted.

The file has the line, the reason and the original row.

Spreadsheets treat cells with certain first characters as formulas. An apostrophe precedes rows that begin with one of
them or with an apostrophe; without it, every row is as it came.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

import polars as pl

from table_intake.check import cell_rules
from table_intake.check.findings import EXAMPLES, Example, Expected, Reason
from table_intake.check.state import State
from table_intake.columns.header import Slot
from table_intake.errors import Refused
from table_intake.origins import LONE, Origins
from table_intake.read.irregular import LINE, RAGGED, ragged
from table_intake.read.rows import source
from table_intake.table import Rows
from table_intake.wording import Text
from table_intake.write.dialect import begins_a_formula, standard

EARLY_ROWS = 100_000
"""Bad rows after which a mostly bad file is given up: as many as the file of refused rows has."""
EARLY_BYTES = 256_000_000
"""Bytes after which it is given up, even with fewer rows."""
MOSTLY = 0.5
"""The share of bad rows in a mostly bad file."""
BLANK_LINES = 1_000_000
"""Blank lines above which a file with ten times as many of them as rows is refused."""
MOST_ROWS = 100_000
MOST_BYTES = 24_000_000
_SHORTEST = {"interactions": 10, "users": 0, "items": 0, "actions": 0, "action-interactions": 10}
"""Bytes that a row has at least beside its first id: another id, and a time of nine digits."""
_HEADER = '"line","reason","row"\n'
_HIDDEN = "(not shown, since the settings hash columns of this file)"
_SHOWN = 2_500
"""Characters of a value."""
_STOPPED = "the check stopped here: the rest of the file cannot make up for the bad rows"


class Rejects:
    """Counts refused rows, and keeps as many as a repair can use.

    Args:
        expected, slots: the drop's requirements, and the columns that are checked.
        width: the values that a good row has.
        hides: whether columns are hashed, so that no row may be shown as it came.
    """

    def __init__(self, expected: Expected, slots: Sequence[Slot], width: int, *, hides: bool = False) -> None:
        self._resource, self._limit = expected.resource, expected.settings.rejects.limit
        self._slots, self._width, self._hides = slots, width, hides
        self.shortest = width + 1 + _SHORTEST[expected.kind]
        """Bytes of the shortest row."""
        self._blank = self._bytes = 0
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Example]] = {}
        self._rows: list[tuple[int, str]] = []
        """The line of each row in the file, and the rest of its record."""
        self._size = len(_HEADER)
        """Characters of the file."""
        self._stopped = 0
        self.read = 0
        """Good and bad rows so far."""

    @property
    def rows(self) -> int:
        """The number of all refused rows."""
        return self._counts.total()

    @property
    def written(self) -> int:
        """Rows in the file."""
        return len(self._rows)

    def take(self, rows: Rows, frame: pl.DataFrame) -> None:
        """Count the rows of a piece, and refuse those that are not rows of the table; `frame` has the others.

        Raises:
            Refused: the file is nearly all blank lines.
        """
        self.read += frame.height + len(rows.unreadable) + rows.ragged.height
        self._blank += rows.blank
        self._bytes += rows.size
        if self._blank > BLANK_LINES and self._blank > 10 * self.read:
            text = "{blank:,} of its first {lines:,} {lines:line|lines} are blank: leave the blank lines out"
            raise Refused(self._resource, Text("blank-lines", text, blank=self._blank, lines=rows.end))
        if not rows.unreadable and not rows.ragged.height:
            return
        for bad in rows.unreadable:
            self._counts[bad.rule] += 1
        bad_rows = [bad for bad in rows.unreadable if self._wants(bad.rule)]
        if rows.ragged.height:
            self._counts[RAGGED] += rows.ragged.height
            if self._wants(RAGGED):
                some = rows.ragged.head(max(MOST_ROWS - self.written, EXAMPLES))
                bad_rows += [ragged(values, self._width, line) for line, values in some.iter_rows()]
                bad_rows.sort(key=lambda bad: bad.line)
        lines = [bad.line for bad in bad_rows]
        # Which of its values are to be hashed is unknown of a row that cannot be read.
        originals = [_HIDDEN] * len(lines) if self._hides else rows.originals(lines)
        for bad, original in zip(bad_rows, originals, strict=True):
            self._keep(bad.rule, Example(bad.line, bad.reason), bad.reason, original)

    def refuse(self, rows: Rows, frame: pl.DataFrame, codes: pl.Series) -> pl.Series:
        """Refuse the rows of a frame with a code (see `cell_rules.codes`), and return their lines."""
        bad = frame.with_columns(codes.alias("code")).filter(pl.col("code") > 0)
        lines, wanted = bad[LINE], []
        for code, count in bad["code"].value_counts().iter_rows():
            rule = self._rule(code)
            self._counts[rule] += count
            wanted += [code] * self._wants(rule)
        bad = bad.filter(pl.col("code").is_in(wanted))
        cells = {code: self._cells(self._broken(code)[0], bad) for code in wanted}
        numbers = bad[LINE].to_list()
        texts = _texts(bad, self._width) if self._hides else rows.texts(bad)
        every = zip(numbers, bad["code"].to_list(), texts, strict=True)
        for index, (line, code, original) in enumerate(every):
            slot, number = self._broken(code)
            value, rule = cells[code][index], self._rule(code)
            reason = cell_rules.reason(slot.name, number, value, slot.form, slot.column)
            # More people read a report than the file of refused rows, so it contains no user ids.
            hidden = slot.name == "USER_ID"
            example = Example(line, rule) if hidden else Example(line, reason, cell_rules.shown(value))
            self._keep(rule, example, reason, original)
        return lines

    def is_hopeless(self, left: int | None, *, whole: bool = True) -> bool:
        """Tell whether the drop is refused whatever follows.

        Args:
            left: rows that may still come, at most; None where unknown.
            whole: whether these are all rows from the beginning of the drop, so that a mostly bad one is given up.
        """
        bad = self.rows
        if left is not None and bad > self._limit * (self.read + left + 1):
            return True
        enough = bad >= EARLY_ROWS or self._bytes >= EARLY_BYTES
        return whole and enough and bad > max(MOSTLY, self._limit) * self.read

    def stop(self, line: int) -> None:
        """Record that the rows after a line are not checked."""
        self._stopped = line

    def reasons(self) -> tuple[Reason, ...]:
        """Return the broken rules, the most frequent first."""
        first = {rule: self._examples[rule][0].line for rule in self._counts}
        ordered = sorted(self._counts.items(), key=lambda pair: (-pair[1], first[pair[0]], pair[0]))
        return tuple(Reason(rule, rows, tuple(self._examples[rule])) for rule, rows in ordered)

    def file(self, origins: Origins = LONE) -> bytes:
        """Return the file of refused rows; over several parts, each with the name of its part."""
        lines = [f"{_origin(origins, line)},{rest}" for line, rest in sorted(self._rows, key=lambda row: row[0])]
        if self._stopped:
            lines.append(f"{_origin(origins, self._stopped)},{standard((_STOPPED, ''), all_quoted=True)}")
        return "".join([f'"part",{_HEADER}' if origins.names else _HEADER, *lines]).encode()

    def merge(self, state: State, lines: int) -> None:
        """Add the refused rows of the next rows of the file, which come after so many lines."""
        given = state.document
        self.read += given["read"]
        self._blank += given["blank"]
        self._bytes += given["bytes"]
        self._counts.update(given["counts"])
        for rule, saved in given["examples"].items():
            examples = self._examples.setdefault(rule, [])
            later = [replace(Example(**example), line=example["line"] + lines) for example in saved]
            examples += later[: EXAMPLES - len(examples)]
        self._write((line + lines, rest) for line, rest in state.frames["kept"].iter_rows())

    def state(self) -> State:
        document = {
            "read": self.read,
            "blank": self._blank,
            "bytes": self._bytes,
            "counts": self._counts,
            "examples": {rule: [asdict(example) for example in examples] for rule, examples in self._examples.items()},
        }
        rows = pl.DataFrame(self._rows, schema={"line": pl.Int64, "rest": pl.String}, orient="row")
        return State(document, {"kept": rows})

    @property
    def _full(self) -> bool:
        return self.written >= MOST_ROWS or self._size >= MOST_BYTES

    def _wants(self, rule: str) -> bool:
        """Tell whether another row that breaks a rule would be kept."""
        return not self._full or len(self._examples.get(rule, ())) < EXAMPLES

    def _keep(self, rule: str, example: Example, reason: str, row: str) -> None:
        """Keep a row as one of the first examples of a rule, and in the file unless it is full."""
        examples = self._examples.setdefault(rule, [])
        if len(examples) < EXAMPLES:
            examples.append(example)
        if not self._full:
            row = f"'{row}" if begins_a_formula(row) else row
            self._write([(example.line, standard((reason, row), all_quoted=True))])

    def _write(self, rows: Iterable[tuple[int, str]]) -> None:
        """Write rows until the file is full."""
        for line, rest in rows:
            if self._full:
                return
            self._rows.append((line, rest))
            self._size += len(rest) + len(str(line)) + 1

    def _broken(self, code: int) -> tuple[Slot, int]:
        index, number = divmod(code, cell_rules.CODES)
        return self._slots[index], number

    def _rule(self, code: int) -> str:
        slot, number = self._broken(code)
        return cell_rules.rule(slot.name, number)

    def _cells(self, slot: Slot, bad: pl.DataFrame) -> list[str]:
        return bad[source(slot.source)].to_list() if slot.source is not None else [slot.default or ""] * bad.height


def _texts(frame: pl.DataFrame, width: int) -> list[str]:
    """Return rows with their hashes as CSV, shortened if they are very long."""
    rows = frame.select(map(source, range(width))).iter_rows()
    return [standard(value[:_SHOWN] for value in row).removesuffix("\n") for row in rows]


def _origin(origins: Origins, line: int) -> str:
    """Return the first values of a record: its part, if there are several, and its line."""
    part, number = origins.locate(line)
    return standard((part, number) if part else (number,), all_quoted=True).removesuffix("\n")
