# SPDX-License-Identifier: Apache-2.0
"""The disk of a container, which outlives its processes."""

import tempfile
from pathlib import Path

import pytest
from personalization.core import disk


def test_what_a_killed_process_left_goes_with_the_next_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "2026/12/02/[$LATEST]1")
    (disk.folder("train") / "half.npy").write_text("half")
    with disk.scratch("train") as scratch:
        assert not list(scratch.iterdir())
        (scratch / "whole.npy").write_text("whole")
    assert not list(tmp_path.iterdir())


def test_uses_without_a_container_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("AWS_LAMBDA_LOG_STREAM_NAME", raising=False)
    with disk.scratch("train") as first, disk.scratch("train") as second:
        assert first != second
