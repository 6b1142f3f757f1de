# SPDX-License-Identifier: Apache-2.0
"""The wire protocol of the three services, by botocore's models: routing, request validation, serialization."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from personalize_local.wire.errors import AccessDenied, InvalidInput, MalformedBody, ServiceError, UnknownOperation

Json = dict[str, Any]
"""A JSON object of a request or an answer; the model decides the types of its members."""
Problems = list[str]
Reader = Callable[[object, str, Problems], Any]
Writer = Callable[[Any], Any]

SERVICES: Final = ("personalize", "personalize-runtime", "personalize-events")
MAX_BODY: Final = 1_000_000
"""Bytes of a request."""
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_MODELLED_AT_400: Final = {404, 409}
_FOREIGN_CLASSES: Final = {r"\p{L}\p{Z}\p{N}_": r"\w\s", r"\p{ASCII}": r"[\x00-\x7f]"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one service."""

    service: str
    name: str
    rest: bool
    """REST-JSON (runtime and events); else JSON 1.1 (control plane)."""
    read: Reader
    write: Writer | None
    """None: a successful answer has an empty body."""

    @property
    def content_type(self) -> str:
        return "application/json" if self.rest else "application/x-amz-json-1.1"

    def parse(self, body: bytes) -> Json:
        """Return the request's members, without those that the model does not know; timestamps are epoch seconds.

        Raises MalformedBody, or InvalidInput with every member that breaks a constraint.
        """
        try:
            document = load_json(body or b"{}")
        except ValueError:
            raise MalformedBody("The body is not valid JSON.") from None
        if not isinstance(document, dict):
            raise MalformedBody("The body must be a JSON object.")
        problems: Problems = []
        request: Json = self.read(document, "", problems)
        if problems:
            count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
            raise InvalidInput(f"{count}: {'; '.join(problems)}")
        return request

    def serialise(self, answer: Mapping[str, Any]) -> bytes:
        """Return the answer's body: only what the model names, without None."""
        if self.write is None:
            return b""
        return _ENCODER.encode(self.write(answer)).encode()


def error_answer(error: ServiceError, *, rest: bool) -> tuple[int, bytes]:
    """Return HTTP status and body of an error; the control plane says 400 for modelled errors and AccessDenied."""
    at_400 = not rest and (error.status in _MODELLED_AT_400 or isinstance(error, AccessDenied))
    status = 400 if at_400 else error.status
    return status, json.dumps({"__type": error.code, "message": error.message}).encode()


class Wire:
    """All operations of the three services, by target or path."""

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self._targets: dict[str, Operation] = {}
        self._paths: dict[tuple[str, str], Operation] = {}
        for model in (model for models in load_services() for model in models.values()):
            service, output = model.service_model, model.output_shape
            rest, read = service.metadata["protocol"] == "rest-json", _reader(model.input_shape)
            operation = Operation(service.service_name, model.name, rest, read, _writer(output) if output else None)
            self.operations[model.name] = operation
            if rest:
                self._paths[model.http["method"], model.http["requestUri"]] = operation
            else:
                self._targets[f"{service.metadata['targetPrefix']}.{model.name}"] = operation

    def route(self, method: str, path: str, target: str) -> Operation:
        """Return the operation of a request. Raises UnknownOperation."""
        operation = self._targets.get(target) if target else self._paths.get((method, path))
        if operation is None or (target and (method, path) != ("POST", "/")):
            raise UnknownOperation(f"No such operation: {method} {path}{' ' + target if target else ''}")
        return operation


def load_json(text: str | bytes) -> object:
    """Read JSON. Raises ValueError, also for lone surrogates and too deep nesting, which could not be stored."""
    try:
        document: object = json.loads(text)
        if b"\\u" in text if isinstance(text, bytes) else "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document


def load_services() -> Iterator[dict[str, OperationModel]]:
    loader = Loader()
    for name in SERVICES:
        service = ServiceModel(loader.load_service_model(name, "service-2"), name)
        yield {operation: service.operation_model(operation) for operation in service.operation_names}


def _reader(shape: Shape | None) -> Reader:
    """Compile a shape into a function that checks a value and returns it."""
    if isinstance(shape, StructureShape):
        return _structure_reader(shape)
    if isinstance(shape, ListShape):
        return _list_reader(shape)
    if isinstance(shape, MapShape):
        return _map_reader(shape)
    if isinstance(shape, StringShape):
        return _string_reader(shape)
    if shape is None:
        return lambda _value, _path, _problems: {}
    return _boolean_reader if shape.type_name == "boolean" else _number_reader(shape)


