# SPDX-License-Identifier: Apache-2.0
"""What the operator's commands do on a running local cloud: put files into the bucket, ask the HTTP API, read logs."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import boto3
import urllib3
from personalization.core.errors import PersonalizationError
from personalization.shop.keys import SETTINGS_FILES

from local.cloud.environments import LocalError
from local.cloud.home import State, access
from local.cloud.runs import Run, Runs

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KINDS = ("interactions", "users", "items", "settings")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the HTTP API: its status, its JSON, and the milliseconds it took to arrive."""

    status: int
    body: dict[str, Any]
    milliseconds: float


class ApiError(LocalError):
    """The API refused a call; the message is its problem's title, detail and errors."""

    def __init__(self, answer: Answer) -> None:
        problem = answer.body
        fields = [f"{error.get('field')}: {error.get('message')}" for error in problem.get("errors") or []]
        title, detail = problem.get("title") or "no reason given", problem.get("detail") or ""
        super().__init__("; ".join(part for part in (f"{answer.status} {title}", detail, *fields) if part))
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Upload:
    """A dropped file: its key, and the executions that existed before it (see :meth:`Runs.started_by`)."""

    key: str
    before: set[str]


class Client:
    """A shop's and its operator's view of a running cloud."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.http = urllib3.PoolManager(retries=False, timeout=30.0)

    @cached_property
    def table(self) -> "Table":
        """The table of shops."""
        return boto3.resource("dynamodb", **access(self.state)).Table(self.state.outputs["ShopsTableName"])

    @cached_property
    def runs(self) -> Runs:
        """The executions of the state machine."""
        return Runs(self.state)

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        *,
        key: str | None = None,
    ) -> Answer:
        """One request to the HTTP API, with the shop's key or with `key`; any status is an answer.

        Raises:
            LocalError: the API does not answer in JSON, or not at all.
        """
        address = f"{self.state.api}{path}{'?' + urlencode(query) if query else ''}"
        headers = {"x-api-key": self.state.key if key is None else key, "content-type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        started = time.perf_counter()
        try:
            response = self.http.request(method, address, headers=headers, body=content)
            milliseconds = (time.perf_counter() - started) * 1000
            return Answer(response.status, json.loads(response.data or b"{}"), milliseconds)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise LocalError(
                f"the API does not answer as it should: {error}; see `python -m local logs cloud`"
            ) from error

    def ask(self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> Answer:
        """One request to the HTTP API that must succeed.

        Raises:
            ApiError: it was refused.
        """
        answer = self.call(method, path, query, body)
        if answer.status >= 400:
            raise ApiError(answer)
        return answer

    def recommend(self, shop: str, user: str, **query: str) -> Answer:
        """Items for `user`; query names as in the API: limit, filter, itemId, ``context.X`` …"""
        return self.ask("GET", f"/shops/{quoted(shop)}/users/{quoted(user)}/recommendations", query)

    def similar(self, shop: str, item: str, **query: str) -> Answer:
        """Items similar to `item`."""
        return self.ask("GET", f"/shops/{quoted(shop)}/items/{quoted(item)}/similar", query)

    def popular(self, shop: str, **query: str) -> Answer:
        """What most users choose."""
        return self.ask("GET", f"/shops/{quoted(shop)}/popular", query)

    def ranking(self, shop: str, user: str, items: Sequence[str]) -> Answer:
        """These items, best for `user` first."""
        return self.ask("POST", f"/shops/{quoted(shop)}/users/{quoted(user)}/ranking", body={"itemIds": list(items)})

    def likelihood(self, shop: str, user: str, items: Sequence[str], **query: str) -> Answer:
        """How likely `user` is to buy each of these items; query names as in the API: ``context.X``."""
        path = f"/shops/{quoted(shop)}/users/{quoted(user)}/purchase-likelihood"
        return self.ask("POST", path, query, {"itemIds": list(items)})

    def event(self, shop: str, user: str, item: str, kind: str, session: str | None = None) -> Answer:
        """One event of type `kind`, such as View, of `user` on `item`."""
        event = {"eventType": kind, "itemId": item}
        body = {"userId": user, "sessionId": session or str(uuid.uuid4()), "events": [event]}
        return self.ask("POST", f"/shops/{quoted(shop)}/events", body=body)

    def drop(self, shop: str, kind: str, file: Path, *, incremental: bool = False) -> Upload:
        """Upload `file` to where a shop drops its files.

        Raises:
            LocalError: there is no such file, its name does not fit its kind, or the settings are not as they must be.
        """
        key = checked_key(shop, kind, file, incremental=incremental)
        before = set(self.runs.arns())
        boto3.client("s3", **access(self.state)).upload_file(str(file), self.state.outputs["BucketName"], key)
        return Upload(key, before)

    def papers(self, run: Run) -> list[str]:
        """Where the reports of a run are, pages first, and the rows that it refused: addresses in S3."""
        bucket, s3 = self.state.outputs["BucketName"], boto3.client("s3", **access(self.state))
        folders = [f"{folder}/{run.shop}/{run.name}" for folder in ("reports", "rejects")] if run.shop else []
        pages = [s3.list_objects_v2(Bucket=bucket, Prefix=folder) for folder in folders]
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        # What a report is put together from is not for reading.
        whole = sorted((key for key in keys if "/parts/" not in key), key=lambda key: not key.endswith(".html"))
        return [f"s3://{bucket}/{key}" for key in whole]

    def shops(self) -> list[dict[str, Any]]:
        """What the API serves: for each shop the run that was promoted last, and its campaigns."""
        table = self.table
        pages = table.meta.client.get_paginator("scan").paginate(TableName=table.name)
        records = [item for page in pages for item in page["Items"] if str(item["record"]) == "release"]
        return [
            {
                "shop": str(record["shop"]),
                "run": record.get("run"),
                "promotedAt": record.get("promotedAt"),
                "campaigns": sorted(as_names(record.get("campaigns"))),
            }
            for record in sorted(records, key=lambda record: str(record["shop"]))
        ]

    def placements(self, shop: str) -> list[str]:
        """The slots of a shop that the API serves, by name."""
        return placements(self.table, shop)

    def functions(self) -> dict[str, str]:
        """The stack's functions by logical id, with the log group of each."""
        stack = boto3.client("cloudformation", **access(self.state))
        resources = stack.describe_stack_resources(StackName=self.state.stack)["StackResources"]
        lambdas = boto3.client("lambda", **access(self.state))
        groups = {}
        for resource in resources:
            if resource["ResourceType"] == "AWS::Lambda::Function":
                name = resource["PhysicalResourceId"]
                settings = lambdas.get_function_configuration(FunctionName=name)
                group = settings.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
                groups[resource["LogicalResourceId"]] = group
        return groups

    def log_lines(self, group: str, *, follow: bool = False, limit: int = 50) -> Iterator[str]:
        """The last `limit` lines of a log group; with `follow`, then each new one as it comes, without end."""
        logs = boto3.client("logs", **access(self.state))
        seen: set[tuple[object, ...]] = set()
        since = 0
        while True:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
            events = {identity(event): event for page in pages for event in page["events"]}
            fresh = [event for key, event in events.items() if key not in seen]
            yield from (event["message"].rstrip("\n") for event in fresh[-limit:])
            if not follow:
                return
            seen, since = set(events), max((event["timestamp"] for event in events.values()), default=since)
            time.sleep(0.5)


