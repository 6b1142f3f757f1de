# SPDX-License-Identifier: Apache-2.0
"""The wire protocol of the three services, by botocore's models: routing, request validation, serialization."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from personalize_local.wire.errors import AccessDenied, InvalidInput, MalformedBody, ServiceError, UnknownOperation

Json = dict[str, Any]
"""A JSON object of a request or an answer; the model decides the types of its members."""


class Problem(NamedTuple):
    """What is wrong with one member of a request."""

    message: str
    logged: str
    """The message without the value."""


Problems = list[Problem]
Reader = Callable[[object, str, Problems], Any]
Writer = Callable[[Any], Any]

SERVICES: Final = ("personalize", "personalize-runtime", "personalize-events")
MAX_BODY: Final = 1_000_000
"""Bytes of a request."""
_LONGEST_QUOTED: Final = 256
"""Characters of a value in a message."""
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
            message, logged = (f"{count}: {'; '.join(texts)}" for texts in zip(*problems, strict=True))
            raise InvalidInput(message, logged)
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


def _reader(shape: Shape | None, *, hidden: bool = False) -> Reader:
    """Compile a shape into a function that checks a value's type, and returns the value.

    Structures check the constraints of their members too; `hidden` values are not quoted.
    """
    if isinstance(shape, StructureShape):
        return _structure_reader(shape, hidden=hidden or _sensitive(shape))
    if isinstance(shape, ListShape):
        return _list_reader(shape, hidden=hidden)
    if isinstance(shape, MapShape):
        return _map_reader(shape)
    if isinstance(shape, StringShape):
        return _string_reader
    if shape is None:
        return lambda _value, _path, _problems: {}
    return _boolean_reader if shape.type_name == "boolean" else _number_reader(shape)


def _structure_reader(shape: StructureShape, *, hidden: bool) -> Reader:
    required = set(shape.required_members)
    members = [
        (name, _reader(member, hidden=hidden), _checker(member, hidden=hidden), name in required)
        for name, member in shape.members.items()
    ]

    def read(value: object, path: str, problems: Problems) -> Json:
        if not isinstance(value, dict):
            problems.append(_problem(path, "Member must be an object"))
            return {}
        structure: Json = {}
        for name, reader, check, needed in members:
            member = value.get(name)
            if member is None and not needed:
                continue
            member_path, before = f"{path}.{name}" if path else name, len(problems)
            if member is None:
                problems.append(_problem(member_path, "Member must not be null", "null"))
                continue
            structure[name] = reader(member, member_path, problems)
            if check and len(problems) == before:
                check(structure[name], member_path, problems)
        return structure

    return read


def _list_reader(shape: ListShape, *, hidden: bool) -> Reader:
    item = _reader(shape.member, hidden=hidden)

    def read(value: object, path: str, problems: Problems) -> list[Any]:
        if not isinstance(value, list):
            problems.append(_problem(path, "Member must be a list"))
            return []
        return [item(member, f"{path}.{number}.member", problems) for number, member in enumerate(value, 1)]

    return read


def _map_reader(shape: MapShape) -> Reader:
    entry = _reader(shape.value)

    def read(value: object, path: str, problems: Problems) -> Json:
        if not isinstance(value, dict):
            problems.append(_problem(path, "Member must be a map"))
            return {}
        return {key: entry(member, f"{path}.{key[:64]}.member", problems) for key, member in value.items()}

    return read


def _string_reader(value: object, path: str, problems: Problems) -> str:
    if isinstance(value, str):
        return value
    problems.append(_problem(path, "Member must be a string"))
    return ""


def _boolean_reader(value: object, path: str, problems: Problems) -> bool:
    if not isinstance(value, bool):
        problems.append(_problem(path, "Member must be true or false"))
    return bool(value)


def _number_reader(shape: Shape) -> Reader:
    whole = shape.type_name in {"integer", "long"}

    def read(value: object, path: str, problems: Problems) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 2**63:
            problems.append(_problem(path, "Member must be a number"))
            return 0
        if whole and value != int(value):
            problems.append(_problem(path, "Member must be a whole number"))
        return int(value) if whole else value

    return read


class _Constraint(NamedTuple):
    """One constraint of a shape."""

    text: str
    """In AWS's words."""
    holds: Callable[[Any], bool]


