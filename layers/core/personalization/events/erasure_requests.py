# SPDX-License-Identifier: Apache-2.0
"""Requests to delete users, in the table of users' events under keys that no user has.

`!<shop>` holds the users, and `=<shop>` the receipts, without their users, each with the step of its request. From the
request to the deletion, no event of these users is accepted: each container that accepts or delivers events caches a
shop's list for a minute. A deletion job starts later than that (`erasures.SETTLED_SECONDS`), so that none of its users'
events is in progress.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import holds
from personalization.core.aws.pagination import pages, paginate
from personalization.core.errors import PersonalizationError, RetryLater
from personalization.events.erasures import KEPT_SECONDS, Request, Step

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

THREADS = 8
REMEMBER_SECONDS = 60.0
"""How long a list is cached, whether or not the table answers afterwards."""
REMEMBER_SILENCE_SECONDS = 5.0
"""The pause after a failure of the table."""
_MOST_SHOPS = 1_000
QUICK_PAGES = 3
"""The most pages of a megabyte, with some thousand users each, that are read during a request."""
_NUMBERS = ("sent", "deleted", "tries", "jobs")


def waiting(shop: str) -> str:
    """Return the key of a shop's requests."""
    return f"!{shop}"


def done(shop: str) -> str:
    """Return the key of a shop's receipts."""
    return f"={shop}"


def ask(client: "DynamoDBClient", table: str, shop: str, user: str, receipt: str, now: int) -> str:
    """Store the request to delete a user; return its receipt, or that of an earlier request in progress."""
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


def asked_for(client: "DynamoDBClient", table: str, shop: str, user: str) -> bool:
    """Return whether a user is being deleted."""
    page = client.query(
        TableName=table,
        KeyConditionExpression="shopper = :shop AND #event = :user",
        ExpressionAttributeNames={"#event": "event"},
        ExpressionAttributeValues={":shop": {"S": waiting(shop)}, ":user": {"S": user}},
        ConsistentRead=True,
    )
    return bool(page["Items"])


def acknowledge(client: "DynamoDBClient", table: str, shop: str, receipt: str, now: int) -> None:
    """Begin a receipt; after a failure the round that starts the job begins it."""
    with suppress(PersonalizationError):
        note(client, table, (shop, receipt), "waiting", now)


def note(
    client: "DynamoDBClient", table: str, receipt: tuple[str, str], step: Step, now: int, job: str | None = None
) -> None:
    """Store in a receipt (shop and id) that its request reached a step, and the ARNs of the jobs that begin with it."""
    values: Any = {":step": {"S": step}, ":now": {"N": str(now)}, ":ttl": {"N": str(now + KEPT_SECONDS)}}
    change, names = "SET #step = :step, #at = :now, #ttl = :ttl", {"#step": "step", "#at": step, "#ttl": "ttl"}
    if job is not None:
        change, values, names = f"{change}, #job = :job", {**values, ":job": {"S": job}}, {**names, "#job": "job"}
    client.update_item(
        TableName=table,
        Key={"shopper": {"S": done(receipt[0])}, "event": {"S": receipt[1]}},
        UpdateExpression=change,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )


def leaving(client: "DynamoDBClient", table: str, shop: str, most: int | None = None) -> frozenset[str]:
    """Return the users of a shop who are being deleted, by an eventually consistent read.

    Raises:
        RetryLater: the table does not answer, or has more than `most` pages.
    """
    users, key = list[str](), waiting(shop)
    for number, page in enumerate(
        pages(
            client.query,
            TableName=table,
            KeyConditionExpression="shopper = :shop",
            ProjectionExpression="#event",
            ExpressionAttributeNames={"#event": "event"},
            ExpressionAttributeValues={":shop": {"S": key}},
        ),
        1,
    ):
        users += [item["event"]["S"] for item in page["Items"]]
        if number == most and page.get("LastEvaluatedKey"):
            raise RetryLater(shop, "more users are to be deleted than can be read beside a request")
    return frozenset(users)


class Leaving:
    """A cache of the users who are being deleted, by shop; `fetch` reads a shop's list from the table."""

    def __init__(self, fetch: Callable[[str], frozenset[str]]) -> None:
        self._fetch = fetch
        self._cached: dict[str, tuple[float, frozenset[str] | None]] = {}

    def has(self, shop: str, user: str | None, now: float) -> bool:
        """Return whether a user is being deleted; False for an anonymous one.

        Args:
            shop, user: the user.
            now: seconds of a clock that only moves forward.

        Raises:
            RetryLater: the table does not answer, and the list is older than a minute.
        """
        if user is None:
            return False
        until, users = self._cached.get(shop, (0.0, None))
        if now >= until:
            try:
                users, until = self._fetch(shop), now + REMEMBER_SECONDS
            except PersonalizationError:
                users, until = None, now + REMEMBER_SILENCE_SECONDS
            if len(self._cached) >= _MOST_SHOPS:
                self._cached.clear()
            self._cached[shop] = (until, users)
        if users is None:
            raise RetryLater(shop, "it is not known who is to be deleted")
        return user in users

    def forget(self) -> None:
        self._cached.clear()


