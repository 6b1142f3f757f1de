# SPDX-License-Identifier: Apache-2.0
"""The protocols that quality is measured by: what trains, what is told, what is asked."""

import random
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from benchmarks import protocols
from benchmarks.peers import best
from benchmarks.questions.cases import Case
from benchmarks.questions.sets import tables

BEGIN, DAY = 1_600_000_000, 86_400


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Case]]:
    """Every protocol on 80 shoppers with five baskets of two items, 40 days apart; a new shopper comes each week."""
    folder, rng = tmp_path_factory.mktemp("data"), random.Random(2)  # noqa: S311 - no secret
    rows = [
        (f"u{user}", f"i{item}", BEGIN + 40 * DAY * visit + user, "Purchase")
        for user in range(80)
        for visit in range(5)
        for item in rng.sample(range(50), 2)
    ]
    rows += [(f"u{user}", f"i{user % 50}", BEGIN + 39 * DAY + n, "Purchase") for user in range(80) for n in range(10)]
    rows += [(f"new{week}", "i1", BEGIN + week * 7 * DAY, "Purchase") for week in range(23)]
    text = "\n".join(["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", *(",".join(map(str, row)) for row in rows)])
    (folder / "interactions.csv").write_text(text + "\n")
    given = tables(folder, folder / "scratch")
    return {
        name: list(protocol.cases(given)) for name, protocol in protocols.PROTOCOLS.items() if name != "retail-cold"
    }


def sizes(case: Case) -> dict[str, tuple[int, int]]:
    """By shopper: how many interactions are told, and how many items asked for."""
    return {question.user: (len(question.query.history), len(question.relevant)) for question in case.questions}


def test_the_last_basket_is_asked_for_and_everything_before_trains(cases: dict[str, list[Case]]) -> None:
    [case] = cases["journey-basket"]
    assert set(sizes(case).values()) == {(18, 2)}
    assert len(case.past.rows) == 80 * 18 + 23
    assert case.among == "all"


def test_as_published_the_last_but_one_is_told_and_does_not_train(cases: dict[str, list[Case]]) -> None:
    [case] = cases["beauty-published"]
    assert set(sizes(case).values()) == {(18, 2)}
    assert len(case.past.rows) == 80 * 16 + 23
    assert case.among == "new"
    assert all(question.query.item_id == question.query.history[-1].item_id for question in case.questions)
    assert all({row.item_id for row in question.query.history} == question.seen for question in case.questions)


def test_of_the_last_basket_one_item_is_asked_for_while_it_is_filled(cases: dict[str, list[Case]]) -> None:
    [case] = cases["demo-rest"]
    assert set(sizes(case).values()) == {(19, 1)}
    assert len(case.past.rows) == 80 * 19
    assert case.among == "new"
    for question in case.questions:
        assert question.query.now == question.query.history[-1].timestamp
        assert not question.relevant & question.seen


def test_as_judged_all_but_the_last_trains(cases: dict[str, list[Case]]) -> None:
    [case] = cases["beauty-judged"]
    assert len(case.past.rows) == 80 * 18 + 23
    assert case.among == "new"


def test_new_items_never_train_and_lists_are_made_of_them_alone(cases: dict[str, list[Case]]) -> None:
    assert len(cases["beauty-cold"]) == protocols.DRAWS
    for case in cases["beauty-cold"]:
        assert isinstance(case.among, frozenset)
        assert len(case.among) == 5
        assert not case.among & set(case.past.snapshot.items[np.unique(case.past.rows.item)])
        assert all(question.relevant <= case.among for question in case.questions)


def test_four_weeks_before_the_end_are_the_cut(cases: dict[str, list[Case]]) -> None:
    [case] = cases["retail-basket"]
    assert case.past.split.cut == BEGIN + 132 * DAY + 79
    assert set(sizes(case)) == {f"u{user}" for user in range(80)}


def test_new_customers_are_asked_about_in_the_week_in_which_they_come(tmp_path: Path) -> None:
    rows = [(f"u{n % 50}", f"i{n % 9}", BEGIN + n * DAY // 4, "Purchase") for n in range(2000)]
    rows += [(f"new{n}", "i1", BEGIN + 499 * DAY - n * 7 * DAY, "Purchase") for n in range(30)]
    text = "\n".join(["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", *(",".join(map(str, row)) for row in rows)])
    (tmp_path / "interactions.csv").write_text(text + "\n")
    cases = list(protocols.strangers(tables(tmp_path, tmp_path / "scratch")))
    assert [[question.user for question in case.questions] for case in cases] == [
        [f"new{n}"] for n in range(25, -1, -1)
    ]
    assert all(not question.query.history for case in cases for question in case.questions)


def test_a_peers_best_items_leave_out_what_was_taken_where_asked() -> None:
    scores = np.array([[0.1, 0.9, 0.5, 0.7], [0.4, 0.3, 0.2, 0.1]])
    taken = sparse.csr_matrix(([1.0], ([0], [1])), shape=(2, 4))
    items, values = best(scores.copy(), taken, 2, new=False)
    assert (items.tolist(), values.tolist()) == ([[1, 3], [0, 1]], [[0.9, 0.7], [0.4, 0.3]])
    assert best(scores.copy(), taken, 2, new=True)[0].tolist() == [[3, 2], [0, 1]]
