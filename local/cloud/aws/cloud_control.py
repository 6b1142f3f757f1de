# SPDX-License-Identifier: Apache-2.0
"""Cloud Control for Amazon Personalize, by the handlers of CloudFormation; what has no handler is refused.

Terraform's `awscc` and Pulumi's `aws-native` come this way. As on AWS, a change is answered while it is in progress,
and clients ask for its status.
https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/resource-operations-manage-requests.html
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from ministack.core.concurrency import run_reentrant
from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response
from ministack.services import cloudcontrol
from ministack.services.cloudformation import provisioners

from local.cloud.aws import json_patch
from local.cloud.aws.patching import Answer, Function, Json, wrapping
from local.cloud.aws.personalize_types import HANDLERS, KINDS, HandlerError, Kind, Personalize, problems

log = logging.getLogger("launcher")
Work = Callable[[], str]
"""What a request does on a thread of its own; returns the identifier of the resource."""
ERRORS: Final = {"NotFound": "ResourceNotFoundException", "GeneralServiceException": "GeneralServiceException"}
"""Exceptions of operations that answer at once, by the code of a handler; others add `Exception` to the code."""
INTERRUPTED: Final = "The local AWS was stopped meanwhile: read the resource, and try again."
_running: set[asyncio.Task[None]] = set()
_live: set[str] = set()
"""Tokens of requests that this process works on."""
_client_tokens: AccountRegionScopedDict = AccountRegionScopedDict()
"""By ClientToken: a digest of the request, and the token of its event."""


class Refused(Exception):
    """An error that an operation answers with at once."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    @wrapping(cloudcontrol, "handle_request")
    async def handle(stock: Function, method: str, path: str, headers: Json, body: bytes, query: Json) -> Answer:
        name = str(headers.get("x-amz-target", "")).rpartition(".")[2]
        act = ACTS.get(name)
        answer: Answer
        try:
            if act is None:
                answer = await stock(method, path, headers, body, query)
            else:
                answer = json_response(await act(_document(body or b"{}", "The request")))
        except Refused as refused:
            answer = error_response_json(refused.code, str(refused), 400, message_key="Message")
        return answer


async def create(request: Json) -> Json:
    kind = _kind(request)
    properties = _document(request.get("DesiredState"), "DesiredState")
    _validate(kind, properties)
    return _begin("CREATE", kind, request, lambda: HANDLERS[kind].create("", properties)[0])


async def update(request: Json) -> Json:
    kind, arn = _kind(request), _identifier(request)
    if not kind.in_place:
        raise Refused("UnsupportedActionException", f"Resource type {kind.type} does not support UPDATE action")
    patch = _loaded(request.get("PatchDocument"), "PatchDocument")
    before = await _described(kind, arn)
    try:
        after = json_patch.applied(before, patch)
    except ValueError as error:
        raise Refused("InvalidRequestException", str(error)) from None
    if not isinstance(after, dict):
        raise Refused("InvalidRequestException", "PatchDocument must leave an object")
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    fixed = {*kind.replacing, *kind.read_only, kind.identifier}
    if refused := [f"/properties/{name}" for name in changed if name in fixed]:
        raise Refused("NotUpdatableException", f"Invalid patch update: {', '.join(refused)} cannot be updated")
    old, new = (
        {name: document[name] for name in document if name not in _read_only(kind)} for document in (before, after)
    )
    _validate(kind, new)
    return _begin("UPDATE", kind, request, lambda: HANDLERS[kind].update(arn, old, new)[0], arn)


async def delete(request: Json) -> Json:
    kind, arn = _kind(request), _identifier(request)
    await _described(kind, arn)

    def work() -> str:
        HANDLERS[kind].delete(arn, {})
        return arn

    return _begin("DELETE", kind, request, work, arn)


async def get(request: Json) -> Json:
    kind, arn = _kind(request), _identifier(request)
    described = await _described(kind, arn)
    return {"TypeName": kind.type, "ResourceDescription": {"Identifier": arn, "Properties": json.dumps(described)}}


async def list_resources(request: Json) -> Json:
    """List resources with their identifiers: a handler's list need not have more."""
    kind = _kind(request)
    query: Json = {name: request[name] for name in ("MaxResults", "NextToken") if name in request}
    page = await _answer(lambda: Personalize().call(f"List{kind.noun}s", query))
    (rows,) = (value for value in page.values() if isinstance(value, list))
    arns = [row[kind.arn] for row in rows]
    shown = [{"Identifier": arn, "Properties": json.dumps({kind.identifier: arn})} for arn in arns]
    more = {"NextToken": page["nextToken"]} if "nextToken" in page else {}
    return {"TypeName": kind.type, "ResourceDescriptions": shown, **more}


async def status(request: Json) -> Json:
    return {"ProgressEvent": _event(request)}


async def cancel(request: Json) -> Json:
    event = _event(request)
    words = "is being carried out" if event["OperationStatus"] == "IN_PROGRESS" else f"is {event['OperationStatus']}"
    raise Refused("ConcurrentModificationException", f"Request {event['RequestToken']} {words}: it cannot be cancelled")


ACTS: Final[Mapping[str, Callable[[Json], Awaitable[Json]]]] = {
    "CreateResource": create,
    "UpdateResource": update,
    "DeleteResource": delete,
    "GetResource": get,
    "ListResources": list_resources,
    "GetResourceRequestStatus": status,
    "CancelResourceRequest": cancel,
}


