# SPDX-License-Identifier: Apache-2.0
"""A client of a running local cloud: it drops files, asks the HTTP API, and reads tables, queues and logs."""

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlencode

import boto3
import urllib3
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from personalization.core.aws.errors import Translating
from personalization.core.errors import PersonalizationError
from personalization.core.names import is_of_engine
from personalization.engine import describing
from personalization.engine.records import Records
from personalization.shop.keys import ENDINGS, EXPORT, INCREMENTAL, SETTINGS_FILES, has_ending
from table_intake.hashing import hash_id

from local.cloud.environments import LocalError
from local.cloud.folders import read_folder
from local.cloud.home import State, access
from local.cloud.runs import Run, Runs

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

_STARTED = re.compile(
    r'(?:an execution with |ask for )?\{"action": "(promote|rollback|retrain|continue)"[^}]*\}(?! on AWS)'
)
"""How messages of the application name an input that starts the state machine, where they name no command beside it."""
T = TypeVar("T")
LOOK_SECONDS = 0.2
"""The pause between two requests of `until`."""
PART_BYTES = 64 << 20
"""What one part of an upload in parts holds."""
UNKNOWN = "tried for two days"
"""The reason of a message without one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the HTTP API: its status, its JSON, and the milliseconds it took to arrive."""

    status: int
    body: dict[str, Any]
    milliseconds: float


class ApiError(LocalError):
    """The API refused a call; the message is its problem's title, detail and errors."""

    def __init__(self, answer: Answer, shop: str = "SHOP") -> None:
        problem = answer.body
        fields = [f"{error.get('field')}: {error.get('message')}" for error in problem.get("errors") or []]
        title, detail = problem.get("title") or "no reason given", problem.get("detail") or ""
        said = "; ".join(part for part in (f"{answer.status} {title}", detail, *fields) if part)
        super().__init__(as_commands(said, shop))
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Upload:
    """A dropped file: its key, and the executions that existed before it (see :meth:`Runs.started_by`)."""

    key: str
    before: set[str]


