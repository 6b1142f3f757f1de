# SPDX-License-Identifier: Apache-2.0
"""Deletions of users, which tests follow by their receipts: a round is made for all shops of the laptop."""

import json
from typing import Any, cast

import boto3

from local.cloud.home import access
from tests.app.conftest import Shop
from tests.app.waiting import until


def events_table(shop: Shop) -> Any:  # noqa: ANN401 - boto3 makes the class of a table
    """The table of what users did."""
    dynamodb = boto3.resource("dynamodb", **access(shop.laptop.state))
    (table,) = (table for table in dynamodb.tables.all() if "ShopperEvents" in table.name)
    return table


def make_round(shop: Shop) -> None:
    """Make the hourly round now; it has to succeed for the shop."""
    functions = boto3.client("lambda", **access(shop.laptop.state))
    pages = functions.get_paginator("list_functions").paginate()
    (name,) = (
        function["FunctionName"]
        for page in pages
        for function in page["Functions"]
        if "EraseUsers" in function["FunctionName"]
    )

    def answered() -> bool:
        answer = functions.invoke(FunctionName=name)
        told: dict[str, Any] = json.load(answer["Payload"])
        # On a busy machine a table may answer too late; the round of the next hour asks again.
        if "FunctionError" in answer and told["errorType"] == "RetryLater":
            return False
        assert "FunctionError" not in answer, told
        return shop.name not in told["failed"]

    until(answered, "a round is made")


def receipt_of(shop: Shop, receipt: str) -> dict[str, Any]:
    """What the table says of a receipt."""
    key = {"shopper": f"={shop.name}", "event": receipt}
    return cast(dict[str, Any], events_table(shop).get_item(Key=key, ConsistentRead=True)["Item"])


def step_after_round(shop: Shop, receipt: str) -> str:
    """The step that a deletion has reached after another round."""
    make_round(shop)
    return str(receipt_of(shop, receipt)["step"])


def ask(shop: Shop, user: str) -> str:
    """Ask for the deletion of a user and return its receipt."""
    answer = shop.call("DELETE", f"/users/{user}")
    assert (answer.status, list(answer.body)) == (202, ["receiptId"]), answer.body
    return str(answer.body["receiptId"])


def make_older(shop: Shop, user: str) -> None:
    """Let a request be two minutes older: until then a round leaves it alone."""
    key, change = {"shopper": f"!{shop.name}", "event": user}, {":older": -120}
    events_table(shop).update_item(Key=key, UpdateExpression="ADD asked :older", ExpressionAttributeValues=change)


def delete(shop: Shop, user: str) -> str:
    """Ask for the deletion of a user whose id is safe in a path, wait for its end, and return its receipt."""
    receipt = ask(shop, user)
    make_older(shop, user)
    until(lambda: step_after_round(shop, receipt) in {"deletedHere", "retrained"}, "the user is gone")
    return receipt
