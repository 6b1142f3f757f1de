# SPDX-License-Identifier: Apache-2.0
"""A made-up shop's files, with one fault at a time: each is named by the analysis."""

import pytest

from benchmarks.faulty_shops import FAULTS, TREATED, judged

USERS = 1_500


@pytest.mark.parametrize(
    ("planted", "named", "hidden"),
    [
        ("none", set(), False),
        ("robots, lift of 30 %", {"robots"}, False),
        ("a quarter of a variant's users are missing", {"sampleRatio"}, True),
        ("3 % in two variants", {"doubleExposure"}, True),
        ("exposures of a tenth of the users are lost", {"lostExposures"}, True),
        ("a day's log of exposures is lost", {"lostExposures"}, True),
    ],
)
def test_each_fault_is_named(planted: str, named: set[str], hidden: bool) -> None:
    told = judged(FAULTS[planted], USERS, seed=2)

    assert {finding.name for finding in told.verdict.findings} == named
    assert (told.verdict.state == "hidden") == hidden


def test_orders_that_come_by_drops_count_as_those_that_were_sent() -> None:
    sent, dropped = (
        judged(FAULTS[planted], USERS, seed=2) for planted in ("a lift of 30 %", "a lift of 30 %, orders by drops")
    )

    for column in ("orders", "revenue", "past.orders"):
        assert [sums.total(column) for sums in dropped.course.days[-1].sums.values()] == pytest.approx(
            [sums.total(column) for sums in sent.course.days[-1].sums.values()]
        )
    assert dropped.verdict.of(TREATED).lift == pytest.approx(sent.verdict.of(TREATED).lift)
