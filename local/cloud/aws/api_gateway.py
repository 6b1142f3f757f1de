# SPDX-License-Identifier: Apache-2.0
"""What ministack's API Gateway does otherwise than AWS's: keys that an authorizer names, and the path of a request.

`ApiKeySourceType: AUTHORIZER` ministack knows of but does not enforce. As on AWS: where an API takes its keys from its
authorizer, the `usageIdentifierKey` of the authorizer's answer is the request's key, for whether it is let in and for
its usage plan, and a key in a header counts for nothing. The answer is kept for as long as the authorizer's, key
included.

A REST API finds its resources in the path as it was sent, and hands path and parameters on as they were sent; ministack
decodes them first, so that an id with a slash is two parts of the path, and a function decodes an id once too often.
Runs inside the local AWS.
"""

import json
from contextvars import ContextVar
from typing import Any

from ministack import app
from ministack.services import apigateway_v1
from ministack.services.cloudformation import provisioners

_NAMED = "usageIdentifierKey"
_KEY: ContextVar[str | None] = ContextVar("key that the authorizer of the request at hand named", default=None)
"""None where the API takes keys from a header."""


def install() -> None:
    """Replace the entries of ministack's tables and modules."""
    api = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"]
    create, update = api["create"], api["update"]

    def created(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        return sourced(create(logical_id, props, stack), props)

    def updated(physical_id: str, old: dict[str, Any], new: dict[str, Any], *names: str) -> tuple[str, dict[str, str]]:
        return sourced(update(physical_id, old, new, *names), new)

    api["create"], api["update"] = created, updated
    invoke, authorize = apigateway_v1._invoke_authorizer_lambda, apigateway_v1._authorize_request_v1
    header = apigateway_v1._api_key_from_request

    async def invoked(*request: Any) -> Any:  # noqa: ANN401 - ministack's own
        return with_key(await invoke(*request))

    async def authorized(api_id: str, *request: Any) -> tuple[Any, dict[str, str] | None]:  # noqa: ANN401
        _KEY.set(None)
        error, context = await authorize(api_id, *request)
        if apigateway_v1._rest_apis[api_id].get("apiKeySource") == "AUTHORIZER":
            _KEY.set((context or {}).get(_NAMED, ""))
        return error, context and {name: value for name, value in context.items() if name != _NAMED}

    def key(headers: dict[str, str]) -> str:
        named = _KEY.get()
        return str(header(headers)) if named is None else named

    execute = app._handle_execute_api_request

    async def executed(host: str, path: str, *request: Any, raw_path: str | None = None, **more: Any) -> Any:  # noqa: ANN401
        addressed = app._parse_execute_api_url(host, path)
        if raw_path and addressed and apigateway_v1.find_api_scope(addressed[0]) is not None:
            path = raw_path
        return await execute(host, path, *request, raw_path=raw_path, **more)

    app._handle_execute_api_request = executed
    apigateway_v1._invoke_authorizer_lambda = invoked
    apigateway_v1._authorize_request_v1 = authorized
    apigateway_v1._api_key_from_request = key


def sourced(made: tuple[str, dict[str, str]], props: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """An API that was made, with the source of its keys as its properties say."""
    apigateway_v1._rest_apis[made[0]]["apiKeySource"] = props.get("ApiKeySourceType", "HEADER")
    return made


def with_key(result: dict[str, Any] | None) -> dict[str, Any] | None:
    """An authorizer's answer with its key among what is kept of it, its context."""
    body = (result or {}).get("body")
    told = json.loads(body) if isinstance(body, str | bytes) else body
    if result is None or not isinstance(told, dict) or _NAMED not in told:
        return result
    return result | {"body": told | {"context": {**(told.get("context") or {}), _NAMED: told[_NAMED]}}}
