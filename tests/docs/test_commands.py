# SPDX-License-Identifier: Apache-2.0
"""Whatever a page tells a reader to type exists: targets of make, commands and options of the command lines."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, code, first_cells, name, read, section


@cache
def usage(*command: str) -> str:
    """What a command line says about itself."""
    result = subprocess.run(
        [sys.executable, "-m", *command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "300"},
    )
    return result.stdout


def local_commands() -> set[str]:
    """The commands of `python -m local`, from the list in its help."""
    names = set(re.findall(r"^    ([a-z-]+)(?: |$)", usage("local"), re.MULTILINE))
    assert names
    return names


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code(page))) <= targets


def test_every_make_target_is_explained() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"\bmake ([a-z][a-z-]*)", code(page))}
    assert targets - named <= {"help"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_local_command_exists_with_its_options(page: Path) -> None:
    for command, rest in re.findall(r"(?:python -m local|^retail) ([a-z][a-z-]*)([^|\n)`]*)", code(page), re.MULTILINE):
        assert command in local_commands(), command
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in usage("local", command), f"{command} {option}"


def test_every_local_command_is_explained() -> None:
    named = set(re.findall(r"(?:make|python -m local|retail) ([a-z][a-z-]*)", section("docs/local.md", "Commands")))
    assert local_commands() == named & local_commands()


def test_every_option_of_the_engine_is_explained() -> None:
    options = set(re.findall(r"^  (?:-h, )?(--[a-z0-9-]+)", usage("personalize_local"), re.MULTILINE))
    assert set(first_cells(section("engine/docs/command.md", "Options"))) == options