def fetch(
    client: "Callable[[], DynamoDBClient]", table: Callable[[], str], most: int | None = None
) -> Callable[[str], frozenset[str]]:
    """Return the function that reads a shop's list; its client is created on first use, and `most` is as in `leaving`.

    Callers with little time read at most QUICK_PAGES.
    """
    return lambda shop: leaving(client(), table(), shop, most)


class Requests:
    """A shop's requests; `now` is the beginning of the round in epoch seconds."""

    def __init__(self, client: "DynamoDBClient", table: str, shop: str, now: int) -> None:
        self._client = client
        self._table = table
        self._shop = shop
        self._now = now

    def all(self) -> Iterator[Request]:
        """Iterate over pending requests and those in a job."""
        items = paginate(
            self._client.query,
            "Items",
            TableName=self._table,
            KeyConditionExpression="shopper = :shop",
            ExpressionAttributeValues={":shop": {"S": waiting(self._shop)}},
            ConsistentRead=True,
        )
        yield from map(_request, items)

    def sent(self, batch: Sequence[Request], job: str, leader: str) -> None:
        """Store that a job has these requests, while `leader` leads the shop."""
        self._for_all(batch, lambda request: self._note(request, "underWay", job))
        change = "SET job = :job, led = :led, sent = :sent REMOVE met, deleted"
        self._for_all(batch, lambda request: self._change(request, change, job=job, led=leader, sent=self._now))

    def deleted(self, batch: Sequence[Request]) -> list[Request]:
        """Store that Personalize has deleted these users."""
        self._for_all(batch, lambda request: self._note(request, "deletedFromPersonalize"))
        self._for_all(batch, lambda request: self._change(request, "SET deleted = :deleted", deleted=self._now))
        return [replace(request, deleted=self._now) for request in batch]

    def freed(self, request: Request, *, failed: bool = False, again: bool = False) -> Request:
        """Return a request to the queue for another job, because its job failed or did not suffice (`again`)."""
        waiting_again = replace(
            request, job="", led="", sent=0, deleted=0, tries=request.tries + failed, jobs=request.jobs + again
        )
        change = "SET tries = :tries, jobs = :jobs REMOVE job, led, sent, deleted, met"
        self._change(request, change, tries=waiting_again.tries, jobs=waiting_again.jobs)
        self._note(request, "waiting")
        return waiting_again

    def closed(self, request: Request) -> bool:
        """Delete a request but its receipt; return False if the request was repeated since its job began."""
        self._note(request, "deletedHere")
        return holds(
            lambda: self._client.delete_item(
                TableName=self._table,
                Key=self._key(request),
                ConditionExpression="attribute_not_exists(#asked) OR #asked <= :sent",
                ExpressionAttributeNames={"#asked": "asked"},
                ExpressionAttributeValues={":sent": {"N": str(request.sent)}},
            ),
        )

    def untrained(self) -> dict[str, int]:
        """Return receipts of deleted users whom serving models may know, and when each was deleted here."""
        items = paginate(
            self._client.query,
            "Items",
            TableName=self._table,
            KeyConditionExpression="shopper = :shop",
            FilterExpression="#step = :step",
            ExpressionAttributeNames={"#step": "step"},
            ExpressionAttributeValues={":shop": {"S": done(self._shop)}, ":step": {"S": "deletedHere"}},
            ConsistentRead=True,
        )
        return {item["event"]["S"]: int(item["deletedHere"]["N"]) for item in items}

    def retrained(self, receipts: Iterable[str]) -> None:
        """Store that no serving model knows these users."""
        for receipt in receipts:
            note(self._client, self._table, (self._shop, receipt), "retrained", self._now)

    def _for_all(self, batch: Sequence[Request], change: Callable[[Request], None]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(change, batch))

    def _note(self, request: Request, step: Step, job: str | None = None) -> None:
        note(self._client, self._table, (self._shop, request.receipt), step=step, now=self._now, job=job)

    def _change(self, request: Request, change: str, **values: str | int) -> None:
        written: Any = {
            f":{name}": {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in values.items()
        }
        self._client.update_item(
            TableName=self._table,
            Key=self._key(request),
            UpdateExpression=change,
            # Another round may have closed it.
            ConditionExpression="attribute_exists(receipt)",
            ExpressionAttributeValues=written,
        )

    def _key(self, request: Request) -> Any:  # noqa: ANN401 - DynamoDB's notation
        return {"shopper": {"S": waiting(self._shop)}, "event": {"S": request.user}}


def _request(item: Any) -> Request:  # noqa: ANN401 - DynamoDB's notation
    number = {name: int(item[name]["N"]) for name in _NUMBERS if name in item}
    job, led = (item[name]["S"] if name in item else "" for name in ("job", "led"))
    requested = int(item["asked"]["N"]) if "asked" in item else 0
    return Request(
        user=item["event"]["S"], receipt=item["receipt"]["S"], requested=requested, job=job, led=led, **number
    )
