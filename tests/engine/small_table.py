# SPDX-License-Identifier: Apache-2.0
"""A DynamoDB of one table with the few expressions of `personalization.engine`: it costs microseconds a call.

Tests that run on both compare it with moto.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from personalization.core.aws.errors import Translating

Item = Mapping[str, Any]
_CONDITIONS: Mapping[str, Callable[[Item | None, Mapping[str, Any]], bool]] = {
    "attribute_exists(p)": lambda item, _: item is not None,
    "attribute_not_exists(p)": lambda item, _: item is None,
    "attribute_not_exists(p) OR #stored < :stored": lambda item, values: (
        item is None or int(item["stored"]["N"]) < int(values[":stored"]["N"])
    ),
    "#user = :user": lambda item, values: item is not None and item["user"] == values[":user"],
}
_KEYS: Mapping[str, Callable[[str, Mapping[str, Any]], bool]] = {
    "p = :p": lambda _, __: True,
    "p = :p AND s >= :cut": lambda sort, values: sort >= values[":cut"]["S"],
    "p = :p AND s < :before": lambda sort, values: sort < values[":before"]["S"],
}


class _Operations:
    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.page = 10**9
        """Items of an answer at most."""

    def _make_api_call(self, operation: str, request: Mapping[str, Any]) -> Item:
        answer: Item = getattr(self, f"_{operation}")(request)
        return answer

    def _query(self, request: Mapping[str, Any]) -> Item:
        values, holds = request["ExpressionAttributeValues"], _KEYS[request["KeyConditionExpression"]]
        partition = values[":p"]["S"]
        keys = sorted(key for key in self.items if key[0] == partition and holds(key[1], values))
        if not request.get("ScanIndexForward", True):
            keys.reverse()
        chosen = [self.items[key] for key in keys[: min(self.page, request.get("Limit", self.page))]]
        last = {"LastEvaluatedKey": {name: chosen[-1][name] for name in "ps"}} if len(keys) > self.page else {}
        return {"Items": chosen, **last}

    def _get_item(self, request: Mapping[str, Any]) -> Item:
        item = self.items.get(_key(request["Key"]))
        return {"Item": item} if item else {}

    def _batch_get_item(self, request: Mapping[str, Any]) -> Item:
        ((table, wanted),) = request["RequestItems"].items()
        items = (self.items.get(_key(key)) for key in wanted["Keys"])
        return {"Responses": {table: [item for item in items if item]}}

    def _put_item(self, request: Mapping[str, Any]) -> Item:
        return self._write({"Put": request})

    def _delete_item(self, request: Mapping[str, Any]) -> Item:
        return self._write({"Delete": request})

    def _update_item(self, request: Mapping[str, Any]) -> Item:
        assert request["UpdateExpression"] == "SET ended = :now"
        self._check(request)
        key = _key(request["Key"])
        self.items[key] = {**self.items[key], "ended": request["ExpressionAttributeValues"][":now"]}
        return {}

    def _batch_write_item(self, request: Mapping[str, Any]) -> Item:
        (requests,) = request["RequestItems"].values()
        keys = [_key(part[name].get("Item", part[name].get("Key"))) for part in requests for name in part]
        assert len(keys) == len(set(keys)) <= 25
        for part in requests:
            for name, content in part.items():
                self._write({name.removesuffix("Request"): content})
        return {}

    def _transact_write_items(self, request: Mapping[str, Any]) -> Item:
        parts = request["TransactItems"]
        keys = [_key(content.get("Item", content.get("Key"))) for part in parts for content in part.values()]
        assert len(keys) == len(set(keys)) <= 100
        reasons = list(map(self._reason, parts))
        if any("Item" in reason or reason["Code"] != "None" for reason in reasons):
            raise error("TransactionCanceledException", CancellationReasons=reasons)
        for part in parts:
            self._write(part)
        return {}

    def _reason(self, part: Item) -> Item:
        ((_, content),) = part.items()
        if self._holds(content):
            return {"Code": "None"}
        before = self.items.get(_key(content.get("Item", content.get("Key"))))
        is_shown = before and content.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        return {"Code": "ConditionalCheckFailed"} | ({"Item": before} if is_shown else {})

    def _write(self, part: Item) -> Item:
        for name, content in part.items():
            self._check(content)
            if name == "Put":
                self.items[_key(content["Item"])] = content["Item"]
            else:
                self.items.pop(_key(content["Key"]), None)
        return {}

    def _check(self, content: Item) -> None:
        if not self._holds(content):
            raise error("ConditionalCheckFailedException")

    def _holds(self, content: Item) -> bool:
        item = self.items.get(_key(content.get("Item", content.get("Key"))))
        condition = content.get("ConditionExpression")
        return condition is None or _CONDITIONS[condition](item, content.get("ExpressionAttributeValues", {}))


class SmallTable(Translating, _Operations):
    """The client."""

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)
        return lambda **request: self._make_api_call(operation, request)


def _key(item: Item) -> tuple[str, str]:
    return item["p"]["S"], item["s"]["S"]


def error(code: str, **more: object) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}, **more}
    return ClientError(answer, "an operation")
