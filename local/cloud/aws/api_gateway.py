# SPDX-License-Identifier: Apache-2.0
"""API Gateway as on AWS where ministack's differs: OpenAPI extensions, keys from an authorizer, paths as sent.

ministack knows `ApiKeySourceType: AUTHORIZER` but does not enforce it. As on AWS, where an API takes its keys from its
authorizer, the `usageIdentifierKey` of the authorizer's answer is the request's key, both for admission and for its
usage plan, and a key in a header counts for nothing. The key is cached as long as the authorizer's answer.

A REST API finds its resources by the path as it was sent, and passes path and parameters on as they were sent;
ministack decodes them first, so that an id with a slash is two parts of the path, and a function decodes an id twice.
"""

import json
from contextvars import ContextVar
from typing import Any

from ministack import app
from ministack.services import apigateway_v1

from local.cloud.aws.patching import Function, Json, after_change, wrapping

_NAMED = "usageIdentifierKey"
_KEY: ContextVar[str | None] = ContextVar("key that the authorizer of the request at hand named", default=None)
"""None where the API takes keys from a header."""


def install() -> None:
    after_change("AWS::ApiGateway::RestApi", customise)

    @wrapping(apigateway_v1, "_invoke_authorizer_lambda")
    async def invoked(stock: Function, *request: object) -> Json | None:
        return with_key(await stock(*request))

    @wrapping(apigateway_v1, "_authorize_request_v1")
    async def authorized(stock: Function, api_id: str, *request: object) -> tuple[Any, Json | None]:
        _KEY.set(None)
        error, context = await stock(api_id, *request)
        if apigateway_v1._rest_apis[api_id].get("apiKeySource") == "AUTHORIZER":
            _KEY.set((context or {}).get(_NAMED, ""))
        return error, context and {name: value for name, value in context.items() if name != _NAMED}

    @wrapping(apigateway_v1, "_api_key_from_request")
    def key(stock: Function, headers: dict[str, str]) -> str:
        named = _KEY.get()
        return str(stock(headers)) if named is None else named

    @wrapping(app, "_handle_execute_api_request")
    async def executed(
        stock: Function, host: str, path: str, *request: object, raw_path: str | None = None, **more: object
    ) -> object:
        addressed = app._parse_execute_api_url(host, path)
        if raw_path and addressed and apigateway_v1.find_api_scope(addressed[0]) is not None:
            path = raw_path
        return await stock(host, path, *request, raw_path=raw_path, **more)


def customise(api: str, props: Json) -> None:
    """Apply to an API what ministack's import skips: the source of keys, gateway responses, and responses for CORS."""
    apigateway_v1._rest_apis[api]["apiKeySource"] = props.get("ApiKeySourceType", "HEADER")
    body = props.get("Body") or {}
    for kind, response in body.get("x-amazon-apigateway-gateway-responses", {}).items():
        status, _, reason = apigateway_v1._put_gateway_response(api, kind, response)
        if status >= 400:
            raise ValueError(f"gateway response {kind}: {reason!r}")
    resources = {resource["path"]: key for key, resource in apigateway_v1._resources[api].items()}
    for path, operations in body.get("paths", {}).items():
        for method, operation in operations.items():
            responses = operation.get("x-amazon-apigateway-integration", {}).get("responses", {})
            for pattern, response in responses.items():
                data = response | {"selectionPattern": "" if pattern == "default" else pattern}
                address = (api, resources[path], method.upper(), str(response["statusCode"]))
                apigateway_v1._put_integration_response(*address, data)


def with_key(result: Json | None) -> Json | None:
    """Return an authorizer's answer with its key in its context, which is the part that ministack caches."""
    body = (result or {}).get("body")
    document = json.loads(body) if isinstance(body, str | bytes) else body
    if result is None or not isinstance(document, dict) or _NAMED not in document:
        return result
    return result | {"body": document | {"context": {**(document.get("context") or {}), _NAMED: document[_NAMED]}}}
