# SPDX-License-Identifier: Apache-2.0
"""Files that are made to cost: refused within seconds, and within the memory of the function that checks drops."""

import csv
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from personalization.shop.settings.settings import ShopSettings
from table_intake import Checked, Expected, Refused, check_table, problems
from table_intake.read import archives
from table_intake.read.rows import Table

from benchmarks import files
from local.cloud.environments import REPOSITORY

GOOD = "u1,i1,1700000000,View,1\n"
EXPECTED = Expected("drop.csv", "interactions", "FULL", ShopSettings(), now=1_800_000_000)


class File:
    """A file of parts, that knows how much of it may still come."""

    def __init__(self, *parts: bytes, left: int = 0) -> None:
        self._parts = [files.INTERACTIONS, *parts]
        self._left = left
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self.given += 1
            yield part

    def left(self) -> int:
        return self._left + sum(map(len, self._parts[self.given :]))


def checked(file: File, limit: float = 0.01, size: int = 1000) -> tuple[Checked, str]:
    expected = Expected(
        "drop.csv",
        "interactions",
        "FULL",
        ShopSettings.model_validate({"rejects": {"limit": limit}}),
        None,
        1_800_000_000,
    )
    with tempfile.TemporaryDirectory() as scratch:
        copied = check_table(Table("drop.csv", file, size), expected, len, Path(scratch))
    return copied, "; ".join(problems(expected, copied.findings))


def rejects(copied: Checked) -> list[list[str]]:
    return list(csv.reader(io.StringIO(copied.rejects.file().decode())))[1:]


QUICK = (
    "zeros", "far cell, single quotes", "far cell, prefix", "columns 500 deep", "objects without an end",
)  # fmt: skip
"""Bombs that are made and refused soonest, of each kind of file and of refusal; `make nightly` has all of them."""


def test_bombs_cost_seconds_and_stay_within_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hostile", "--files", *QUICK],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "layers/core"), "POLARS_MAX_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(QUICK) + len({*QUICK} & {*files.PACKED})


def test_the_check_stops_where_the_rest_cannot_make_up_for_the_bad_rows() -> None:
    bad = b"u1,i1,soon,View,1\n"
    # After the first piece there are 60 bad rows, and room for 400 good ones: of 460 rows 4 may be bad.
    copied, told = checked(File(bad * 60, (GOOD * 400).encode()))
    findings = copied.findings
    assert (findings.stopped, findings.rows, findings.rejected) == (61, 60, 60)
    assert rejects(copied)[-1] == [
        "61",
        "the check stopped here: the rest of the file cannot make up for the bad rows",
        "",
    ]
    assert re.search(r"60 of the first 60 rows are bad .*; the check stopped at line 61$", told)


def test_the_check_goes_on_while_good_rows_may_still_follow() -> None:
    bad, good = b"u1,i1,soon,View,1\n", (GOOD * 1_000).encode()
    copied, told = checked(File(bad * 55, *[good] * 6), size=100_000)
    assert (copied.findings.stopped, copied.findings.rows) == (0, 6055)
    assert "bad" not in told
    # Nobody knows how large it is: it is read to its end.
    with tempfile.TemporaryDirectory() as scratch:
        unbounded = check_table(
            Table("drop.csv", [files.INTERACTIONS, bad * 55, good], 1000), EXPECTED, len, Path(scratch)
        )
    assert (unbounded.findings.stopped, unbounded.findings.rejected) == (0, 55)


def test_a_shop_that_allows_every_row_to_be_bad_has_its_file_read_to_the_end() -> None:
    copied, told = checked(File(b"u1,i1,soon,View,1\n" * 60, *[GOOD.encode() * 100] * 2), limit=1)
    assert (copied.findings.stopped, copied.findings.rows, copied.findings.rejected) == (0, 260, 60)
    assert "bad" not in told


def test_blank_lines_between_rows_are_no_bomb() -> None:
    copied, told = checked(File((f"{GOOD}\n\n" * 2_000).encode()), size=4_000)
    assert (copied.findings.rows, copied.findings.rejected) == (2_000, 0)
    assert "blank" not in told


@pytest.mark.parametrize("name", ["README.md", "README.ko.md", "docs/settings/files.md", "docs/operations/drop.md"])
def test_the_size_that_a_drop_may_have_is_the_one_that_is_told(name: str) -> None:
    assert f"{archives.LARGEST / 1e9:.0f} GB" in (REPOSITORY / name).read_text()


def test_a_header_of_a_million_columns_is_refused_at_once() -> None:
    with pytest.raises(Refused, match="line 1, which must name the columns, has 1,000,001 of them"):
        check_table(Table("drop.csv", [b"A," * 1_000_000 + b"B\n"]), EXPECTED, len, Path())
