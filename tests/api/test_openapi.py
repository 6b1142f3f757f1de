# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from personalization.api import openapi
from personalization.api.routes import ROUTES

from functions.get_recommendations import app as recommendations
from functions.issue_session import app as sessions
from functions.record_events import app as events
from tests.handlers.samples import EVENTS, load

pytestmark = pytest.mark.usefixtures("aws")

ROOT = Path(__file__).parents[2]
FILE = ROOT / "functions" / "get_recommendations" / "openapi.json"
DOCUMENT = json.loads(openapi.text())
API_EVENTS = sorted(path.stem for path in EVENTS.glob("api_*.json"))


def described() -> set[tuple[str, str]]:
    paths = DOCUMENT["paths"]
    return {(method, path) for path, operations in paths.items() for method in operations}


def test_the_committed_description_is_current() -> None:
    how = "PYTHONPATH=layers/core python -m personalization.api.openapi functions/get_recommendations/openapi.json"
    assert FILE.read_text() == openapi.text(), how


def test_every_route_of_the_table_has_one_function_that_answers_it() -> None:
    answered = [route for app in (recommendations, events, sessions) for route in app.API.handlers]
    assert sorted(answered) == sorted((route.method, route.path) for route in ROUTES)


def test_every_described_route_has_its_event() -> None:
    routes_of_events = {(event["httpMethod"].lower(), event["resource"]) for event in map(load, API_EVENTS)}
    assert routes_of_events == described()


@pytest.mark.parametrize("schema", DOCUMENT["components"]["schemas"].values())
def test_every_reference_and_every_model_is_explained(schema: dict[str, object]) -> None:
    assert schema["description"]
    names = re.findall(r"#/components/schemas/(\w+)", json.dumps(DOCUMENT))
    assert set(names) <= set(DOCUMENT["components"]["schemas"])


def test_the_hot_function_starts_without_what_it_does_not_use() -> None:
    program = (
        "import sys, json, functions.get_recommendations.app as app;"
        "answer = app.handler(json.load(open(sys.argv[1])), None);"
        "heavy = {'asyncio', 'boto3', 'yaml', 'aws_xray_sdk', 'personalization.shop.plan'};"
        "heavy |= {'personalization.api.models', 'jinja2'};"
        "sys.exit(str(heavy & set(sys.modules) or answer['statusCode'] - 200 or ''))"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "layers" / "core")])
    command = [sys.executable, "-c", program, str(EVENTS / "api_health.json")]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
