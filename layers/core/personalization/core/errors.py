# SPDX-License-Identifier: Apache-2.0
"""One tree of errors. The state machine's `Retry` and `Catch` use the class names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from table_intake import Incomplete, Refused


@dataclass(eq=False)
class PersonalizationError(Exception):
    """The base of all errors that a run or a caller handles."""

    resource: str
    """The subject: a key of the bucket, the name or ARN of a resource, a column."""
    reason: str
    """The error and, if known, its remedy."""

    def __str__(self) -> str:
        return f"{self.resource}: {self.reason}"


class RetryLater(PersonalizationError):
    """The request is valid but failed by throttling, a busy resource or an outage. The same call may succeed later."""


@dataclass(eq=False)
class NoRoom(RetryLater):
    """A quota of the account is used up for now. A step answers WAITING, or raises RetryLater."""

    patience: int | None = None
    """Minutes after which the quota is taken for one that waiting does not free; None for as long as the machine waits
    for a job."""


class Rejected(PersonalizationError):
    """The shop's input is refused; the same input will be refused again."""


class TooManyRejects(Rejected):
    """More of a drop's rows are bad than the shop allows. A function counts it and raises its base class Rejected."""


class LimitReached(PersonalizationError):
    """A quota of the account is used up: waiting does not help, or a run has waited long enough."""


class Broken(PersonalizationError):
    """Personalize, a permission or this deployment is at fault, and not the shop's input."""


class Missing(Broken):
    """A service says that the resource does not exist."""


class ConditionFailed(Broken):
    """Another caller was faster: what a request was to change is no longer as it was."""


@contextmanager
def intake_translated() -> Iterator[None]:
    """Raise the errors of the library that reads tables as errors of this tree.

    Raises:
        Rejected: the table is refused.
        Broken: a file of a check in ranges is missing.
    """
    try:
        yield
    except Refused as error:
        raise Rejected(error.resource, error.reason) from None
    except Incomplete as error:
        raise Broken(error.resource, error.reason) from None