def _checker(shape: Shape, *, hidden: bool) -> Callable[[object, str, Problems], None] | None:
    """Compile a check of the constraints of a value that has the shape's type; None where there are none."""
    constraints, quoted = _constraints(shape), not (hidden or _sensitive(shape))

    def check(value: object, path: str, problems: Problems) -> None:
        for constraint in constraints:
            if not constraint.holds(value):
                problems.append(_problem(path, constraint.text, _quoted(value) if quoted else ""))

    return check if constraints else None


def _constraints(shape: Shape) -> list[_Constraint]:
    """Return the constraints of a value: a list and a map have those of their members as one.

    A structure has none, since its members are checked one by one.
    """
    if isinstance(shape, StructureShape):
        return []
    limits = shape.metadata
    sized = isinstance(shape, StringShape | ListShape | MapShape)
    what, size = ("length", len) if sized else ("value", _itself)
    constraints: list[_Constraint] = []
    if "max" in limits:
        text = f"Member must have {what} less than or equal to {limits['max']}"
        constraints.append(_Constraint(text, lambda value: size(value) <= limits["max"]))
    if "min" in limits:
        text = f"Member must have {what} greater than or equal to {limits['min']}"
        constraints.append(_Constraint(text, lambda value: size(value) >= limits["min"]))
    if "pattern" in limits:
        matches = python_pattern(limits["pattern"]).fullmatch
        text = f"Member must satisfy regular expression pattern: {limits['pattern']}"
        constraints.append(_Constraint(text, lambda value: matches(value) is not None))
    if isinstance(shape, StringShape) and shape.enum:
        words = frozenset(shape.enum)
        constraints.append(
            _Constraint(f"Member must satisfy enum value set: [{', '.join(shape.enum)}]", words.__contains__)
        )
    if isinstance(shape, ListShape):
        constraints += _of_all("Member must satisfy constraint", shape.member, iter)
    if isinstance(shape, MapShape):
        constraints += _of_all("Map keys must satisfy constraint", shape.key, dict.keys)
        constraints += _of_all("Map value must satisfy constraint", shape.value, dict.values)
    return constraints


def _of_all(words: str, shape: Shape, members: Callable[[Any], Iterable[Any]]) -> list[_Constraint]:
    """Return the constraints of the members of a list or map as one constraint of the whole; none if they have none."""
    inner = _constraints(shape)
    text = f"{words}: [{', '.join(constraint.text for constraint in inner)}]"
    whole = _Constraint(text, lambda value: all(part.holds(member) for member in members(value) for part in inner))
    return [whole] if inner else []


def _itself(value: float) -> float:
    return value


def _sensitive(shape: Shape) -> bool:
    """Tell whether the model marks a value, or what a list or map holds, as sensitive."""
    inner: list[Shape] = []
    if isinstance(shape, ListShape):
        inner = [shape.member]
    elif isinstance(shape, MapShape):
        inner = [shape.key, shape.value]
    return bool(shape.metadata.get("sensitive")) or any(map(_sensitive, inner))


def _problem(path: str, constraint: str, value: str = "") -> Problem:
    words = f"at '{path}' failed to satisfy constraint: {constraint}"
    return Problem(f"Value {value} {words}" if value else f"Value {words}", f"Value {words}")


def _quoted(value: object) -> str:
    text = _written(value)
    return f"'{text}'" if len(text) <= _LONGEST_QUOTED else f"'{text[:_LONGEST_QUOTED]}...'"


def _written(value: object) -> str:
    """Return a value as AWS's messages write it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_written(member)}' for key, member in value.items())}}}"
    return str(value)


def python_pattern(pattern: str) -> re.Pattern[str]:
    """Translate a model's pattern to Python's dialect, without `\\p{…}` classes. It must match the whole value."""
    for foreign, python in _FOREIGN_CLASSES.items():
        pattern = pattern.replace(foreign, python)
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
