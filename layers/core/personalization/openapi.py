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
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from personalization import answers, events, placing, problems, recommendations, sessions
from personalization.drops import SHOP, SHOP_RULE
from personalization.likelihood import answering

VERSION = "0.1.0"
_REF = "#/components/schemas/{model}"
_PATH_PARAMETERS: Mapping[str, Mapping[str, object]] = {
    "shop": {"type": "string", "pattern": f"^{SHOP.pattern}$", "description": SHOP_RULE},
    "userId": {"type": "string", "minLength": 1, "maxLength": 256},
    "itemId": {"type": "string", "minLength": 1, "maxLength": 256},
    "placement": {
        "type": "string",
        "pattern": "^[a-z0-9][a-z0-9-]{0,19}$",
        "description": "The name of one of the shop's placements.",
    },
}
_Parameter = tuple[str, Mapping[str, object], str]
"""A query parameter: name, JSON schema, description."""
_CHOICE: Sequence[_Parameter] = (
    ("filter", {"type": "string", "minLength": 1, "maxLength": 63}, "The name of one of the shop's filters."),
    (
        "filterValues.NAME",
        {"type": "string"},
        "The value of the filter's parameter NAME; several values are separated by commas, and a value that looks like "
        "a number but is text is put into double quotes. Example: `filterValues.CATEGORIES=Soups,Bread`.",
    ),
    ("context.NAME", {"type": "string"}, "The value of the Interactions column NAME at this moment."),
)
_LIMIT: _Parameter = ("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 25}, "How many items.")
_PAGES: Sequence[_Parameter] = (
    (
        "excludeItemIds",
        {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1, "maxLength": 256}},
        "Items that are not shown, such as those in the basket; once for each.",
    ),
    (
        "next",
        {"type": "string", "minLength": 1, "maxLength": 4096},
        "The `next` of the page before, with all other parameters as they were.",
    ),
)
_VALUES = _CHOICE[1:]
"""What a placement leaves to the request: its filter is its own."""
_LIMIT_OF_SLOT: _Parameter = (
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 100},
    "How many items; the placement's own number without it.",
)
_USER: _Parameter = ("userId", _PATH_PARAMETERS["userId"], "The user, for filters on what the user did.")
_ITEM: _Parameter = ("itemId", _PATH_PARAMETERS["itemId"], "The item that is being looked at.")

_ABOUT_USER: _Parameter = (
    "context.NAME",
    {"type": "string"},
    "The value of the Users column NAME, in place of what the last run knew of this user.",
)

_SCHEMES = {"everybody": (), "servers": ("apiKey",), "browsers too": ("apiKey", "token")}
_SECURITY: Mapping[str, Mapping[str, str]] = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "A server's, at the API of servers.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A browser's, at the API of browsers: from beginSession, or of the shop's OIDC issuer.",
    },
}


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
    callers: Literal["everybody", "servers", "browsers too"] = "servers"
    kept: bool = False
    """Whether a client may keep the answer, and ask with If-None-Match whether it is still good."""


