# SPDX-License-Identifier: Apache-2.0
"""Make, change and delete resources of the engine; what takes time is done before a record, which is ACTIVE at once."""

from collections.abc import Mapping
from typing import Any

from personalization.core.status import ACTIVE
from personalization.engine import records
from personalization.engine.backend import Account, Refused
from personalization.engine.describing import required
from personalization.engine.records import Members

_FAILED = "CREATE FAILED"


def arn_of(account: Account, kind: str, name: str) -> str:
    """Return the ARN of a resource; `kind` is as ARNs spell it."""
    return account.names().arn(kind, name)


def folder_of(account: Account, group: str) -> str:
    """Return the key of the folder of a dataset group, by its name, with its slash: that of its shop."""
    return f"engine/{group.removeprefix(f'{account.names().prefix}-')}/"


def group_name(arn: str) -> str:
    """Return the name of a dataset group of this ARN."""
    return arn.rpartition("/")[2]


def create(account: Account, kind: str, arn: str, members: Mapping[str, Any], failure: str = "") -> Members:
    """Store a new resource, and return the answer that names it.

    Raises:
        Refused: it is there already.
    """
    now = account.clock()
    state = {"status": _FAILED, "failureReason": failure} if failure else {"status": ACTIVE}
    times = {"creationDateTime": now, "lastUpdatedDateTime": now}
    if not records.create(account.records, kind, arn, {**members, f"{kind}Arn": arn, **state, **times}):
        raise Refused("ResourceAlreadyExistsException", f"Another resource with Arn {arn} already exists.")
    return {f"{kind}Arn": arn}


def change(account: Account, kind: str, arn: str, members: Mapping[str, Any]) -> Members:
    """Change members of a resource, and return the answer that names it."""
    before = required(account.records, kind, arn)
    records.put(account.records, kind, arn, {**before, **members, "lastUpdatedDateTime": account.clock()})
    return {f"{kind}Arn": arn}
