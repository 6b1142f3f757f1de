# SPDX-License-Identifier: Apache-2.0
"""Functions and layers: what they run on, what they are told, how a new version goes live, and how they are built."""

import ast
import json
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import grimp
import pytest

from tests.statemachines.machine import MACHINES, State, requests_of, tasks
from tests.template.calls import body, calls, reached, source
from tests.template.stack import OPTIONS, PSEUDO, ROOT, STACK, Stack, compiled
from tests.template.test_permissions import FOLDERS, FUNCTIONS, statements

LAMBDAS = STACK.of("Lambda::Function")
API = sorted(
    {
        permission["FunctionName"].removesuffix("Aliaslive")
        for permission in STACK.of("Lambda::Permission").values()
        if permission["Principal"] == "apigateway.amazonaws.com"
    }
)
"""The functions that an API calls."""
RUNS = {
    name: version
    for machine in STACK.of("StepFunctions::StateMachine").values()
    for name, version in machine["DefinitionSubstitutions"].items()
    if name in LAMBDAS
}
"""The functions that state machines call, and the version that each is called by."""
VERSIONED = (*API, *RUNS)
CHANGES = {
    "Prefix": "other",
    "PythonRuntime": "python3.12",
    "Architecture": "x86_64",
    "LogLevel": "DEBUG",
    "Tracing": "true",
    "SnapStart": "PublishedVersions",
    "LikelihoodMemory": 5120,
    "LikelihoodRows": 1_000_000,
    "SessionMinutes": 30,
    "ProbeRate": 0.5,
    "TokenIssuer": "https://issuer.example.com",
    "TokenAudience": "the-shop",
    "TokenAlgorithms": "ES256",
    "TokenUserClaim": "email",
    "IncrementalImportBytes": 5_000_000_000,
    "CheckPartBytes": 500_000_000,
    "JoinMemory": 5120,
    "JoinStorage": 2048,
    "EngineMemory": 5120,
    "AnswerStorage": 4096,
}
"""What functions with versions are made with, and other values of it."""
EVERYWHERE = {"PREFIX", "ACCOUNT_ID", "PARTITION"}
UNNAMED = {"AWS_REGION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"}
"""Variables that Lambda itself gives."""


