# SPDX-License-Identifier: Apache-2.0
"""The table of what the tests take."""

import pytest

from benchmarks import suite
from benchmarks.suite import BEGIN, END, Took

OUTPUT = """.................. [100%]
6576 passed, 24 subtests passed in 554.93s (0:09:14)
1 failed, 12 passed, 3 skipped in 4.20s
"""


def test_tests_are_counted_over_all_runs_of_pytest() -> None:
    assert suite.passed(OUTPUT) == 6588


def test_the_table_replaces_what_stands_between_the_marks() -> None:
    rows = [Took("quick", 6588, 278.6, 419.2)]
    page = suite.written(f"before\n{BEGIN}\nold\n{END}\nafter\n", rows, "2 processors")
    assert "| `make quick` | 6,588 | 4 min 39 s | 6 min 59 s |" in page.splitlines()
    assert (page[:7], page[-7:], "old" in page) == ("before\n", "\nafter\n", False)
    assert suite.written(page, rows, "2 processors") == page
    with pytest.raises(ValueError, match="there is no"):
        suite.written("a page", rows, "2 processors")


def test_the_page_of_contributors_has_the_marks() -> None:
    assert suite.written(suite.PAGE.read_text(), [], "2 processors")
