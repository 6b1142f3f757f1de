# SPDX-License-Identifier: Apache-2.0
"""The record of the fit that serves a shop: a later run's is never overwritten, nor is a fit by a refusal."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from personalization.likelihood import serve
from personalization.shop import records
from personalization.shop.release import HISTORY, RECORD, Value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Records:
    """What the table of shops knows of the fits of a shop.

    Args:
        client, table: the table. shop: the shop. run: the run whose fit is recorded.
    """

    def __init__(self, client: "DynamoDBClient", table: str, shop: str, run: str) -> None:
        self._client = client
        self._table = table
        self._shop = shop
        self._run = run
        self._put_if = partial(records.put_if, client, table)

    def promotions(self) -> dict[str, str]:
        """When each run that is remembered promoted its release (ISO 8601), by run."""
        every = records.query_prefix(self._client, self._table, self._shop, HISTORY)
        now = records.get(self._client, self._table, self._shop, RECORD)
        return {str(each["run"]): str(each["promotedAt"]) for each in (*every, *([now] if now else []))}

    def fitted(self, at: str) -> set[str] | None:
        """Have the run's fit serve.

        Args:
            at: the time, ISO 8601.

        Returns:
            The runs whose counters are kept: this one, the one that served before, and those promoted later, whose
            fits may be at work. None where a fit of a later run serves already, which stays.
        """
        before = serve.read(self._client, self._table, self._shop) or {}
        promotions = self.promotions()
        mine = promotions.get(self._run, "")
        no_later = "attribute_not_exists(promotedAt) OR promotedAt <= :promotedAt"
        told = {"run": self._run, "at": at, "promotedAt": mine}
        if not self._put_if(self._record(told), no_later, values={":promotedAt": mine}):
            return None
        later = {run for run, promoted in promotions.items() if promoted > mine}
        return {self._run, str(before.get("run", self._run)), *later}

    def refused(self, reason: str, at: str, *, left_out: bool = False) -> str | None:
        """Say why there is no fit, unless there is one; returns the run whose fit serves on.

        Args:
            reason: what is missing, or what is too much.
            at: the time, ISO 8601.
            left_out: the history is too large.
        """
        record = self._record({"reason": reason, "at": at, **({"leftOut": True} if left_out else {})})
        if self._put_if(record, "attribute_not_exists(#run)", names={"#run": "run"}):
            return None
        return str((serve.read(self._client, self._table, self._shop) or {}).get("run", "")) or None

    def _record(self, told: Mapping[str, Value]) -> dict[str, Value]:
        return {"shop": self._shop, "record": serve.RECORD, **told}
