# SPDX-License-Identifier: Apache-2.0
"""The local cloud as the matrix sees it: shared clients, and one look at all executions for everybody who waits."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config

from local.cloud.home import access
from tests.app import deletions
from tests.app.laptop import Laptop
from tests.app.waiting import BOUND, PACE

LOOK = 0.25
NEWEST = 100
"""So many executions are looked at even if they have ended; no more begin between two looks."""


class World:
    """Everything that the cases of one local cloud share. It waits in one thread for all."""

    def __init__(self, laptop: Laptop) -> None:
        self.laptop = laptop
        self.machine = laptop.state.outputs["StateMachineArn"]
        self.engine = laptop.faults
        self.cloud = laptop.cloud_faults
        self._executions: dict[str, dict[str, Any]] = {}
        self._by_shop: dict[str, list[str]] = defaultdict(list)
        self._looked = threading.Condition()
        self._stop = threading.Event()
        self._erasing = threading.Lock()
        self._failure: Exception | None = None
        self._started_by: dict[str, str | None] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "World":
        self.cloud.scale_waits(PACE)
        self._thread.start()
        return self

    def leave(self) -> None:
        """Look no more, without a word to a cloud that may be gone."""
        self._stop.set()
        self._thread.join()

    def __exit__(self, *_: object) -> None:
        self.leave()
        self.engine.clear()
        self.cloud.clear()

    def _client(self, service: str) -> Any:  # noqa: ANN401 - of whichever service
        arguments = access(self.laptop.state, engine=service == "personalize")
        # The rules are about whoever calls: what they do to the test itself, the client tries again.
        patient = Config(max_pool_connections=50, retries={"mode": "standard", "total_max_attempts": 15})
        arguments["config"] = arguments["config"].merge(patient)
        return boto3.client(service, **arguments)  # type: ignore[call-overload]

    @cached_property
    def steps(self) -> Any:  # noqa: ANN401
        """Step Functions."""
        return self._client("stepfunctions")

    @cached_property
    def scheduler(self) -> Any:  # noqa: ANN401
        """EventBridge Scheduler."""
        return self._client("scheduler")

    @cached_property
    def queues(self) -> Any:  # noqa: ANN401
        """SQS."""
        return self._client("sqs")

    @cached_property
    def s3(self) -> Any:  # noqa: ANN401
        """S3."""
        return self._client("s3")

    @cached_property
    def stacks(self) -> Any:  # noqa: ANN401
        """CloudFormation."""
        return self._client("cloudformation")

    @cached_property
    def functions(self) -> Any:  # noqa: ANN401
        """Lambda."""
        return self._client("lambda")

    @cached_property
    def personalize(self) -> Any:  # noqa: ANN401
        """The engine's control plane."""
        return self._client("personalize")

    @cached_property
    def table(self) -> Any:  # noqa: ANN401
        """The table of shops."""
        resource = boto3.resource("dynamodb", **access(self.laptop.state))
        return resource.Table(self.laptop.state.outputs["ShopsTableName"])

    @cached_property
    def events_table(self) -> Any:  # noqa: ANN401
        """The table of what users did, and of requests to delete them."""
        return deletions.events_table(self.laptop)

    def erase_users(self) -> None:
        """Make the hourly round that deletes users, for all shops; one at a time."""
        with self._erasing:
            deletions.make_round(self.functions)

    def undone(self) -> list[str]:
        """The next messages of the chores queue, each as JSON; the same ones do not come again soon."""
        (url,) = [url for url in self.queues.list_queues()["QueueUrls"] if "ChoresQueue" in url]
        answer = self.queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        return [
            json.dumps([message["Body"], message.get("MessageAttributes")]) for message in answer.get("Messages", ())
        ]

    def records(self, shop: str) -> dict[str, dict[str, Any]]:
        """A shop's records by their sort key."""
        items = self.table.query(KeyConditionExpression=Key("shop").eq(shop), ConsistentRead=True)["Items"]
        return {str(item["record"]): dict(item) for item in items}

    def runs(self, shop: str) -> list[dict[str, Any]]:
        """The executions of a shop, oldest first, as described when they were last looked at."""
        with self._looked:
            return [self._executions[arn] for arn in self._by_shop[shop]]

    def history(self, arn: str) -> list[dict[str, Any]]:
        """The events of an execution."""
        pages = self.steps.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def waits_of(self, arn: str) -> list[str]:
        """The newest executions that an execution waits for, or has waited for."""
        waiting = self.laptop.state.outputs["EnsureStateMachineArn"]
        page = self.steps.list_executions(stateMachineArn=waiting, maxResults=1000)["executions"]
        arns = [execution["executionArn"] for execution in page]
        for execution_arn in arns:
            # An execution that was forgotten meanwhile is nobody's; an input never changes.
            if execution_arn not in self._started_by:
                with suppress(self.steps.exceptions.ExecutionDoesNotExist):
                    given = json.loads(self.steps.describe_execution(executionArn=execution_arn)["input"])
                    self._started_by[execution_arn] = given.get("AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID")
        return [execution_arn for execution_arn in arns if self._started_by.get(execution_arn) == arn]

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds; it is asked after each look at the executions. Fails after BOUND."""
        deadline = time.monotonic() + BOUND
        while not holds():
            with self._looked:
                self._looked.wait(5)
            assert self._failure is None, self._failure
            assert time.monotonic() < deadline, f"after {BOUND:.0f} s still not: {what}"

    def _look(self) -> None:
        while not self._stop.wait(LOOK):
            try:
                self._refresh()
            except Exception as error:  # noqa: BLE001 - whoever waits tells it
                self._failure = error
            with self._looked:
                self._looked.notify_all()

    def _refresh(self) -> None:
        running, newest = self._listed(statusFilter="RUNNING", maxResults=1000), self._listed(maxResults=NEWEST)
        told = {arn: status for arn, status in running.items() if arn not in newest} | newest
        ended = [
            arn for arn, execution in self._executions.items() if execution["status"] == "RUNNING" and arn not in told
        ]
        changed = [arn for arn, status in told.items() if self._executions.get(arn, {}).get("status") != status]
        for arn in [*changed, *ended]:
            execution = self.steps.describe_execution(executionArn=arn)
            with self._looked:
                if arn not in self._executions:
                    self._by_shop[shop_of(execution["input"])].append(arn)
                self._executions[arn] = execution

    def _listed(self, **wanted: object) -> dict[str, str]:
        """The statuses of executions by ARN, oldest first."""
        executions = self.steps.list_executions(stateMachineArn=self.machine, **wanted)["executions"]
        return {execution["executionArn"]: execution["status"] for execution in reversed(executions)}


def shop_of(given: str) -> str:
    """The shop that an execution's input is about; empty where it is about none."""
    document = json.loads(given)
    key = str(document.get("detail", {}).get("object", {}).get("key", ""))
    return key.split("/")[1] if key.count("/") > 1 else str(document.get("shop", ""))