ROUTES: Sequence[Route] = (
    Route(
        "get",
        "/shops/{shop}/users/{userId}/recommendations",
        "recommend",
        "Items for a user. A user whom nobody knows is recommended what new shoppers like.",
        answers.Answer,
        query=(_LIMIT, *_CHOICE, _ITEM, *_PAGES),
        callers="browsers too",
    ),
    Route(
        "get",
        "/shops/{shop}/items/{itemId}/similar",
        "similar",
        "Items that are like an item. For an item that nobody knows they are popular ones.",
        answers.Answer,
        query=(_LIMIT, *_CHOICE, _USER, *_PAGES),
        callers="browsers too",
        kept=True,
    ),
    Route(
        "get",
        "/shops/{shop}/popular",
        "popular",
        "The items that most users take.",
        answers.Answer,
        query=(_LIMIT, *_CHOICE, _USER, *_PAGES),
        callers="browsers too",
        kept=True,
    ),
    Route(
        "get",
        "/shops/{shop}/users/{userId}/placements/{placement}",
        "placement",
        "What one of the shop's placements shows the user.",
        answers.Placed,
        query=(_LIMIT_OF_SLOT, *_VALUES, _ITEM, *_PAGES),
        callers="browsers too",
    ),
    Route(
        "post",
        "/shops/{shop}/users/{userId}/placements",
        "placements",
        "What the placements of a page show the user, in one answer, with no item twice.",
        answers.Page,
        query=_VALUES,
        body=placing.PageBody,
        problems=(400, 403, 404, 413, 429, 503),
        callers="browsers too",
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
        callers="browsers too",
    ),
    Route(
        "post",
        "/shops/{shop}/users/{userId}/purchase-likelihood",
        "purchaseLikelihood",
        "How likely the user is to buy each of the given items within the shop's horizon: calibrated probabilities.",
        answers.Likelihood,
        query=(_ABOUT_USER,),
        body=answering.LikelihoodBody,
        problems=(400, 403, 404, 409, 413, 429, 503),
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
        callers="browsers too",
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
        "delete",
        "/shops/{shop}/users/{userId}",
        "deleteUser",
        "Delete a user and what is known of her. It takes up to a day, and models know her until their next training.",
        answers.Receipt,
        202,
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
    Route(
        "post",
        "/shops/{shop}/sessions",
        "beginSession",
        "A browser's token: for a visitor, and from her login on for the shopper. At the API of browsers only.",
        answers.SessionBegun,
        201,
        body=sessions.SessionRequest,
        problems=(400, 401, 403, 404, 413, 429, 503),
        callers="everybody",
    ),
    Route("get", "/health", "health", "Whether the API answers.", answers.Health, problems=(), callers="everybody"),
    Route("get", "/openapi.json", "describe", "This description.", None, problems=(403, 429), kept=True),
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
            "securitySchemes": _SECURITY,
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
    for module in (answers, answering, events, placing, recommendations, sessions):
        for node in ast.parse(inspect.getsource(module)).body:
            body = node.body if isinstance(node, ast.ClassDef) else []
            for field, words in pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(words, ast.Expr):
                    name, text = ast.unparse(field.target), ast.literal_eval(words.value)
                    yield (getattr(node, "name", ""), to_camel(name)), inspect.cleandoc(text)


def _operation(route: Route) -> dict[str, Any]:
    names: list[str] = re.findall(r"{(\w+)}", route.path)
    told: dict[str, Any] = {"operationId": route.operation, "summary": route.summary}
    told["security"] = [{name: []} for name in _SCHEMES[route.callers]]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]} for name in names
    ] + [{"name": name, "in": "query", "schema": schema, "description": why} for name, schema, why in route.query]
    if route.kept:
        why = "The ETag of the answer that is kept."
        parameters.append({"name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "description": why})
    if parameters:
        told["parameters"] = parameters
    if route.body:
        told["requestBody"] = {"required": True, "content": _content("application/json", route.body)}
    answer = {"description": {201: "Made", 202: "Accepted"}.get(route.status, "The answer")}
    content = _content("application/json", route.answer) if route.answer else {"application/json": {}}
    told["responses"] = {str(route.status): {**answer, "content": content}}
    if route.kept:
        etag = {"schema": {"type": "string"}, "description": "Names the answer; weak for lists"}
        told["responses"][str(route.status)]["headers"] = {"ETag": etag}
        told["responses"]["304"] = {"description": "What is kept is still good"}
    refusals = sorted({*route.problems, *([401] if "token" in _SCHEMES[route.callers] else [])})
    told["responses"] |= {str(status): _problem(status) for status in refusals}
    return told


def _problem(status: int) -> dict[str, Any]:
    meanings = {
        400: "A field is not as it must be; `errors` names it",
        401: "The token is missing, has expired or is not valid",
        403: "The API key is missing or wrong, or the request names what is not the token's",
        404: "There is no such shop, or nothing of it was promoted yet",
        409: "The shop has too little data for this; `detail` says what is needed",
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
