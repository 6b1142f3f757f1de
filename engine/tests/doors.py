# SPDX-License-Identifier: Apache-2.0
"""Three clients with one face: boto3, AWS CLI v1 and AWS SDK for JavaScript v3. A flow by one is a flow by all."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from engine.tests.calls import MODELS, Json, Refused
from engine.tests.harness import ROOT, Argument, Aws, Engine, until
from engine.tests.names import arn_member, member

HERE: Final = Path(__file__).parent
AWS_CLI: Final = ROOT / ".local/awscli"
SDK_JS: Final = ROOT / ".local/aws-sdk-js"


class Door(Protocol):
    """A client."""

    def call(self, operation: str, **request: Argument) -> Json:
        """Perform an operation; returns the members of its answer. Raises Refused."""
        ...


class Boto3:
    """boto3, whose answers are held against the models."""

    def __init__(self, aws: Aws) -> None:
        self._clients = {
            client.meta.service_model.service_name: client for client in (aws.control, aws.runtime, aws.events)
        }

    def call(self, operation: str, **request: Argument) -> Json:
        client = self._clients[MODELS[operation].service_model.service_name]
        try:
            answer: Json = getattr(client, xform_name(operation))(**request)
        except ClientError as error:
            told = error.response["Error"]
            raise Refused(told["Code"], told["Message"]) from error
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


class _Lines:
    """A process that answers each line of JSON with one."""

    def __init__(self, command: Sequence[str | Path], environment: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._process = subprocess.Popen(
            command, env=inherited | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, line: object) -> Json:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer: Json = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate()


class AwsCli:
    """AWS CLI v1 with `AWS_ENDPOINT_URL`, as its documents say."""

    def __init__(self, engine: Engine, region: str) -> None:
        keys = {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t", "AWS_MAX_ATTEMPTS": "1"}
        files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        where = {"AWS_ENDPOINT_URL": engine.url, "AWS_DEFAULT_REGION": region}
        self._lines = _Lines([AWS_CLI / "bin/python", HERE / "aws_cli.py"], keys | files | where)

    def run(self, *arguments: str | Path) -> Json:
        """Run `aws …`; returns what it printed. Raises Refused."""
        told = self._lines.ask([str(argument) for argument in arguments])
        if told["status"]:
            code = str(told["complaint"]).partition("(")[2].partition(")")[0]
            raise Refused(code, str(told["complaint"]))
        answer: Json = json.loads(told["output"] or "{}")
        return answer

    def call(self, operation: str, **request: Argument) -> Json:
        service = MODELS[operation].service_model.service_name
        return self.run(service, xform_name(operation, "-"), "--cli-input-json", json.dumps(request))

    def close(self) -> None:
        self._lines.close()


class JavaScript:
    """AWS SDK for JavaScript v3."""

    def __init__(self, engine: Engine, region: str) -> None:
        self._lines = _Lines(["node", HERE / "js/calls.mjs", SDK_JS, engine.url, region], {})

    def call(self, operation: str, **request: Argument) -> Json:
        told = self._lines.ask({"operation": operation, "request": request})
        if "error" in told:
            raise Refused(told["error"], told["message"])
        answer: Json = told["answer"]
        return answer

    def close(self) -> None:
        self._lines.close()


@contextmanager
def aws_cli(engine: Engine, region: str) -> Iterator[AwsCli]:
    if not (AWS_CLI / ".locked").exists():
        pytest.skip("AWS CLI is not here: make clients")
    door = AwsCli(engine, region)
    yield door
    door.close()


@contextmanager
def javascript(engine: Engine, region: str) -> Iterator[JavaScript]:
    if not (SDK_JS / ".locked").exists():
        pytest.skip("the AWS SDK for JavaScript is not here: make clients")
    door = JavaScript(engine, region)
    yield door
    door.close()


@contextmanager
def opened(name: str, engine: Engine, region: str) -> Iterator[Door]:
    """Open a door by its name: boto3, cli or javascript."""
    if name == "boto3":
        yield Boto3(Aws(engine, region))
    else:
        with (aws_cli if name == "cli" else javascript)(engine, region) as door:
            yield door


def settled(door: Door, noun: str, arn: str, status: str = "ACTIVE") -> str:
    """Wait until a resource has a status; returns its ARN."""

    def there() -> bool:
        body = door.call(f"Describe{noun}", **{arn_member(noun): arn})[member(noun)]
        assert body["status"] not in {"CREATE FAILED", "FAILED"} - {status}, body
        return bool(body["status"] == status)

    until(there, f"{status} of {arn}")
    return arn


def gone(door: Door, noun: str, arn: str) -> None:
    """Delete a resource, and wait until nothing describes it."""
    which = {arn_member(noun): arn}
    door.call(f"Delete{noun}", **which)

    def away() -> bool:
        try:
            door.call(f"Describe{noun}", **which)
        except Refused as refused:
            if refused.code != "ResourceNotFoundException":
                raise
            return True
        return False

    until(away, f"end of {arn}")
