# SPDX-License-Identifier: Apache-2.0
"""Read the rows of a text file that begin in a range of its bytes, or those of a whole file of any format.

A range has the lines that begin in it, and reads on behind its end while its last row is open. Lines are counted, not
bytes, since they are the same in every encoding that a range can be read in.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from table_intake.ranges.cutting import Task
from table_intake.read import totals
from table_intake.read.byte_counts import count_byte
from table_intake.read.encodings import Utf8
from table_intake.read.rows import PIECE_BYTES, Form, Rows, Table

WINDOW = 1 << 17
"""Bytes before a range from which its first row is sought: rows read from any line there soon agree."""
Opener = Callable[[int], Iterable[bytes]]
"""Returns the bytes of a file from a place on."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a file is written, as its beginning tells."""

    header: Sequence[str]
    separator: str
    skips_sums: bool = False
    """Whether sums in its last rows are left out."""


class _Lines:
    """The bytes of the lines that begin in a range, after a line feed, and then those of the lines behind it."""

    def __init__(self, chunks: Iterable[bytes], task: Task) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._task = task
        self.lines = 0
        """Lines of the range so far."""
        self.read = 0
        """Bytes of these lines."""
        self.current, self.count = b"", 0
        """Those that were read last, and their number."""
        self.done = False
        """Whether these are all lines of the range."""

    def __iter__(self) -> Iterator[bytes]:
        task, at, ended = self._task, 0, True
        if task.begin:
            # The line feed keeps the first bytes from being a byte order mark, which only a file can begin with.
            yield b"\n"
            at = self._to_first_line()
            self.done = at >= task.end
        for chunk in self._chunks:
            if self.done:
                yield chunk
                continue
            end = 0 if task.last else chunk.find(b"\n", max(0, task.end - 1 - at)) + 1
            lines = chunk[:end] if end else chunk
            at += len(chunk)
            ended = lines.endswith(b"\n")
            self.current, self.count = lines, count_byte(lines, b"\n")
            self.lines += self.count
            self.read += len(lines)
            self.done = bool(end)
            yield lines
            if end < len(chunk) and end:
                yield chunk[end:]
        if not ended:
            self.lines += 1
            yield b"\n"
        self.done = True

    def _to_first_line(self) -> int:
        """Read to the first line that begins in the range, and return its place in the file."""
        at = self._task.begin - 1
        for chunk in self._chunks:
            end = chunk.find(b"\n") + 1
            at += end or len(chunk)
            if end:
                self._chunks = chain([chunk[end:]] if end < len(chunk) else [], self._chunks)
                break
        return at


class Range:
    """The rows that begin in a range of a file, as a table.

    Args:
        resource: the name in messages.
        opener: opens the file.
        task: the range.
        form: how the file is written.
        size: bytes of a piece.
        total: bytes of the drop's text; None where unknown.

    Raises:
        Refused: a line is longer than 8 MB.
    """

    def __init__(
        self,
        resource: str,
        opener: Opener,
        task: Task,
        form: FileForm,
        size: int = PIECE_BYTES,
        total: int | None = None,
    ) -> None:
        # Equal pieces: a small one costs nearly as much as a large one.
        size = _share(task.end - task.begin, size)
        self.skipped = task.skipped if task.skipped is not None else _assumed(resource, opener, task, form, size)
        """Lines at its beginning that belong to the row before."""
        self._task = task
        self._form = form
        self._sums: list[str] = []
        self._lines = _Lines(opener(max(0, task.begin - 1)), task)
        self._text = Utf8(resource, self._lines, task.encoding)
        self._decoded = iter(self._text)
        self._behind = b""
        self.types: Mapping[str, str] = {}
        self._total = total
        self._table = Table(
            resource,
            self._text_of_range(),
            size,
            Form(
                form.separator,
                encoding=lambda: self._text.label,
                header=form.header if task.begin else None,
                # Where a manifest names the columns, the first row may be none.
                names=form.header,
                line=self.skipped if task.begin else 1,
                behind=None if task.last else self._later(),
            ),
        )
        self.header = self._table.header

    def rows(self) -> Iterator[Rows]:
        """Yield the rows; see `table.Table`. Sums in the last rows of the file are left out."""
        for piece in self._table.rows():
            sums = totals.of_text(piece, self._form.separator) if self._form.skips_sums and piece.last else []
            yield piece.less([line for line, _ in sums]) if sums and self._task.last else piece
            self._sums += [totals.note(word) for _, word in reversed(sums)] if self._task.last else []

    def rows_left(self, shortest: int) -> int | None:
        """Return how many rows the drop may have besides those that were read; see `table.Table`."""
        return None if self._total is None else (self._total - self._lines.read + self._table.held) // shortest

    @property
    def notes(self) -> list[str]:
        """What was guessed."""
        guessed = self._text.guessed
        return [*([f"{guessed}: the setting encoding overrules this"] if guessed else []), *self._sums]

    @property
    def encoding(self) -> str | None:
        """The encoding of its text; None where all of it is ASCII."""
        return self._text.name

    @property
    def lines(self) -> int:
        """Lines that begin in the range, once all rows were read."""
        return self._lines.lines

    @property
    def behind(self) -> int:
        """Lines behind the range that belong to its last row, or to one that began before it."""
        return max(0, self.skipped - self.lines) + self._table.behind

    def _text_of_range(self) -> Iterator[bytes]:
        """Yield the text of the range's lines, without those that belong to the row before."""
        lead = 1 if self._task.begin else 0
        passed, skip = 0, self.skipped
        if lead:
            yield b"\n"
        for chunk in self._decoded:
            text, first = chunk, lead if passed == 0 else 0
            # The text may lag behind the bytes, whose lines are counted as they are read.
            count = self._lines.count if chunk is self._lines.current else count_byte(chunk, b"\n")
            left = self._lines.lines + lead - passed
            if self._lines.done and not self._task.last and left <= count:
                end = _after(chunk, left) if left < count else chunk.rfind(b"\n") + 1
                text, self._behind, count = chunk[:end], chunk[end:], left
            passed += count
            text = text[first:]
            if skip:
                end = _after(text, skip)
                skip -= text.count(b"\n", 0, end)
                text = text[end:]
            if text:
                yield text
            if self._lines.done and not self._task.last and passed >= self._lines.lines + lead:
                return

    def _later(self) -> Iterator[bytes]:
        """Yield the text behind the range."""
        if self._behind:
            yield self._behind
        yield from self._decoded


def _share(total: int, size: int) -> int:
    """Return the bytes of equal pieces whose number is that of the size, rounded."""
    return max(1, -(-total // max(1, round(total / size))))


def _after(chunk: bytes, lines: int) -> int:
    """Return the byte after so many lines of a chunk, or after all of them."""
    end = 0
    for _ in range(lines):
        start = chunk.find(b"\n", end) + 1
        if not start:
            return len(chunk)
        end = start
    return end


def _assumed(resource: str, opener: Opener, task: Task, form: FileForm, size: int) -> int:
    """Return how many lines at the beginning of a range probably belong to the row before."""
    begin = max(0, task.begin - WINDOW)
    first = max(0, begin - 1)
    head, chunks = b"", iter(opener(first))
    while len(head) < task.begin - first and (chunk := next(chunks, None)) is not None:
        head += chunk
    if head.find(b'"', 0, task.begin - first) < 0:
        # Only quotes make a row of several lines.
        return 0
    before = Task(-1, task.file, begin, task.begin, last=False, skipped=0, encoding=task.encoding)
    window = Range(resource, lambda _: chain([head], chunks), before, form, size)
    for _ in window.rows():
        pass
    return window.behind
