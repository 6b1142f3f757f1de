# SPDX-License-Identifier: Apache-2.0
"""The Containerfile, as far as it can be checked where no container engine is."""

import json
import re
import subprocess
import sys

import pytest
from personalize_local.command import options

from engine.tests.harness import ROOT, Engine

Step = tuple[str, str]


@pytest.fixture(scope="module")
def stages() -> list[list[Step]]:
    """The instructions of each stage, with what they are given."""
    text = re.sub(r"^#.*\n", "", (ROOT / "engine/Containerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).split("\n")
    steps = [(line.split()[0], " ".join(line.split()[1:])) for line in lines if line]
    starts = [position for position, (word, _) in enumerate(steps) if word == "FROM"]
    return [steps[begin:end] for begin, end in zip(starts, [*starts[1:], len(steps)], strict=True)]


def given(stage: list[Step], word: str) -> str:
    (value,) = [text for instruction, text in stage if instruction == word]
    return value


def test_nothing_comes_from_elsewhere_than_the_base_image_and_pypi(stages: list[list[Step]]) -> None:
    commands = [text for stage in stages for word, text in stage if word == "RUN"]
    assert not re.search(r"curl|wget|apt|git |https?:", " ".join(commands))
    assert {given(stage, "FROM").split()[0] for stage in stages} == {"docker.io/library/python:3.13-slim"}
    assert "ADD" not in {word for stage in stages for word, _ in stage}


def test_it_runs_without_rights_and_keeps_its_data_in_a_volume(stages: list[list[Step]]) -> None:
    image = stages[-1]
    words = [word for word, _ in image]
    assert words.index("USER") > max(position for position, word in enumerate(words) if word == "RUN")
    assert given(image, "USER") == "10001:10001"
    variables = dict(part.split("=", 1) for part in given(image, "ENV").split())
    arguments = options.read("personalize-local", [], variables)
    assert (arguments.host, str(arguments.directory)) == ("0.0.0.0", given(image, "VOLUME"))  # noqa: S104 - compared
    assert given(image, "EXPOSE") == str(arguments.port)
    assert json.loads(given(image, "ENTRYPOINT")) == ["personalize-local"]


def test_its_health_check_tells_an_engine_from_none(stages: list[list[Step]], engine: Engine) -> None:
    command = json.loads(given(stages[-1], "HEALTHCHECK").partition("CMD ")[2])
    for port, healthy in ((engine.port, True), (9, False)):
        arguments = [argument.replace(":8090", f":{port}") for argument in command[1:]]
        assert (
            subprocess.run([sys.executable, *arguments], capture_output=True, check=False).returncode == 0
        ) is healthy
