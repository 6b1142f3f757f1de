# SPDX-License-Identifier: Apache-2.0
"""What the benchmark scripts share: an engine in a process of its own, a shop trained through boto3, percentiles."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import boto3

REPOSITORY = Path(__file__).resolve().parent.parent
ROLE = "arn:aws:iam::123456789012:role/bench"
COLUMNS = {"USER_ID": "string", "ITEM_ID": "string", "EVENT_TYPE": "string", "TIMESTAMP": "long"}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` per cent of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]


class Engine:
    """`python -m local.personalize` on a free port, ended with the `with` block."""

    def __init__(self, data_dir: Path, s3_root: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ready_seconds = 0.0
        command = [sys.executable, "-m", "local.personalize", "--port", str(self.port), "--step-seconds", "0"]
        self._command = [*command, "--data-dir", str(data_dir), "--s3-root", str(s3_root)]

    def __enter__(self) -> Self:
        """Start, and wait until the health check answers."""
        started = time.perf_counter()
        null = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, cwd=REPOSITORY, env=dict(os.environ), stdout=null, stderr=null)
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                break
            except OSError:
                if self._process.poll() is not None or time.perf_counter() - started > 20:
                    sys.exit("the engine did not start")
                time.sleep(0.005)
        self.ready_seconds = time.perf_counter() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, end: TracebackType | None
    ) -> None:
        """Stop the engine and its worker."""
        self._process.terminate()
        self._process.wait(20)

    @property
    def pid(self) -> int:
        """The serving process."""
        return self._process.pid


class Shop:
    """A dataset group on that engine, filled and trained as any program would: through boto3."""

    def __init__(self, engine: Engine, s3_root: Path) -> None:
        session = boto3.Session(aws_access_key_id="bench", aws_secret_access_key="bench", region_name="us-east-1")
        self.control = session.client("personalize", endpoint_url=engine.url)
        self.runtime = session.client("personalize-runtime", endpoint_url=engine.url)
        self._folder = s3_root / "bench"
        self._folder.mkdir(parents=True)
        self._group = self.control.create_dataset_group(name="bench")["datasetGroupArn"]
        _ready(lambda: self.control.describe_dataset_group(datasetGroupArn=self._group)["datasetGroup"])

    @property
    def interactions(self) -> Path:
        """Where to write the CSV (columns of COLUMNS) before `load`."""
        return self._folder / "interactions.csv"

    def load(self) -> tuple[str, float]:
        """Import the CSV; returns the tracking id of the event tracker and the import's seconds."""
        fields = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
        names = {"type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema"}
        schema = json.dumps({**names, "fields": fields, "version": "1.0"})
        schema_arn = self.control.create_schema(name="bench", schema=schema)["schemaArn"]
        dataset = self.control.create_dataset(
            name="bench", schemaArn=schema_arn, datasetGroupArn=self._group, datasetType="Interactions"
        )["datasetArn"]
        _ready(lambda: self.control.describe_dataset(datasetArn=dataset)["dataset"])
        tracker = self.control.create_event_tracker(name="bench", datasetGroupArn=self._group)
        arn = tracker["eventTrackerArn"]
        _ready(lambda: self.control.describe_event_tracker(eventTrackerArn=arn)["eventTracker"])
        started = time.perf_counter()
        job = self.control.create_dataset_import_job(
            jobName="bench",
            datasetArn=dataset,
            dataSource={"dataLocation": "s3://bench/interactions.csv"},
            roleArn=ROLE,
        )["datasetImportJobArn"]
        _ready(lambda: self.control.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"])
        return tracker["trackingId"], time.perf_counter() - started

    def train(self, recipe: str, tier: str = "standard") -> tuple[str, float]:
        """Train a solution version of `recipe` and deploy it; returns the campaign's ARN and the training's seconds."""
        name = f"bench-{recipe}-{tier}"
        solution = self.control.create_solution(
            name=name,
            datasetGroupArn=self._group,
            recipeArn=f"arn:aws:personalize:::recipe/{recipe}",
            performAutoTraining=False,
            solutionConfig={"algorithmHyperParameters": {"tier": tier}},
        )["solutionArn"]
        _ready(lambda: self.control.describe_solution(solutionArn=solution)["solution"])
        started = time.perf_counter()
        version = self.begin_training(solution)
        self.trained(version)
        seconds = time.perf_counter() - started
        campaign = self.control.create_campaign(name=name, solutionVersionArn=version)["campaignArn"]
        _ready(lambda: self.control.describe_campaign(campaignArn=campaign)["campaign"])
        return campaign, seconds

    def begin_training(self, solution: str) -> str:
        """Create a solution version; returns its ARN."""
        version: str = self.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        return version

    def trained(self, version: str) -> None:
        """Wait for a solution version."""
        _ready(lambda: self.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"])

    def filter(self, expression: str) -> str:
        """The ARN of an active filter."""
        arn = self.control.create_filter(name="bench", datasetGroupArn=self._group, filterExpression=expression)[
            "filterArn"
        ]
        _ready(lambda: self.control.describe_filter(filterArn=arn)["filter"])
        return arn


def _ready(describe: Callable[[], Mapping[str, object]]) -> None:
    while (state := describe())["status"] != "ACTIVE":
        if "FAILED" in str(state["status"]):
            sys.exit(f"{state['status']}: {state.get('failureReason')}")
        time.sleep(0.02)
