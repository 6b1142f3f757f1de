# SPDX-License-Identifier: Apache-2.0
"""Authorize a browser's token for API Gateway: return its caller and usage plan."""

import time
from typing import Any

# Disables the cycle collector before the other imports.
from personalization.core import cold_start

# isort: split
from personalization.auth import authorizer, keys
from personalization.auth.tokens import Refused
from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment

clients.make_ahead(clients.secretsmanager)


@cold_start.start
def handler(event: dict[str, Any], _context: object) -> authorizer.Answer:
    """Answer an event of a REQUEST authorizer, with `methodArn` and `multiValueHeaders`.

    Returns:
        A policy that allows the whole API, with the caller as `context` and the plan's key as `usageIdentifierKey`; or
        one that denies it. API Gateway caches either by token.

    Raises:
        PersonalizationError: keys cannot be fetched. API Gateway caches nothing then, and answers 503.
    """
    environment, started = Environment(), time.perf_counter()
    arn, reason = str(event["methodArn"]), "none"
    try:
        caller = keys.trust().caller(authorizer.bearer(event.get("multiValueHeaders")), int(time.time()))
        plan = environment.shopper_key if caller.user else environment.visitor_key
        answer = authorizer.allowed(arn, caller, plan)
    except Refused as refused:
        answer, reason = authorizer.denied(arn), refused.reason
    times = {"AuthorizeTime": round((time.perf_counter() - started) * 1000, 2)}
    keys_ = {"service": environment.service, "outcome": "admitted" if reason == "none" else "refused", "reason": reason}
    observability.write(observability.emf(environment.namespace, times, int(time.time() * 1000), **keys_))
    return answer
