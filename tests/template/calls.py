# SPDX-License-Identifier: Apache-2.0
"""Which AWS operations a function may call: read from the sources, along the names that its modules reach.

A client is recognised by its annotation (``client: "PersonalizeClient"``), in a parameter or, by way of ``self``,
in a parameter of the class's ``__init__``.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

ROOT = Path(__file__).resolve().parents[2]
SESSION = botocore.session.get_session()
Definition = tuple[str, str]
"""A module's dotted name, and the name of a function or class in it; "" is the module's own statements."""
Call = tuple[str, str]
"""A service as botocore calls it, and an operation's name."""
SERVICES = {
    "DynamoDBClient": "dynamodb",
    "EventBridgeClient": "events",
    "EventBridgeSchedulerClient": "scheduler",
    "PersonalizeClient": "personalize",
    "PersonalizeEventsClient": "personalize-events",
    "PersonalizeRuntimeClient": "personalize-runtime",
    "S3Client": "s3",
    "SecretsManagerClient": "secretsmanager",
    "SFNClient": "stepfunctions",
    "SQSClient": "sqs",
}


@cache
def operations(service: str) -> dict[str, str]:
    """A service's operations by the name of their method."""
    return {xform_name(name): name for name in SESSION.get_service_model(service).operation_names}


@cache
def source(module: str) -> ast.Module | None:
    """A module of ours, parsed; None for anything else."""
    root, _, rest = module.partition(".")
    if root not in {"functions", "personalization"}:
        return None
    base = ROOT / ("functions" if root == "functions" else "layers/core/personalization") / rest.replace(".", "/")
    paths = [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
    return ast.parse(paths[0].read_text()) if paths else None


@cache
def definitions(module: str) -> dict[str, ast.stmt]:
    """The functions and classes of a module."""
    tree = source(module)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name: node for node in tree.body if isinstance(node, kinds)} if tree else {}


@cache
def imported(module: str) -> dict[str, str]:
    """What a module's imports bind: local name to dotted name."""
    bound: dict[str, str] = {}
    for node in ast.walk(source(module) or ast.Module([], [])):
        if isinstance(node, ast.ImportFrom) and node.module:
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Import):
            bound |= {alias.asname or alias.name: alias.name for alias in node.names}
    return bound


def body(definition: Definition) -> list[ast.stmt]:
    """The statements of a definition."""
    module, name = definition
    if name:
        return [definitions(module)[name]]
    tree = source(module)
    return [node for node in tree.body if node not in definitions(module).values()] if tree else []


def resolved(dotted: str) -> Definition | None:
    """The definition that a dotted name of ours stands for; the module's statements, if it is a constant of it."""
    module, _, name = dotted.rpartition(".")
    if source(dotted):
        return dotted, ""
    if source(module):
        return module, name if name in definitions(module) else ""
    return None


def named(definition: Definition) -> Iterator[Definition]:
    """The definitions of ours that a definition names."""
    module, _ = definition
    for node in (node for statement in body(definition) for node in ast.walk(statement)):
        dotted = None
        if isinstance(node, ast.Name):
            here = f"{module}.{node.id}" if node.id in definitions(module) else ""
            dotted = imported(module).get(node.id, here)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            dotted = f"{imported(module).get(node.value.id, '')}.{node.attr}"
        if dotted and (path := resolved(dotted)):
            yield path


def reached(folder: str) -> set[Definition]:
    """Every definition that the modules of ``functions/<folder>`` may run: its app.py, and the steps of its child."""
    assert source(f"functions.{folder}.app"), f"{folder}/app.py is missing"
    modules = [f"functions.{folder}.{path.stem}" for path in sorted(ROOT.glob(f"functions/{folder}/*.py"))]
    todo: list[Definition] = [(module, name) for module in modules for name in ("", *definitions(module))]
    seen: set[Definition] = set()
    while todo:
        definition = todo.pop()
        if definition not in seen:
            seen.add(definition)
            todo += [(definition[0], ""), *named(definition)]
    return seen


def clients(node: ast.AST) -> dict[str, str]:
    """The clients that a definition holds: the source text of the expression, and the service."""
    annotated = {
        node_in.arg: re.sub(r"\W", "", ast.unparse(node_in.annotation))
        for node_in in ast.walk(node)
        if isinstance(node_in, ast.arg) and node_in.annotation
    }
    clients_by_name = {name: SERVICES[kind] for name, kind in annotated.items() if kind in SERVICES}
    assigned = [
        assignment
        for assignment in ast.walk(node)
        if isinstance(assignment, ast.Assign) and ast.unparse(assignment.value) in clients_by_name
    ]
    return clients_by_name | {
        ast.unparse(goal): clients_by_name[ast.unparse(assignment.value)]
        for assignment in assigned
        for goal in assignment.targets
    }


def made(definition: Definition) -> set[Call]:
    """The operations that a definition calls on its clients."""
    operations_called = set()
    for statement in body(definition) if definition[1] else []:
        names = clients(statement)
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and (service := names.get(ast.unparse(node.value))):
                operations_called |= (
                    {(service, operations(service)[node.attr])} if node.attr in operations(service) else set()
                )
    return operations_called


def calls(folder: str) -> set[Call]:
    """Every AWS operation that the function in ``functions/<folder>`` may call."""
    return {call for definition in reached(folder) for call in made(definition)}


def unrecognised() -> list[str]:
    """Where the domain seems to call Personalize on something that is not known to be a client."""
    snake = {name for service in SERVICES.values() if service.startswith("personalize") for name in operations(service)}
    calls_elsewhere = []
    adaptors = [path for path in sorted((ROOT / "layers/core").rglob("*.py")) if "mypy_boto3" in path.read_text()]
    assert adaptors
    for path in adaptors:
        modules = set(imported(".".join(path.relative_to(ROOT / "layers/core").with_suffix("").parts)))
        for statement in ast.parse(path.read_text()).body:
            names = modules | set(clients(statement))
            for node in ast.walk(statement):
                loose = isinstance(node, ast.Attribute) and node.attr in snake and ast.unparse(node.value) not in names
                by_text = isinstance(node, ast.Constant) and node.value in snake
                by_chance = isinstance(node, ast.Name) and node.id == "getattr"
                if loose or by_text or by_chance:
                    calls_elsewhere.append(f"{path.name}: {ast.unparse(node)}")
    return calls_elsewhere
