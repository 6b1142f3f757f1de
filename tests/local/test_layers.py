# SPDX-License-Identifier: Apache-2.0
"""Archives of layers for the local AWS: equal for equal layers, and named by the template."""

import os
import zipfile
from pathlib import Path

import pytest

from local.cloud import layers

TEMPLATE = "Resources:\n  L:\n    Properties:\n      ContentUri: PolarsLayer\n  F:\n    Properties:\n      CodeUri: F\n"


def built(folder: Path) -> Path:
    (folder / "PolarsLayer/python/bin").mkdir(parents=True)
    (folder / "PolarsLayer/python/a.py").write_text("A = 1\n")
    (folder / "PolarsLayer/python/bin/run").write_text("#!/bin/sh\n")
    (folder / "PolarsLayer/python/bin/run").chmod(0o755)
    (folder / "template.yaml").write_text(TEMPLATE)
    return folder


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return built(tmp_path)


def test_the_template_names_an_archive_that_has_what_was_built(build: Path) -> None:
    layers.pack(build)
    (archive,) = build.glob("*.zip")
    assert (build / "packed.yaml").read_text() == TEMPLATE.replace(
        "ContentUri: PolarsLayer", f"ContentUri: s3://local-layers/{archive.name}"
    )
    with zipfile.ZipFile(archive) as opened:
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in opened.infolist()}
        assert opened.read("python/a.py") == b"A = 1\n"
    assert sorted(modes) == ["python/a.py", "python/bin/run"]
    assert modes["python/bin/run"] == 0o755


def test_the_same_layer_is_the_same_archive_and_another_replaces_it(build: Path) -> None:
    layers.pack(build)
    before = {path.name for path in build.glob("*.zip")}
    os.utime(build / "PolarsLayer/python/a.py", (1, 1))
    layers.pack(build)
    assert {path.name for path in build.glob("*.zip")} == before
    (build / "PolarsLayer/python/a.py").write_text("A = 2\n")
    layers.pack(build)
    assert len({path.name for path in build.glob("*.zip")} - before) == 1
    assert len(list(build.glob("*.zip"))) == 1
