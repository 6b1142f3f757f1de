# SPDX-License-Identifier: Apache-2.0
"""Translate botocore's errors to ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.exceptions import ClientError as ClientError  # noqa: PLC0414 - adaptors take it from here
from botocore.exceptions import ConnectionError as NoConnection

from personalization.core.errors import Broken, NoRoom, PersonalizationError, Rejected, RetryLater

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
}
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


def reason(error: PersonalizationError) -> str:
    """Return one word for a translated error: throttled, missing, slow, dropped or failing."""
    cause = error.__cause__
    if isinstance(cause, ClientError):
        if code(cause) in _THROTTLED:
            return "throttled"
        return "missing" if is_missing(cause) else "failing"
    if isinstance(cause, ReadTimeoutError | ConnectTimeoutError):
        return "slow"
    return "dropped" if isinstance(cause, HTTPClientError | NoConnection | IncompleteReadError) else "failing"


def code(error: ClientError) -> str:
    """Return the service's error code."""
    return error.response.get("Error", {}).get("Code", "")


def is_missing(error: ClientError) -> bool:
    """Return whether the error means that the resource does not exist."""
    return code(error) in {"ResourceNotFoundException", "NoSuchKey", "NoSuchVersion", "404"}


def none_if_missing(ask: Callable[[], T]) -> T | None:
    """Return a call's answer, or None if the service says that the resource does not exist."""
    try:
        return ask()
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def false_on(word: str, act: Callable[[], object]) -> bool:
    """Act; return False if the service answers with this error code, such as that another caller was faster."""
    try:
        act()
    except ClientError as error:
        if code(error) != word:
            raise
        return False
    return True


@contextmanager
def translate_errors(resource: str) -> Iterator[None]:
    """Translate botocore's errors about `resource` to ours.

    Raises:
        RetryLater: throttling, a resource in use, an outage, no answer in time.
        NoRoom, a RetryLater: a quota of concurrent jobs; or another quota, or a rate, with its patience.
        Rejected: the service calls the request invalid.
        Broken: all other errors, including missing permissions.
    """
    try:
        yield
    except ClientError as error:
        raise _translate(resource, error) from error
    except ParamValidationError as error:
        raise Rejected(resource, " ".join(str(error).split())) from error
    except (HTTPClientError, NoConnection, IncompleteReadError) as error:
        raise RetryLater(resource, f"no answer: {type(error).__name__}") from error
    except BotoCoreError as error:
        raise Broken(resource, str(error)) from error


def _translate(resource: str, error: ClientError) -> PersonalizationError:
    word, message = code(error), error.response.get("Error", {}).get("Message") or "no message"
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
    return Broken(resource, f"{word}: {message}")
