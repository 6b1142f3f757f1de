# SPDX-License-Identifier: Apache-2.0
"""An engine, as a process or in this one, and boto3 clients that hold every answer against its model."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
import psutil
from botocore import xform_name
from botocore.config import Config
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator
from personalize_local.command.options import read
from personalize_local.server.running import Server
from personalize_local.testing import FaultDoor

from engine.tests.names import RECIPE, ROLE, arn_member, member
from engine.tests.shop_data import avro

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient

ROOT = Path(__file__).parents[2]
Argument = Any
"""What is handed to or comes from boto3 as it is: the SDK's own types are per operation."""
SECONDS = 600.0
"""How long anything may take before a test gives up: long, since a busy machine does not fail it."""


def until(ready: Callable[[], bool], what: str) -> None:
    """Poll until something is so."""
    deadline, pause = time.monotonic() + SECONDS, 0.005
    while not ready():
        assert time.monotonic() < deadline, f"{what} did not happen in {SECONDS} s"
        threading.Event().wait(pause)
        pause = min(1.2 * pause, 0.05)


class Engine:
    """A running engine, as its clients see it."""

    url: str
    data_dir: Path
    s3_root: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def ask(self, path: str, body: bytes | None, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        """One raw request (GET without a body), signed unless `Authorization` says otherwise."""
        sent = {"Authorization": "AWS4-HMAC-SHA256 Credential=t/20260101/us-east-1/personalize/aws4_request"} | headers
        request = urllib.request.Request(self.url + path, body, {k.replace("_", "-"): v for k, v in sent.items() if v})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, dict(answer.headers.items()), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers.items()), error.read()


class EngineHere(Engine):
    """An engine in this process, with its jobs in a thread: a process of its own and a worker take 2 s to import.

    Without `step_seconds`, a call that starts a job is answered when the job has ended.
    """

    def __init__(self, directory: Path, step_seconds: float = 0, options: Iterable[str] = ()) -> None:
        """`options`: those of the command line."""
        self.data_dir, self.s3_root = directory / "data", directory / "s3"
        places = ["--data-dir", str(self.data_dir), "--s3-root", str(self.s3_root)]
        chosen = read("personalize-local", [*places, "--step-seconds", str(step_seconds), *options], {})
        chosen.in_process = True
        self._server = Server(chosen, chosen.directory)
        self.url = self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)


