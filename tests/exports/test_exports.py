# SPDX-License-Identifier: Apache-2.0
"""Ten exports as shops have them, from the file to the import."""

from pathlib import Path

import pytest

from tests.exports.makers import EXPORTS


@pytest.mark.parametrize("program", EXPORTS)
def test_an_export_has_a_history_that_can_be_trained_on(program: str, tmp_path: Path) -> None:
    export = EXPORTS[program]
    path = export.made(tmp_path)
    files = [each for each in (path.iterdir() if path.is_dir() else [path]) if each.name != "_SUCCESS"]
    assert all(each.stat().st_size > 100 for each in files), files
    assert export.expected().total() > 1_000
    assert len({user for user, *_ in export.expected()}) > 25
