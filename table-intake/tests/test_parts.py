# SPDX-License-Identifier: Apache-2.0
"""However rows are spread over parts, the check of the parts says what that of one file does, by part and line."""

import csv
import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_intake import Checked, Expected, Refused, TableSettings, check_table
from table_intake.origins import LONE, Origins
from table_intake.read.parts import Parts, SourcePart, TableOfParts
from table_intake.read.rows import Form, Table

HEADER = "ITEM_ID,NAME,PRICE\n"
EXPECTED = Expected("drop", "items", "FULL", TableSettings(domain="custom", defaults={"KIND": "x"}))
rows = st.sampled_from(
    [
        "i1,apple,1.5\n",
        "i2,apple,\n",
        '"i3","a ""b""",2\n',
        'i4,"two\nlines",3\n',
        "i5,few\n",
        ",none,4\n",
        "\n",
        "i6,\v,5\n",
    ]
)


def parts_of(texts: Sequence[str]) -> Parts:
    sizes = [len(text.encode()) for text in texts]
    return Parts(tuple(SourcePart(str(n), None, size, f"part-{n}") for n, size in enumerate(sizes)))


def joined(texts: Sequence[str], columns: tuple[str, ...] = ()) -> tuple[Checked, str, Origins]:
    parts = replace(parts_of(texts), columns=columns)
    open_parts: list[str] = []

    @contextmanager
    def opened(part: SourcePart) -> Iterator[Table]:
        open_parts.append(part.name)
        data = texts[int(part.key)].encode()
        # Pieces of a few rows, so that parts have several.
        yield Table(part.key, [data], 40, Form(names=columns))
        open_parts.remove(part.name)

    written: list[bytes | memoryview] = []
    with tempfile.TemporaryDirectory() as scratch, closing(TableOfParts("drop", parts, opened)) as table:
        copied = check_table(table, EXPECTED, written.append, Path(scratch))
    assert open_parts == []
    return copied, b"".join(written).decode(), table.origins


def alone(text: str) -> tuple[Checked, str]:
    written: list[bytes | memoryview] = []
    with tempfile.TemporaryDirectory() as scratch:
        copied = check_table(Table("drop", [text.encode()]), EXPECTED, written.append, Path(scratch))
    return copied, b"".join(written).decode()


def refused(copied: Checked, origins: Origins = LONE) -> list[list[str]]:
    return list(csv.reader(io.StringIO(copied.rejects.file(origins).decode())))[1:]


@given(parts=st.lists(st.tuples(st.booleans(), st.lists(rows, max_size=6)), min_size=1, max_size=5))
def test_parts_are_checked_as_one_file_with_their_rows(parts: list[tuple[bool, list[str]]]) -> None:
    texts = [HEADER + "".join(some) if some or headed else "" for headed, some in parts]
    whole, copy_of_all = alone(HEADER + "".join("".join(some) for _, some in parts))
    if not any(texts):
        with pytest.raises(Refused, match="all parts are empty"):
            joined(texts)
        return
    checked_parts, copied, origins = joined(texts)
    assert copied == copy_of_all
    assert replace(checked_parts.findings, reasons=()) == replace(whole.findings, reasons=())
    assert [(reason.rule, reason.rows) for reason in checked_parts.findings.reasons] == [
        (reason.rule, reason.rows) for reason in whole.findings.reasons
    ]
    by_part = {
        name: refused(alone(text)[0])
        for name, text in zip(map("part-{}".format, range(9)), texts, strict=False)
        if text
    }
    expected = [[name, *record] for name in sorted(by_part) for record in by_part[name]]
    assert refused(checked_parts, origins) == expected
    first = [origins.locate(reason.examples[0].line) for reason in checked_parts.findings.reasons]
    assert all([name, str(line)] in [record[:2] for record in expected] for name, line in first)


@given(cut=st.integers(0, 4))
def test_columns_that_a_manifest_names_make_headers_optional(cut: int) -> None:
    lines = ["i1,apple,1\n", "i2,pear,2\n", "i3,fig,3\n", "i4,kiwi,4\n"]
    texts = ["".join(lines[:cut]), "item id,Name,price\n" + "".join(lines[cut:])]
    _, copied, _ = joined(texts, ("ITEM_ID", "NAME", "PRICE"))
    assert copied == alone(HEADER + "".join(lines))[1]