class Client:
    """What a shop and its operator do with a running cloud."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.http = urllib3.PoolManager(retries=False, timeout=30.0)

    @cached_property
    def table(self) -> "Table":
        return boto3.resource("dynamodb", **access(self.state)).Table(self.state.outputs["ShopsTableName"])

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.state)

    def hashes(self, shop: str) -> Callable[[str], str] | None:
        """Return what hashes the ids of a shop's users; None where the shop hashes none, or has no release yet."""
        if not (self.runs.record(shop, "release") or {}).get("hashed"):
            return None
        client = boto3.client("secretsmanager", **access(self.state))
        key = client.get_secret_value(SecretId=self.state.outputs["HashKeyName"])["SecretString"]
        return partial(hash_id, key, shop)

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        *,
        key: str | None = None,
    ) -> Answer:
        """Send a request to the HTTP API, with the shop's key or with `key`; any status is an answer."""
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
                f"the API does not answer in JSON, or not at all: {error}; see `python -m local logs cloud`"
            ) from error

    def ask(self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> Answer:
        """Send a request to the HTTP API. Raises ApiError where it is refused."""
        answer = self.call(method, path, query, body)
        if answer.status >= 400:
            shop = re.match("/shops/([^/]+)", path)
            raise ApiError(answer, unquote(shop[1]) if shop else "SHOP")
        return answer

    def recommend(self, shop: str, user: str, **query: str) -> Answer:
        """Ask for a user's items; query names as in the API: limit, filter, itemId, ``context.X`` …"""
        return self.ask("GET", f"/shops/{quoted(shop)}/users/{quoted(user)}/recommendations", query)

    def similar(self, shop: str, item: str, **query: str) -> Answer:
        return self.ask("GET", f"/shops/{quoted(shop)}/items/{quoted(item)}/similar", query)

    def popular(self, shop: str, **query: str) -> Answer:
        return self.ask("GET", f"/shops/{quoted(shop)}/popular", query)

    def ranking(self, shop: str, user: str, items: Sequence[str]) -> Answer:
        return self.ask("POST", f"/shops/{quoted(shop)}/users/{quoted(user)}/ranking", body={"itemIds": list(items)})

    def likelihood(self, shop: str, user: str, items: Sequence[str], **query: str) -> Answer:
        path = f"/shops/{quoted(shop)}/users/{quoted(user)}/purchase-likelihood"
        return self.ask("POST", path, query, {"itemIds": list(items)})

    def event(self, shop: str, user: str, item: str, kind: str, session: str | None = None) -> Answer:
        event = {"eventType": kind, "itemId": item}
        body = {"userId": user, "sessionId": session or str(uuid.uuid4()), "events": [event]}
        return self.ask("POST", f"/shops/{quoted(shop)}/events", body=body)

    def erase(self, shop: str, user: str) -> Answer:
        """Delete a user, within a day or more: the answer has a receipt."""
        return self.ask("DELETE", f"/shops/{quoted(shop)}/users/{quoted(user)}")

    def drop(
        self,
        shop: str,
        kind: str,
        file: Path,
        *,
        incremental: bool = False,
        tell: Callable[[str, float], object] = lambda _text, _share: None,
    ) -> Upload:
        """Upload a file, or a folder of parts, to where a shop drops its files; `tell` as in `Folder.upload`."""
        key = drop_key(shop, kind, file, incremental=incremental)
        before = set(self.runs.arns())
        s3, bucket = boto3.client("s3", **access(self.state)), self.state.outputs["BucketName"]
        if file.is_dir():
            read_folder(shop, kind, file, incremental=incremental).upload(s3, bucket, tell)
        else:
            s3.upload_file(str(file), bucket, key)
        return Upload(key, before)

    def drop_after(self, shop: str, kind: str, file: Path, ready: Callable[[], object]) -> Upload:
        """Upload a file in parts, and let its object appear when `ready` returns; nothing appears where that raises.

        The object appears at once then, however large it is.
        """
        key, before = drop_key(shop, kind, file), set(self.runs.arns())
        s3 = boto3.client("s3", **access(self.state))
        target: Any = {"Bucket": self.state.outputs["BucketName"], "Key": key}
        target |= {"UploadId": s3.create_multipart_upload(**target)["UploadId"]}
        try:
            parts: Any = []
            with file.open("rb") as content:
                for number, part in enumerate(iter(lambda: content.read(PART_BYTES), b""), 1):
                    etag = s3.upload_part(**target, PartNumber=number, Body=part)["ETag"]
                    parts.append({"PartNumber": number, "ETag": etag})
            ready()
            s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(BotoCoreError, ClientError):
                s3.abort_multipart_upload(**target)
            raise
        return Upload(key, before)

    def drop_last(self, shop: str, kind: str, file: Path, drop_others: Callable[[], Sequence[Upload]]) -> list[Upload]:
        """Upload a file, or a folder of parts, that appears when the runs of the others have claimed them.

        A run takes what is claimed when its burst has settled, and interactions make it train. So no training lacks
        items or users, however slowly a busy machine claims them; on one that is late, interactions get their own run.
        A file's bytes are uploaded before the others are dropped: however many they are, the burst waits for none.
        Returns the uploads of the others, and this one last.
        """
        others: list[Upload] = []

        def claim() -> None:
            others.extend(drop_others())
            for upload in others:
                self.runs.claimed(upload.key, upload.before)

        if not file.is_dir():
            last = self.drop_after(shop, kind, file, claim)
        else:
            claim()
            last = self.drop(shop, kind, file)
        return [*others, last]

    def papers(self, run: Run) -> list[str]:
        """Return the S3 addresses of a run's reports, pages first, and of its refused rows."""
        bucket, s3 = self.state.outputs["BucketName"], boto3.client("s3", **access(self.state))
        folders = [f"{folder}/{run.shop}/{run.name}" for folder in ("reports", "rejects")] if run.shop else []
        pages = [s3.list_objects_v2(Bucket=bucket, Prefix=folder) for folder in folders]
        keys = [content["Key"] for page in pages for content in page.get("Contents", [])]
        # A report is assembled from parts.
        whole = sorted((key for key in keys if "/parts/" not in key), key=lambda key: not key.endswith(".html"))
        return [f"s3://{bucket}/{key}" for key in whole]

    def pages(self, shop: str, run: str) -> dict[str, str]:
        """Return the pages of a run's reports, by their names."""
        bucket, s3 = self.state.outputs["BucketName"], boto3.client("s3", **access(self.state))
        folder = f"reports/{shop}/{run}/"
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", [])
        keys = [entry["Key"] for entry in listed if entry["Key"].endswith(".html")]
        read = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys}
        return {key.removeprefix(folder): page for key, page in read.items()}

    def untrained(self, shop: str) -> list[str]:
        """Return which of users and items the release of a shop was trained without: imported later, or never.

        Raises LocalError where the shop has no release.
        """
        release: Any = self.table.get_item(Key={"shop": shop, "record": "release"}).get("Item")
        if release is None:
            raise LocalError(f"{shop} has no release")
        versions = [
            self._described("DescribeSolutionVersion", solutionVersionArn=str(campaign["solutionVersionArn"]))
            for campaign in release["campaigns"].values()
        ]
        began = min(version["solutionVersion"]["creationDateTime"] for version in versions)
        imported = {}
        for dataset in self._described("ListDatasets", datasetGroupArn=str(release["datasetGroupArn"]))["datasets"]:
            jobs = self._described("ListDatasetImportJobs", datasetArn=dataset["datasetArn"])["datasetImportJobs"]
            ended = [job["lastUpdatedDateTime"] for job in jobs if job["status"] == "ACTIVE"]
            imported[dataset["datasetType"].lower()] = bool(ended) and max(ended) <= began
        return [kind for kind in ("items", "users") if not imported.get(kind)]

    def _described(self, operation: str, **parameters: str) -> Any:  # noqa: ANN401 - any answer
        """Return what a backend says of one of its resources, which the parameters name by its ARN."""
        if not any(is_of_engine(value) for value in parameters.values()):
            personalize = boto3.client("personalize", **access(self.state, engine=True))
            return getattr(personalize, xform_name(operation))(**parameters)
        dynamodb, table = boto3.client("dynamodb", **access(self.state)), self.table.name
        return describing.answer(Records(lambda: dynamodb, lambda: table), operation, parameters)

    def event_types(self, shop: str) -> list[str]:
        """Return the event types of the interactions that a shop dropped last, as their report has them."""
        bucket, s3 = self.state.outputs["BucketName"], boto3.client("s3", **access(self.state))
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"reports/{shop}/")
        reports = [entry for page in pages for entry in page.get("Contents", [])]
        reports = [entry for entry in reports if entry["Key"].endswith("/data-interactions.json")]
        if not reports:
            return []
        newest = max(reports, key=lambda entry: entry["LastModified"])["Key"]
        report = json.loads(s3.get_object(Bucket=bucket, Key=newest)["Body"].read())
        return [str(entry["name"]) for entry in report.get("eventTypes") or ()]

    def shops(self) -> list[dict[str, Any]]:
        """Return for each shop the run that was promoted last, and its campaigns."""
        pages = self.table.meta.client.get_paginator("scan").paginate(TableName=self.table.name)
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

    def replay(self) -> Counter[str]:
        """Move all dead letters of events back, as StartMessageMoveTask does on AWS; count them by reason."""
        client = boto3.client("sqs", **access(self.state))
        dead, waiting = self.state.outputs["DeadEventsQueueUrl"], self.state.outputs["EventsQueueUrl"]
        attributes = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
        left = int(attributes["Attributes"]["ApproximateNumberOfMessages"])  # later ones stay
        reasons: Counter[str] = Counter()
        while left > 0:
            answer = client.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, MessageAttributeNames=["reason"])
            messages = answer.get("Messages", [])
            if not messages:
                break
            for message in messages:
                reason = message.get("MessageAttributes", {}).get("reason")
                client.send_message(QueueUrl=waiting, MessageBody=message["Body"])
                client.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
                reasons[reason.get("StringValue", UNKNOWN) if reason else UNKNOWN] += 1
            left -= len(messages)
        return reasons

    def functions(self) -> dict[str, str]:
        """Return the stack's functions by logical id, with the log group of each."""
        ids = self.resources()
        names = [name.removesuffix("Function") for name in ids if name.endswith("Function")]
        return {f"{name}Function": ids[f"{name}LogGroup"] for name in names}

    def resources(self) -> dict[str, str]:
        """Return the names of the stack's resources by logical id."""
        stack = boto3.client("cloudformation", **access(self.state))
        resources = stack.describe_stack_resources(StackName=self.state.stack)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}

    def log_lines(self, group: str, *, follow: bool = False, limit: int = 50) -> Iterator[str]:
        """Yield the last `limit` lines of a log group; with `follow`, then the new ones, without end."""
        logs = boto3.client("logs", **access(self.state))
        seen: set[tuple[object, ...]] = set()
        since = 0
        while True:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
            # The local AWS gives log events no id.
            events = {
                (event["timestamp"], event["logStreamName"], event["message"]): event
                for page in pages
                for event in page["events"]
            }
            fresh = [event for key, event in events.items() if key not in seen]
            yield from (event["message"].rstrip("\n") for event in fresh[-limit:])
            if not follow:
                return
            seen, since = set(events), max((event["timestamp"] for event in events.values()), default=since)
            time.sleep(0.5)