class EngineProcess(Engine):
    """`python -m personalize_local` on a free port."""

    def __init__(
        self,
        directory: Path,
        step_seconds: float = 0,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
        options: Iterable[str] = (),
        limits: str = "",
    ) -> None:
        """`limits`: what `ulimit` sets for the process, as in `-n 64`."""
        self.data_dir = directory / "data"
        self.s3_root = directory / "s3"
        command = [sys.executable, "-m", "personalize_local", "--port", str(port), "--data-dir", str(self.data_dir)]
        command += ["--step-seconds", str(step_seconds), *options]
        if not {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"} & (environment or {}).keys():
            command += ["--s3-root", str(self.s3_root)]
        if limits:
            command = ["sh", "-c", f'ulimit {limits}; exec "$@"', "sh", *command]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        directory.mkdir(parents=True, exist_ok=True)
        self._log = (directory / "engine.log").open("a+")
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=inherited | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        self.url = first.split()[-1] if first else ""
        """Empty if the engine did not start."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit status."""
        self.process.send_signal(how)
        try:
            return self.process.wait(SECONDS)
        finally:
            self.process.kill()
            self._close()

    def refused(self) -> tuple[int, str]:
        """Exit status and complaint of an engine that would not start."""
        status = self.process.wait(SECONDS)
        self._log.seek(0)
        complaint = self._log.read()
        self._close()
        return status, complaint

    def workers(self) -> list[psutil.Process]:
        """The processes that imports and trainings run in."""
        workers = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # one that has just ended
                workers += [child] if "personalize_local.jobs.worker" in child.cmdline() else []
        return workers

    def _close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


class Aws:
    """The three clients in one region, which no other test uses: so quotas and names are a test's own."""

    def __init__(self, engine: Engine, region: str) -> None:
        self.engine, self.region = engine, region
        self.control: PersonalizeClient = self.client("personalize")
        self.runtime: PersonalizeRuntimeClient = self.client("personalize-runtime")
        self.events: PersonalizeEventsClient = self.client("personalize-events")

    def client(self, service: str, read_timeout: float = SECONDS) -> Argument:
        """A client that does not try again."""
        config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout)
        keys = {"aws_access_key_id": "t", "aws_secret_access_key": "t"}
        client = boto3.client(service, endpoint_url=self.engine.url, region_name=self.region, config=config, **keys)  # type: ignore[call-overload]
        client.meta.events.register("after-call", _hold_against_model)
        return client

    def status(self, noun: str, arn: str) -> str:
        """The status that Describe tells; empty once the resource is gone."""
        describe = getattr(self.control, "describe_" + xform_name(noun))
        try:
            return str(describe(**{arn_member(noun): arn})[member(noun)]["status"])
        except self.control.exceptions.ResourceNotFoundException:
            return ""

    def settle(self, noun: str, arn: str, status: str = "ACTIVE") -> str:
        """Wait until a resource has a status; returns its ARN."""
        until(lambda: self.status(noun, arn) in {status, "CREATE FAILED"}, f"{status} of {arn}")
        assert self.status(noun, arn) == status
        return arn

    def delete(self, noun: str, arn: str) -> None:
        """Delete a resource and wait until it is gone."""
        getattr(self.control, "delete_" + xform_name(noun))(**{arn_member(noun): arn})
        self.settle(noun, arn, "")

    def settled_update(self, noun: str, arn: str) -> None:
        """Wait until the latest update of a campaign or solution is ACTIVE."""
        describe = getattr(self.control, f"describe_{noun.lower()}")

        def done() -> bool:
            update = describe(**{arn_member(noun): arn})[member(noun)].get(f"latest{noun}Update", {})
            return bool(update.get("status") == "ACTIVE")

        until(done, f"update of {arn}")

    def group(self, name: str = "shop", **options: Argument) -> str:
        return self.settle("DatasetGroup", self.control.create_dataset_group(name=name, **options)["datasetGroupArn"])

    def schema(self, kind: str, name: str = "", **options: Argument) -> str:
        made = self.control.create_schema(name=name or kind.lower(), schema=avro(kind), **options)
        return made["schemaArn"]

    def dataset(self, group: str, kind: str, **options: Argument) -> str:
        schema = self.schema(kind, f"{kind.lower()}-{group.rpartition('/')[2]}", **options)
        name = f"shop-{kind.lower()}"
        made = self.control.create_dataset(name=name, schemaArn=schema, datasetGroupArn=group, datasetType=kind)
        return self.settle("Dataset", made["datasetArn"])

    def begin_import(self, dataset: str, location: str, name: str = "import", **options: Argument) -> str:
        made = self.control.create_dataset_import_job(
            jobName=name,
            datasetArn=dataset,
            dataSource={"dataLocation": location},
            roleArn=ROLE,
            **options,
        )
        return made["datasetImportJobArn"]

    def imported(self, dataset: str, location: str, name: str = "import", **options: Argument) -> str:
        return self.settle("DatasetImportJob", self.begin_import(dataset, location, name, **options))

    def failed_import(self, dataset: str, location: str, name: str = "import", **options: Argument) -> str:
        """The failureReason of an import that has to fail."""
        job = self.settle("DatasetImportJob", self.begin_import(dataset, location, name, **options), "CREATE FAILED")
        return self.control.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]["failureReason"]

    def begin_solution(self, group: str, recipe: str, **options: Argument) -> str:
        name = options.pop("name", recipe)
        made = self.control.create_solution(name=name, datasetGroupArn=group, recipeArn=RECIPE + recipe, **options)
        return made["solutionArn"]

    def solution(self, group: str, recipe: str = "aws-user-personalization", **options: Argument) -> str:
        return self.settle("Solution", self.begin_solution(group, recipe, **options))

    def version(self, solution: str, **options: Argument) -> str:
        made = self.control.create_solution_version(solutionArn=solution, **options)
        return self.settle("SolutionVersion", made["solutionVersionArn"])

    def campaign(self, version: str, name: str = "campaign", **options: Argument) -> str:
        made = self.control.create_campaign(name=name, solutionVersionArn=version, **options)
        return self.settle("Campaign", made["campaignArn"])

    def filter(self, group: str, expression: str, name: str = "filter") -> str:
        made = self.control.create_filter(name=name, datasetGroupArn=group, filterExpression=expression)
        return self.settle("Filter", made["filterArn"])

    def tracker(self, group: str) -> str:
        """Make an event tracker; returns its tracking id."""
        made = self.control.create_event_tracker(name="events", datasetGroupArn=group)
        self.settle("EventTracker", made["eventTrackerArn"])
        return made["trackingId"]

    def recommended(self, campaign: str, **question: Argument) -> list[str]:
        """Ids of recommended items."""
        answer = self.runtime.get_recommendations(campaignArn=campaign, **question)
        return [item["itemId"] for item in answer["itemList"]]

    def click(
        self, tracking_id: str, item: str | None, user: str | None = "new", session: str = "s", **event: Argument
    ) -> None:
        """One event of a user, or of a session alone."""
        who = {"userId": user} if user else {}
        click = {"eventType": "View", "sentAt": 1_700_000_000} | ({"itemId": item} if item else {}) | event
        self.events.put_events(trackingId=tracking_id, sessionId=session, eventList=[click], **who)  # type: ignore[list-item]


class StillAws(Aws):
    """Clients of an engine whose clock stands still: it moves on only while a test waits for a status."""

    STEP = 100.0
    """Seconds of each status: no test lasts so long."""

    def settle(self, noun: str, arn: str, status: str = "ACTIVE") -> str:
        door, seen = FaultDoor(self.engine.url), set[str]()

        def settled() -> bool:
            now = self.status(noun, arn)
            if now not in {status, "CREATE FAILED"} | seen:
                seen.add(now)
                door.advance(self.STEP)
            return now in {status, "CREATE FAILED"}

        until(settled, f"{status} of {arn}")
        return super().settle(noun, arn, status)


def _hold_against_model(http_response: Argument, parsed: Argument, model: OperationModel, **_: object) -> None:
    """Every answer has exactly the members, types and sizes that the service's model gives it."""
    if http_response.status_code >= 300:
        errors = {shape.name for shape in model.error_shapes}
        unmodelled = {"NotImplementedByEngine", "ThrottlingException", "InternalFailure", "ServiceUnavailable"}
        assert parsed["Error"]["Code"] in errors | unmodelled, parsed
        return
    if model.output_shape is None:
        assert http_response.content == b""
        return
    _only_known(json.loads(http_response.content), model.output_shape, model.name)
    answer = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
    report = ParamValidator().validate(answer, model.output_shape)
    assert not report.has_errors(), report.generate_report()


def _only_known(value: Argument, shape: Shape, path: str) -> None:
    assert value is not None, path
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            assert name in shape.members, f"{path}.{name} is not in the model"
            _only_known(member, shape.members[name], f"{path}.{name}")
    elif isinstance(shape, ListShape | MapShape):
        inner = shape.member if isinstance(shape, ListShape) else shape.value
        for member in value if isinstance(value, list) else value.values():
            _only_known(member, inner, path)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