def _kind(request: Json) -> Kind:
    name = request.get("TypeName")
    kind = next((kind for kind in KINDS if kind.type == name), None)
    if kind:
        return kind
    if not isinstance(name, str):
        raise Refused("ValidationException", "TypeName is required")
    if name in provisioners._RESOURCE_HANDLERS:
        words = "on the local AWS, Cloud Control has the types of AWS::Personalize alone; use CloudFormation"
        raise Refused("UnsupportedActionException", f"Resource type {name} does not support this action: {words}")
    raise Refused("TypeNotFoundException", f"The type '{name}' cannot be found.")


def _identifier(request: Json) -> str:
    identifier = request.get("Identifier")
    if not isinstance(identifier, str) or not identifier:
        raise Refused("ValidationException", "Identifier is required")
    return identifier


def _loaded(text: object, what: str) -> object:
    try:
        document: object = json.loads(text) if isinstance(text, str | bytes) else None
    except (ValueError, RecursionError):
        document = None
    if document is None:
        raise Refused("InvalidRequestException", f"{what} must be a JSON document")
    return document


def _document(text: object, what: str) -> Json:
    document = _loaded(text, what)
    if not isinstance(document, dict):
        raise Refused("InvalidRequestException", f"{what} must be a JSON object")
    return document


def _validate(kind: Kind, properties: Json) -> None:
    """Hold properties against the registry's schema. Raises Refused."""
    wrong = problems(kind, properties)
    if not wrong:
        members = {name: value for name, value in properties.items() if name != "DatasetImportJob"}
        try:
            Personalize().members(f"Create{kind.noun}", members)
        except ValueError as error:
            wrong = [str(error)]
    if wrong:
        raise Refused("ValidationException", f"Model validation failed ({chr(10).join(wrong)})")


def _read_only(kind: Kind) -> tuple[str, ...]:
    return (*kind.read_only, kind.identifier)


async def _described(kind: Kind, arn: str) -> Json:
    """Return a resource's properties. Raises Refused where there is none."""
    try:
        return await _answer(lambda: Personalize().described(kind, arn))
    except Refused as refused:
        if refused.code == "InvalidRequestException":  # what is no ARN names nothing
            refused = Refused(
                ERRORS["NotFound"], f"Resource of type '{kind.type}' with identifier '{arn}' was not found."
            )
        raise refused from None


async def _answer(ask: Callable[[], Json]) -> Json:
    """Ask the engine off the loop: it asks this server for the caller's rights. Raises Refused."""
    try:
        answer: Json = await run_reentrant(ask)
    except HandlerError as error:
        raise Refused(ERRORS.get(error.code, f"{error.code}Exception"), error.message) from None
    return answer


def _begin(operation: str, kind: Kind, request: Json, work: Work, arn: str | None = None) -> Json:
    """Begin a change, or find the one that a client has begun with this ClientToken. Raises Refused."""
    digest = hashlib.sha256(json.dumps([operation, request], sort_keys=True).encode()).hexdigest()
    token = request.get("ClientToken")
    if token and token in _client_tokens:
        earlier, begun = _client_tokens[token]
        if earlier != digest:
            raise Refused("ClientTokenConflictException", f"ClientToken {token} was sent with another request")
        return {"ProgressEvent": cloudcontrol._requests[begun]}
    changing = (request for request in cloudcontrol._requests.values() if request["RequestToken"] in _live)
    if arn and any(event.get("Identifier") == arn for event in changing):
        raise Refused("ConcurrentOperationException", f"Another request changes {arn}: wait until that is over")
    event: Json = cloudcontrol._progress_event(operation, "IN_PROGRESS", kind.type, arn)
    cloudcontrol._record_request(event)
    if token:
        _client_tokens[token] = (digest, event["RequestToken"])
    _live.add(event["RequestToken"])
    task = asyncio.get_running_loop().create_task(_carry_out(event, work))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return {"ProgressEvent": event}


async def _carry_out(event: Json, work: Work) -> None:
    try:
        outcome: Json = {"OperationStatus": "SUCCESS", "Identifier": await run_reentrant(work)}
    except HandlerError as error:
        outcome = {"OperationStatus": "FAILED", "ErrorCode": error.code, "StatusMessage": error.message}
    except Exception:
        log.exception("Cloud Control: %s of %s failed", event["Operation"], event["TypeName"])
        outcome = {"OperationStatus": "FAILED", "ErrorCode": "InternalFailure", "StatusMessage": "See cloud.log."}
    _live.discard(event["RequestToken"])
    cloudcontrol._record_request(event | outcome | {"EventTime": int(time.time())})


def _event(request: Json) -> Json:
    """Return a request's event; one that a stop of the local AWS has cut off is FAILED. Raises Refused."""
    token = request.get("RequestToken")
    event: Json | None = cloudcontrol._requests.get(token)
    if event is None:
        raise Refused("RequestTokenNotFoundException", f"Request token '{token}' was not found.")
    if event["OperationStatus"] == "IN_PROGRESS" and token not in _live:
        failed = {"OperationStatus": "FAILED", "ErrorCode": "InternalFailure", "StatusMessage": INTERRUPTED}
        event = cloudcontrol._record_request(event | failed)
    return event
