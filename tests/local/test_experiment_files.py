# SPDX-License-Identifier: Apache-2.0
"""`experiment check FILE`: what is said of a file alone."""

from pathlib import Path

import pytest

from local.cli.main import main

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
