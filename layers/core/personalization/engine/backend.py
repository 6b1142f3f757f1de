# SPDX-License-Identifier: Apache-2.0
"""Answer the calls of Amazon Personalize's APIs that are about the engine's resources."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from personalization.core.aws import routing
from personalization.core.aws.errors import refusal
from personalization.core.names import ENGINE, Names
from personalization.engine.records import Records

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Variables(Protocol):
    """What a function's variables say: `core.environment`."""

    @property
    def table(self) -> Callable[[], str]: ...

    @property
    def engine_names(self) -> Callable[[], Names]: ...


TRACKER = f"{ENGINE}:"
"""The beginning of the engine's tracking ids; the dataset group's name follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the operations work on; clients and names come on first use."""

    dynamodb: "Callable[[], DynamoDBClient]"
    table: Callable[[], str]
    """The table of shops, which has the records of resources."""
    names: Callable[[], Names]
    """The names of the engine's resources."""
    clock: Callable[[], float]
    """Seconds since 1970."""

    @property
    def records(self) -> Records:
        return Records(self.dynamodb, self.table)


class Refused(Exception):
    """An operation is refused, as AWS refuses it."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word, self.message = word, message


Operation = Callable[[Account, Mapping[str, Any]], Any]
"""Answers a call, given its parameters; raises Refused."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The backend of a function: see `core.aws.routing.Backend`."""

    account: Account
    operations: Mapping[str, Operation]
    """By their names in AWS's API."""

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any answer
        act = self.operations.get(operation)
        if act is None:
            raise refusal(operation, "InvalidInputException", f"{operation}: the engine does not have this operation")
        try:
            return act(self.account, parameters)
        except Refused as error:
            raise refusal(operation, error.word, error.message) from error


def connect(
    dynamodb: "Callable[[], DynamoDBClient]",
    variables: Variables,
    *tables: Mapping[str, Operation],
) -> Account:
    """Let the engine answer a function's calls about its resources, by these tables of operations.

    Returns:
        What the operations work on.
    """
    account = Account(
        dynamodb=dynamodb,
        table=variables.table,
        names=variables.engine_names,
        clock=time.time,
    )
    # Tests have several functions in a process.
    earlier = routing.connected(ENGINE)
    operations = dict(earlier.operations) if isinstance(earlier, Engine) else {}
    routing.connect(
        ENGINE, Engine(account, operations | {name: act for table in tables for name, act in table.items()})
    )
    return account
