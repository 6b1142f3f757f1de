# SPDX-License-Identifier: Apache-2.0
"""Each contract of pyproject.toml notices a breach, and modules that meet AWS say so by their arguments."""

import ast
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.configuration import configure
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in OPTIONS["contracts"]}
TYPES: Mapping[str, Any] = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "forbidden": ForbiddenContract,
    "independence": IndependenceContract,
    "layers": LayersContract,
}
APP, DOMAIN, INTAKE, ENGINE = "functions.claim_drop.app", "personalization", "table_intake", "personalize_local"
BREACHES = {
    "A function imports the domain package only: no SDK, no laptop code": (APP, "boto3"),
    "Functions never import each other": (APP, "functions.keep_house.app"),
    "Nothing that is deployed imports the laptop, and only one room the engine, through its library": (
        f"{DOMAIN}.runs.claims",
        "local.cloud",
    ),
    "Rooms of the domain: arrows only downwards": (f"{DOMAIN}.shop.keys", f"{DOMAIN}.runs.claims"),
    "The domain has no import circles": (f"{DOMAIN}.shop.records.release", f"{DOMAIN}.shop.records.release_store"),
    "Experiments: from the hourly round down to what an experiment is": (
        f"{DOMAIN}.experiments.experiment",
        f"{DOMAIN}.experiments.statistics.sums",
    ),
    "Adaptors take their client as an argument: only functions make clients": (
        f"{DOMAIN}.auth.keys",
        f"{DOMAIN}.core.aws.clients",
    ),
    "Only core.aws names the SDK": (f"{DOMAIN}.events.queue", "botocore"),
    "The library that reads tables stands alone: no application, no laptop, nothing of AWS": (
        f"{INTAKE}.kinds",
        f"{DOMAIN}.core.errors",
    ),
    "The library that reads tables: from commands down to what a table is": (f"{INTAKE}.kinds", f"{INTAKE}.table"),
    "The library that reads tables has no import circles": (f"{INTAKE}.kinds", f"{INTAKE}.columns.schema"),
    "The engine stands alone: it imports neither the laptop nor the application": (f"{ENGINE}.wire", "local.cloud"),
    "The engine: the server above the operations, down to the wire": (f"{ENGINE}.wire", f"{ENGINE}.server"),
    "Recipes: families that know nothing of each other, above what they share": (
        f"{ENGINE}.recipes.segments",
        f"{ENGINE}.recipes.related.training",
    ),
    "The engine has no import circles": (f"{ENGINE}.wire", f"{ENGINE}.data"),
    "Recipes and filters know nothing of HTTP or AWS": (f"{ENGINE}.recipes.base", "uvicorn"),
    "The laptop: commands above the demo, the demo above what it shows, all above the cloud": (
        "local.cloud.runs",
        "local.cli",
    ),
    "What runs inside the local AWS is imported by nothing else": ("local.cli", "local.cloud.aws.launcher"),
}
"""For each contract an import that it forbids: who imports, and what."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """The imports of all that is checked, as they are."""
    configure()
    return grimp.build_graph(*OPTIONS["root_packages"], include_external_packages=True)


def is_kept(name: str, graph: grimp.ImportGraph) -> bool:
    # As its reader of pyproject.toml gives them: truth in words.
    options = {key: str(value) if isinstance(value, bool) else value for key, value in CONTRACTS[name].items()}
    contract = TYPES[CONTRACTS[name]["type"]](name, OPTIONS, options)
    return bool(contract.check(graph=deepcopy(graph), verbose=False).kept)


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_contract_notices_a_breach(name: str, graph: grimp.ImportGraph) -> None:
    importer, imported = BREACHES[name]
    broken = deepcopy(graph)
    assert importer in broken.modules
    broken.add_import(importer=importer, imported=imported)
    assert (is_kept(name, graph), is_kept(name, broken)) == (True, False)


COUNTS_READS = "personalization.core.bounded.child"
"""Watches what its function reads, and asks for nothing itself."""


CLIENTS = ("mypy_boto3", "personalization.ingest.services.Services")
"""Types of clients, and of several together."""


def of_aws(source: str) -> tuple[bool, bool]:
    """Return whether a module imports from `core.aws`, and whether it names the type of a client."""
    modules = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    return any(".core.aws." in module for module in modules), any(module.startswith(CLIENTS) for module in modules)


def sources() -> Iterator[tuple[str, str]]:
    """Yield the modules of the domain but the adaptors' own, and their text."""
    layer = ROOT / "layers" / "core"
    for path in (layer / "personalization").rglob("*.py"):
        name = ".".join(path.relative_to(layer).with_suffix("").parts)
        if not name.startswith("personalization.core.aws."):
            yield name, path.read_text()


def test_what_meets_aws_takes_a_client_and_all_other_modules_decide_without_it() -> None:
    met = {name: of_aws(text) for name, text in sources()}
    assert len(met) > 100
    assert [name for name, (imports, takes) in met.items() if imports and not takes and name != COUNTS_READS] == []


def test_a_module_that_meets_aws_without_a_client_is_noticed() -> None:
    objects = "def later():\n    from personalization.core.aws import objects\n"
    client = "if TYPE_CHECKING:\n    from mypy_boto3_s3 import S3Client\n"
    assert [of_aws(text) for text in (objects, client, "import json\n")] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def reads_variables(source: str) -> bool:
    """Return whether a module takes the environment from the process, and not as an argument."""
    tree = ast.parse(source)
    imports = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    makes = "personalization.core.environment.Environment" in imports and "Environment" in calls
    return makes or "personalization.core.environment" in imports or "os.environ" in source


def test_only_functions_and_core_read_the_environment() -> None:
    assert [
        name for name, text in sources() if reads_variables(text) and not name.startswith("personalization.core.")
    ] == []


@pytest.mark.parametrize(
    "source",
    [
        "from personalization.core.environment import Environment\nBUCKET = Environment().bucket\n",
        "from personalization.core import environment\n",
    ],
)
def test_a_module_that_reads_the_environment_is_noticed(source: str) -> None:
    assert reads_variables(source)
    assert not reads_variables("from personalization.core.environment import Environment\n")
