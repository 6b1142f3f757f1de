# SPDX-License-Identifier: Apache-2.0
"""Deletions of users, which tests follow by their receipts: a round is made for all shops of the laptop."""

import json
from typing import TYPE_CHECKING, Any

import boto3

from local.cloud.home import access
from tests.app.waiting import until

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from tests.app.conftest import Shop
    from tests.app.laptop import Laptop


def events_table(laptop: "Laptop") -> "Table":
    """The table of what users did, and of requests to delete them."""
    tables = boto3.resource("dynamodb", **access(laptop.state)).tables.all()
    (table,) = (table for table in tables if "ShopperEvents" in table.name)
    return table


def make_round(functions: Any) -> list[str] | None:  # noqa: ANN401 - a client of Lambda
    """Make the hourly round now; return the shops in which it failed, or None where a table answered too late."""
    pages = functions.get_paginator("list_functions").paginate()
    names = [function["FunctionName"] for page in pages for function in page["Functions"]]
    (name,) = [name for name in names if "EraseUsers" in name]
    answer = functions.invoke(FunctionName=name)
    result: dict[str, Any] = json.load(answer["Payload"])
    if "FunctionError" in answer:
        # What does not answer on a busy machine is asked again in the next round.
        assert result["errorType"] == "RetryLater", result
        return None
    failed: list[str] = result["failed"]
    return failed


def make_older(table: "Table", shop: str, user: str) -> None:
    """Let a request be two minutes older: until then a round leaves it alone."""
    key, change = {"shopper": f"!{shop}", "event": user}, {":older": -120}
    table.update_item(Key=key, UpdateExpression="ADD asked :older", ExpressionAttributeValues=change)


def receipt_of(table: "Table", shop: str, receipt: str) -> dict[str, Any]:
    """What the table says of a receipt."""
    return dict(table.get_item(Key={"shopper": f"={shop}", "event": receipt}, ConsistentRead=True)["Item"])


def step_after_round(shop: "Shop", receipt: str) -> str:
    """The step that a deletion has reached after another round, which succeeds for the shop."""
    functions = boto3.client("lambda", **access(shop.laptop.state))

    def succeeded() -> bool:
        failed = make_round(functions)
        return failed is not None and shop.name not in failed

    until(succeeded, "a round is made")
    return str(receipt_of(events_table(shop.laptop), shop.name, receipt)["step"])


def ask(shop: "Shop", user: str) -> str:
    """Ask for the deletion of a user and return its receipt."""
    answer = shop.call("DELETE", f"/users/{user}")
    assert (answer.status, list(answer.body)) == (202, ["receiptId"]), answer.body
    return str(answer.body["receiptId"])


def delete(shop: "Shop", user: str) -> str:
    """Ask for the deletion of a user whose id is safe in a path, wait for its end, and return its receipt."""
    receipt = ask(shop, user)
    make_older(events_table(shop.laptop), shop.name, user)
    until(lambda: step_after_round(shop, receipt) in {"deletedHere", "retrained"}, "the user is gone")
    return receipt
