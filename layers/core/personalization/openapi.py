# SPDX-License-Identifier: Apache-2.0
"""The API's description as OpenAPI 3.1, built from the models that check and describe its JSON.

`PYTHONPATH=layers/core python -m personalization.openapi functions/get_recommendations/openapi.json` writes the file
that is served; a test proves that it is current and that it names exactly the routes of the functions.
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from personalization import answers, events, problems, recommendations
from personalization.drops import SHOP, SHOP_RULE

VERSION = "0.1.0"
_REF = "#/components/schemas/{model}"
_PATH_PARAMETERS: Mapping[str, Mapping[str, object]] = {
    "shop": {"type": "string", "pattern": f"^{SHOP.pattern}$", "description": SHOP_RULE},
    "userId": {"type": "string", "minLength": 1, "maxLength": 256},
    "itemId": {"type": "string", "minLength": 1, "maxLength": 256},
}
_Parameter = tuple[str, Mapping[str, object], str]
"""A query parameter: name, JSON schema, description."""
_CHOICE: Sequence[_Parameter] = (
    ("filter", {"type": "string"}, "The name of one of the shop's filters."),
    (
        "filterValues.NAME",
        {"type": "string"},
        "The value of the filter's parameter NAME; several values are separated by commas, and a value that looks like "
        "a number but is text is put into double quotes. Example: `filterValues.CATEGORIES=Soups,Bread`.",
    ),
    ("context.NAME", {"type": "string"}, "The value of the Interactions column NAME at this moment."),
)
_LIMIT: _Parameter = ("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 25}, "How many items.")
_USER: _Parameter = ("userId", _PATH_PARAMETERS["userId"], "The user, for filters on what the user did.")
_ITEM: _Parameter = ("itemId", _PATH_PARAMETERS["itemId"], "The item that is being looked at.")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API."""

    method: str
    path: str
    operation: str
    summary: str
    answer: type[BaseModel] | None
    status: int = 200
    query: Sequence[_Parameter] = ()
    body: type[BaseModel] | None = None
    problems: Sequence[int] = (400, 403, 404, 429, 503)
    secured: bool = True


ROUTES: Sequence[Route] = (
    Route(
        "get",
        "/shops/{shop}/users/{userId}/recommendations",
        "recommend",
        "Items for a user. A user whom nobody knows is recommended what new shoppers like.",
        answers.Answer,
        query=(_LIMIT, *_CHOICE, _ITEM),
    ),
    Route(
        "get",
        "/shops/{shop}/items/{itemId}/similar",
        "similar",
        "Items that are like an item. For an item that nobody knows they are popular ones.",
        answers.Answer,
        query=(_LIMIT, *_CHOICE, _USER),
    ),
    Route(
        "get",
        "/shops/{shop}/popular",
        "popular",
        "The items that most users take.",
        answers.Answer,
        query=(_LIMIT, *_CHOICE, _USER),
    ),
    Route(
        "post",
        "/shops/{shop}/users/{userId}/ranking",
        "rank",
        "The given items, best first for the user. Items that nobody knows come last.",
        answers.Answer,
        query=_CHOICE,
        body=recommendations.RankingBody,
        problems=(400, 403, 404, 413, 429, 503),
    ),
    Route(
        "post",
        "/shops/{shop}/events",
        "recordEvents",
        "What a shopper did. The very next answer knows it.",
        answers.Accepted,
        202,
        body=events.Events,
        problems=(400, 403, 404, 413, 429, 503),
    ),
    Route(
        "put",
        "/shops/{shop}/users/{userId}",
        "putUser",
        "What is known of a user, in place of what was known before.",
        answers.PutAccepted,
        202,
        body=events.Put,
        problems=(400, 403, 404, 413, 429, 503),
    ),
    Route(
        "put",
        "/shops/{shop}/items/{itemId}",
        "putItem",
        "What is known of an item, in place of what was known before.",
        answers.PutAccepted,
        202,
        body=events.Put,
        problems=(400, 403, 404, 413, 429, 503),
    ),
    Route("get", "/health", "health", "Whether the API answers.", answers.Health, problems=(), secured=False),
    Route("get", "/openapi.json", "describe", "This description.", None, problems=(403, 429)),
)


def document() -> dict[str, Any]:
    """The description of every route."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Retail personalization",
            "version": VERSION,
            "description": "Recommendations for shoppers, and the events that improve them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": ".", "description": "The stage that serves this description."}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
    }


def text() -> str:
    """The description as the file holds it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _schemas() -> dict[str, Any]:
    told: set[type[BaseModel]] = {route.answer for route in ROUTES if route.answer} | {answers.ProblemBody}
    bodies = {route.body for route in ROUTES if route.body}
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in bodies]
    models += [(model, "serialization") for model in told]
    models.sort(key=lambda pair: pair[0].__name__)
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
    """What the sources say under each field of a model, by model and JSON name."""
    for module in (answers, events, recommendations):
        for node in ast.parse(inspect.getsource(module)).body:
            body = node.body if isinstance(node, ast.ClassDef) else []
            for field, words in pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(words, ast.Expr):
                    name, text = ast.unparse(field.target), ast.literal_eval(words.value)
                    yield (getattr(node, "name", ""), to_camel(name)), inspect.cleandoc(text)


def _operation(route: Route) -> dict[str, Any]:
    names: list[str] = re.findall(r"{(\w+)}", route.path)
    told: dict[str, Any] = {"operationId": route.operation, "summary": route.summary}
    told["security"] = [{"apiKey": []}] if route.secured else []
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]} for name in names
    ] + [{"name": name, "in": "query", "schema": schema, "description": why} for name, schema, why in route.query]
    if parameters:
        told["parameters"] = parameters
    if route.body:
        told["requestBody"] = {"required": True, "content": _content("application/json", route.body)}
    answer = {"description": "Accepted" if route.status == 202 else "The answer"}
    content = _content("application/json", route.answer) if route.answer else {"application/json": {}}
    told["responses"] = {str(route.status): {**answer, "content": content}}
    told["responses"] |= {str(status): _problem(status) for status in route.problems}
    return told


def _problem(status: int) -> dict[str, Any]:
    meanings = {
        400: "A field is not as it must be; `errors` names it",
        403: "The API key is missing or wrong",
        404: "There is no such shop, or nothing of it was promoted yet",
        413: "The body is larger than 256 KiB",
        429: "Too many requests for this key",
        503: "Nothing was done; try again after Retry-After seconds",
    }
    told: dict[str, Any] = {
        "description": meanings[status],
        "content": _content(problems.CONTENT_TYPE, answers.ProblemBody),
    }
    if status == 503:
        told["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return told


def _content(media: str, model: type[BaseModel]) -> dict[str, Any]:
    return {media: {"schema": {"$ref": _REF.format(model=model.__name__)}}}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text())
