# SPDX-License-Identifier: Apache-2.0
"""The JavaScript client: its size, its types, and its logic under node's own test runner."""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "storefront" / "client"
SECONDS = 60


def node() -> str | None:
    """Node 20 or newer; None where there is none."""
    path = shutil.which("node")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout if path else ""
    found = re.match(r"v(\d+)\.", version)
    return path if found and int(found[1]) >= 20 else None


def test_it_travels_in_three_kilobytes() -> None:
    assert len(gzip.compress((CLIENT / "personalization.js").read_bytes(), 9, mtime=0)) <= 3 * 1024


def test_it_depends_on_nothing() -> None:
    text = (CLIENT / "personalization.js").read_text()
    assert not re.search(r"^\s*import\s|\bimport\(\"(?!\./personalization\")|\brequire\(", text, re.MULTILINE)


def test_each_public_member_has_its_type() -> None:
    text, types = ((CLIENT / f"personalization.{kind}").read_text() for kind in ("js", "d.ts"))
    body = text[text.index("export class Personalization") :]
    members = set(re.findall(r"^  (?:get |async )?([a-z]\w*)\(", body, re.MULTILINE)) - {"constructor"}
    declared = types[types.index("export class Personalization") :]
    assert members == set(re.findall(r"^  (?:get )?([a-z]\w*)\(", declared, re.MULTILINE)) - {"constructor"}


@pytest.mark.skipif(node() is None, reason="node 20 or newer is not on this machine")
def test_its_logic() -> None:
    command = [str(node()), "--test", str(HERE / "client.test.mjs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\bpass 21\b", done.stdout), done.stdout
