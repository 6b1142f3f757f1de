# SPDX-License-Identifier: Apache-2.0
"""Evaluating files that have positions in place of times, and how results look on a terminal of 80 columns."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from personalization.likelihood.report import reliability_curve
from personalization.shop.settings.settings import ShopSettings
from rich.console import Console

from local.cloud.environments import LocalError
from local.cloud.runs import Run
from local.evaluation import page, tables, words
from local.evaluation.files import read
from local.evaluation.splitting import split
from local.terminal.output import Terminal
from tests.local.test_evaluation import ROOT, shop, write

Row = tuple[str, str, int, str]
NOTE = (
    "TIMESTAMP holds positions, not times: the test is each user's last basket, without the purchase likelihood, "
    "trends and anything by days. A shop's own files need real times."
)


def ordered(step: int = 1, begin: int = 0, shoppers: int = 120) -> Iterator[Row]:
    """The shop with each shopper's rows numbered in place of dated."""
    counts: dict[str, int] = {}
    for user, item, _, kind in shop(shoppers=shoppers):
        counts[user] = counts.get(user, -1) + 1
        yield user, item, begin + step * counts[user], kind


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A whole evaluation of positions, from the command line."""
    folder = tmp_path_factory.mktemp("positions")
    ended = command(
        write(folder / "interactions.csv", ordered(shoppers=60)), "--json", "--html", str(folder / "r.html")
    )
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def command(path: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Evaluate a file."""
    line = [sys.executable, "-m", "local", "evaluate", str(path), "--tier", "fast", *options]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_positions_are_named_before_anything_trains(tmp_path: Path) -> None:
    told = command(write(tmp_path / "one.csv", [(user, "i", at, kind) for user, _, at, kind in ordered()]))
    assert (told.returncode, told.stderr.splitlines()[0]) == (2, f"• {NOTE}")
    assert "with one item" in told.stderr


def test_positions_are_named_in_the_words_and_on_the_page(document: dict[str, Any]) -> None:
    assert (document["words"][0]["mark"], NOTE in document["words"][0]["text"]) == ("bad", True)
    shown = Path(document["page"]).read_text(encoding="utf-8")
    assert "positions, not times</span>" in shown
    assert not re.search(r"19[789]\d-\d\d|20[01]\d-\d\d|Interactions by", shown)


def test_what_needs_times_is_left_out(document: dict[str, Any]) -> None:
    assert (document["protocol"]["split"], document["protocol"]["times"]) == ("last", "positions")
    assert "positions" in document["calibration"]["reason"]
    methods = {method["method"] for task in document["tasks"] for method in task["methods"]}
    assert methods.isdisjoint({"aws-trending-now", "popular lately", "bought before and lately"})
    assert "bought before, the newest most" in methods
    told = [statement for statement in words.statements(document) if "probability" in statement["title"]]
    assert [statement["mark"] for statement in told] == ["bad"]
    assert page.page(document).count("off by") == 0


@pytest.mark.parametrize(("step", "begin"), [(1, 0), (10, 5), (1_000_000, 0), (86_400, 1_400_000_000)])
def test_positions_are_known_however_they_are_written(step: int, begin: int, tmp_path: Path) -> None:
    path = write(tmp_path / "interactions.csv", ordered(step, begin))
    read_tables = read([path], ShopSettings(domain="custom"), tmp_path, 7)
    assert read_tables.positions
    assert read_tables.interactions.height == len(shop())
    with pytest.raises(LocalError, match="--days 7 means nothing here"):
        split(read_tables.interactions, None, 7.0, positions=True)


def test_dates_are_no_positions(tmp_path: Path) -> None:
    path = write(tmp_path / "interactions.csv", shop())
    assert not read([path], ShopSettings(domain="custom"), tmp_path, 7).positions


def test_one_file_of_times_and_one_of_positions_is_refused_by_its_line(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.csv", shop()), write(tmp_path / "b.csv", ordered())]
    with pytest.raises(LocalError, match="TIMESTAMP is not between 1990 and tomorrow"):
        read(paths, ShopSettings(domain="custom"), tmp_path, 7)


def narrow() -> tuple[Terminal, io.StringIO]:
    """A terminal of 80 columns, and what it shows."""
    terminal, shown = Terminal(), io.StringIO()
    terminal.out = Console(file=shown, width=80, force_terminal=True, highlight=False, color_system=None)
    return terminal, shown


def test_the_tables_fit_80_columns_without_a_broken_word(
    document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal, shown = narrow()
    tables.show(document, terminal)
    text = shown.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    whole = set(text.split())
    assert {"Recommended", "NDCG@10", "popular"} <= whole
    assert {word for statement in document["words"] for word in statement["text"].split()} <= whole
    assert "the page to look at" in capsys.readouterr().out


def test_a_failed_run_says_why_in_whole_words() -> None:
    reason = (
        "the dataset group already has an import under way, and Personalize takes no second one until it is through"
    )
    at = datetime(2026, 11, 27, tzinfo=UTC)
    run = Run("arn:run:demo-interactions-0123456789abcdef", "demo", "interactions", "k", "FAILED", at, at, reason)
    terminal, shown = narrow()
    terminal.runs([run])
    assert set(reason.split()) <= set(shown.getvalue().split())
    assert max(map(len, shown.getvalue().splitlines())) <= 80


@pytest.mark.parametrize("least", [1e-9, 1e-4, 0.02])
def test_the_labels_of_an_axis_stay_inside_the_picture(least: float) -> None:
    drawn = reliability_curve(
        [{"pairs": 1, "predicted": probability, "observed": probability} for probability in (least, 0.4)]
    )
    labels = re.findall(r"<text x='([\d.]+)' y='[\d.]+' text-anchor=(\w+)>([^<]+)</text>", drawn)
    assert len(labels) > 2
    for x, anchor, text in labels:
        # A digit of 11 pixels is about 6.2 wide.
        width = 6.2 * len(text)
        left = float(x) - {"end": width, "middle": width / 2}[anchor]
        assert 0 <= left <= left + width <= 440, text
