# SPDX-License-Identifier: Apache-2.0
"""The command, from a shop's own file to good rows and the others."""

import csv
from pathlib import Path

import pytest
from table_intake.__main__ import main

ORDERS = "Kunde;Artikel;Datum\n" + "".join(f"k{n % 40};a{n % 53};{n % 28 + 1:02d}.01.2026\n" for n in range(2_000))


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "bestellungen.csv"
    path.write_text(ORDERS + "k1;a1;morgen\n")
    return path


def test_what_map_proposes_lets_check_read_the_file(
    orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["map", str(orders)]) == 0
    settings = tmp_path / "settings.yaml"
    settings.write_text(proposed := capsys.readouterr().out)
    assert "Kunde: USER_ID" in proposed
    good, rejects = tmp_path / "good.csv", tmp_path / "rejects.csv"
    arguments = ["--settings", str(settings), "--output", str(good), "--rejects", str(rejects)]
    assert main(["check", str(orders), *arguments]) == 0
    assert "2,001 rows, 2,000 good" in capsys.readouterr().out
    with good.open(newline="") as file:
        header, first, *rest = csv.reader(file)
    assert header == ["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"]
    assert first[:2] == ["k0", "a0"]
    assert len(rest) == 1_999
    assert "k1;a1;morgen" in rejects.read_text()


@pytest.mark.parametrize(
    ("content", "arguments", "code", "reason"),
    [
        (b"", [], 2, "the file is empty"),
        (b"colour\nred\n", [], 2, "say --kind"),
        (b"USER_ID,ITEM_ID,TIMESTAMP\nu,i,1700000000\n", [], 1, "needs 1,000 different interactions"),
        (b"\x89PNG\r\n\x1a\n", ["--kind", "items"], 2, "png"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(
    content: bytes, arguments: list[str], code: int, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "some.png"
    path.write_bytes(content)
    assert main(["check", str(path), *arguments]) == code
    printed = capsys.readouterr()
    assert reason in printed.out + printed.err
    assert "Traceback" not in printed.err


def test_actions_are_checked_and_have_nothing_to_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deeds.csv"
    path.write_text("USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP\nu,a,Not taken,1700000000\n")
    assert main(["check", "--kind", "action-interactions", str(path)]) == 0
    assert "1 value of EVENT_TYPE was put in capitals" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["map", "--kind", "actions", str(path)])
