# SPDX-License-Identifier: Apache-2.0
"""Take events, users and items: the operations of the events' API."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from personalization.engine.backend import Account, Operation, Refused
from personalization.engine.events import Events, group_of_tracker
from personalization.engine.making import arn_of

REMEMBER_SECONDS = 60.0
"""How long a container takes what it read of an event tracker or a dataset to be so."""


class _Schemas:
    """The schemas of what events, users and items go to, as a container has read them."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._read: dict[str, tuple[float, str | None]] = {}

    def check(self, operation: str, resource: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Check the properties of records for an event tracker, or a dataset.

        Raises:
            Refused: there is no such tracker or dataset, or its schema does not take the properties.
        """
        # A function whose shops are on Amazon Personalize starts without the library.
        from personalize_local import library  # noqa: PLC0415

        schema = self._of(resource)
        if schema is None:
            word = "InvalidInputException" if operation == "PutEvents" else "ResourceNotFoundException"
            raise Refused(word, f"Resource {resource} does not exist.")
        try:
            for properties in records:
                library.columns(properties, schema, whole=operation != "PutEvents")
        except library.Refused as error:
            raise Refused(error.code, error.message) from error

    def _of(self, resource: str) -> str | None:
        now = self._account.clock()
        until, schema = self._read.get(resource, (float("-inf"), None))
        if now >= until:
            schema = self._fetched(resource)
            # What is not there may come at any moment.
            self._read[resource] = (now + REMEMBER_SECONDS if schema else now, schema)
        return schema

    def _fetched(self, resource: str) -> str | None:
        records, dataset = self._account.records, resource
        if not resource.startswith("arn:"):
            group = group_of_tracker(resource)
            if records.get("eventTracker", arn_of(self._account, "event-tracker", group), stale=True) is None:
                return None
            dataset = arn_of(self._account, "dataset", f"{group}/INTERACTIONS")
        described = records.get("dataset", dataset, stale=True)
        schema = records.get("schema", described["schemaArn"], stale=True) if described else None
        return str(schema["schema"]) if schema else None


@cache
def _schemas(account: Account) -> _Schemas:
    return _Schemas(account)


def _put(operation: str, live_table: Callable[[], str], account: Account, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any answer
    events = Events(account.dynamodb(), live_table(), account.clock, _schemas(account).check)
    acts = {"PutEvents": events.put_events, "PutUsers": events.put_users, "PutItems": events.put_items}
    return acts[operation](**parameters)


def operations(live_table: Callable[[], str]) -> Mapping[str, Operation]:
    """Return the operations of functions that take what comes into a table."""
    return {name: partial(_put, name, live_table) for name in ("PutEvents", "PutUsers", "PutItems")}
