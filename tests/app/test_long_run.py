# SPDX-License-Identifier: Apache-2.0
"""Many uploads in a random order while everything fails at random: in the end all is as if nothing had happened."""

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from personalization.runs.claims import Claim

from local.cloud.faults import FaultDoor
from tests.app import long_run
from tests.app.laptop import Laptop
from tests.app.long_run import DATA, RECIPES, Row, Uploads
from tests.app.waiting import until

SEED = int(os.environ.get("LONG_RUN_SEED", "1"))
SECONDS = 1200
COLUMNS = re.compile(r"-[0-9a-f]{6}$")
"""How the name of a solution tells the columns that it is trained on."""
CALLS = (
    {"action": "throttle", "probability": 0.03},
    {"action": "internalFailure", "probability": 0.02},
    {"action": "serviceUnavailable", "probability": 0.02, "performed": True},
    {"action": "dropConnection", "operation": "Create*", "probability": 0.05, "performed": True},
    {"action": "createFailed", "operation": "CreateDatasetImportJob", "probability": 0.06},
    {"action": "createFailed", "operation": "CreateSolutionVersion", "probability": 0.06},
    {"action": "createFailed", "operation": "UpdateCampaign", "probability": 0.04},
)
"""What the engine does to calls and jobs."""
CLOUD = (
    {"action": "repeatEvent", "probability": 0.2},
    {"action": "holdEvent", "probability": 0.15, "seconds": 3.0},
    {"action": "killFunction", "probability": 0.01},
    {"action": "killFunction", "probability": 0.02, "performed": True},
)
"""What the local AWS does to S3's events and to functions."""


@dataclass
class World:
    """A few shops, and what was uploaded to them."""

    laptop: Laptop
    chance: random.Random
    shops: tuple[str, ...]
    uploaded: Counter[str] = field(default_factory=Counter)
    """How often, by key."""
    contents: dict[str, str] = field(default_factory=dict)
    """By key: what is uploaded once more is the same."""

    def put(self, upload: long_run.Upload) -> None:
        """Upload, and remember what."""
        laptop = self.laptop
        laptop.s3.put_object(Bucket=laptop.bucket, Key=upload.key, Body=upload.content.encode())
        self.contents[upload.key] = upload.content
        self.uploaded[upload.key] += 1

    def running(self) -> list[str]:
        """The executions that run."""
        runs = self.laptop.client.runs
        executions = runs.client.list_executions(stateMachineArn=runs.machine, statusFilter="RUNNING")["executions"]
        return sorted(execution["executionArn"] for execution in executions)

    def calm(self, most: int = 0) -> None:
        """Wait until no more executions run than so many."""
        until(lambda: len(self.running()) <= most, f"no more than {most} executions run", SECONDS)

    def claims(self) -> list[Claim]:
        """The claims of these shops."""
        items = self.laptop.records()
        claims = [Claim.read(item) for item in items if str(item["record"]).startswith("drop#")]
        return [claim for claim in claims if claim.shop in self.shops]

    def stop(self) -> None:
        """Stop one of the executions that run."""
        if running := self.running():
            self.laptop.client.runs.client.stop_execution(executionArn=self.chance.choice(running))

    def rest(self) -> None:
        """Let everything come to rest: the sweep finds what was left, and a person asks for what failed."""
        client, machine = self.laptop.client.runs.client, self.laptop.client.runs.machine
        for _ in range(20):
            self.calm()
            states = Counter(claim.state for claim in self.claims())
            failed = sorted(
                (claim for claim in self.claims() if claim.state == "failed"), key=lambda claim: claim.taken_at[-1:]
            )
            if states["pending"] or states["taken"]:
                self.laptop.sweep()
                continue
            # The one of a shop that failed last: its training has what those before it imported.
            runs = {claim.shop: claim.run for claim in failed}
            if not runs:
                return
            for shop, run in runs.items():
                wanted = f'{{"action": "continue", "shop": "{shop}", "run": "{run}"}}'
                client.start_execution(stateMachineArn=machine, input=wanted)
        pytest.fail(f"it does not come to rest: {states}, {[claim.reason for claim in self.claims()]}")


@pytest.fixture
def cloud(laptop: Laptop) -> Iterator[FaultDoor]:
    """The local AWS's door."""
    door = laptop.cloud_faults
    yield door
    door.clear()
    laptop.faults.clear()


def live(laptop: Laptop, cloud: FaultDoor, count: int, shops: tuple[str, ...]) -> World:
    """Shops that begin well, then so many uploads while everything fails, then rest."""
    world = World(laptop, random.Random(SEED), shops)  # noqa: S311 - no secret
    uploads = Uploads(world.chance, shops)
    for upload in uploads.first():
        world.put(upload)
    world.rest()
    assert {claim.state for claim in world.claims()} == {"done"}
    for rules, door in ((CALLS, laptop.faults), (CLOUD, cloud)):
        for number, rule in enumerate(rules):
            door.add(**rule, seed=SEED + number)  # type: ignore[arg-type]
    for _ in range(count):
        world.put(uploads.next())
        if world.chance.random() < 0.25:
            world.stop()
        world.calm(world.chance.randrange(4))
    cloud.clear()
    laptop.faults.clear()
    world.rest()
    return world