def identity(event: dict[str, Any]) -> tuple[object, ...]:
    """What tells one log event from another (the local AWS gives them no id)."""
    return event["timestamp"], event["logStreamName"], event["message"]


def placements(table: "Table", shop: str) -> list[str]:
    """The names of the placements that the release record of a shop has, in the table of shops; none without one."""
    record = table.get_item(Key={"shop": shop, "record": "release"}).get("Item", {})
    return sorted(as_names(record.get("placements")))


def as_names(member: object) -> list[str]:
    """The names in a member of a release record: its campaigns by recipe, its placements."""
    return [str(name) for name in member] if isinstance(member, dict) else []


def drop_key(shop: str, kind: str, file: Path, *, incremental: bool = False) -> str:
    """The object key at which a shop drops `file`.

    Raises:
        LocalError: there is no such file, or its name does not fit its kind.
    """
    if not file.is_file():
        raise LocalError(f"there is no file {file}")
    if kind == "settings":
        if f"settings{file.suffix}" not in SETTINGS_FILES:
            raise LocalError(f"{file.name}: settings are a .yaml, a .yml or a .json file")
        return f"drops/{shop}/settings{file.suffix}"
    if not file.name.endswith((".csv", ".csv.gz")):
        raise LocalError(f"{file.name}: {kind} are a .csv or a .csv.gz file")
    return f"drops/{shop}/{kind}/{'incremental/' if incremental else ''}{file.name}"


def checked_key(shop: str, kind: str, file: Path, *, incremental: bool = False) -> str:
    """The object key at which a shop drops `file`, whose settings are checked as the run would check them.

    Raises:
        LocalError: there is no such file, its name does not fit its kind, or the settings are not as they must be.
    """
    key = drop_key(shop, kind, file, incremental=incremental)
    if kind == "settings":
        from personalization.shop.settings import read  # noqa: PLC0415 - only settings need the models

        try:
            read(key, file.read_bytes())
        except PersonalizationError as refused:
            raise LocalError(f"nothing was uploaded: {refused}") from None
    return key


def quoted(part: str) -> str:
    """A path segment."""
    return quote(part, safe="")
