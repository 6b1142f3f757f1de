# SPDX-License-Identifier: Apache-2.0
"""What the authorizer of the browsers' API decides: whom a token names, and which usage plan pays for it."""

from collections.abc import Mapping
from typing import Any

from personalization.auth.caller import Caller
from personalization.auth.tokens import Refused

Answer = dict[str, Any]


def bearer(headers: Mapping[str, list[str]] | None) -> str:
    """The token of a request, by its `multiValueHeaders`.

    Raises:
        Refused: there is none, or more than one.
    """
    sent = [value for name, values in (headers or {}).items() if name.lower() == "authorization" for value in values]
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise Refused("malformed")
    return token


def allowed(method_arn: str, caller: Caller, key: str) -> Answer:
    """The answer that lets a caller in.

    It holds for the whole API, because API Gateway keeps it for the token and not for the route; what a caller may
    name there, `caller.admit` decides at every request.

    Args:
        method_arn: of the request.
        caller: who asks.
        key: the API key of the usage plan.
    """
    principal = "shopper" if caller.user else "visitor"
    return {**_policy(method_arn, principal, "Allow"), "context": caller.context(), "usageIdentifierKey": key}


def denied(method_arn: str) -> Answer:
    """The answer to a token that is worth nothing; it says nothing about why."""
    return _policy(method_arn, "nobody", "Deny")


def _policy(method_arn: str, principal: str, effect: str) -> Answer:
    stage = "/".join(method_arn.split("/", 2)[:2])
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{stage}/*"}
    return {"principalId": principal, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
