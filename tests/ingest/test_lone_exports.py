# SPDX-License-Identifier: Apache-2.0
"""Exports of one file, taken as `start` takes files: they become interactions, and their rows make the items."""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from table_intake import (
    Expected,
    Table,
    TableSettings,
    check_table,
    join_tables,
    open_file,
    propose_export,
    sample_table,
)

from tests.exports.makers import EXPORTS

ANSWERS = {"personal": "keep", "interactions.timezone": "UTC"}
"""The exports say all times in UTC, and some know people by their e-mail addresses alone."""


@pytest.mark.parametrize("program", EXPORTS)
def test_a_lone_export_becomes_interactions_to_the_row_and_items(program: str, tmp_path: Path) -> None:
    export = EXPORTS[program]
    path = export.made(tmp_path)
    parts = sorted(part for part in path.iterdir() if "manifest" not in part.name) if path.is_dir() else [path]
    paths = {part.name: part for part in parts if part.stat().st_size}

    @contextmanager
    def opened(name: str) -> Iterator[Table]:
        with open_file(paths[name]) as table:
            yield table

    samples = {}
    for name in paths:
        with opened(name) as table:
            samples[name] = sample_table(name, table, 100)
    proposal = propose_export(samples, TableSettings())
    defaults = {question.id: question.default for question in proposal.questions if question.default is not None}
    answers = {question.id: ANSWERS.get(question.id, defaults.get(question.id, "")) for question in proposal.questions}
    settings = TableSettings.model_validate(proposal.answered(answers).settings)
    assert settings.export is not None
    done = join_tables(settings.export, opened, tmp_path / "joined", lambda _name, _rows: None, [*paths])

    (tmp_path / "scratch").mkdir()
    expected = Expected("interactions.csv", "interactions", "FULL", settings)
    good = tmp_path / "good.csv"
    with (
        good.open("wb") as target,
        open_file(done.files["interactions"], settings.file_settings("interactions")) as table,
    ):
        checked = check_table(table, expected, target.write, tmp_path / "scratch")
    with good.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, escapechar="\\", doublequote=False))
    got = Counter((row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"]), row["EVENT_TYPE"]) for row in rows)
    assert got == export.expected()
    assert sum(reason.rows for reason in checked.findings.reasons) == export.left_out()
    if "items" in done.files:
        with done.files["items"].open(newline="", encoding="utf-8") as lines:
            ids = [row[0] for row in csv.reader(lines)][1:]
        assert len(ids) == len(set(ids))
        assert {item for _, item, _, _ in export.expected()} <= set(ids)
