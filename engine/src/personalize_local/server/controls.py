# SPDX-License-Identifier: Apache-2.0
"""Controls for tests: `/faults` and `/clock`, only if the engine was started with `--faults`."""

import json
from typing import Final

from personalize_local.engine import Engine
from personalize_local.wire.errors import InvalidInput, UnknownOperation
from personalize_local.wire.protocol import load_json

CONTROLS: Final = ("/faults", "/clock")
"""Prefixes of the paths of this module; no operation of the three services has one."""


def control(engine: Engine, method: str, path: str, body: bytes) -> bytes:
    """Answer GET, POST and DELETE of /faults, DELETE of /faults/<id>, GET and POST of /clock, as JSON.

    Raises UnknownOperation for any other path or without `--faults`, InvalidInput for a bad body.
    """
    if not engine.options.faults:
        raise UnknownOperation(f"{path} is closed: start the engine with --faults.")
    name, _, number = path.removeprefix("/").partition("/")
    rules = engine.faults.rules
    try:
        match name, method, number:
            case "faults", "DELETE", number if number.isdecimal() or not number:
                engine.faults.remove(int(number) if number else None)
                rules = engine.faults.rules
            case "faults", "POST", "":
                rules = engine.faults.add(_read(body))
            case "clock", "POST", "":
                _advance(engine, _read(body))
            case "faults" | "clock", "GET", "":
                pass
            case _:
                raise UnknownOperation(f"No such operation: {method} {path}")
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    clock = {"now": engine.clock.now(), "ahead": engine.clock.ahead}
    return json.dumps(clock if name == "clock" else {"rules": [rule.shown() for rule in rules]}).encode()


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
