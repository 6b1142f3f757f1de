# SPDX-License-Identifier: Apache-2.0
"""Requests to delete a user, in the table of what shoppers did, under keys that no shopper has.

`!<shop>` holds the users who are to go, `=<shop>` the receipts of those who went.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from personalization.aws.failures import about, unless
from personalization.aws.listing import everything
from personalization.erasures import KEPT_SECONDS, Request

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

THREADS = 8
_NUMBERS = ("asked", "sent", "tries", "jobs")


def waiting(shop: str) -> str:
    """The key under which a shop's requests are."""
    return f"!{shop}"


def done(shop: str) -> str:
    """The key under which a shop's receipts are."""
    return f"={shop}"


def ask(client: "DynamoDBClient", table: str, shop: str, user: str, receipt: str, now: int) -> str:
    """Write down that a user is to be deleted.

    Returns:
        The receipt: that of an earlier request which is not through yet, or else the given one.
    """
    with about("deletion of a user"):
        answer = client.update_item(
            TableName=table,
            Key={"shopper": {"S": waiting(shop)}, "event": {"S": user}},
            UpdateExpression="SET #receipt = if_not_exists(#receipt, :receipt), #asked = :asked, #ttl = :ttl",
            ExpressionAttributeNames={"#receipt": "receipt", "#asked": "asked", "#ttl": "ttl"},
            ExpressionAttributeValues={
                ":receipt": {"S": receipt},
                ":asked": {"N": str(now)},
                ":ttl": {"N": str(now + KEPT_SECONDS)},
            },
            ReturnValues="ALL_NEW",
        )
    return answer["Attributes"]["receipt"]["S"]


class Requests:
    """A shop's requests.

    Args:
        client, table: where they are.
        shop: whose they are.
        now: epoch seconds at the beginning of the round.
    """

    def __init__(self, client: "DynamoDBClient", table: str, shop: str, now: int) -> None:
        self._client = client
        self._table = table
        self._shop = shop
        self._now = now

    def all(self) -> Iterator[Request]:
        """Those that wait and those that a job has."""
        with about(self._table):
            items = everything(
                self._client.query,
                "Items",
                TableName=self._table,
                KeyConditionExpression="shopper = :shop",
                ExpressionAttributeValues={":shop": {"S": waiting(self._shop)}},
                ConsistentRead=True,
            )
            yield from map(_request, items)

    def sent(self, batch: Iterable[Request], job: str) -> None:
        """A job has these."""
        with ThreadPoolExecutor(THREADS) as pool:
            change = "SET job = :job, sent = :sent REMOVE met"
            list(pool.map(lambda each: self._change(each, change, job=job, sent=self._now), batch))

    def met(self, request: Request) -> None:
        """A run was seen at work during the job that has this one."""
        self._change(request, "SET met = :met", met=1)

    def freed(self, request: Request, *, failed: bool = False, again: bool = False) -> Request:
        """Let a request wait for another job; `failed` or `again` say why, if its user was not asked for again."""
        kept = replace(request, job="", sent=0, met=False, tries=request.tries + failed, jobs=request.jobs + again)
        change = "SET tries = :tries, jobs = :jobs REMOVE job, sent, met"
        self._change(request, change, tries=kept.tries, jobs=kept.jobs)
        return kept

    def closed(self, request: Request) -> bool:
        """Keep the receipt and forget the user; False where the request was made again since its job began."""
        item: Any = {
            "shopper": {"S": done(self._shop)},
            "event": {"S": request.receipt},
            "job": {"S": request.job},
            "gone": {"N": str(self._now)},
            "ttl": {"N": str(self._now + KEPT_SECONDS)},
        }
        with about(self._table):
            self._client.put_item(TableName=self._table, Item=item)
        return self._forget(request)

    def _forget(self, request: Request) -> bool:
        with about(self._table):
            return unless(
                "ConditionalCheckFailedException",
                lambda: self._client.delete_item(
                    TableName=self._table,
                    Key=self._key(request),
                    ConditionExpression="attribute_not_exists(#asked) OR #asked <= :sent",
                    ExpressionAttributeNames={"#asked": "asked"},
                    ExpressionAttributeValues={":sent": {"N": str(request.sent)}},
                ),
            )

    def _change(self, request: Request, change: str, **values: str | int) -> None:
        told: Any = {
            f":{name}": {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in values.items()
        }
        with about(self._table):
            self._client.update_item(
                TableName=self._table,
                Key=self._key(request),
                UpdateExpression=change,
                # Another round may have closed it.
                ConditionExpression="attribute_exists(receipt)",
                ExpressionAttributeValues=told,
            )

    def _key(self, request: Request) -> Any:  # noqa: ANN401 - DynamoDB's notation
        return {"shopper": {"S": waiting(self._shop)}, "event": {"S": request.user}}


def _request(item: Any) -> Request:  # noqa: ANN401 - DynamoDB's notation
    number = {name: int(item[name]["N"]) for name in _NUMBERS if name in item}
    job = item["job"]["S"] if "job" in item else ""
    return Request(item["event"]["S"], item["receipt"]["S"], job=job, met="met" in item, **{"asked": 0, **number})
