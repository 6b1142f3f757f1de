# SPDX-License-Identifier: Apache-2.0
"""Data folders that an engine finds: of an older, a newer or no engine; each is used, or refused with what helps."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from personalize_local.resources.store import LAYOUT, DirectoryRefused, Store

BODY = {"name": "shop"}


def filled(directory: Path, layout: int) -> Path:
    """Make a folder as an engine with this layout leaves it."""
    store = Store(directory)
    store.save([("arn", "DatasetGroup", 1, BODY)])
    store.close()
    with closing(sqlite3.connect(directory / "engine.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {layout}")
    return directory


def test_a_folder_of_the_first_engines_is_used(tmp_path: Path) -> None:
    store = Store(filled(tmp_path, 0))
    assert store.resources() == [("arn", "DatasetGroup", 1, BODY)]
    store.close()
    with closing(sqlite3.connect(store.database)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (LAYOUT,)


def test_a_folder_of_a_newer_engine_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path, LAYOUT + 1)
    before = (tmp_path / "engine.sqlite").read_bytes()
    for _ in range(2):
        with pytest.raises(DirectoryRefused, match=r"newer Personalize Local \(layout .*pip install --upgrade"):
            Store(tmp_path)
    assert (tmp_path / "engine.sqlite").read_bytes() == before


def damaged(directory: Path) -> None:
    filled(directory, LAYOUT)
    (directory / "engine.sqlite").write_bytes(b"no database" * 1000)


def file(directory: Path) -> None:
    directory.rmdir()
    directory.touch()


@pytest.mark.parametrize(("spoil", "reason"), [(damaged, "file is not a database"), (file, "File exists")])
def test_what_is_no_data_folder_is_refused(tmp_path: Path, spoil: Callable[[Path], None], reason: str) -> None:
    (tmp_path / "data").mkdir()
    spoil(tmp_path / "data")
    with pytest.raises(DirectoryRefused, match=f"data cannot be used: .*{reason}.*give another --data-dir"):
        Store(tmp_path / "data")


def test_names_that_differ_by_case_have_different_folders_on_every_file_system(tmp_path: Path) -> None:
    arns = [f"arn:aws:personalize:eu-west-1:123456789012:dataset-group/{name}" for name in ("shop", "Shop", "SHOP")]
    (tmp_path / "ENGINE.SQLITE").touch()  # what a file system that folds case shows beside engine.sqlite
    store = Store(tmp_path)
    assert len({str(store.folder(arn)).lower() for arn in arns}) == 3
    store.close()