def translating(**options: Any) -> "tuple[S3Client, DynamoDBClient]":  # noqa: ANN401 - of boto3's clients
    """Return clients that raise the application's errors, as the functions that read its records expect."""
    session = boto3.Session()
    session.events.register("creating-client-class", lambda base_classes, **_: base_classes.insert(0, Translating))
    return session.client("s3", **options), session.client("dynamodb", **options)


def until(ask: Callable[[], T], good: Callable[[T], bool], seconds: float) -> T:
    """Ask until the answer is good, for `seconds` at most; return the last answer."""
    deadline = time.monotonic() + seconds
    while not good(answer := ask()) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return answer


def as_names(member: object) -> list[str]:
    """Return the keys of a member of a release record."""
    return [str(name) for name in member] if isinstance(member, dict) else []


def drop_key(shop: str, kind: str, file: Path, *, incremental: bool = False) -> str:
    """Return the key whose event starts the run of a file, or of a folder of parts.

    What the run would refuse by name or as settings is refused at once.
    """
    if file.is_dir():
        return read_folder(shop, kind, file, incremental=incremental).key
    if not file.is_file():
        raise LocalError(f"there is no file {file}")
    if kind == EXPORT:
        raise LocalError(f"{file.name}: an export is a folder, with all files that belong together")
    if kind != "settings":
        if not has_ending(file.name):
            raise LocalError(f"{file.name}: {kind} are files that end in {ENDINGS}, or a folder of parts")
        return f"drops/{shop}/{kind}/{f'{INCREMENTAL}/' if incremental else ''}{file.name}"
    if f"settings{file.suffix}" not in SETTINGS_FILES:
        raise LocalError(f"{file.name}: settings are a .yaml, a .yml or a .json file")
    from personalization.shop.settings.settings import read  # noqa: PLC0415 - only settings need the models

    key = f"drops/{shop}/settings{file.suffix}"
    try:
        read(key, file.read_bytes())
    except PersonalizationError as refused:
        raise LocalError(f"nothing was uploaded: {refused}") from None
    return key


def as_commands(text: str, shop: str) -> str:
    """Return a text in which inputs of the state machine are the commands that start it with them."""
    return _STARTED.sub(lambda match: f"`python -m local {match[1]} {shop}`", text)


def quoted(part: str) -> str:
    return quote(part, safe="")
