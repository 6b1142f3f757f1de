# SPDX-License-Identifier: Apache-2.0
"""The answers of the browsers' API's authorizer: the caller that a token names, and the usage plan."""

from collections.abc import Mapping
from typing import Any

from personalization.auth.caller import Caller
from personalization.auth.tokens import Refused

Answer = dict[str, Any]


def bearer(headers: Mapping[str, list[str]] | None) -> str:
    """Return the token in a request's `multiValueHeaders`; raise Refused unless there is exactly one."""
    sent = [value for name, values in (headers or {}).items() if name.lower() == "authorization" for value in values]
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise Refused("malformed")
    return token


def allowed(method_arn: str, caller: Caller, key: str) -> Answer:
    """Return the answer that admits a caller; `key` is the API key of the usage plan.

    It holds for the whole API, because API Gateway caches it by token and not by route; `caller.admit` checks each
    request.
    """
    principal = "shopper" if caller.user else "visitor"
    return {**_policy(method_arn, principal, "Allow"), "context": caller.context(), "usageIdentifierKey": key}


def denied(method_arn: str) -> Answer:
    """Return the answer to an invalid token, without the reason."""
    return _policy(method_arn, "nobody", "Deny")


def _policy(method_arn: str, principal: str, effect: str) -> Answer:
    stage = "/".join(method_arn.split("/", 2)[:2])
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{stage}/*"}
    return {"principalId": principal, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