def _problem(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _structure_reader(shape: StructureShape) -> Reader:
    required = set(shape.required_members)
    members = [(name, _reader(member), name in required) for name, member in shape.members.items()]

    def read(value: object, path: str, problems: Problems) -> Json:
        if not isinstance(value, dict):
            problems.append(_problem(path, "must be an object"))
            return {}
        found: Json = {}
        for name, reader, needed in members:
            member = value.get(name)
            if member is not None:
                found[name] = reader(member, _join(path, name), problems)
            elif needed:
                problems.append(_problem(_join(path, name), "is required"))
        return found

    return read


def _list_reader(shape: ListShape) -> Reader:
    item, size = _reader(shape.member), _size(shape, "members")

    def read(value: object, path: str, problems: Problems) -> list[Any]:
        if not isinstance(value, list):
            problems.append(_problem(path, "must be a list"))
            return []
        size(len(value), path, problems)
        return [item(member, f"{path}[{position}]", problems) for position, member in enumerate(value)]

    return read


def _map_reader(shape: MapShape) -> Reader:
    key_reader, value_reader, size = _reader(shape.key), _reader(shape.value), _size(shape, "entries")

    def read(value: object, path: str, problems: Problems) -> Json:
        if not isinstance(value, dict):
            problems.append(_problem(path, "must be a map"))
            return {}
        size(len(value), path, problems)
        return {
            key_reader(key, f"{path} (key)", problems): value_reader(member, f"{path}.{key[:64]}", problems)
            for key, member in value.items()
        }

    return read


def _string_reader(shape: StringShape) -> Reader:
    size = _size(shape, "characters")
    pattern = shape.metadata.get("pattern")
    matches = python_pattern(pattern).fullmatch if pattern else None
    enum = frozenset(shape.enum)

    def read(value: object, path: str, problems: Problems) -> str:
        if not isinstance(value, str):
            problems.append(_problem(path, "must be a string"))
            return ""
        size(len(value), path, problems)
        if matches and not matches(value):
            problems.append(_problem(path, f"must match the pattern {pattern}"))
        if enum and value not in enum:
            problems.append(_problem(path, f"must be one of {', '.join(shape.enum)}"))
        return value

    return read


def _boolean_reader(value: object, path: str, problems: Problems) -> bool:
    if not isinstance(value, bool):
        problems.append(_problem(path, "must be true or false"))
    return bool(value)


def _number_reader(shape: Shape) -> Reader:
    whole = shape.type_name in {"integer", "long"}
    low, high = shape.metadata.get("min", -math.inf), shape.metadata.get("max", math.inf)

    def read(value: object, path: str, problems: Problems) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 2**63:
            problems.append(_problem(path, "must be a number"))
            return 0
        if whole and value != int(value):
            problems.append(_problem(path, "must be a whole number"))
        if not low <= value <= high:
            bound = f"at least {low}" if value < low else f"at most {high}"
            problems.append(_problem(path, f"must be {bound}"))
        return int(value) if whole else value

    return read


def _size(shape: Shape, unit: str) -> Callable[[int, str, Problems], None]:
    """Compile a check of the number of characters, members or entries."""
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", math.inf)

    def check(size: int, path: str, problems: Problems) -> None:
        if size < low:
            problems.append(_problem(path, f"must have at least {low} {unit}"))
        elif size > high:
            problems.append(_problem(path, f"must have at most {high} {unit}"))

    return check


def python_pattern(pattern: str) -> re.Pattern[str]:
    """Translate a model's pattern to Python's dialect, without `\\p{…}` classes. It must match the whole value."""
    for theirs, ours in _FOREIGN_CLASSES.items():
        pattern = pattern.replace(theirs, ours)
    return re.compile(pattern)


def _writer(shape: Shape) -> Writer | None:
    """Compile a shape into a function that makes an answer ready for JSON; None: it is ready as it is."""
    if isinstance(shape, StructureShape):
        members = [(name, _writer(member)) for name, member in shape.members.items()]
        return lambda value: {
            name: write(member) if write else member
            for name, write in members
            if (member := value.get(name)) is not None
        }
    if isinstance(shape, ListShape):
        item = _writer(shape.member)
        return item and (lambda value: [item(member) for member in value])
    if isinstance(shape, MapShape):
        entry = _writer(shape.value)
        return entry and (lambda value: {key: entry(member) for key, member in value.items()})
    if shape.type_name == "timestamp":
        return lambda value: round(value, 3)
    return None
