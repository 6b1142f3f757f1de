# SPDX-License-Identifier: Apache-2.0
"""What is published: a wheel and a source distribution, installed into environments of their own as users do."""

import email
import os
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.tests.harness import ROOT

ENGINE = ROOT / "engine"
UV = Path(sys.executable).with_name("uv")
MOST_OF_WHEEL = 450_000
MOST_INSTALLED = 250_000_000
"""Bytes."""
LIGHT = """
import json

from personalize_local.testing import personalize

with personalize() as aws:
    group = aws.personalize.create_dataset_group(name="shop")["datasetGroupArn"]
    fields = [{"name": "USER_ID", "type": "string"}, {"name": "AGE", "type": ["null", "int"]}]
    head = {"type": "record", "name": "Users", "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}
    schema = json.dumps(head | {"fields": fields})
    schema = aws.personalize.create_schema(name="users", schema=schema)["schemaArn"]
    made = {"name": "users", "datasetType": "Users", "datasetGroupArn": group, "schemaArn": schema}
    dataset = aws.personalize.create_dataset(**made)["datasetArn"]
    asked = {"dataSource": {"dataLocation": "s3://a/b.csv"}, "roleArn": "arn:aws:iam::123456789012:role/r"}
    job = aws.personalize.create_dataset_import_job(jobName="first", datasetArn=dataset, **asked)
    job = {"datasetImportJobArn": job["datasetImportJobArn"]}
    print(aws.personalize.describe_dataset_import_job(**job)["datasetImportJob"]["failureReason"])
"""


class Built(NamedTuple):
    wheel: Path
    source: Path

    @property
    def metadata(self) -> Message:
        with zipfile.ZipFile(self.wheel) as archive:
            name = next(path for path in archive.namelist() if path.endswith(".dist-info/METADATA"))
            return email.message_from_bytes(archive.read(name))


class Environment:
    """A virtual environment; packages come from the cache of `make setup` if they are all there."""

    def __init__(self, folder: Path, *requirements: str) -> None:
        self.folder = folder
        run(UV, "venv", "--offline", "--python", sys.executable, folder)
        install = ("pip", "install", "--python", folder, "--constraint", ROOT / "locks/project.txt", *requirements)
        try:
            run(UV, *install, "--offline")
        except RuntimeError:
            run(UV, *install)

    @property
    def size(self) -> int:
        """Bytes of all packages."""
        return sum(file.lstat().st_size for file in self.folder.glob("lib/**/*") if file.is_file())

    def run(self, program: str, *arguments: object, cwd: Path | None = None) -> str:
        return run(self.folder / "bin" / program, *arguments, cwd=cwd)


def run(*command: object, cwd: Path | None = None) -> str:
    """Run a command without what the environment of these tests sets; returns what it prints."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_", "PYTHON"))
    }
    done = subprocess.run(
        list(map(str, command)), check=False, capture_output=True, text=True, cwd=cwd, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    released = os.environ.get("RELEASE")
    folder = ROOT / released / "engine" if released else tmp_path_factory.mktemp("dist")
    if not released:
        run(UV, "build", "--offline", "--quiet", "--out-dir", folder, ENGINE)
    return Built(next(folder.glob("*.whl")), next(folder.glob("*.tar.gz")))


@pytest.fixture(scope="module")
def light(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What `pip install personalize-local` installs."""
    return Environment(tmp_path_factory.mktemp("light") / "venv", str(built.wheel))


def test_the_wheel_is_small_typed_and_licensed(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = set(archive.namelist())
    assert built.wheel.stat().st_size <= MOST_OF_WHEEL
    assert "personalize_local/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"personalize_local"}


def test_the_metadata_is_what_an_index_needs(built: Built) -> None:
    metadata, newest = built.metadata, re.search(r"^## (\S+)", (ENGINE / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert metadata["Version"] == newest[1]
    assert (metadata["Name"], metadata["License-Expression"]) == ("personalize-local", "Apache-2.0")
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    # An index shows the README alone.
    assert re.findall(r"\]\((?!https?:|#)", str(metadata.get_payload())) == []


def test_the_source_has_documents_and_examples(built: Built) -> None:
    with tarfile.open(built.source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "CHANGELOG.md",
        "docs/testing.md",
        "examples/shop/pyproject.toml",
        "src/personalize_local/py.typed",
    } <= names


def test_without_extras_it_starts_and_says_what_a_job_needs(light: Environment, built: Built) -> None:
    assert light.size <= MOST_INSTALLED
    assert light.run("personalize-local", "--version").split() == ["personalize-local", str(built.metadata["Version"])]
    assert "need the extra `train`" in light.run("python", "-c", LIGHT)


def test_the_commands_of_the_documents_install_it_from_a_checkout(tmp_path: Path) -> None:
    for page in ("README.md", "docs/command.md", "docs/testing.md"):
        first = re.search(r"```sh\npip install (.*?)(?:\s+#.*)?\n", (ENGINE / page).read_text())
        assert first, page
        assert shlex.split(first[1])[0] == "./engine[train]", page
    environment = Environment(tmp_path / "venv", "./engine[train]")
    assert environment.run("personalize-local", "--version").startswith("personalize-local ")
    assert environment.run("python", "-c", "import polars, scipy; print('trains')") == "trains\n"


def test_the_source_is_all_that_an_image_is_built_from(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.source) as archive:
        # An early Python 3.11 does not know the filter as an argument.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)  # noqa: S202 - the filter is set
    (context,) = tmp_path.iterdir()
    assert (context / "Containerfile").read_text() == (ENGINE / "Containerfile").read_text()
    environment = Environment(tmp_path / "venv", f"{context}[train]")
    assert environment.run("personalize-local", "--version").split()[1] == str(built.metadata["Version"])


@pytest.mark.nightly
def test_the_example_passes_as_its_readers_run_it(built: Built, tmp_path: Path) -> None:
    example = tmp_path / "shop"
    for file in iter_files(ENGINE / "examples" / "shop"):
        copy = example / file.relative_to(ENGINE / "examples" / "shop")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    environment = Environment(tmp_path / "venv", f"{built.wheel}[train]", "moto[s3]", "pytest")
    told = environment.run("python", "-m", "pytest", "-q", cwd=example)
    assert re.search(r"^\d+ passed", told, re.MULTILINE), told


def iter_files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file() and file.suffix in {".py", ".toml"})
