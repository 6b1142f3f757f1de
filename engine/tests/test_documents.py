# SPDX-License-Identifier: Apache-2.0
"""Examples of the documents run as their readers would run them."""

import re
import sys
from pathlib import Path
from textwrap import indent

import pytest

from engine.tests.harness import ROOT, Engine
from engine.tests.test_distribution import run

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = ("README.md", "docs/command.md", "docs/testing.md", "docs/library.md")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "README.md" else pytest.mark.nightly) for name in DOCUMENTS]
)
def test_examples_run(name: str, engine: Engine, tmp_path: Path) -> None:
    """What defines no test is one itself. The command's default port and the folder `s3` are this engine's."""
    blocks = BLOCK.findall((ROOT / "engine" / name).read_text(encoding="utf-8"))
    assert blocks
    for number, block in enumerate(blocks):
        text = block.replace("http://127.0.0.1:8090", engine.url).replace('"s3/', f'"{engine.s3_root}/')
        if "def test_" not in text:
            text = "def test_example(monkeypatch):\n" + indent(text, "    ")
        (tmp_path / f"test_{number}.py").write_text(text)
    told = run(sys.executable, "-m", "pytest", "-q", "--rootdir", tmp_path, "-p", "no:cacheprovider", ".", cwd=tmp_path)
    assert re.search(r"^\d+ passed", told, re.MULTILINE), told
