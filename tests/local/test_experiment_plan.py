# SPDX-License-Identifier: Apache-2.0
"""What `experiment plan` says of a shop's files: figures, sentences in both languages, and ways out."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local.cli.main import parser
from local.cloud.environments import LocalError
from local.experiments import command
from local.terminal.output import Terminal

DAY = 86_400
END = 20_000 * DAY
HEADER = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE"
Row = Sequence[object]
Plan = Callable[..., dict[str, Any]]


def shop(users: int = 900, weeks: int = 10, *, views: bool = True) -> list[Row]:
    """Everybody comes once a week, and buys at every fourth visit."""
    rng = np.random.default_rng(4)
    rows: list[Row] = []
    for user in range(users):
        for week in range(weeks):
            time = END - 1 - week * 7 * DAY - int(rng.integers(7 * DAY))
            if views:
                rows.append((f"u{user}", "i1", time, "View", ""))
            if rng.random() < 0.25:
                rows.append((f"u{user}", f"i{week}", time, "Purchase", round(float(rng.lognormal(3, 1)), 2)))
    return rows


def write(path: Path, rows: Iterable[Row], header: str = HEADER) -> str:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(path)


def run(file: str, *options: str, as_json: bool = True) -> None:
    terminal = Terminal(as_json=as_json)
    command.main(parser().parse_args(["experiment", "plan", file, *options]), terminal)


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str]) -> Plan:
    def of(file: str, *options: str) -> dict[str, Any]:
        run(file, *options)
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    return of


def lifts(document: dict[str, Any], goal: int = 0, weights: int = 0) -> list[float | None]:
    return [weeks["sights"][weights]["leastLift"] for weeks in document["goals"][goal]["plans"]]


def test_a_plan_has_goals_weeks_and_weights(plan: Plan, tmp_path: Path) -> None:
    rows = shop()
    document = plan(write(tmp_path / "shop.csv", rows))
    assert [goal["goal"] for goal in document["goals"]] == ["orders", "revenue", "revenueWinsorized"]
    assert (document["weeks"], document["usersAWeek"], document["to"]) == (8, 900, "2024-10-03")
    recent = [row for row in rows if int(str(row[2])) >= END - 28 * DAY and row[3] == "Purchase"]
    four = document["goals"][0]["plans"][1]
    assert (four["weeks"], four["users"], four["withPast"]) == (4, 900, 1.0)
    assert four["mean"] == pytest.approx(len(recent) / 900)
    revenue = document["goals"][1]["plans"][1]["mean"]
    assert revenue == pytest.approx(sum(float(str(row[4])) for row in recent) / 900, rel=1e-5)
    whole, winsorized = (goal["plans"][2]["mean"] for goal in document["goals"][1:])
    assert winsorized < whole
    two, four_weeks, eight = lifts(document)
    assert two is not None
    assert four_weeks is not None
    assert eight is not None
    assert two > four_weeks > eight > 0.02
    assert lifts(document, weights=1) == [None, None, None]
    assert four["sights"][0]["looks"][0]["z"] > 3.5


def test_sentences_say_what_the_shop_can_see(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "shop.csv", shop())
    run(file, as_json=False)
    english = " ".join(capsys.readouterr().out.split())
    assert "Your shop can see +" in english
    assert "orders per user in 4 weeks, when half of the users get the change." in english
    assert "A holdout of 5% has too few buyers" in english
    assert "Clicks per list are unknown" in english
    run(file, "--language", "ko", as_json=False)
    korean = " ".join(capsys.readouterr().out.split())
    assert "이 상점은 4주 안에 고객당 주문 +" in korean
    assert not {"Your", "weeks", "holdout", "users", "orders"} & set(korean.split())


def test_no_line_is_wider_than_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "shop.csv", shop())
    for language in ("en", "ko"):
        run(file, "--language", language, as_json=False)
        widths = [sum(1 + ("가" <= letter <= "힣") for letter in line) for line in capsys.readouterr().out.splitlines()]
        assert max(widths) <= 80


def test_four_weeks_plan_no_eight(plan: Plan, tmp_path: Path) -> None:
    document = plan(write(tmp_path / "shop.csv", shop(weeks=5)))
    assert [weeks["weeks"] for weeks in document["goals"][0]["plans"]] == [2, 4]


def test_what_no_person_does_is_named_and_left_out(plan: Plan, tmp_path: Path) -> None:
    rows = shop()
    clicker = [("robot", "i1", END - 4 * DAY - second, "View", "") for second in range(1, 1_201)]
    till = [
        ("till", "i1", END - 1 - day * DAY - 60 * minute, "Purchase", 5) for day in range(50) for minute in range(9)
    ]
    alone = plan(write(tmp_path / "shop.csv", rows))
    document = plan(write(tmp_path / "crawled.csv", [*rows, *clicker, *till]))
    assert {robot["user"]: robot["reason"] for robot in document["leftOut"]} == {
        "robot": "1,200 events on one day",
        "till": "20% of all orders",
    }
    assert [lifts(document, goal) for goal in range(3)] == [pytest.approx(lifts(alone, goal)) for goal in range(3)]
    assert any("robot (1,200 events on one day)" in sentence for sentence in document["sentences"])


def test_files_of_orders_alone_are_taken_with_care(plan: Plan, tmp_path: Path) -> None:
    document = plan(write(tmp_path / "orders.csv", shop(views=False)))
    whole = plan(write(tmp_path / "shop.csv", shop()))
    assert document["onlyOrders"]
    assert any("nobody who only looks" in sentence for sentence in document["sentences"])
    for careful, usual in zip(lifts(document), lifts(whole), strict=True):
        assert careful is not None
        assert usual is not None
        assert careful > usual


def test_orders_of_two_currencies_have_no_revenue(plan: Plan, tmp_path: Path) -> None:
    rows = [(*row, "EUR" if number % 2 else "KRW") for number, row in enumerate(shop())]
    document = plan(write(tmp_path / "shop.csv", rows, f"{HEADER},CURRENCY"))
    assert [goal["goal"] for goal in document["goals"]] == ["orders"]
    assert document["unknown"][0] == (
        "Revenue is unknown: orders are in EUR, KRW. Convert them, or give files of one currency."
    )


def test_orders_without_values_have_no_revenue(plan: Plan, tmp_path: Path) -> None:
    document = plan(write(tmp_path / "shop.csv", [row[:4] for row in shop()], HEADER.rpartition(",")[0]))
    assert [goal["goal"] for goal in document["goals"]] == ["orders"]
    assert document["unknown"][0].startswith("Revenue is unknown: 0% of the orders have a value")


def test_returns_are_nobody_s_visit(plan: Plan, tmp_path: Path) -> None:
    rows = shop()
    returned = [(user, item, time, "Return", value) for user, item, time, kind, value in rows if kind == "Purchase"]
    without, with_returns = (plan(write(tmp_path / "shop.csv", some)) for some in (rows, [*rows, *returned]))
    assert lifts(with_returns, 1) == pytest.approx(lifts(without, 1))


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (shop(weeks=1), (), "at least 2 whole weeks"),
        ([row for row in shop() if row[3] == "View"], (), "no row is a Purchase; there are: View"),
        (shop(), ("--event-type", "Order"), "no row is a Order; there are: View, Purchase"),
        (
            [*shop(1), *((user, item, int(str(time)) - 150 * DAY, *rest) for user, item, time, *rest in shop())],
            (),
            "have only 1 user",
        ),
        ([row for row in shop(200) if row[3] == "View" or int(str(row[2])) < END - 60 * DAY], (), "have no Purchase"),
        ([(user, item, number % 9, *rest) for number, (user, item, _, *rest) in enumerate(shop(200))], (), "positions"),
    ],
    ids=["weeks", "no purchase", "other type", "one user", "long ago", "positions"],
)
def test_what_no_plan_is_made_of_says_the_way_out(
    rows: list[Row], options: Sequence[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(LocalError, match=message) as refused:
        run(write(tmp_path / "shop.csv", rows), *options)
    assert refused.value.code == 2


def test_a_plan_needs_files() -> None:
    with pytest.raises(LocalError, match="name your files"):
        command.main(parser().parse_args(["experiment", "plan"]), Terminal(as_json=True))
