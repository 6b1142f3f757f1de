# SPDX-License-Identifier: Apache-2.0
"""Make, change and delete resources of the engine; what takes time is done before a record, which is ACTIVE at once."""

from collections.abc import Mapping
from typing import Any

from personalization.core.errors import RetryLater
from personalization.core.status import ACTIVE, FAILED
from personalization.engine import records
from personalization.engine.backend import Account, Refused
from personalization.engine.describing import required
from personalization.engine.records import Members


def arn_of(account: Account, kind: str, name: str) -> str:
    """Return the ARN of a resource; `kind` is as ARNs spell it."""
    return account.names().arn(kind, name)


def folder_of(account: Account, group: str) -> str:
    """Return the key of the folder of a dataset group, by its name, with its slash: that of its shop."""
    return f"engine/{shop_of(account, group)}/"


def shop_of(account: Account, group: str) -> str:
    """Return the shop of a dataset group, by its name."""
    return group.removeprefix(f"{account.names().prefix}-")


def tables_of(account: Account, dataset: Members) -> str:
    """Return the key of the folder of a dataset's tables, with its slash."""
    return f"{folder_of(account, group_name(dataset['datasetGroupArn']))}tables/{dataset['datasetType']}/"


def models_of(account: Account, solution: Members) -> str:
    """Return the key of the folder of a solution's models, with its slash."""
    return f"{folder_of(account, group_name(solution['datasetGroupArn']))}models/{solution['name']}/"


def group_name(arn: str) -> str:
    """Return the name of a dataset group of this ARN."""
    return arn.rpartition("/")[2]


def create(account: Account, kind: str, arn: str, members: Mapping[str, Any], failure: str = "") -> Members:
    """Store a new resource, and return the answer that names it.

    Raises:
        Refused: it is there already.
    """
    if not records.create(account.records, kind, arn, new(account, kind, arn, members, failure)):
        raise _there_already(arn)
    return {f"{kind}Arn": arn}


def new(account: Account, kind: str, arn: str, members: Mapping[str, Any], failure: str = "") -> Members:
    """Return all members of a new resource, which failed if there is a reason."""
    now = account.clock()
    state = {"status": FAILED, "failureReason": failure} if failure else {"status": ACTIVE}
    return {**members, f"{kind}Arn": arn, **state, "creationDateTime": now, "lastUpdatedDateTime": now}


def refuse_existing(account: Account, kind: str, arn: str) -> None:
    """Refuse to make what is there, before the work that its record stands for.

    Raises:
        Refused: it is there already.
    """
    if account.records.get(kind, arn):
        raise _there_already(arn)


def _there_already(arn: str) -> Refused:
    return Refused("ResourceAlreadyExistsException", f"Another resource with Arn {arn} already exists.")


def change_as_read(
    account: Account, kind: str, before: Members, members: Mapping[str, Any], *made: tuple[str, Members]
) -> None:
    """Change members of a resource, unless it has changed since it was read, and store new resources with that.

    A function may outlive the run or the round that called it, and be at work beside the next one.

    Raises:
        RetryLater: it has changed, and nothing is stored.
    """
    if not records.replace(account.records, kind, before, _changed(account, before, members), *made):
        raise RetryLater(before[f"{kind}Arn"], "another call changed it meanwhile")


def change(account: Account, kind: str, arn: str, members: Mapping[str, Any]) -> Members:
    """Change members of a resource, and return the answer that names it."""
    before = required(account.records, kind, arn)
    records.put(account.records, kind, arn, _changed(account, before, members))
    return {f"{kind}Arn": arn}


def _changed(account: Account, before: Members, members: Mapping[str, Any]) -> Members:
    return {**before, **members, "lastUpdatedDateTime": account.clock()}
