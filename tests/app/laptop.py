# SPDX-License-Identifier: Apache-2.0
"""A test's hand on a local cloud of its own, with the whole stack deployed."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import psutil
from mypy_boto3_dynamodb.service_resource import Table
from mypy_boto3_personalize import PersonalizeClient
from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
from mypy_boto3_s3 import S3Client
from personalization.core.aws.errors import refusal
from personalization.core.names import Backend
from personalization.engine import describing
from personalization.engine.backend import Refused
from personalization.engine.records import Records

from local.cloud.client import Answer, Client, Upload
from local.cloud.faults import FaultDoor
from local.cloud.home import Home, State, access
from local.cloud.runs import Run, events
from tests.app.waiting import BOUND, SLOW, tried, until

ROOT = Path(__file__).resolve().parents[2]

DROPPED = re.compile(r"drops/([^/]+)/(.+)")
"""Keys of dropped files: the shop, and what follows it."""
PART_BYTES = 300_000
"""The bytes of a part of a drop on a laptop, so that tests have drops of several parts."""


class _Described:
    """A client of the control plane that describes and lists what the engine's backend has."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._answer, name)

    def _answer(self, name: str, **parameters: object) -> Any:  # noqa: ANN401 - any answer
        operation = "".join(word.title() for word in name.split("_"))
        try:
            return describing.answer(self._records, operation, parameters)
        except Refused as error:
            raise refusal(operation, error.word, error.message) from None

    def get_paginator(self, name: str) -> Any:  # noqa: ANN401 - as boto3's
        return SimpleNamespace(paginate=lambda **parameters: [self._answer(name, **parameters)])


