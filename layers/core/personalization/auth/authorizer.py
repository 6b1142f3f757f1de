# SPDX-License-Identifier: Apache-2.0
"""What the authorizer of the browsers' API decides: whom a token names, and which usage plan pays for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from personalization.auth import tokens
from personalization.auth.caller import Caller
from personalization.auth.tokens import Policy, Refused

if TYPE_CHECKING:
    from joserfc.jwk import Key

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trust:
    """What signatures are checked against.

    Attributes:
        policy: which tokens of an issuer name users; None where there is no issuer.
        public: the issuer's public keys by id.
        secret: the secrets of sessions by id.
    """

    policy: Policy | None
    public: Callable[[str], "Key | None"]
    secret: Callable[[str], bytes | None]

    def caller(self, token: str, now: int) -> Caller:
        """Whom a token names.

        Raises:
            Refused: it is worth nothing.
            PersonalizationError: nobody tells the keys.
        """
        if tokens.is_session(token):
            found = tokens.session(token, self.secret, now)
            return Caller(found.user, found.id, found.shop, found.expires)
        user, expires = self.login(token, now)
        return Caller(user, "", "", expires + tokens.LEEWAY)

    def login(self, token: str, now: int) -> tuple[str, int]:
        """The user whom an issuer's token names, and until when.

        Raises:
            Refused: it is worth nothing, or there is no issuer.
            PersonalizationError: nobody tells the keys.
        """
        if self.policy is None:
            raise Refused("issuer")
        return tokens.login(token, self.policy, self.public, now)


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
    name there, `callers.admit` decides at every request.

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
