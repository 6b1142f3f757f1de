# SPDX-License-Identifier: Apache-2.0
"""Folders of the bucket on a function's disk."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from personalization.core.aws import clients, objects
from personalization.core.errors import Broken, RetryLater
from personalization.engine import files

from tests.handlers.samples import BUCKET

FOLDER = "engine/demo/models/similar/v1/"
BYTES = bytes(range(256)) * 512

pytestmark = pytest.mark.usefixtures("bucket")


@pytest.fixture
def disk(tmp_path: Path) -> files.Disk:
    source = tmp_path / "source"
    source.mkdir()
    (source / "arrays.bin").write_bytes(BYTES)
    (source / "facts.json").write_bytes(b"{}")
    store = files.Store(clients.s3, lambda: BUCKET)
    files.upload(store, FOLDER, source)
    return files.Disk(tmp_path / "disk", store)


def breaking(monkeypatch: pytest.MonkeyPatch, error: Exception, after: int) -> list[tuple[str, int]]:
    """Let connections break after some bytes; return where each began."""
    begun: list[tuple[str, int]] = []
    whole = objects.stream_from

    def cut(client: Any, bucket: str, key: str, version: str | None, begin: int) -> Iterator[bytes]:  # noqa: ANN401 - S3's client
        begun.append((key.rpartition("/")[2], begin))
        left = after
        for chunk in whole(client, bucket, key, version, begin):
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                raise error

    monkeypatch.setattr(objects, "stream_from", cut)
    return begun


def test_a_fetch_goes_on_where_a_broken_connection_ended(disk: files.Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = breaking(monkeypatch, RetryLater("x", "the connection broke"), 50_000)
    for _ in range(2):
        with pytest.raises(RetryLater):
            disk.fetched(FOLDER)
    folder = disk.fetched(FOLDER)
    assert begun == [("arrays.bin", 0), ("arrays.bin", 50_000), ("arrays.bin", 100_000), ("facts.json", 0)]
    assert (folder / "arrays.bin").read_bytes() == BYTES


def test_bytes_that_are_not_what_was_stored_are_fetched_anew(disk: files.Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        breaking(full, OSError(errno.ENOSPC, "No space left on device"), 50_000)
        with pytest.raises(OSError, match="No space"):
            disk.fetched(FOLDER)
    (cut,) = disk.root.rglob("arrays.bin")
    cut.write_bytes(b"x" * 70_000)
    with pytest.raises(Broken, match="not what was stored"):
        disk.fetched(FOLDER)
    assert (disk.fetched(FOLDER) / "arrays.bin").read_bytes() == BYTES