@dataclass
class Laptop:
    """The cloud's folder and state; see :class:`local.cloud.client.Client` for what a shop can ask."""

    home: Home
    state: State
    scratch: Path
    backend: Backend = "personalize"
    """Where its shops are."""
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict, repr=False)

    @cached_property
    def client(self) -> Client:
        """What the operator's commands use."""
        return Client(self.state)

    def _client(self, service: str, *, engine: bool = False) -> Any:  # noqa: ANN401 - of whichever service
        """A client, made once for each cloud that this folder has had: what waits asks often."""
        address = self.state.engine if engine else self.state.endpoint
        key = service, address, self.state.access_key
        if key not in self._clients:
            reach = access(self.state, engine=engine)
            self._clients[key] = boto3.client(service, **reach)  # type: ignore[call-overload]
        return self._clients[key]

    @property
    def s3(self) -> S3Client:
        """S3 of the local AWS."""
        client: S3Client = self._client("s3")
        return client

    @property
    def bucket(self) -> str:
        """The drop bucket."""
        return self.state.outputs["BucketName"]

    @property
    def shops(self) -> Table:
        """The table of what the API serves."""
        return boto3.resource("dynamodb", **access(self.state)).Table(self.state.outputs["ShopsTableName"])

    def records(self) -> list[dict[str, Any]]:
        """Everything in that table."""
        pages = self.shops.meta.client.get_paginator("scan").paginate(TableName=self.shops.name)
        return [dict(item) for page in pages for item in page["Items"]]

    @property
    def personalize(self) -> PersonalizeClient:
        """The control plane of the shops' backend; of one in the account, what describes and lists."""
        if self.backend == "personalize":
            client: PersonalizeClient = self._client("personalize", engine=True)
            return client
        return self._described

    def listed(self, operation: str, **parameters: str) -> list[dict[str, Any]]:
        """What a list call of the control plane answers, page by page: shops of other tests fill pages as well."""
        personalize: Any = self.personalize
        pages = personalize.get_paginator(operation).paginate(**parameters)
        return [dict(entry) for page in pages for value in page.values() if isinstance(value, list) for entry in value]

    @cached_property
    def _described(self) -> PersonalizeClient:
        dynamodb, table = self._client("dynamodb"), self.shops.name
        described: Any = _Described(Records(lambda: dynamodb, lambda: table))
        client: PersonalizeClient = described
        return client

    @property
    def runtime(self) -> PersonalizeRuntimeClient:
        """The engine's recommendations, beside the HTTP API."""
        client: PersonalizeRuntimeClient = self._client("personalize-runtime", engine=True)
        return client

    @property
    def faults(self) -> FaultDoor:
        """What makes the engine fail."""
        return FaultDoor(self.state.engine)

    @property
    def cloud_faults(self) -> FaultDoor:
        """What makes the local AWS fail, and its waits short."""
        return FaultDoor(f"{self.state.endpoint}/_local")

    def call(self, method: str, path: str, body: object = None, *, key: str | None = None, **query: str) -> Answer:
        """One request to the HTTP API, with the key or with `key`; any status is an answer.

        It is sent again while the answer is slow, unless calls are to fail: `client.call` returns the first answer.
        """
        answers: list[Answer] = []

        def in_time() -> bool:
            again = body if not answers else _same_events(body, answers[-1])
            answers.append(self.client.call(method, path, query, again, key=key))
            return not SLOW.search(json.dumps(answers[-1].body)) or self._fails_calls()

        until(in_time, f"{method} {path} is answered in time")
        return answers[-1]

    def _fails_calls(self) -> bool:
        """Whether a test makes calls fail by which the API answers."""
        live = ("Get", "Put", "*")
        return bool(self.cloud_faults.rules()) or any(
            rule["operation"].startswith(live) for rule in self.faults.rules()
        )

    def drop(
        self, shop: str, kind: str, content: str | bytes, name: str = "data.csv", *, incremental: bool = False
    ) -> Run:
        """Drop `content` as a file called `name`, as the command does, and return its run when it has ended."""
        self._begin(f"drops/{shop}/{kind}/")
        file = self.scratch / name
        file.write_bytes(self._settings(name if kind == "settings" else "", content))
        return self.wait_for_run(self.client.drop(shop, kind, file, incremental=incremental))

    def put(self, key: str, content: str | bytes) -> Run:
        """Put an object at any key of the bucket and return its run when it has ended."""
        self._begin(key)
        upload = Upload(key, set(self.client.runs.arns()))
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=self._settings(key.rpartition("/")[2], content))
        return self.wait_for_run(upload)

    def _begin(self, key: str) -> None:
        """Give a shop that has no settings those that choose its backend, before its first file."""
        dropped = DROPPED.fullmatch(key)
        if self.backend == "personalize" or dropped is None or dropped[2].startswith("settings"):
            return
        prefix = f"drops/{dropped[1]}/settings"
        if self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)["KeyCount"] == 0:
            self.put(f"{prefix}.yaml", "{}")

    def _settings(self, name: str, content: str | bytes) -> bytes:
        """Return a file's bytes; those of settings say which backend it is."""
        data = content.encode() if isinstance(content, str) else content
        if self.backend == "personalize" or not name.startswith("settings.") or b"backend:" in data:
            return data
        return f"backend: {self.backend}\n".encode() + (b"" if data == b"{}" else data)

    @contextmanager
    def function_slots(self, slots: int) -> Iterator[None]:
        """Let so many functions of the cloud run at the same time, as in a new account."""
        before = self.cloud_faults.function_slots(slots)
        try:
            yield
        finally:
            self.cloud_faults.function_slots(before)

    def drop_while_killing(self, shop: str, text: str, function: str, steps: Mapping[str, bool]) -> Run:
        """Drop interactions, and kill a function once in each step; `steps`: whether it has done the step by then."""
        killed = [
            self.cloud_faults.during("killFunction", f"*{function}*.{step}", f"*{shop}*", times=1, performed=done)
            for step, done in steps.items()
        ]
        with ExitStack() as stack:
            for process in killed:
                stack.enter_context(process)
            run = self.drop(shop, "interactions", text)
            fired = [rule["fired"] for rule in self.cloud_faults.rules()]
        assert run.output.get("outcome") == "promoted", run.reason or run.output
        assert fired == [1] * len(steps)
        return run

    def wait_for_run(self, upload: Upload) -> Run:
        """The run that an upload started, when it has ended."""
        return self.ended(self.client.runs.started_by(upload.key, upload.before).arn)

    def ended(self, arn: str) -> Run:
        """An execution at its end."""
        until(lambda: self.client.runs.describe(arn).status != "RUNNING", f"{arn} has ended")
        return self.client.runs.describe(arn)

    def sweep(self, **wanted: object) -> list[str]:
        """Sweep now instead of within 15 minutes; a note for each run that it started."""
        functions, name = boto3.client("lambda", **access(self.state)), self.state.outputs["SweepFunctionName"]

        def invoke() -> tuple[bool, dict[str, Any]]:
            invoked = functions.invoke(FunctionName=name, Payload=json.dumps(wanted).encode())
            return "FunctionError" in invoked, json.load(invoked["Payload"])

        failed, answer = tried(invoke, lambda told: told[1].get("errorType") != "RetryLater")
        assert not failed, answer
        return [str(note) for note in answer["started"]]

    def history(self, run: Run) -> list[Mapping[str, Any]]:
        """All events of a run's execution, oldest first."""
        return list(events(self.client.runs.client, run.arn))

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m local …` on this cloud."""
        line = [sys.executable, "-m", "local", *arguments, "--run-dir", str(self.home.run)]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=BOUND)

    def command_json(self, *arguments: str) -> Any:  # noqa: ANN401 - each command has a shape of its own
        """Run `python -m local … --json` on this cloud; it must succeed."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


def _same_events(body: object, answer: Answer) -> object:
    """A request's body, with the ids that its events were given: they are the same events when it is sent again."""
    if not isinstance(body, dict) or "events" not in answer.body:
        return body
    ids = [event["eventId"] for event in answer.body["events"]]
    named = [{**event, "eventId": name} for event, name in zip(body["events"], ids, strict=False)]
    return {**body, "events": [*named, *body["events"][len(named) :]]}


def listening(processes: Iterable[psutil.Process]) -> Iterator[tuple[str, int]]:
    """Yield the addresses and ports on which processes listen. A function's may have ended since it was listed."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            sockets = process.net_connections("inet")
            yield from ((at.laddr.ip, at.laddr.port) for at in sockets if at.status == psutil.CONN_LISTEN)
