# SPDX-License-Identifier: Apache-2.0
"""Archives of layers for the local AWS: equal for equal layers, and named by the template."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from local.cloud import layers

TEMPLATE = """AWSTemplateFormatVersion: '2010-09-09'
Resources:
  L: {Type: 'AWS::Serverless::LayerVersion', Properties: {ContentUri: PolarsLayer}}
  F: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: F}}
  Fn::ForEach::Logs: [Name, [A, B], {'${Name}Log': {Type: 'AWS::Logs::LogGroup'}}]
  S: {Type: 'AWS::Serverless::Application', Properties: {Location: S/template.yaml}}
"""
NESTED = "Resources:\n  T: {Type: 'AWS::SNS::Topic', Properties: {TopicName: {'Fn::Sub': '${Name}'}}}\n"


def built(folder: Path) -> Path:
    (folder / "PolarsLayer/python/bin").mkdir(parents=True)
    (folder / "PolarsLayer/python/a.py").write_text("A = 1\n")
    (folder / "PolarsLayer/python/bin/run").write_text("#!/bin/sh\n")
    (folder / "PolarsLayer/python/bin/run").chmod(0o755)
    (folder / "template.yaml").write_text(TEMPLATE)
    (folder / "S").mkdir()
    (folder / "S/template.yaml").write_text(NESTED)
    return folder


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return built(tmp_path)


def test_the_template_names_an_archive_that_has_what_was_built(build: Path) -> None:
    layers.pack(build)
    (archive,) = build.glob("*.zip")
    packed = json.loads((build / "packed.json").read_text())
    assert packed["Resources"]["L"]["Properties"] == {"ContentUri": f"s3://local-layers/{archive.name}"}
    assert packed["Resources"]["F"]["Properties"] == {"CodeUri": "F"}
    assert packed["AWSTemplateFormatVersion"] == "2010-09-09"
    with zipfile.ZipFile(archive) as opened:
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in opened.infolist()}
        assert opened.read("python/a.py") == b"A = 1\n"
    assert sorted(modes) == ["python/a.py", "python/bin/run"]
    assert modes["python/bin/run"] == 0o755


def test_no_template_is_left_that_takes_a_yaml_parser(build: Path) -> None:
    layers.pack(build)
    assert (
        json.loads((build / "packed.json").read_text())["Resources"]["S"]["Properties"]["Location"] == "S/template.yaml"
    )
    assert json.loads((build / "S/template.yaml").read_text())["Resources"]["T"]["Properties"]["TopicName"] == {
        "Fn::Sub": "${Name}"
    }


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
