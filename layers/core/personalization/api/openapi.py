# SPDX-License-Identifier: Apache-2.0
"""Describe the API as OpenAPI 3.1, from the routes and the models of requests and answers.

`PYTHONPATH=layers/core python -m personalization.api.openapi functions/get_recommendations/openapi.json` writes the
served file; a test compares it with the code and with the functions' routes.
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

import personalization.events.impressions
import personalization.events.models
from personalization.api import actions, lists, models, placements
from personalization.api.routes import PATH_PARAMETERS, ROUTES, Route
from personalization.auth import sessions
from personalization.core import problems
from personalization.likelihood import answering

VERSION = "0.1.0"
_SOURCES = (
    models,
    answering,
    personalization.events.models,
    personalization.events.impressions,
    lists,
    placements,
    actions,
    sessions,
)
MODELS: Mapping[str, type[BaseModel]] = {
    name: value
    for module in _SOURCES
    for name, value in vars(module).items()
    if inspect.isclass(value) and issubclass(value, BaseModel) and value.__module__ == module.__name__
}
_QUERY = {
    "limit": "The number of items.",
    "filter": "The name of one of the shop's filters.",
    "filterValues": "The value of the filter's parameter NAME. Commas separate several values; text that looks like "
    "a number needs double quotes. Example: `filterValues.CATEGORIES=Soups,Bread`.",
    "context": "The current value of the Interactions column NAME.",
    "userId": "The user, for filters on their events.",
    "itemId": "The item that the user looks at.",
    "excludeItemIds": "An item to leave out, such as one in the basket; repeat the parameter for more.",
    "visitorId": "The random id that a browser keeps, 128 bits as base64url: the unit of experiments before a login. "
    "`none` for somebody without one, whose session is in no experiment.",
    "personalize": "`false` for somebody who objects to personal lists: they get bestsellers and are in no experiment.",
    "next": "The `next` of the previous page, with all other parameters unchanged.",
}
"""Descriptions of query parameters."""
_MEANINGS = {
    ("Slot", "limit"): "The number of items; the placement's own by default.",
    ("ActionListing", "limit"): "The number of actions.",
    ("Asking", "context"): "The value of the Users column NAME, in place of the last run's.",
}
"""Other descriptions in some models."""
_REF = "#/components/schemas/{model}"
_SCHEMES = {"everybody": (), "servers": ("apiKey",), "browsers too": ("apiKey", "token")}
_SECURITY: Mapping[str, Mapping[str, str]] = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "A server's key, at the servers' API.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A browser's token, at the browsers' API: from beginSession or the shop's OIDC issuer.",
    },
}


def document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Retail personalization",
            "version": VERSION,
            "description": "Recommendations for users, and the events that improve them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": ".", "description": "The stage that serves this description."}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": _SECURITY,
        },
    }


def text() -> str:
    """Return the content of the file."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _schemas() -> dict[str, Any]:
    modes: dict[str, JsonSchemaMode] = {route.body: "validation" for route in ROUTES if route.body}
    modes |= dict.fromkeys([*(route.answer for route in ROUTES if route.answer), "ProblemBody"], "serialization")
    models = [(MODELS[name], mode) for name, mode in sorted(modes.items())]
    _, definitions = models_json_schema(models, ref_template=_REF)
    schemas: dict[str, Any] = definitions["$defs"]
    words = dict(_attributes())
    for name, schema in schemas.items():
        schema.pop("title")
        for field, described in schema["properties"].items():
            described.pop("title", None)
            if (name, field) in words:
                described["description"] = words[name, field]
    return dict(sorted(schemas.items()))


def _attributes() -> Iterator[tuple[tuple[str, str], str]]:
    """Iterate over the docstrings of models' fields, by model and JSON name."""
    for module in _SOURCES:
        for node in ast.parse(inspect.getsource(module)).body:
            body = node.body if isinstance(node, ast.ClassDef) else []
            for field, words in pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(words, ast.Expr):
                    name, text = ast.unparse(field.target), ast.literal_eval(words.value)
                    yield (getattr(node, "name", ""), to_camel(name)), inspect.cleandoc(text)


def _operation(route: Route) -> dict[str, Any]:
    names: list[str] = re.findall(r"{(\w+)}", route.path)
    described: dict[str, Any] = {"operationId": route.operation, "summary": route.summary}
    described["security"] = [{name: []} for name in _SCHEMES[route.callers]]
    parameters = [{"name": name, "in": "path", "required": True, "schema": PATH_PARAMETERS[name]} for name in names]
    parameters += _query(route)
    if route.cacheable:
        why = "The ETag of the cached answer."
        parameters.append({"name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "description": why})
    if parameters:
        described["parameters"] = parameters
    if route.body:
        described["requestBody"] = {"required": True, "content": _content("application/json", route.body)}
    answer = {"description": {201: "Created", 202: "Accepted"}.get(route.status, "The answer")}
    content = _content("application/json", route.answer) if route.answer else {"application/json": {}}
    described["responses"] = {str(route.status): {**answer, "content": content}}
    if route.cacheable:
        etag = {"schema": {"type": "string"}, "description": "Identifies the answer; weak for lists"}
        described["responses"][str(route.status)]["headers"] = {"ETag": etag}
        described["responses"]["304"] = {"description": "The cached answer is still current"}
    refusals = {*route.problems}
    refusals |= {401} if "token" in _SCHEMES[route.callers] else set()
    refusals |= {413} if route.body else set()
    described["responses"] |= {str(status): _problem(status, route) for status in sorted(refusals)}
    return described


def _query(route: Route) -> Iterator[dict[str, Any]]:
    fields = MODELS[route.asks].model_json_schema()["properties"] if route.asks else {}
    for name in route.query:
        # An optional query parameter is never null or an empty list.
        declared = next(
            (option for option in fields[name].get("anyOf", ()) if option != {"type": "null"}), fields[name]
        )
        schema = {key: value for key, value in declared.items() if key != "title" and value != []}
        written = name
        if schema["type"] == "object":
            written, schema = f"{name}.NAME", {"type": "string"}
        why = _MEANINGS.get((route.asks, name), _QUERY[name])
        yield {"name": written, "in": "query", "schema": schema, "description": why}


def _problem(status: int, route: Route) -> dict[str, Any]:
    meanings = {
        400: "A field is invalid; `errors` names it",
        401: "The token is missing, expired or invalid",
        403: "The API key is missing or wrong, or the request names a user, session or shop other than the token's",
        404: "The shop does not exist, or it has no release yet",
        409: "The shop has too little data or too much, or the user is being deleted; see `detail`",
        413: "The body is larger than 256 KiB",
        429: "Too many requests for this key",
        503: f"{route.unavailable} after Retry-After seconds",
    }
    described: dict[str, Any] = {
        "description": meanings[status],
        "content": _content(problems.CONTENT_TYPE, "ProblemBody"),
    }
    if status == 503:
        described["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return described


def _content(media: str, model: str) -> dict[str, Any]:
    return {media: {"schema": {"$ref": _REF.format(model=model)}}}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text())
