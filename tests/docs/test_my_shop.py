# SPDX-License-Identifier: Apache-2.0
"""The screen of docs/my-shop.md, and of its Korean page, is what `start` shows of such files.

tests/app/test_docs.py plays its commands.
"""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.cli.main import parser
from local.cloud.environments import LocalError
from local.start import command
from local.terminal.output import Terminal
from tests.docs.pages import ROOT, blocks

LANGUAGES = ("my-shop.md", "my-shop.ko.md")
OPENING = datetime(2026, 1, 5, 8, 47, tzinfo=UTC)


def write(path: Path, header: str, rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def database(folder: Path) -> None:
    """Four tables of a shop's database, of which orders name customers, and lines name orders and products."""
    write(
        folder / "orders.csv",
        "id,customer_id,created_at,status",
        [
            (
                10_001 + number,
                number * 7 % 150 + 1,
                f"{OPENING + timedelta(minutes=53 * number):%Y-%m-%d %H:%M:%S}",
                "cancelled" if number % 11 == 0 else "paid",
            )
            for number in range(1_500)
        ],
    )
    lines = [(10_001 + number, number, line) for number in range(1_500) for line in range(1 + number % 3)]
    write(
        folder / "order_lines.csv",
        "order_id,product_id,quantity,price",
        [
            (order, f"P{(number * 3 + line) % 80:03}", 1 + number % 2, f"{(number * 3 + line) % 80 + 1}.50")
            for order, number, line in lines
        ],
    )
    write(
        folder / "products.csv",
        "id,name,price,category",
        [
            (f"P{number:03}", f"Tea {number}", f"{number + 1}.50", ("green", "black")[number % 2])
            for number in range(80)
        ],
    )
    write(
        folder / "customers.csv",
        "id,email,city",
        [(number, f"c{number}@mail.example", ("Köln", "Seoul", "Lyon")[number % 3]) for number in range(1, 151)],
    )


@pytest.mark.parametrize("page", LANGUAGES)
def test_the_screen_is_what_start_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database(tmp_path)
    monkeypatch.chdir(tmp_path)
    typed, _, shown = next(text for kind, text in blocks(ROOT / "docs" / page) if kind == "text").partition("\n")
    program, _, words = typed.partition(" -m local ")
    assert program == "$ .venv/bin/python"
    options = parser().parse_args([*words.split(), "--run-dir", str(tmp_path / "run")])
    with pytest.raises(LocalError, match=r"1 question is open|질문이 1개"):
        command.main(options, Terminal())
    told = capsys.readouterr().out
    assert told == shown, told
