# SPDX-License-Identifier: Apache-2.0
"""The doors that tests move the engine by: `/faults` and `/clock`, open only where the engine was started so."""

import json
from typing import Final

from personalize_local.engine import Engine
from personalize_local.wire.errors import InvalidInput, UnknownOperation
from personalize_local.wire.protocol import Json, load_json

DOORS: Final = ("/faults", "/clock")
"""What the paths of this module begin with; no operation of the three services does."""


def open_door(engine: Engine, method: str, path: str, body: bytes) -> bytes:
    """Answer GET, POST and DELETE of /faults, DELETE of /faults/<id>, GET and POST of /clock, as JSON.

    Raises UnknownOperation where the doors are shut or the path is not one of these, InvalidInput for a bad body.
    """
    if not engine.options.faults:
        raise UnknownOperation(f"{path} is shut: start the engine with --faults.")
    door, _, number = path.removeprefix("/").partition("/")
    if number and (door, method) == ("faults", "DELETE") and number.isdecimal():
        engine.faults.remove(int(number))
    elif number or (door, method) not in {
        ("faults", "GET"),
        ("faults", "POST"),
        ("faults", "DELETE"),
        ("clock", "GET"),
        ("clock", "POST"),
    }:
        raise UnknownOperation(f"No operation here: {method} {path}")
    elif method == "DELETE":
        engine.faults.remove()
    elif method == "POST" and door == "faults":
        return _json({"rules": [rule.shown() for rule in engine.faults.add(_read(body))]})
    elif method == "POST":
        _advance(engine, _read(body))
    if door == "clock":
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
