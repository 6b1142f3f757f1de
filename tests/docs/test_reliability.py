# SPDX-License-Identifier: Apache-2.0
"""The page about failures lists what the fault matrix plays, and nothing else."""

import re

import pytest

from tests.app.matrix.cases import CASES, KILLED, PARTS
from tests.app.matrix.courses import COURSES
from tests.app.matrix.mutants import MUTANTS, ROOT, Mutant
from tests.app.matrix.page import page
from tests.docs.pages import read

MADE = re.compile(r"This page was made on .*")


def test_the_page_is_what_the_cases_say() -> None:
    assert MADE.sub("", read("docs/reliability.md")) == MADE.sub("", page(0, ""))


def test_cases_have_names_of_their_own_and_courses_that_exist() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 80
    assert {case.part for case in CASES} == set(PARTS)
    assert {case.course for case in CASES if case.part != KILLED} == set(COURSES)
    assert all(case.faults or case.course != "drop" for case in CASES)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.safeguard)
def test_a_safeguard_that_is_taken_out_at_night_is_there(mutant: Mutant) -> None:
    count = (ROOT / mutant.file).read_text().count(mutant.text)
    # In code an edit takes one safeguard out; a machine repeats its retries at each task.
    assert count == 1 if mutant.file.endswith(".py") else count > 0
    assert set(mutant.cases) <= {case.name for case in CASES}
