# SPDX-License-Identifier: Apache-2.0
"""The rights that an operation needs, and whether its caller has them: the local AWS knows the roles.

A caller needs the operation's action on every resource that the request names or creates, and `iam:PassRole` on every
role that it names, as AWS's service authorization reference lists and public roles show.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Final

import urllib3

from personalize_local.resources import kinds
from personalize_local.resources.kinds import Call
from personalize_local.resources.rules import texts_in
from personalize_local.wire.errors import AccessDenied, InternalFailure
from personalize_local.wire.protocol import Json

FRESH_SECONDS: Final = 5.0
"""How long an answer of the local AWS is valid; on AWS, too, a changed role takes a moment."""
_ON_EVERYTHING: Final = frozenset({"PutEvents", "PutActionInteractions"})
"""Operations without resource-level rights, besides lists: only `*` allows them."""
_ANY_ID: Final = "0a1b2c3d"
"""Stands for an id that Personalize chooses, so that a right on a name is not enough."""
_CALLER: Final = re.compile(r"Credential=([^/,\s]+)/")

Need = tuple[str, str]
"""An IAM action, and the ARN that it must be allowed on."""


class Rights:
    """Asks the local AWS at a URL; without one, every caller may do everything."""

    def __init__(self, url: str = "") -> None:
        self._url = url
        self._pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=30.0)
        self._answers: dict[tuple[str, tuple[Need, ...]], asyncio.Future[str]] = {}
        self._since = 0.0

    async def check(self, operation: str, request: Json, call: Call, authorization: str) -> None:
        """Check that the signer of a request may do this. Raises AccessDenied."""
        if not self._url:
            return
        signed = _CALLER.search(authorization)
        refused = await self._verdict(signed[1] if signed else "", tuple(needs(operation, request, call)))
        if refused:
            raise AccessDenied(refused)

    async def check_reading(self, call: Call, authorization: str) -> None:
        """Check that the caller may read what the engine knows of people: who may export any dataset may.

        A page of a browser has no access key. Raises AccessDenied.
        """
        if self._url and not authorization:
            raise AccessDenied("This engine checks the rights of its callers, and a page has no access key.")
        await self.check("CreateDatasetExportJob", {"jobName": _ANY_ID}, call, authorization)

    async def _verdict(self, caller: str, needed: tuple[Need, ...]) -> str:
        now = time.monotonic()
        if now - self._since > FRESH_SECONDS:
            self._answers, self._since = {}, now
        question = (caller, needed)
        if question not in self._answers:
            self._answers[question] = asyncio.ensure_future(asyncio.to_thread(self._ask, caller, needed))
        answer = self._answers[question]
        try:
            return answer.result() if answer.done() else await asyncio.shield(answer)
        except urllib3.exceptions.HTTPError as error:
            self._answers.pop(question, None)
            raise InternalFailure(f"The local AWS does not say what the caller may do: {error}") from None

    def _ask(self, caller: str, needed: tuple[Need, ...]) -> str:
        answer = self._pool.request("POST", self._url, body=json.dumps({"caller": caller, "needs": needed}))
        if answer.status != 200:
            raise urllib3.exceptions.HTTPError(f"{self._url} answers {answer.status}")
        return str(json.loads(answer.data)["refused"])


def needs(operation: str, request: Json, call: Call) -> Iterator[Need]:
    """Yield what an operation with these members needs."""
    action = f"personalize:{operation}"
    if operation in _ON_EVERYTHING or (operation.startswith("List") and operation != "ListTagsForResource"):
        yield action, "*"
        return
    made = _made(operation, request, call)
    if made:
        yield action, made
    for member, text in texts_in(request):
        if member == "roleArn":
            yield "iam:PassRole", text
        elif member.lower().endswith("arn") and ":personalize:" in text:
            yield action, text


def _made(operation: str, request: Json, call: Call) -> str:
    """Return the ARN of what an operation creates; a version has the rights of its solution."""
    kind = kinds.KINDS.get(operation.removeprefix("Create")) if operation.startswith("Create") else None
    if kind is None or kind is kinds.SOLUTION_VERSION:
        return ""
    if kind is kinds.DATASET:
        return call.arn(kind, f"{request['datasetGroupArn'].rpartition('/')[2]}/{request['datasetType'].upper()}")
    unnamed = kind in {kinds.EVENT_TRACKER, kinds.DATA_DELETION_JOB}
    return call.arn(kind, _ANY_ID if unnamed else request.get("name") or request["jobName"])
