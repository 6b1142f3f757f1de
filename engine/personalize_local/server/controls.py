# SPDX-License-Identifier: Apache-2.0
"""Controls for tests: `/faults` and `/clock`, only if the engine was started with `--faults`."""

import json
from typing import Final

from personalize_local.engine import Engine
from personalize_local.wire.errors import InvalidInput, UnknownOperation
from personalize_local.wire.protocol import Json, load_json

CONTROLS: Final = ("/faults", "/clock")
"""Prefixes of the paths of this module; no operation of the three services has one."""


def control(engine: Engine, method: str, path: str, body: bytes) -> bytes:
    """Answer GET, POST and DELETE of /faults, DELETE of /faults/<id>, GET and POST of /clock, as JSON.

    Raises UnknownOperation for any other path or without `--faults`, InvalidInput for a bad body.
    """
    if not engine.options.faults:
        raise UnknownOperation(f"{path} is shut: start the engine with --faults.")
    name, _, number = path.removeprefix("/").partition("/")
    if number and (name, method) == ("faults", "DELETE") and number.isdecimal():
        engine.faults.remove(int(number))
    elif number or (name, method) not in {
        ("faults", "GET"),
        ("faults", "POST"),
        ("faults", "DELETE"),
        ("clock", "GET"),
        ("clock", "POST"),
    }:
        raise UnknownOperation(f"No operation here: {method} {path}")
    elif method == "DELETE":
        engine.faults.remove()
    elif method == "POST" and name == "faults":
        return _json({"rules": [rule.shown() for rule in engine.faults.add(_read(body))]})
    elif method == "POST":
        _advance(engine, _read(body))
    if name == "clock":
        return _json({"now": engine.clock.now(), "ahead": engine.clock.ahead})
    return _json({"rules": [rule.shown() for rule in engine.faults.rules]})


def _advance(engine: Engine, document: object) -> None:
    seconds = document.get("advanceSeconds") if isinstance(document, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 10**9:
        raise InvalidInput('The clock is moved by {"advanceSeconds": N}, forward, by at most 10⁹ seconds.')
    engine.clock.advance(seconds)


def _read(body: bytes) -> object:
    try:
        return load_json(body)
    except ValueError:
        raise InvalidInput("The body is not valid JSON.") from None


def _json(document: Json) -> bytes:
    return json.dumps(document).encode()
