# SPDX-License-Identifier: Apache-2.0
"""The table of what AWS refuses: each rule has a source, is played by a test that exists, and stands in its page."""

import ast
import re
from typing import Any

import botocore.session
import pytest

from local.cloud.refusals import REFUSALS
from local.documents import build
from tests.app.matrix.cases import CASES
from tests.docs.pages import ROOT, read

MODELS = botocore.session.get_session()


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.id)
def test_a_rule_has_a_source_and_a_test_that_plays_it(row: Any) -> None:  # noqa: ANN401 - a row of the table
    assert row.test or row.kinder, "it is neither played nor admitted"
    assert not re.search(r"[|\n]", row.rule + row.answer + row.source + row.kinder)
    if named := re.fullmatch(r"botocore: ([\w-]+)\.(\w+)", row.source):
        model = MODELS.get_service_model(named[1])
        assert named[2] in {*model.shape_names, *model.operation_names}
    else:
        assert row.source.startswith("https://")
    if row.test:
        path, _, test = row.test.partition("::")
        name, _, case = test.removesuffix("]").partition("[")
        functions = [node.name for node in ast.parse(read(path)).body if isinstance(node, ast.FunctionDef)]
        assert name in functions, f"{path} has no such test"
        assert not case or case in {case.name for case in CASES} or f'"{case}"' in read(path)


def test_rules_are_sorted_and_named_once() -> None:
    ids = [row.id for row in REFUSALS]
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", name) for name in ids)


def test_the_site_has_the_table() -> None:
    text = build.page(ROOT / "docs" / "refusals.md", build.sources())
    assert [row.id for row in REFUSALS if f"| {row.rule} | {row.answer} | {row.kinder} |" not in text] == []
