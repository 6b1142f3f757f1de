# SPDX-License-Identifier: Apache-2.0
"""The account and region of a request, by its signature: resources of one account and region don't show in another."""

import re
from collections.abc import Iterator
from typing import Final

from personalize_local.resources.kinds import Call
from personalize_local.wire.errors import ResourceNotFound
from personalize_local.wire.protocol import Json

_SIGNER: Final = re.compile(r"Credential=([^,\s/]*)/\d{8}/([a-z0-9-]+)/")
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)


def signed_by(authorization: str, account: str, region: str, now: float) -> Call:
    """Return the account, region and time of a request.

    An access key id of 12 digits is the account's number, as in LocalStack; any other stands for the default account.
    A signature that names no region stands for the default one.
    """
    signer = _SIGNER.search(authorization)
    if signer is None:
        return Call(region, account, now)
    return Call(signer[2], signer[1] if _ACCOUNT.fullmatch(signer[1]) else account, now)


def require_own(operation: str, request: Json, call: Call) -> None:
    """Check that a request names resources of its own account and region only. Raises ResourceNotFound.

    Lists need no check: they show what is the caller's, and their models have no such error.
    """
    if operation.startswith("List") and operation != "ListTagsForResource":
        return
    for arn in _named(request):
        _, _, service, _, account, *_ = [*arn.split(":", 5), "", "", "", "", ""]
        if service == "personalize" and account and not arn.startswith(call.prefix):
            raise ResourceNotFound(f"Resource Arn {arn} does not exist.")


def _named(request: Json) -> Iterator[str]:
    """Yield the ARNs of a request: those of its own members, and of objects in its lists."""
    for name, value in request.items():
        if name.endswith("Arn"):
            yield value
        elif name == "promotions":
            yield from (promotion[member] for promotion in value for member in promotion if member.endswith("Arn"))
