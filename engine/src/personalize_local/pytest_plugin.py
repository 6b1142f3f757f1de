# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: a fixture `personalize`. It imports the engine only where a test asks for it."""

import importlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from personalize_local.testing import Personalize

MARKER = "personalize"
INI = "personalize_options"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(INI, "options of the engine of the fixture personalize, a line each: strict = true", "linelist")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{MARKER}(**options): options of the engine of the fixture personalize, such as strict=True"
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Import the engine beside the tests' own imports, if one of them asks for it."""
    if any("personalize" in getattr(item, "fixturenames", ()) for item in session.items):
        importlib.import_module("personalize_local.testing")


@pytest.fixture
def personalize(request: pytest.FixtureRequest) -> "Iterator[Personalize]":
    """An Amazon Personalize of the test's own: three boto3 clients, a folder for S3, a clock, faults on demand."""
    from personalize_local import testing  # noqa: PLC0415

    options = dict(map(_option, request.config.getini(INI)))
    for mark in reversed(list(request.node.iter_markers(MARKER))):
        options |= mark.kwargs
    with testing.personalize(**options) as aws:
        yield aws


def _option(line: str) -> tuple[str, Any]:
    """Read `name = value`; a value that is no JSON is a text."""
    name, _, value = line.partition("=")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value.strip()
