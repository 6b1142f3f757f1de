# SPDX-License-Identifier: Apache-2.0
"""Data folders of this layout, of others, and damaged ones: they are used, or refused with what helps."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from personalize_local.resources.store import DirectoryRefused, Store

LAYOUT = 2

BODY = {"name": "shop"}


def filled(directory: Path, layout: int) -> Path:
    """Make a folder as an engine with this layout leaves it."""
    store = Store(directory)
    store.save([("arn", "DatasetGroup", 1, BODY)])
    store.close()
    with closing(sqlite3.connect(directory / "engine.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {layout}")
    return directory


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (0, r"before 0\.1\.0 \(layout 0; .*another --data-dir, import the data there and train again"),
        (LAYOUT - 1, r"before 0\.1\.0"),
        (LAYOUT + 1, r"newer Personalize Local \(layout .*pip install --upgrade"),
    ],
)
def test_a_folder_of_another_layout_is_refused_and_left_as_it_is(tmp_path: Path, layout: int, reason: str) -> None:
    filled(tmp_path, layout)
    before = (tmp_path / "engine.sqlite").read_bytes()
    for _ in range(2):
        with pytest.raises(DirectoryRefused, match=reason):
            Store(tmp_path)
    assert (tmp_path / "engine.sqlite").read_bytes() == before


def test_a_folder_is_opened_again(tmp_path: Path) -> None:
    store = Store(filled(tmp_path, LAYOUT))
    assert store.resources() == [("arn", "DatasetGroup", 1, BODY)]
    store.close()


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
