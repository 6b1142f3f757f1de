# SPDX-License-Identifier: Apache-2.0
"""`experiment check FILE`: what is said of a file alone, and of rankers that share a list."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from personalization.experiments import document
from personalization.experiments.days.files import DayFiles
from personalization.experiments.experiment import Experiment, Experiments
from personalization.shop.settings.settings import ShopSettings

from benchmarks.faulty_shops import Bucket
from local.cli.main import main
from local.experiments import mixing

GOOD = """
experiments:
  own-list:
    hypothesis: Users order more from their own list.
    owner: Kim
    placements: [home]
    goal: orders
    weeks: 4
    variants: {own: {}, best: {show: bestsellers}}
"""


def test_a_good_file_is_told_to_be_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "experiments.yaml"
    file.write_text(GOOD)
    assert main(["experiment", "check", str(file)]) == 0
    assert "the file is good: own-list" in capsys.readouterr().out


def test_all_that_is_missing_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "experiments.yaml"
    file.write_text(GOOD.replace("    weeks: 4\n", "").replace("[home]", "[]").replace("goal: orders", "goal: fame"))
    assert main(["experiment", "check", str(file)]) == 1
    shown = " ".join(capsys.readouterr().err.split())
    assert all(part in shown for part in ("placements: must have at least one", "goal: ", "cannot start"))
    assert main(["experiment", "check", str(tmp_path / "none.yaml")]) == 1
    assert "there is no file" in capsys.readouterr().err


MIXED = """
experiments:
  ranks:
    hypothesis: Users choose their own items.
    owner: Kim
    placements: [home]
    compare: interleaved
    goal: clicks
    weeks: 2
    variants: {best: {show: bestsellers}, own: {recipe: user-personalization}}
"""


def said(users: int) -> list[str]:
    """What is said of an experiment in a shop with so many users who clicked on one of the last days."""
    bucket, today, start = Bucket(), date(2026, 12, 1), datetime(2026, 12, 1, tzinfo=UTC)
    files = DayFiles(cast("Any", bucket), "bucket", "demo")
    if users:
        rows = pl.DataFrame({"unit": [str(n) for n in range(2 * users)], "clicks": [1, 0] * users, "orders": 0})
        files.put_table("days", date(2026, 11, 20), rows, settled=True)
    home = {"home": {"recipe": "user-personalization"}}
    settings = ShopSettings.model_validate({"placements": home})
    file = document.read("experiments.yaml", MIXED.encode())
    starts, ends = file.experiments["ranks"].times(start, "UTC")
    accepted = Experiment(
        name="ranks", hypothesis="", owner="", placements=("home",), control="best", variants=(), goal="clicks",
        seed="ranks", slices=(), starts_at=starts, ends_at=ends, definition="", interleaved=True,
    )  # fmt: skip
    return list(mixing.notes(file, Experiments("demo", (accepted,)), settings, files, today))


def test_both_prices_and_the_least_preference_are_said_before_rankers_share_a_list() -> None:
    price, sight = said(4_000)
    assert price == "ranks: each list asks both rankers: $0.0556 for a thousand lists (best $0.0000, own $0.0556)"
    assert sight == "ranks: some 2,000 users of the shop click in lists in 2 weeks: at best it finds 53% for one ranker"
    assert said(90)[1].endswith("45 users of the shop click in lists in 2 weeks: that is too few for any preference")
    assert "not known yet" in said(0)[1]