def check(world: World) -> None:
    """Everything is as if one upload had been handled after the other."""
    every = world.claims()
    assert [claim for claim in every if claim.state not in {"done", "superseded", "held"}] == []
    assert Counter(claim.key for claim in every) == world.uploaded
    for shop in world.shops:
        ours = sorted((claim for claim in every if claim.shop == shop), key=lambda claim: claim.order)
        waiting = [row for claim in ours if claim.state == "held" for row in rows(world, claim)]
        assert len(waiting) < 1000
        for kind in DATA:
            wanted = [
                (claim.mode, rows(world, claim)) for claim in ours if claim.kind == kind and claim.state != "held"
            ]
            assert imported(world, shop, kind) == long_run.held(kind, wanted), (shop, kind)
        assert "Item" not in world.laptop.shops.get_item(Key={"shop": shop, "record": "lease"})
        serves(world.laptop, shop)
        trained_once(world, shop)


def rows(world: World, claim: Claim) -> list[Row]:
    """What an object brought."""
    return long_run.rows(world.contents[claim.key])


def imported(world: World, shop: str, kind: str) -> Counter[Row]:
    """What Personalize was given for a dataset, by its import jobs, and has."""
    laptop = world.laptop
    arns = [dataset["datasetArn"] for dataset in laptop.listed("list_datasets")]
    (dataset,) = [arn for arn in arns if arn.endswith(f"-{shop}/{kind.upper()}")]
    listed = laptop.listed("list_dataset_import_jobs", datasetArn=dataset)
    jobs = [job for job in listed if job["status"] == "ACTIVE"]
    parts: list[tuple[str, list[Row]]] = []
    for job in sorted(jobs, key=lambda job: job["creationDateTime"]):
        told = laptop.personalize.describe_dataset_import_job(datasetImportJobArn=job["datasetImportJobArn"])
        folder = told["datasetImportJob"]["dataSource"]["dataLocation"].partition(f"s3://{laptop.bucket}/")[2]
        files = laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=folder).get("Contents", [])
        bodies = [laptop.s3.get_object(Bucket=laptop.bucket, Key=file["Key"])["Body"].read() for file in files]
        parts.append((job["importMode"], [row for body in bodies for row in long_run.rows(body.decode())]))
    return long_run.held(kind, parts)


def serves(laptop: Laptop, shop: str) -> None:
    """The shop has solutions and a campaign of each recipe, which serve what the record says."""
    record = laptop.client.runs.record(shop, "release")
    for operation, member in (("list_solutions", "solutionArn"), ("list_campaigns", "campaignArn")):
        arns = [entry[member] for entry in laptop.listed(operation)]
        recipes = {recipe(arn, shop) for arn in arns if f"-{shop}-" in arn}
        assert recipes == set(RECIPES) == set(record["campaigns"])
    for entry in record["campaigns"].values():
        campaign = laptop.personalize.describe_campaign(campaignArn=entry["arn"])["campaign"]
        assert (campaign["status"], campaign["solutionVersionArn"]) == ("ACTIVE", entry["solutionVersionArn"])
    assert len(laptop.call("GET", f"/shops/{shop}/popular").body["items"]) > 0


def recipe(arn: str, shop: str) -> str:
    """The recipe in the ARN of a solution or campaign; a solution's name also tells its columns."""
    return COLUMNS.sub("", arn.rpartition(f"-{shop}-")[2].partition("/")[0])


def trained_once(world: World, shop: str) -> None:
    """No data were trained on twice: between two trainings that did not fail, something was imported."""
    personalize = world.laptop.personalize
    pages = personalize.get_paginator("list_dataset_import_jobs").paginate()
    jobs = [job for page in pages for job in page["datasetImportJobs"] if f"-{shop}-" in job["jobName"]]
    imports = [job["lastUpdatedDateTime"] for job in jobs if job["status"] == "ACTIVE"]
    versions = [
        version
        for page in personalize.get_paginator("list_solution_versions").paginate()
        for version in page["solutionVersions"]
        if version["status"] == "ACTIVE"
    ]
    for alias in RECIPES:
        made = sorted(
            version["creationDateTime"]
            for version in versions
            if f"-{shop}-" in version["solutionVersionArn"] and recipe(version["solutionVersionArn"], shop) == alias
        )
        assert made
        assert all(any(earlier < job < other for job in imports) for earlier, other in pairwise(made)), (made, imports)


@pytest.mark.nightly
def test_eight_drops_while_everything_fails(laptop: Laptop, cloud: FaultDoor) -> None:
    shops = ("long-a", "long-b")
    check(live(laptop, cloud, 8, shops))
    for shop in shops:
        laptop.command("teardown", shop, "--yes", "--objects")


@pytest.mark.nightly
def test_fifty_drops_while_everything_fails(laptop: Laptop, cloud: FaultDoor) -> None:
    shops = ("night-a", "night-b", "night-c")
    check(live(laptop, cloud, 50, shops))
    for shop in shops:
        laptop.command("teardown", shop, "--yes", "--objects")
