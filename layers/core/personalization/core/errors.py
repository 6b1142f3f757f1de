# SPDX-License-Identifier: Apache-2.0
"""One tree of errors. The class names are the words that the state machine's `Retry` and `Catch` know."""


class PersonalizationError(Exception):
    """Something that a run or a caller has to know.

    Attributes:
        resource: what it is about: a key of the bucket, the name or ARN of a resource, a column.
        reason: what is wrong and, where we know it, what to do.
    """

    def __init__(self, resource: str, reason: str) -> None:
        super().__init__(f"{resource}: {reason}")
        self.resource = resource
        self.reason = reason


class RetryLater(PersonalizationError):
    """Nothing is wrong with the request: throttling, a busy resource, an outage. The same call may work later."""


class NoRoom(RetryLater):
    """As many jobs run at a time as the account may have. A step answers that it waits, or raises RetryLater."""


class Rejected(PersonalizationError):
    """The shop's input is refused; the same input will be refused again."""


class TooManyRejects(Rejected):
    """More of a drop's rows are bad than the shop allows. A function counts it and raises what it is: Rejected."""


class LimitReached(PersonalizationError):
    """A quota of the account is used up: waiting does not help, or has not helped for as long as a run waits."""


class Broken(PersonalizationError):
    """Personalize, a permission or this deployment is at fault, and not the shop's input."""
