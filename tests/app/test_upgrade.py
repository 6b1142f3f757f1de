# SPDX-License-Identifier: Apache-2.0
"""A stack of the release before, with a shop, queued events and a run under way, is updated in place.

0.1.0 is the first release. Until it has a tag, the first commit whose records carry its version stands for it.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3

from local.cloud.faults import FaultDoor
from tests.app import retail
from tests.app.laptop import ROOT
from tests.app.waiting import until

BEFORE = "242a666b2250f7dd14d07bfee823dccd73dc5255"
"""The commit of the release before."""
SHOP = "upgraded"
SETTINGS = "recipes: [user-personalization, popularity-count]\ngate: {enabled: false}\nprobe: {enabled: false}\n"
STABLE = {
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::UsagePlan",
    "AWS::DynamoDB::Table",
    "AWS::Lambda::Function",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}
"""The types of the resources that others know by name, or that hold something."""


@dataclass(frozen=True)
class Release:
    """The sources of a release, and the cloud that they are deployed to."""

    sources: Path
    home: Path

    def run(self, *arguments: str) -> Any:  # noqa: ANN401 - each command has a shape of its own
        """Return the answer of `python -m local …` with these sources."""
        line = [sys.executable, "-m", "local", *arguments, "--json", "--run-dir", str(self.home)]
        # The laptop's code imports the layer of its own release.
        environment = os.environ | {"PYTHONPATH": str(ROOT / "layers" / "core")}
        done = subprocess.run(line, cwd=self.sources, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def drop(self, kind: str, name: str, content: str) -> dict[str, Any]:
        """Return the run that a dropped file started, when it has ended."""
        file = self.home.parent / name
        file.write_text(content)
        (told,) = self.run("drop", SHOP, kind, str(file), "--watch")
        run: dict[str, Any] = told["run"]
        return run

    def client(self, service: Any) -> Any:  # noqa: ANN401 - boto3's overloads need a literal
        """Return a client of the cloud's local AWS."""
        given = self.run("env")
        keys = {f"aws_{name}": given[f"AWS_{name.upper()}"] for name in ("access_key_id", "secret_access_key")}
        return boto3.client(service, endpoint_url=given["AWS_ENDPOINT_URL"], region_name=given["AWS_REGION"], **keys)


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the release before deploys, beside the laptop of today: on AWS, too, the cloud is the same for both."""
    try:
        shallow = git("rev-parse", "--is-shallow-repository").strip() == b"true"
    except (OSError, subprocess.CalledProcessError):
        shallow = True
    if shallow:
        pytest.skip("the release before is in the history, which this checkout lacks: git fetch --unshallow")
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(git("archive", BEFORE))) as archive:
        # An early Python 3.11 does not know the filter as an argument.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - the filter is set
    for name in ("local", "locks"):
        shutil.rmtree(folder / name)
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".local").mkdir()
    for name in (".venv", ".local/cloud", ".local/sam"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def releases(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Release, Release]]:
    """The release before, with its cloud up, and these sources on the same cloud."""
    home = tmp_path_factory.mktemp("upgraded") / "run"
    before, now = Release(sources, home), Release(ROOT, home)
    try:
        before.run("up", "--faults")
        yield before, now
    finally:
        now.run("down", "--wipe")


def resources(release: Release) -> Mapping[str, str]:
    """Return the physical ids, by logical id, of what must stay in the root stack."""
    pages = release.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName="retail")
    every = [summary for page in pages for summary in page["StackResourceSummaries"]]
    return {
        summary["LogicalResourceId"]: summary["PhysicalResourceId"]
        for summary in every
        if summary["ResourceType"] in STABLE
    }


def contents(release: Release, ids: Mapping[str, str]) -> set[str]:
    """Return the keys of the objects in the drop bucket, and those of the records in the table of shops."""
    objects = release.client("s3").get_paginator("list_objects_v2").paginate(Bucket=ids["DropBucket"])
    records = release.client("dynamodb").get_paginator("scan").paginate(TableName=ids["ShopsTable"])
    return {content["Key"] for page in objects for content in page["Contents"]} | {
        f"{item['shop']['S']} {item['record']['S']}" for page in records for item in page["Items"]
    }


@dataclass(frozen=True)
class Door:
    """The shop's HTTP API at an address, with a key."""

    url: str
    key: str

    def call(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        address, headers = f"{self.url}/shops/{SHOP}{path}", {"x-api-key": self.key}
        answer = urllib3.request(method, address, json=body, headers=headers, retries=False)
        return answer.status, answer.json()

    def items(self) -> list[str]:
        """Return what the user is recommended who has not bought it."""
        status, told = self.call("GET", "/users/u1/recommendations?limit=5&filter=not-purchased")
        assert status == 200, told
        return [item["itemId"] for item in told["items"]]

    def buy(self, item: str) -> str:
        """Return what became of the user's purchase."""
        event = {"eventType": "Purchase", "itemId": item}
        status, told = self.call("POST", "/events", {"userId": "u1", "sessionId": "s", "events": [event]})
        assert status == 202, told
        (accepted,) = told["events"]
        return str(accepted["status"])


@pytest.mark.nightly
def test_a_stack_is_updated_in_place_and_keeps_working(releases: tuple[Release, Release]) -> None:
    before, now = releases
    before.drop("settings", "settings.yaml", SETTINGS)
    before.drop("items", "items.csv", retail.items())
    assert before.drop("interactions", "first.csv", retail.interactions())["output"]["outcome"] == "promoted"
    status, ids = before.run("status"), resources(before)
    api, faults = Door(status["api"]["url"], status["api"]["key"]), FaultDoor(status["engine"])
    # The drops that follow have purchases of the first ones, the event is of the last.
    queued = api.items()[-1]
    faults.add("throttle", "PutEvents")
    assert api.buy(queued) == "queued"
    training = faults.add("neverEnd", "CreateSolutionVersion")["id"]
    file = before.home.parent / "second.csv"
    file.write_text(retail.interactions(events_each=26))
    before.run("drop", SHOP, "interactions", str(file))
    until(lambda: any(rule["id"] == training and rule["fired"] for rule in faults.rules()), "the run is training")
    held = contents(before, ids)

    now.run("up")
    assert ids.items() <= resources(now).items()
    assert held <= contents(now, ids)
    assert queued in api.items()
    faults.clear()
    until(lambda: queued not in api.items(), "the queued event is delivered")
    run = now.run("runs", SHOP, "--watch")
    assert (run["status"], run["output"]["outcome"], run["output"]["rows"]) == ("SUCCEEDED", "promoted", 1560)
    assert now.drop("interactions", "third.csv", retail.interactions(events_each=27))["output"]["outcome"] == "promoted"
    assert api.buy(api.items()[0]) == "delivered"
