# SPDX-License-Identifier: Apache-2.0
"""Error responses: RFC 9457's `application/problem+json`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from personalization.core.errors import PersonalizationError, Rejected, RetryLater

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

T = TypeVar("T")
M = TypeVar("M", bound="BaseModel")

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 1
"""The Retry-After in seconds."""
BUSY = "A service that this needs does not answer right now; try again."
_ARN = re.compile(r"\barn:[\w-]*:[\w-]*:[\w-]*:\w*:[\w*](?:[\w:/.*+=@-]*[\w*])?")
_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


LEFT_OUT = "likelihood-left-out"
_KINDS = {LEFT_OUT: "Purchase likelihood left out"}
"""Titles of problems that clients may need to distinguish from others of their status, by the end of their types."""
_TYPE = "urn:retail-personalization:problem:"


@dataclass(frozen=True, slots=True)
class FieldError:
    """An invalid field of a request; `field` is a path such as `events.0.itemId`."""

    field: str
    message: str


class Problem(Exception):
    """Ends a request with a problem response."""

    def __init__(self, status: int, detail: str, errors: Sequence[FieldError] = (), kind: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.kind = kind

    def body(self, request_id: str) -> dict[str, object]:
        body: dict[str, object] = {
            "type": f"{_TYPE}{self.kind}" if self.kind else "about:blank",
            "title": _KINDS.get(self.kind) or _TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"field": error.field, "message": error.message} for error in self.errors]
        return {**body, "requestId": request_id}


def of_error(error: PersonalizationError, busy: str = BUSY) -> Problem:
    """Return the problem that a front end sees of one of our errors, without our resources.

    Args:
        error: the error.
        busy: the detail if the same request may succeed later.
    """
    if isinstance(error, Rejected):
        return Problem(400, f"Amazon Personalize refuses the request: {_public(error.reason)}")
    if isinstance(error, RetryLater):
        return Problem(503, busy)
    return Problem(503, "The shop cannot be served right now.")


def _public(text: str) -> str:
    """Return an AWS message without the account: of an ARN only the last part is left."""
    return _ACCOUNT.sub("…", _ARN.sub(lambda arn: re.split("[:/]", arn[0])[-1], text))


def or_not_found(value: T | None, detail: str) -> T:
    """Return `value`, or raise 404 if it is None."""
    if value is None:
        raise Problem(404, detail)
    return value


def named(field: str, hashed: str) -> str:
    """Return the hash of an id, or raise 400 if there is none: the id is made of spaces."""
    if not hashed:
        raise Problem(400, "The request is invalid.", [FieldError(field, "must not be empty")])
    return hashed


def validate(model: type[M], values: object) -> M:
    """Parse `values` as a model, or raise 400 naming each field."""
    try:
        return model.model_validate(values)
    except ValueError as error:
        raise of_fields(error) from None


def validate_json(model: type[M], body: bytes) -> M:
    """Parse the JSON text `body` as a model, or raise 400 naming each field."""
    try:
        return model.model_validate_json(body)
    except ValueError as error:
        raise of_fields(error) from None


def of_fields(error: ValueError) -> Problem:
    """Return a 400 problem with the fields that a model refused; values are never repeated.

    Args:
        error: pydantic's ValidationError, which is not imported here: the authorizer starts without pydantic.
    """
    problems = cast("ValidationError", error).errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return Problem(400, "The body is not JSON.", [FieldError("", problems[0]["msg"])])
    fields = [
        FieldError(".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, "))
        for problem in problems
    ]
    return Problem(400, "The request is invalid.", fields)
