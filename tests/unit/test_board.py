# SPDX-License-Identifier: Apache-2.0
import io

from rich.console import Console

from local.board import DONE, FAILED, UNDER_WAY, Board
from local.runs import Moment

STORY = [
    Moment(0.1, "Ensure the dataset"),
    Moment(0.2, "dataset retail-green-items", "CREATE PENDING"),
    Moment(1.2, "dataset retail-green-items", "ACTIVE"),
    Moment(1.3, "Start the import job"),
    Moment(1.4, "dataset import job retail-green-items-run", "CREATE IN_PROGRESS"),
]


def told(*moments: Moment) -> Board:
    board = Board()
    for moment in moments:
        board.tell(moment)
    return board


def drawn(board: Board, now: float) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(board.table(now))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_steps_stand_in_their_order_and_end_when_the_next_begins() -> None:
    board = told(*STORY)
    assert [row.what for row in board.rows.values()] == list(dict.fromkeys(moment.what for moment in STORY))
    assert [row.mark() for row in board.rows.values()] == [DONE, DONE, UNDER_WAY, UNDER_WAY]
    assert [round(row.seconds(5.3), 1) for row in board.rows.values()] == [1.2, 1.0, 4.0, 3.9]


def test_the_board_says_what_the_run_waits_for() -> None:
    shown = drawn(told(*STORY), 5.3)
    assert "waits for dataset import job retail-green-items-run CREATE IN_PROGRESS" in shown
    assert "3.9 s" in shown


def test_a_failed_resource_is_crossed() -> None:
    board = told(*STORY, Moment(9.0, "dataset import job retail-green-items-run", "CREATE FAILED"))
    assert list(board.rows.values())[-1].mark() == FAILED
    assert "waits for" not in drawn(board, 9.1)


def test_an_ended_run_has_no_step_under_way() -> None:
    board = told(*STORY[:4])
    board.end(2.0)
    assert {row.mark() for row in board.rows.values()} == {DONE}


def test_a_campaign_that_is_updated_again_is_under_way_again() -> None:
    board = told(Moment(1.0, "campaign c", "ACTIVE"), Moment(2.0, "campaign c", "CREATE PENDING"))
    assert board.waiting_for() == ["campaign c CREATE PENDING"]
