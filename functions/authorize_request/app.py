# SPDX-License-Identifier: Apache-2.0
"""Authorize a browser's token for API Gateway: return its caller and usage plan."""

import time
from collections.abc import Mapping
from typing import Any

# Disables the cycle collector before the other imports, until the end of this module.
from personalization.core import cold_start

# isort: split
from personalization.auth import keys
from personalization.auth.tokens import Refused
from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment

clients.make_ahead(clients.secretsmanager)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer an event of a REQUEST authorizer, with `methodArn` and `multiValueHeaders`.

    Returns:
        A policy that allows the whole API, with the caller as `context` and the plan's key as `usageIdentifierKey`; or
        one that denies it. API Gateway caches either by token and not by route, so `caller.admit` checks each request.

    Raises:
        PersonalizationError: keys cannot be fetched. API Gateway caches nothing then, and answers 503.
    """
    environment, started = Environment(), time.perf_counter()
    arn, reason = str(event["methodArn"]), "none"
    try:
        trust = keys.trust(environment, clients.secretsmanager)
        caller = trust.caller(_bearer(event.get("multiValueHeaders")), int(time.time()))
        plan = environment.shopper_key if caller.user else environment.visitor_key
        answer = _policy(arn, "shopper" if caller.user else "visitor", "Allow")
        answer |= {"context": caller.context(), "usageIdentifierKey": plan}
    except Refused as refused:
        answer, reason = _policy(arn, "nobody", "Deny"), refused.reason
    times = {"AuthorizeTime": round((time.perf_counter() - started) * 1000, 2)}
    logged = {
        "service": environment.service,
        "outcome": "admitted" if reason == "none" else "refused",
        "reason": reason,
    }
    observability.write(observability.emf(environment.namespace, times, int(time.time() * 1000), **logged))
    return answer


def _bearer(headers: Mapping[str, list[str]] | None) -> str:
    """Return the token of a request; raise Refused unless there is exactly one."""
    sent = [value for name, values in (headers or {}).items() if name.lower() == "authorization" for value in values]
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise Refused("malformed")
    return token


def _policy(method_arn: str, principal: str, effect: str) -> dict[str, Any]:
    stage = "/".join(method_arn.split("/", 2)[:2])
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{stage}/*"}
    return {"principalId": principal, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


cold_start.end()
