# SPDX-License-Identifier: Apache-2.0
"""Translate botocore's errors to ours, once, where clients are made."""

import io
from collections.abc import Callable, Collection, Mapping
from typing import Any, ParamSpec, TypeVar

from botocore import exceptions
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
    ReadTimeoutError,
)

from personalization.core.errors import (
    Broken,
    ConditionFailed,
    Missing,
    NoRoom,
    PersonalizationError,
    Rejected,
    RetryLater,
)

P = ParamSpec("P")
T = TypeVar("T")
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_LATER = _THROTTLED | {
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "RequestTimeout",
    "ResourceInUseException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionConflictException",
    "TransactionInProgressException",
}
_CANCELLED = "TransactionCanceledException"
_UNDECIDED = {"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"}
"""Reasons of DynamoDB to cancel a transaction which the same transaction may not meet again."""
_JOBS = {
    "CreateBatchInferenceJob",
    "CreateBatchSegmentJob",
    "CreateDataDeletionJob",
    "CreateDatasetExportJob",
    "CreateDatasetImportJob",
    "CreateSolutionVersion",
}
"""Calls that meet quotas of concurrent jobs, which free up by themselves."""
PATIENCE = 10
"""Minutes in which any other LimitExceededException may be a rate: Personalize's model describes the error as too many
requests in a second, and uses it for quotas of resources as well, which do not free up. SDKs take it for a throttle."""
_INVALID = {"InvalidInputException", "ValidationError", "ValidationException"}
_MISSING = {"ResourceNotFoundException", "NoSuchKey", "NoSuchVersion", "404"}
_UNANSWERED = (HTTPClientError, exceptions.ConnectionError, IncompleteReadError)
_OVERTAKEN = {"ConditionalCheckFailedException", "ConditionalRequestConflict", "PreconditionFailed"}
_NAMES = ("Key", "Prefix", "name", "jobName", "Name", "SecretId", "TableName", "QueueUrl", "Bucket")
"""Parameters that name what a request is about."""


def reason(error: PersonalizationError) -> str:
    """Return one word for a translated error: throttled, missing, slow, dropped or failing."""
    cause = error.__cause__
    if isinstance(cause, ClientError):
        if code(error) in _THROTTLED:
            return "throttled"
        return "missing" if isinstance(error, Missing) else "failing"
    if isinstance(cause, ReadTimeoutError | ConnectTimeoutError):
        return "slow"
    return "dropped" if isinstance(cause, _UNANSWERED) else "failing"


def code(error: PersonalizationError) -> str:
    """Return the service's code of a translated error; "" where no service answered."""
    cause = error.__cause__
    return cause.response.get("Error", {}).get("Code", "") if isinstance(cause, ClientError) else ""


def refusal(operation: str, word: str, message: str) -> Exception:
    """Return the error with which a service refuses an operation: to raise where another than AWS answers."""
    return ClientError({"Error": {"Code": word, "Message": message}}, operation)


def unmet(error: ConditionFailed) -> dict[int, Mapping[str, Any]]:
    """Return the numbers of a transaction's parts whose conditions do not hold, and the items that were there."""
    reasons = _reasons(error.__cause__) if isinstance(error.__cause__, ClientError) else []
    return {
        number: reason.get("Item", {})
        for number, reason in enumerate(reasons)
        if reason.get("Code") == "ConditionalCheckFailed"
    }


def none_if_missing(ask: Callable[P, T], *arguments: P.args, **request: P.kwargs) -> T | None:
    """Return a call's answer, or None if the service says that the resource does not exist."""
    try:
        return ask(*arguments, **request)
    except Missing:
        return None


def holds(act: Callable[P, object], *arguments: P.args, **request: P.kwargs) -> bool:
    """Act on a condition; return False if it does not hold, such as that another caller was faster."""
    try:
        act(*arguments, **request)
    except ConditionFailed:
        return False
    return True


def false_on(word: str, act: Callable[P, object], *arguments: P.args, **request: P.kwargs) -> bool:
    """Act; return False if the service answers with this error code."""
    try:
        act(*arguments, **request)
    except PersonalizationError as error:
        if code(error) != word:
            raise
        return False
    return True


class Translating:
    """The first base of our clients: calls, and the reading of the bodies of their answers, raise our errors.

    RetryLater: throttling, a resource in use, an outage, no answer in time.
    NoRoom, a RetryLater: a quota of concurrent jobs; or another quota, or a rate, with its patience.
    Rejected: the service calls the request invalid.
    Missing, ConditionFailed, both Broken: there is no such resource; another caller was faster.
    Broken: all other errors, including missing permissions.
    """

    def _make_api_call(self, operation_name: str, api_params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any answer
        try:
            answer = super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
        except (ClientError, BotoCoreError) as error:
            raise _translated(error, _resource(operation_name, api_params)) from error
        if operation_name == "GetObject":
            answer["Body"] = _Body(answer["Body"], api_params["Key"])
        return answer


class _Body(io.RawIOBase):
    """The bytes of an object."""

    def __init__(self, body: Any, key: str) -> None:  # noqa: ANN401 - botocore's
        self._body = body
        self._key = key

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            data: bytes = self._body.read(None if size < 0 else size)
        except BotoCoreError as error:
            raise _translated(error, self._key) from error
        return data

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as io's
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()


def _translated(error: ClientError | BotoCoreError, resource: str) -> PersonalizationError:
    if isinstance(error, ClientError):
        return _of_service(resource, error)
    if isinstance(error, ParamValidationError):
        return Rejected(resource, " ".join(str(error).split()))
    if isinstance(error, _UNANSWERED):
        return RetryLater(resource, f"no answer: {type(error).__name__}")
    return Broken(resource, str(error))


def _resource(operation: str, parameters: Mapping[str, Any]) -> str:
    """Return what a request is about, for messages: its only ARN but a role's, else the name of what it makes."""
    arns = [value for name, value in parameters.items() if name.lower().endswith("arn") and name != "roleArn"]
    names = [parameters[name] for name in _NAMES if isinstance(parameters.get(name), str)]
    return str(next(iter((*(arns if len(arns) == 1 else ()), *names)), operation))


def _of_service(resource: str, error: ClientError) -> PersonalizationError:
    word = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message") or "no message"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if word in _LATER or status >= 500:
        return RetryLater(resource, f"{word}: {message}")
    if word == "LimitExceededException":
        # The operation decides: Amazon publishes the message of one of these quotas only.
        if error.operation_name in _JOBS:
            return NoRoom(resource, f"{word}: {message}")
        advice = "delete what is no longer used, or ask for more under Service Quotas, Amazon Personalize"
        return NoRoom(resource, f"{message} ({advice})", PATIENCE)
    if word in _INVALID:
        return Rejected(resource, message)
    if word == _CANCELLED:
        return _of_transaction(resource, {str(reason.get("Code")) for reason in _reasons(error)}, message)
    kind = Missing if word in _MISSING else ConditionFailed if word in _OVERTAKEN else Broken
    return kind(resource, f"{word}: {message}")


def _of_transaction(resource: str, reasons: Collection[str], message: str) -> PersonalizationError:
    if "ConditionalCheckFailed" in reasons:
        return ConditionFailed(resource, message)
    return (RetryLater if _UNDECIDED.intersection(reasons) else Broken)(resource, message)


def _reasons(error: ClientError) -> list[dict[str, Any]]:
    """Return the reasons for which a transaction was cancelled, one for each of its parts."""
    answer: Any = error.response
    reasons: list[dict[str, Any]] = answer.get("CancellationReasons", [])
    return reasons
