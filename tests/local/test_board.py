# SPDX-License-Identifier: Apache-2.0
import io
import json
from typing import Any

from rich.console import Console

from local.cloud.runs import Moment, happenings, statuses
from local.terminal.board import Board

DONE, UNDER_WAY, FAILED = "✓", "…", "✗"

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


def test_what_a_resource_is_made_of_is_ready() -> None:
    board = told(
        Moment(1.0, "solution retail-green-similar", "CREATE PENDING"),
        Moment(1.1, "solution retail-green-similar-items", "CREATE PENDING"),
        Moment(1.4, "solution version retail-green-similar-items-c3", "CREATE PENDING"),
        Moment(1.5, "filter retail-green-a", "CREATE PENDING"),
        Moment(1.6, "filter retail-green-a-b", "CREATE PENDING"),
    )
    marks = {row.what.partition("green-")[2]: (row.mark(), row.status) for row in board.rows.values()}
    assert marks["similar-items"] == (DONE, "ACTIVE")
    assert marks["a"] == (UNDER_WAY, "CREATE PENDING")
    assert "solution retail-green-similar-items" not in " ".join(board.waiting_for())


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


def test_the_step_that_failed_is_crossed_and_those_that_report_it_are_not() -> None:
    history: list[dict[str, object]] = [
        entered("Map", "Import each file"),
        entered("Task", "Start the import job"),
        exited("Start the import job", {"Error": "Broken", "Cause": "no such bucket"}),
        exited("Import each file", {"Error": "Broken", "Cause": "no such bucket"}),
        entered("Task", "Announce that the run failed"),
        exited("Announce that the run failed", {"MessageId": "1"}),
        entered("Task", "Close the failed run"),
        exited("Close the failed run", {}),
        {"type": "ExecutionFailed"},
    ]
    board, under_way = Board(), set[str]()
    for second, event in enumerate(history):
        for what, status in happenings(event, under_way):
            board.tell(Moment(float(second), what, status))
    board.end(9.0)
    assert {row.what: row.mark() for row in board.rows.values()} == {
        "Import each file": FAILED,
        "Start the import job": FAILED,
        "Announce that the run failed": DONE,
        "Close the failed run": DONE,
    }


def test_a_step_whose_error_nobody_caught_is_crossed() -> None:
    under_way: set[str] = set()
    assert list(happenings(entered("Task", "Close the run"), under_way)) == [("Close the run", "")]
    assert list(happenings({"type": "ExecutionTimedOut"}, under_way)) == [("Close the run", "FAILED")]


def job_event(arn: str, name: str, status: str) -> dict[str, Any]:
    told = {"StatusCode": 200, "Payload": {"arn": arn, "name": name, "status": status}}
    return {"type": "TaskSucceeded", "taskSucceededEventDetails": {"output": json.dumps(told)}}


ARN = "arn:aws:personalize:us-east-1:123456789012"


def test_a_resource_is_told_by_what_waits_for_it() -> None:
    job, board, last = f"{ARN}:dataset-import-job/retail-green-run", Board(), list[str]()
    told = [job_event(job, "retail-green-run", f"CREATE {word}") for word in ("PENDING", "IN_PROGRESS")]
    for second, event in enumerate([*told, {"type": "ExecutionFailed"}]):
        for what, status in statuses(event, last):
            board.tell(Moment(float(second), what, status))
    assert {row.what: row.mark() for row in board.rows.values()} == {"dataset import job retail-green-run": FAILED}
    assert list(statuses({"type": "PassStateEntered"}, [])) == []


def test_a_resource_is_called_what_it_is() -> None:
    def label(arn: str, name: str) -> str:
        ((what, _),) = statuses(job_event(f"{ARN}:{arn}", name, "ACTIVE"), [])
        return what

    assert label("solution/retail-green/1f2e3d4c", "of-the-run") == "solution version retail-green"
    assert label("solution/retail-green", "retail-green") == "solution retail-green"
    assert label("event-tracker/0badcafe", "retail-green-events") == "event tracker retail-green-events"


def test_a_job_without_room_is_waited_for() -> None:
    board = told(Moment(1.0, "dataset import job j", "WAITING"))
    assert board.waiting_for() == ["dataset import job j WAITING"]


def entered(kind: str, name: str) -> dict[str, object]:
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": name, "input": "{}"}}


def exited(name: str, output: object) -> dict[str, object]:
    return {"type": "TaskStateExited", "stateExitedEventDetails": {"name": name, "output": json.dumps(output)}}
