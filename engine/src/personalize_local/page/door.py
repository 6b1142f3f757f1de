# SPDX-License-Identifier: Apache-2.0
"""The page's files, and the JSON that it reads: `/_page/…`, which is not part of AWS's API and changes nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from personalize_local.engine import Engine, Json
from personalize_local.page import state, why
from personalize_local.wire.errors import InvalidInput, UnknownOperation
from personalize_local.wire.protocol import load_json

DOOR: Final = "/_page/"
"""Prefix of the paths of this module; no operation of the three services has it."""
PEOPLE: Final = f"{DOOR}why"
"""The path that answers with people's data."""
HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; "
    "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "vary": "accept",
    "x-content-type-options": "nosniff",
}
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a browser gets."""

    content_type: str
    body: bytes


async def answer(engine: Engine, method: str, path: str, body: bytes) -> Shown:
    """Answer GET of `/`, of the page's files, of /_page/state and /_page/group/<ARN>, and POST of /_page/why, whose
    caller may read people's data (`Rights.check_reading`).

    Raises UnknownOperation, InvalidInput, ResourceNotFound.
    """
    name = path.removeprefix(DOOR) if path != "/" else "index.html"
    match method, name.partition("/"):
        case "GET", ("state", "", ""):
            return _json(state.overview(engine))
        case "GET", ("group", "/", arn):
            return _json(await state.group(engine, arn))
        case "POST", ("why", "", ""):
            return _json(await why.facts(engine, _read(body)))
        case "GET", (file, "", "") if file in _files():
            return _files()[file]
    raise UnknownOperation(f"No such operation: {method} {path}")


@cache
def _files() -> Mapping[str, Shown]:
    """Return the page's files by name."""
    paths = sorted((Path(__file__).parent / "static").iterdir())
    return {path.name: Shown(_TYPES[path.suffix], path.read_bytes()) for path in paths if path.suffix in _TYPES}


def _json(document: Json) -> Shown:
    return Shown("application/json", json.dumps(document, separators=(",", ":")).encode())


def _read(body: bytes) -> Json:
    try:
        document = load_json(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InvalidInput("The body must be a JSON object.")
    return document
