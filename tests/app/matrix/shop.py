# SPDX-License-Identifier: Apache-2.0
"""One shop of the matrix: what is dropped, what its runs come to, and what Personalize has of it."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError
from personalization.core.names import Names
from table_intake.columns import schema as datasets
from table_intake.columns.schema import Column, Schema

from tests.app import deletions, retail
from tests.app.matrix.case import Fault
from tests.app.matrix.world import World
from tests.app.waiting import tried

PREFIX = "retail"
SETTINGS = "recipes: [popularity-count]\nprobe: {{requests: 1, latency_ms: {latency}}}\n"
ACCOUNT = "000000000000"


@dataclass(frozen=True)
class Standing:
    """What a shop serves, and what was made for it so far."""

    release: str
    """The run whose release is recorded; empty where there is none."""
    recorded: str
    """ARN of the solution version that the record names."""
    serving: str
    """ARN of the solution version that the campaign serves; empty unless the campaign is ACTIVE."""
    versions: tuple[str, ...]
    """ARNs of all solution versions."""
    imports: int
    """Import jobs of interactions that are ACTIVE."""


@dataclass
class Shop:
    """A shop of its own for one case."""

    name: str
    world: World
    more: str = ""
    """What its settings have besides."""
    rules: list[tuple[Fault, int]] = field(default_factory=list)
    healed: list[int] = field(default_factory=list)
    """How often the rules had fired that were taken away."""
    keys: list[str] = field(default_factory=list)
    """Keys of all objects that were dropped."""
    beside: set[str] = field(default_factory=set)
    """ARNs of runs that were meant to fail beside what the case is about, and did."""
    turn: int = 0
    """How many cases were played in the shop before this one: each drops other histories."""

    @property
    def names(self) -> Names:
        """What this deployment calls the shop's resources."""
        return Names(prefix=PREFIX, region="us-east-1", account=ACCOUNT)

    @property
    def column(self) -> str:
        """A column that only this shop's interactions have, so that its schema is its own."""
        return f"C{self.name.upper()}"

    @cached_property
    def schema(self) -> str:
        """The name of the schema that the shop's interactions get."""
        column = Column(self.column, nullable=True, categorical=True)
        whole = Schema("interactions", (*datasets.required("interactions", "ECOMMERCE"), column))
        return self.names.schema("interactions", whole.digest("ECOMMERCE")).name

    @property
    def tracker(self) -> str:
        """The ARN of the shop's event tracker, which Personalize made up."""
        group = self.names.dataset_group(self.name).arn
        trackers = listed(lambda: self.world.personalize.list_event_trackers(datasetGroupArn=group))
        return str(trackers[0]["eventTrackerArn"]) if trackers else ""

    def csv(self, events_each: int) -> str:
        """A whole history, in which every user has `events_each` interactions, and three more at each turn."""
        header, *rows = retail.interactions(events_each=events_each + 3 * self.turn).splitlines()
        return "\n".join([f"{header},{self.column}", *(f"{row},{'ab'[number % 2]}" for number, row in enumerate(rows))])

    def put(self, content: str | bytes, key: str = "interactions/data.csv") -> None:
        """Drop an object at a key below the shop's folder."""
        self.keys.append(f"drops/{self.name}/{key}")
        body = content.encode() if isinstance(content, str) else content
        self.world.s3.put_object(Bucket=self.world.laptop.bucket, Key=self.keys[-1], Body=body)

    def delete(self, key: str = "interactions/data.csv") -> None:
        """Delete a dropped object."""
        self.world.s3.delete_object(Bucket=self.world.laptop.bucket, Key=f"drops/{self.name}/{key}")

    def settle(self, latency: float = 60_000) -> None:
        """Drop settings that make runs cheap, and wait for their run."""
        self.put(SETTINGS.format(latency=latency) + self.more, "settings.yaml")
        self.rest()

    def open(self) -> None:
        """Drop settings and a first history together, and wait for the release."""
        self.put(SETTINGS.format(latency=60_000) + self.more, "settings.yaml")
        self.put(self.csv(25))
        self.rest()

    def next_turn(self) -> "Shop":
        """Leave the case that was played here behind."""
        self.healed.clear()
        self.turn += 1
        return self

    def inject(self, *faults: Fault, seed: int = 0) -> None:
        """Put rules into the doors for this shop alone."""
        for fault in faults:
            door = self.world.engine if fault.door == "engine" else self.world.cloud
            wanted = fault.resource
            told = wanted.format(prefix=PREFIX, shop=self.name, schema=self.schema, tracker=self.tracker_if(wanted))
            limits = {"skip": fault.skip + seed % (fault.spread + 1)} | ({"times": fault.times} if fault.times else {})
            rule = door.add(fault.action, fault.operation, told, seed=seed, **limits, **fault.more)
            self.rules.append((fault, rule["id"]))

    def scatter(self, seed: int) -> None:
        """Let three in a hundred calls about the shop be throttled, another three for each seed; 0 scatters nothing."""
        if seed:
            self.inject(Fault("engine", "throttle", "*", times=None, more={"probability": 0.03}), seed=seed)

    def tracker_if(self, resource: str) -> str:
        """The event tracker, where a rule is about it."""
        return self.tracker if "{tracker}" in resource else ""

    def fired(self) -> list[int]:
        """How often each injected rule has fired, those that were taken away first."""
        if not self.rules:
            return self.healed
        shown = {"engine": self.world.engine.rules(), "cloud": self.world.cloud.rules()}
        by_id = {(door, rule["id"]): int(rule["fired"]) for door, rules in shown.items() for rule in rules}
        return [*self.healed, *(by_id[fault.door, number] for fault, number in self.rules)]

    def heal_first(self) -> None:
        """Take the first of the injected rules away."""
        self.healed = self.fired()[: len(self.healed) + 1]
        fault, number = self.rules.pop(0)
        (self.world.engine if fault.door == "engine" else self.world.cloud).clear(number)

    def heal(self) -> None:
        """Take the injected rules away."""
        self.healed = self.fired()
        for fault, number in self.rules:
            (self.world.engine if fault.door == "engine" else self.world.cloud).clear(number)
        self.rules.clear()

    def start(self, action: str, **more: str) -> str:
        """Start a run by hand; answers its ARN."""
        given = json.dumps({"action": action, "shop": self.name, **more})
        started = self.world.steps.start_execution(stateMachineArn=self.world.machine, input=given)
        return str(started["executionArn"])

    def batch(self, name: str) -> str:
        """Start a batch job of the settings by hand; answers its execution's ARN."""
        given = json.dumps({"action": "batch", "shop": self.name, "batch": name})
        machine = self.world.laptop.state.outputs["BatchStateMachineArn"]
        return str(self.world.steps.start_execution(stateMachineArn=machine, input=given)["executionArn"])

    def batch_ended(self, arn: str) -> bool:
        """Whether a batch job's execution has exported; fails where it failed."""
        execution = self.world.steps.describe_execution(executionArn=arn)
        assert execution["status"] in {"RUNNING", "SUCCEEDED"}, execution
        return bool(execution["status"] == "SUCCEEDED")

    def go_on(self, run: str) -> None:
        """Have a failed run's drops handled again; asks again where another run was at work just then."""
        arn = self.start("continue", run=run)
        self.world.until(lambda: self.ended(arn), "the run that goes on has ended")
        self.rest()
        execution = self.world.steps.describe_execution(executionArn=arn)
        if execution["status"] == "FAILED" and "is at work on this shop" in execution.get("cause", ""):
            self.go_on(run)

    def refused(self, arn: str, reason: str) -> None:
        """Wait for the end of a run that must fail for this reason, beside what the case is about."""
        self.world.until(lambda: self.ended(arn), f"{arn} has ended")
        execution = self.world.steps.describe_execution(executionArn=arn)
        assert (execution["status"], reason in execution.get("cause", "")) == ("FAILED", True), execution
        self.beside.add(arn)

    def runs(self) -> list[dict[str, Any]]:
        """The shop's executions, oldest first."""
        return self.world.runs(self.name)

    def ended(self, arn: str) -> bool:
        """Whether an execution is seen to have ended."""
        return any(run["executionArn"] == arn and run["status"] != "RUNNING" for run in self.runs())

    def claims(self) -> list[dict[str, Any]]:
        """What the table says of each dropped object."""
        return dropped(self.world.records(self.name))

    def rest(self) -> None:
        """Wait until everything that was dropped is claimed and handled and nothing of the shop runs."""
        self.world.until(self._rests, f"{self.name} at rest")

    def _rests(self) -> bool:
        if any(run["status"] == "RUNNING" for run in self.runs()):
            return False
        records = self.world.records(self.name)
        claims = dropped(records)
        waiting = any(claim["state"] in {"pending", "taken"} for claim in claims)
        return "lease" not in records and not waiting and len(claims) >= len(self.keys)

    def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - the answer's JSON
        """What the API answers below the shop's path; a 503 is tried again, as it says."""
        path = f"/shops/{self.name}{path}"
        answer = tried(
            lambda: self.world.laptop.call(method, path, body),
            lambda answer: answer.status != HTTPStatus.SERVICE_UNAVAILABLE,
        )
        assert answer.status == HTTPStatus.ACCEPTED, answer.body
        return answer.body

    def erase(self, user: str) -> str:
        """Ask for the deletion of a user, two minutes ago; answers the receipt."""
        receipt = str(self.call("DELETE", f"/users/{user}")["receiptId"])
        deletions.make_older(self.world.events_table, self.name, user)
        return receipt

    def erasing(self, receipt: str) -> str:
        """The step that a receipt tells after another round."""
        self.world.erase_users()
        return str(deletions.receipt_of(self.world.events_table, self.name, receipt)["step"])

    def deletions(self) -> list[int]:
        """How many records each of the shop's data deletion jobs has deleted, newest first."""
        group = self.names.dataset_group(self.name).arn
        jobs = self.world.personalize.list_data_deletion_jobs(datasetGroupArn=group)["dataDeletionJobs"]
        described = (
            self.world.personalize.describe_data_deletion_job(dataDeletionJobArn=job["dataDeletionJobArn"])
            for job in jobs
        )
        return [int(job["dataDeletionJob"]["numDeleted"]) for job in described]

    def exported(self, dataset: str) -> list[str]:
        """The rows that a dataset has from imports, as the dropped files write them."""
        columns = ("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP", self.column)
        folder, personalize = f"evaluations/{self.name}/", self.world.personalize
        made = personalize.create_dataset_export_job(
            jobName=f"rows-{self.name}",
            datasetArn=dataset,
            ingestionMode="BULK",
            roleArn=self._role(dataset),
            jobOutput={"s3DataDestination": {"path": f"s3://{self.world.laptop.bucket}/{folder}"}},
        )["datasetExportJobArn"]
        look = personalize.describe_dataset_export_job
        self.world.until(
            lambda: look(datasetExportJobArn=made)["datasetExportJob"]["status"] == "ACTIVE", "the export ends"
        )
        key = f"{folder}rows-{self.name}.csv"
        told = self.world.s3.get_object(Bucket=self.world.laptop.bucket, Key=key)["Body"].read().decode()
        return [",".join(row[column] for column in columns) for row in csv.DictReader(io.StringIO(told))]

    def import_by_hand(self, dataset: str, contents: Sequence[str]) -> str:
        """Why Personalize refuses to import these together, as one incremental job."""
        folder = f"imports/{self.name}/by-hand/"
        for number, content in enumerate(contents):
            self.world.s3.put_object(Bucket=self.world.laptop.bucket, Key=f"{folder}{number}.csv", Body=content)
        made = self.world.personalize.create_dataset_import_job(
            jobName=f"by-hand-{self.name}",
            datasetArn=dataset,
            importMode="INCREMENTAL",
            roleArn=self._role(dataset),
            dataSource={"dataLocation": f"s3://{self.world.laptop.bucket}/{folder}"},
        )["datasetImportJobArn"]

        def seen() -> dict[str, Any]:
            described = self.world.personalize.describe_dataset_import_job(datasetImportJobArn=made)
            return dict(described["datasetImportJob"])

        self.world.until(lambda: seen()["status"] == "CREATE FAILED", "the job by hand has failed")
        return str(seen()["failureReason"])

    def _role(self, dataset: str) -> str:
        """The role that the shop's imports read with."""
        made = listed(lambda: self.world.personalize.list_dataset_import_jobs(datasetArn=dataset))[0]
        described = self.world.personalize.describe_dataset_import_job(datasetImportJobArn=made["datasetImportJobArn"])
        return str(described["datasetImportJob"]["roleArn"])

    def standing(self) -> Standing:
        """What the shop serves now."""
        release = self.world.records(self.name).get("release", {})
        recorded = release.get("campaigns", {}).get("popularity-count", {})
        dataset = self.names.dataset(self.name, "interactions").arn
        jobs = listed(lambda: self.world.personalize.list_dataset_import_jobs(datasetArn=dataset, maxResults=100))
        return Standing(
            str(release.get("run", "")),
            str(recorded.get("solutionVersionArn", "")),
            self._serving(str(recorded.get("arn", ""))),
            tuple(self.versions()),
            sum(job["status"] == "ACTIVE" for job in jobs),
        )

    def _serving(self, arn: str) -> str:
        if not arn:
            return ""
        campaign = self.world.personalize.describe_campaign(campaignArn=arn)["campaign"]
        return str(campaign["solutionVersionArn"]) if campaign["status"] == "ACTIVE" else ""

    def versions(self) -> list[str]:
        """The solution versions that Personalize has made for the shop, oldest first."""
        personalize, group = self.world.personalize, self.names.dataset_group(self.name).arn
        solutions = listed(lambda: personalize.list_solutions(datasetGroupArn=group))
        versions = [
            version
            for solution in solutions
            for version in personalize.list_solution_versions(solutionArn=solution["solutionArn"], maxResults=100)[
                "solutionVersions"
            ]
        ]
        return [
            version["solutionVersionArn"]
            for version in sorted(versions, key=lambda version: version["creationDateTime"])
        ]


def dropped(records: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims among records, but for those of keys that were refused."""
    return [item for name, item in records.items() if name.startswith("drop#") and item["kind"] != "nothing"]


def listed(ask: Callable[[], Any]) -> list[dict[str, Any]]:
    """What a list call answers; nothing where its parent is not there."""
    try:
        answer = ask()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return []
    return next(list(value) for value in answer.values() if isinstance(value, list))
