# SPDX-License-Identifier: Apache-2.0
"""Functions and layers: what they run on, what they are told, how a new version goes live, and how they are built."""

import ast
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.template.calls import body, calls, reached, source
from tests.template.stack import ROOT, STACK, compiled
from tests.template.test_permissions import FOLDERS, FUNCTIONS

LAMBDAS = STACK.of("Lambda::Function")
API = ("GetRecommendationsFunction", "RecordEventsFunction")
EVERYWHERE = {"PREFIX", "ACCOUNT_ID", "PARTITION"}
UNNAMED = {"AWS_REGION"}
"""Variables that Lambda itself gives."""


def read_by(folder: str) -> set[str]:
    """The environment variables that a function reads: the names that the properties it reaches ask for."""
    environment = ast.parse(ast.unparse(source("personalization.environment") or ast.Module([], [])))
    getters = {
        node.name: set(re.findall(r"'([A-Z][A-Z_]+)'", ast.unparse(node)))
        for node in ast.walk(environment)
        if isinstance(node, ast.FunctionDef) and node.name != "_get"
    }
    used = {
        node.attr
        for definition in reached(folder)
        for statement in body(definition)
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and definition[0] != "personalization.environment"
    }
    return set().union(*(names for getter, names in getters.items() if getter in used))


def test_the_functions_are_those_in_the_repository() -> None:
    assert set(LAMBDAS) == set(FOLDERS)
    assert {path.parent.name for path in ROOT.glob("functions/*/app.py")} == set(FOLDERS.values())


@FUNCTIONS
def test_a_function_follows_the_house(function: str) -> None:
    properties = LAMBDAS[function]
    assert not {"FunctionName", "ReservedConcurrentExecutions"} & set(properties)
    assert "ZipFile" not in properties["Code"]
    assert properties["Description"]
    assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])
    assert properties["Handler"] == "app.handler"
    assert properties["TracingConfig"] == {"Mode": "Active"}


@FUNCTIONS
def test_a_function_has_a_log_group_of_its_own_that_forgets(function: str) -> None:
    group = STACK.of("Logs::LogGroup")[LAMBDAS[function]["LoggingConfig"]["LogGroup"]]
    assert group["LogGroupName"] == f"/retail/{FOLDERS[function].replace('_', '-')}"
    assert group["RetentionInDays"] == 30


@FUNCTIONS
def test_a_function_is_told_what_it_reads_and_nothing_else(function: str) -> None:
    told = LAMBDAS[function]["Environment"]["Variables"]
    ours = {name for name in told if not name.startswith("POWERTOOLS_")}
    read = {name for name in read_by(FOLDERS[function]) if not name.startswith("POWERTOOLS_")}
    assert read - UNNAMED <= ours
    assert ours <= read | EVERYWHERE


def test_runtime_and_architecture_are_parameters() -> None:
    stack = compiled({"PythonRuntime": "python3.11", "Architecture": "x86_64"})
    assert {(each["Runtime"], *each["Architectures"]) for each in stack.of("Lambda::Function").values()} == {
        ("python3.11", "x86_64")
    }
    assert {
        (*e["CompatibleRuntimes"], *e["CompatibleArchitectures"]) for e in stack.of("Lambda::LayerVersion").values()
    } == {("python3.11", "x86_64")}


@pytest.mark.parametrize("changed", ["CoreLayer", "DependenciesLayer", *API])
def test_a_change_of_code_or_layer_alone_makes_a_new_version_and_moves_the_alias(changed: str) -> None:
    after = compiled(places={changed: "s3://artefacts/changed"})
    moved = {each["FunctionName"]: each["FunctionVersion"] for each in after.of("Lambda::Alias").values()}
    stood = {each["FunctionName"]: each["FunctionVersion"] for each in STACK.of("Lambda::Alias").values()}
    affected = {changed} if changed in API else set(API)
    assert {function for function in API if moved[function] != stood[function]} == affected


def test_the_same_artefacts_make_the_same_version() -> None:
    assert set(compiled().of("Lambda::Version")) == set(STACK.of("Lambda::Version"))


@pytest.mark.parametrize("function", API)
def test_a_new_version_takes_over_gradually_and_gives_way_when_it_fails(function: str) -> None:
    group = STACK.of("CodeDeploy::DeploymentGroup")[f"{function}DeploymentGroup"]
    (alarm,) = group["AlarmConfiguration"]["Alarms"]
    watched = STACK.of("CloudWatch::Alarm")[alarm["Name"]]
    assert watched["Dimensions"] == [{"Name": "FunctionName", "Value": function}]
    assert "Canary10Percent5Minutes" in str(group["DeploymentConfigName"])


def test_botocore_keeps_the_services_that_the_code_calls() -> None:
    makefile = (ROOT / "layers/dependencies/Makefile").read_text()
    kept = re.findall(r"^SERVICES = (.*)$", makefile, re.MULTILINE)[0].split()
    created = re.findall(
        r"(?:create_client|client)\(\s*\"([\w-]+)\"", (ROOT / "layers/core/personalization/aws/clients.py").read_text()
    )
    called = {service for folder in FOLDERS.values() for service, _ in calls(folder)}
    assert set(kept) == set(created) == called


def test_of_all_functions_the_one_that_checks_drops_carries_polars() -> None:
    carrying = {name for name, each in LAMBDAS.items() if "PolarsLayer" in str(each["Layers"])}
    assert carrying == {"ValidateDropFunction"}
    locked = (ROOT / "layers/polars/requirements.txt").read_text()
    assert f"polars=={metadata.version('polars')} " in locked
    assert f"polars-runtime-32=={metadata.version('polars-runtime-32')} " in locked


def test_the_function_that_checks_drops_is_small_enough_for_a_lambda() -> None:
    built = ROOT / ".local/build/sam"
    parts = [built / name for name in ("ValidateDropFunction", "DependenciesLayer", "CoreLayer", "PolarsLayer")]
    if not all(part.is_dir() for part in parts):
        pytest.skip("nothing is built: python -m local up")
    size = sum(file.stat().st_size for part in parts for file in part.rglob("*") if file.is_file())
    assert size < 250 * 2**20


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("function", FOLDERS)
def test_a_functions_artefact_is_its_sources_and_their_bytecode(function: str, tmp_path: Path) -> None:
    variables = [f"ARTIFACTS_DIR={tmp_path}", f"PYTHON_RUNTIME={sys.executable}"]
    subprocess.run(["make", "-s", f"build-{function}", *variables], cwd=ROOT / "functions", check=True)  # noqa: S607
    shipped = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert shipped == {path.name for path in (ROOT / "functions" / FOLDERS[function]).iterdir()} - {"__pycache__"}
    (bytecode,) = tmp_path.glob("__pycache__/app.*.pyc")
    # The second word of the header: from a hash of the source (1), which is not looked at again (not 3).
    assert bytecode.read_bytes()[4:8] == b"\x01\x00\x00\x00"
    assert b"/var/task/app.py" in bytecode.read_bytes()


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_without_the_runtimes_python_a_build_says_so_and_goes_on(tmp_path: Path) -> None:
    command = ["make", "-s", "build-CoreLayer", f"ARTIFACTS_DIR={tmp_path}", "PYTHON_RUNTIME=python3.99"]
    done = subprocess.run(command, cwd=ROOT / "layers/core", check=True, capture_output=True, text=True)
    assert "python3.99 is not installed" in done.stderr
    assert (tmp_path / "python/personalization/errors.py").is_file()
    assert not list(tmp_path.rglob("*.pyc"))