def read_by(folder: str) -> set[str]:
    """The environment variables that a function reads: the names behind the attributes that it reaches."""
    environment = ast.parse(ast.unparse(source("personalization.core.environment") or ast.Module([], [])))
    getters = {
        node.name if isinstance(node, ast.FunctionDef) else ast.unparse(node.targets[0]): set(
            re.findall(r"'([A-Z][A-Z_]+)'", ast.unparse(node))
        )
        for node in ast.walk(environment)
        if isinstance(node, ast.FunctionDef | ast.Assign)
    }
    used = {
        node.attr
        for definition in reached(folder)
        for statement in body(definition)
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and definition[0] != "personalization.core.environment"
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
    assert properties["TracingConfig"] == {"Mode": "PassThrough"}


@FUNCTIONS
def test_a_new_account_can_have_the_function(function: str) -> None:
    # It has 3,008 MB for a function, and ten executions at a time, of which none may be reserved.
    assert LAMBDAS[function]["MemorySize"] <= 3008
    assert "ReservedConcurrentExecutions" not in LAMBDAS[function]
    assert not any("ProvisionedConcurrencyConfig" in alias for alias in STACK.of("Lambda::Alias").values())


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_a_deployment_ends_with_what_to_expect_of_a_first_drop() -> None:
    done = subprocess.run(["make", "-n", "deploy"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    _, _, after = done.stdout.rpartition("sam deploy")
    assert "five minutes" in after
    assert "the sweep" in after


@FUNCTIONS
def test_a_function_has_a_log_group_of_its_own_that_forgets(function: str) -> None:
    group = STACK.of("Logs::LogGroup")[LAMBDAS[function]["LoggingConfig"]["LogGroup"]]
    assert group["RetentionInDays"] == 30


@pytest.mark.parametrize(
    ("level", "application", "system"),
    [("INFO", "INFO", "WARN"), ("WARNING", "INFO", "WARN"), ("DEBUG", "DEBUG", "INFO")],
)
def test_lambda_adds_no_lines_to_a_request_that_succeeds(level: str, application: str, system: str) -> None:
    functions = compiled({"LogLevel": level}).of("Lambda::Function")
    brief = {name for name, function in functions.items() if "SystemLogLevel" in function["LoggingConfig"]}
    assert brief == {"GetRecommendationsFunction", "RecordEventsFunction", "AuthorizeRequestFunction"}
    for name in brief:
        logging = functions[name]["LoggingConfig"]
        assert (logging["LogFormat"], logging["ApplicationLogLevel"]) == ("JSON", application)
        assert logging["SystemLogLevel"] == system


@FUNCTIONS
def test_a_function_is_told_what_it_reads_and_nothing_else(function: str) -> None:
    told = LAMBDAS[function]["Environment"]["Variables"]
    ours = {name for name in told if not name.startswith("POWERTOOLS_")}
    read = {name for name in read_by(FOLDERS[function]) if not name.startswith("POWERTOOLS_")}
    assert read - UNNAMED <= ours
    assert ours <= read | EVERYWHERE


def test_runtime_and_architecture_are_parameters() -> None:
    stack = compiled({"PythonRuntime": "python3.11", "Architecture": "x86_64"})
    assert {
        (function["Runtime"], *function["Architectures"]) for function in stack.of("Lambda::Function").values()
    } == {("python3.11", "x86_64")}
    assert {
        (*e["CompatibleRuntimes"], *e["CompatibleArchitectures"]) for e in stack.of("Lambda::LayerVersion").values()
    } == {("python3.11", "x86_64")}


@pytest.mark.parametrize("changed", ["CoreLayer", "DependenciesLayer", *VERSIONED])
def test_a_change_of_code_or_layer_alone_makes_a_new_version_and_moves_the_alias(changed: str) -> None:
    after = compiled(places={changed: "s3://artefacts/changed"})
    moved = {alias["FunctionName"]: alias["FunctionVersion"] for alias in after.of("Lambda::Alias").values()}
    stood = {alias["FunctionName"]: alias["FunctionVersion"] for alias in STACK.of("Lambda::Alias").values()}
    affected = {changed} if changed in VERSIONED else set(VERSIONED)
    assert {function for function in VERSIONED if moved[function] != stood[function]} == affected


def test_a_run_calls_the_functions_as_they_were_when_it_began() -> None:
    # An execution keeps its machine's definition. That names versions: nothing changes them, and an update keeps them.
    assert set(RUNS) == {name for name in LAMBDAS if f"{name}.Arn:*" in str(invoked())}
    for name, version in RUNS.items():
        assert STACK.of("Lambda::Version")[version]["FunctionName"] == name
        # Other code makes a version of another logical id; another description replaces the one of the same id.
        policies_of_version = {
            STACK.resources[version].get(policy) for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        }
        assert policies_of_version == {"Retain"}
    after = compiled(places={"CoreLayer": "s3://artefacts/changed"})
    again = [machine["DefinitionSubstitutions"] for machine in after.of("StepFunctions::StateMachine").values()]
    assert not set(RUNS.values()) & {value for substitutions in again for value in substitutions.values()}


def test_a_machine_may_call_every_version_of_its_functions() -> None:
    for machine in MACHINES:
        called = {
            function for name, (function, _) in requests_of(MACHINES[machine]).items() if name in invokes(machine)
        }
        if machine == "ensure":
            called = {function for definition in MACHINES.values() for function, _ in waited_for(definition)}
        assert set(invoked()[f"{machine.title()}StateMachine"]) == {
            arn for name in called for arn in (f"{name}.Arn", f"{name}.Arn:*")
        }


def invokes(machine: str) -> set[str]:
    """The states of a machine that invoke a function themselves."""
    return set(tasks("lambda:invoke", MACHINES[machine]))


def waited_for(machine: State) -> list[tuple[str, object]]:
    """What a machine asks by way of `ensure`."""
    return [
        request
        for name, request in requests_of(machine).items()
        if name in tasks("states:startExecution.sync", machine)
    ]


def invoked() -> dict[str, list[str]]:
    """The functions that each machine may call, by their ARNs."""
    return {
        machine: [
            arn
            for statement in statements(f"{machine}Role")
            if statement["Action"] == ["lambda:InvokeFunction"]
            for arn in statement["Resource"]
        ]
        for machine in STACK.of("StepFunctions::StateMachine")
    }


def versions(stack: Stack) -> dict[str, str]:
    """What the newest version of a function is made from: a new version comes where any of it is another."""
    made = stack.of("Lambda::Version")
    return {function["FunctionName"]: f"{name} {function['Description']}" for name, function in made.items()}


@pytest.mark.parametrize("parameter", CHANGES)
def test_a_parameter_that_changes_a_function_makes_a_new_version_and_no_other_does(parameter: str) -> None:
    # Lambda refuses to publish a version of a function that is what it was.
    after = compiled({parameter: CHANGES[parameter]})
    changed = {name for name in VERSIONED if after.of("Lambda::Function")[name] != LAMBDAS[name]}
    assert changed
    assert {name for name in VERSIONED if versions(after)[name] != versions(STACK)[name]} == changed


def test_a_prefix_that_is_the_stacks_name_makes_no_version() -> None:
    # It changes no function, so that Lambda would refuse the version and CloudFormation the whole update.
    after = compiled({"Prefix": PSEUDO["AWS::StackName"]})
    assert after.of("Lambda::Function") == LAMBDAS
    assert versions(after) == versions(STACK)


def test_every_parameter_of_a_function_with_versions_is_one_of_them() -> None:
    resources = STACK.source["Resources"]
    properties = [STACK.source["Globals"]["Function"], *(resources[name]["Properties"] for name in VERSIONED)]
    apart = {"Policies", "DeploymentPreference", "VersionDescription", "Events", "Layers"}
    text = json.dumps([{key: value for key, value in version.items() if key not in apart} for version in properties])
    named = {name for name in STACK.source["Parameters"] if re.search(rf'"{name}"|\$\{{{name}\}}', text)}
    assert named == set(CHANGES)


def test_a_versions_description_has_room_for_whatever_the_parameters_may_be() -> None:
    longest = {
        name: "x" * parameter["MaxLength"]
        for name, parameter in STACK.source["Parameters"].items()
        if "MaxLength" in parameter
    }
    longest |= {
        name: max(map(str, parameter["AllowedValues"]), key=len)
        for name, parameter in STACK.source["Parameters"].items()
        if "AllowedValues" in parameter and name not in OPTIONS
    }
    longest |= {
        name: parameter["MaxValue"] for name, parameter in STACK.source["Parameters"].items() if "MaxValue" in parameter
    }
    told = [version["Description"] for version in compiled(longest).of("Lambda::Version").values()]
    assert longest["TokenIssuer"] in str(told)
    # Lambda's limit.
    assert max(map(len, told)) <= 256


def test_the_same_artefacts_make_the_same_version() -> None:
    assert versions(compiled()) == versions(STACK)


@pytest.mark.parametrize("function", API)
def test_a_new_version_takes_over_gradually_and_gives_way_when_it_fails(function: str) -> None:
    group = STACK.of("CodeDeploy::DeploymentGroup")[f"{function}DeploymentGroup"]
    assert set(group["AutoRollbackConfiguration"]["Events"]) >= {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"}
    assert group["AlarmConfiguration"]["Enabled"] is True
    watched = {
        alarm["Name"]: STACK.of("CloudWatch::Alarm")[alarm["Name"]] for alarm in group["AlarmConfiguration"]["Alarms"]
    }
    assert watched[f"{function.removesuffix('Function')}ErrorsAlarm"]["Dimensions"] == [
        {"Name": "FunctionName", "Value": function}
    ]
    # A canary stands for five minutes: what rings later comes too late.
    assert all(alarm["EvaluationPeriods"] * alarm["Period"] <= 300 for alarm in watched.values())
    assert "Canary10Percent5Minutes" in str(group["DeploymentConfigName"])


def test_a_version_gives_way_when_it_answers_badly_without_an_error() -> None:
    groups = STACK.of("CodeDeploy::DeploymentGroup")
    watched = {name: str(deployment["AlarmConfiguration"]) for name, deployment in groups.items()}
    answering = set(API) - {"AuthorizeRequestFunction"}
    assert {f"{name}DeploymentGroup" for name in answering} == {
        name for name, alarms in watched.items() if "FailedAnswersAlarm" in alarms
    }
    assert "DegradedAnswersAlarm" in watched["GetRecommendationsFunctionDeploymentGroup"]


def test_no_alarm_keeps_a_repair_from_being_deployed_at_once() -> None:
    groups = compiled({"DeploymentStyle": "AllAtOnce"}).of("CodeDeploy::DeploymentGroup")
    assert len(groups) == len(API)
    assert not any(group.get("AlarmConfiguration") for group in groups.values())


def test_snapshots_are_a_parameter_of_the_functions_that_answer() -> None:
    assert {function["SnapStart"]["ApplyOn"] for function in map(LAMBDAS.__getitem__, API)} == {"None"}
    stack = compiled({"SnapStart": "PublishedVersions"})
    snapped = {
        name: function
        for name, function in stack.of("Lambda::Function").items()
        if function.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions"
    }
    assert set(snapped) == set(API)
    # What Lambda does not take together with it.
    assert not any(
        {"EphemeralStorage", "FileSystemConfigs", "ImageConfig"} & set(function) for function in snapped.values()
    )
    assert not any("ProvisionedConcurrencyConfig" in alias for alias in stack.of("Lambda::Alias").values())


def test_botocore_keeps_the_services_that_the_code_calls() -> None:
    makefile = (ROOT / "layers/wheels/Makefile").read_text()
    services = re.findall(r"^SERVICES = (.*)$", makefile, re.MULTILINE)[0].split()
    created = re.findall(
        r"(?:create_client|client)\(\s*\"([\w-]+)\"",
        (ROOT / "layers/core/personalization/core/aws/clients.py").read_text(),
    )
    called = {service for folder in FOLDERS.values() for service, _ in calls(folder)}
    assert set(services) == set(created) == called


ENGINE = {
    "PolarsLayer": {"importing"},
    "NumpyLayer": {"training", "container", "batches"},
    "ScipyLayer": {"training", "batches"},
}
"""What the engine's library imports for a module of the room `engine`; engine/tests/test_library.py holds that."""


@pytest.mark.parametrize(
    ("layer", "packages"),
    [
        ("PolarsLayer", {"polars", "charset_normalizer", "python_calamine", "backports"}),
        ("NumpyLayer", {"numpy"}),
        ("ScipyLayer", {"scipy"}),
        ("EngineLayer", {"personalize_local"}),
        ("TokensLayer", {"joserfc", "cryptography"}),
    ],
)
def test_a_function_carries_a_layer_where_it_imports_what_is_in_it(layer: str, packages: set[str]) -> None:
    packaged = ("functions", "personalization", "table_intake")
    graph = grimp.build_graph(
        *packaged, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    imported = packages & graph.modules | {f"personalization.engine.{name}" for name in ENGINE.get(layer, ())}
    importing = {
        name
        for name, folder in FOLDERS.items()
        if any(graph.chain_exists(f"functions.{folder}", package, as_packages=True) for package in imported)
    }
    assert importing
    assert importing == {name for name, function in LAMBDAS.items() if layer in str(function["Layers"])}


@pytest.mark.parametrize(
    ("file", "packages"),
    [
        ("polars", ("polars", "polars-runtime-32", "charset-normalizer", "python-calamine")),
        ("tokens", ("joserfc", "cryptography")),
    ],
)
def test_a_layer_has_the_version_that_is_tested(file: str, packages: tuple[str, ...]) -> None:
    locked = (ROOT / f"layers/wheels/{file}.txt").read_text()
    assert all(f"{package}=={metadata.version(package)} " in locked for package in packages)


MOST_BYTES = 250 << 20
"""What a function and its layers may have unpacked: AWS's quotas of Lambda."""
LAYERS = {
    "DependenciesLayer": "dependencies",
    "PolarsLayer": "polars",
    "NumpyLayer": "numpy",
    "ScipyLayer": "scipy",
    "TokensLayer": "tokens",
}


def _unpacked(layer: str) -> int:
    """The bytes of a layer's packages as they are installed here, with bytecode."""
    for name, folder in (("CoreLayer", "layers/core"), ("EngineLayer", "engine/src")):
        if layer.startswith(name):
            return sum(2 * path.stat().st_size for path in (ROOT / folder).rglob("*.py"))
    (file,) = (file for name, file in LAYERS.items() if layer.startswith(name))
    size = 0
    for package in re.findall(r"^([\w.-]+)==", (ROOT / f"layers/wheels/{file}.txt").read_text(), re.MULTILINE):
        # numpy's layer has an older version; backports.zstd is a part of newer Pythons.
        with suppress(metadata.PackageNotFoundError):
            for path in metadata.files(package) or ():
                described = "data" in path.parts and package in {"boto3", "botocore"}
                whole = path.locate()
                if not described and path.suffix != ".pyc" and Path(str(whole)).is_file():
                    size += Path(str(whole)).stat().st_size * (1 + (path.suffix == ".py"))
    return size


def test_each_function_fits_a_lambda_with_its_layers() -> None:
    sizes = {layer: _unpacked(layer) for layer in STACK.of("Lambda::LayerVersion")}
    assert sizes[next(layer for layer in sizes if layer.startswith("PolarsLayer"))] > 100_000_000
    # The descriptions of the AWS services that the code calls have less than 5 MB.
    carried = {
        name: sum(size for layer, size in sizes.items() if layer in str(function["Layers"]))
        for name, function in LAMBDAS.items()
    }
    assert {name: size for name, size in carried.items() if size + 5_000_000 > MOST_BYTES} == {}


def test_a_layer_that_no_function_carries_is_not_made() -> None:
    without = compiled({"Browsers": "false"})
    carried = {layer for function in without.of("Lambda::Function").values() for layer in function["Layers"]}
    assert set(without.of("Lambda::LayerVersion")) == carried
    assert not any(layer.startswith("TokensLayer") for layer in carried)


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
    assert (tmp_path / "python/personalization/core/errors.py").is_file()
    assert not list(tmp_path.rglob("*.pyc"))
