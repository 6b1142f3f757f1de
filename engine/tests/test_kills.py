# SPDX-License-Identifier: Apache-2.0
"""`kill -9` at random points of imports, trainings and bursts of events: whatever was acknowledged is there afterwards.

`KILLS_SEED` begins another series of points; each round has its own seed, which a failure names.
"""

import http.client
import os
import random
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from engine.tests.bare import Bare
from engine.tests.calls import Json, Refused
from engine.tests.harness import EngineProcess, until
from engine.tests.names import RECIPE, ROLE, arn_member, member
from engine.tests.shop_data import avro, columns, interactions, write_csv

SEED: Final = int(os.environ.get("KILLS_SEED", "1"))
ROUNDS: Final = [SEED, *(pytest.param(SEED + n, marks=pytest.mark.nightly) for n in range(1, 30))]
REGION: Final = "kills"
BUCKET: Final = "kills"
SENDERS: Final = 3
GONE: Final = (http.client.HTTPException, OSError)
"""What a client sees of an engine that was killed."""


@dataclass
class Acknowledged:
    """What the engine said yes to."""

    made: list[tuple[str, str]] = field(default_factory=list)
    """Nouns and ARNs."""
    users: list[str] = field(default_factory=list)
    """One for each event: its user has no other."""
    items: list[str] = field(default_factory=list)


@dataclass
class Shop:
    """Where the rounds work: a group with interactions and items, and what is streamed to it."""

    group: str
    interactions: str
    items: str
    tracking: str
    solution: str


def opened(bare: Bare, folder: Path) -> Shop:
    """Make a shop with data, which later rounds import and train again."""
    write_csv(folder / "s3" / BUCKET / "interactions.csv", columns("Interactions"), interactions(120, 20))

    def make(noun: str, **request: object) -> str:
        arn = made(bare, noun, **request)
        until(lambda: status(bare, noun, arn) == "ACTIVE", arn)
        return arn

    group = make("DatasetGroup", name="shop")
    datasets = {}
    for kind in ("Interactions", "Items"):
        schema = made(bare, "Schema", name=kind, schema=avro(kind))
        datasets[kind] = make("Dataset", name=kind, datasetType=kind, schemaArn=schema, datasetGroupArn=group)
    make("DatasetImportJob", **import_of(datasets["Interactions"], "first"))
    tracker = bare.perform("CreateEventTracker", {"name": "events", "datasetGroupArn": group})
    recipe = f"{RECIPE}aws-popularity-count"
    common = {"datasetGroupArn": group, "recipeArn": recipe, "performAutoTraining": False}
    solution = make("Solution", name="popular", **common)
    return Shop(group, datasets["Interactions"], datasets["Items"], str(tracker["trackingId"]), solution)


def made(bare: Bare, noun: str, **request: object) -> str:
    answer = bare.perform(f"Create{noun}", request)
    return str(next(value for name, value in answer.items() if name.endswith("Arn")))


def import_of(dataset: str, name: str) -> Json:
    source = {"dataLocation": f"s3://{BUCKET}/interactions.csv"}
    return {"datasetArn": dataset, "jobName": name, "dataSource": source, "roleArn": ROLE}


def status(bare: Bare, noun: str, arn: str) -> str:
    return str(bare.perform(f"Describe{noun}", {arn_member(noun): arn})[member(noun)].get("status", "ACTIVE"))


def work(engine: EngineProcess, shop: Shop, name: str, acknowledged: Acknowledged) -> None:
    """Make, import and train, one after the other, until the engine is gone."""
    with Bare(engine, REGION) as bare:
        for number in range(100):
            for noun, request in (
                ("Schema", {"name": f"{name}-{number}", "schema": avro("Users")}),
                ("DatasetImportJob", import_of(shop.interactions, f"{name}-{number}")),
                ("SolutionVersion", {"solutionArn": shop.solution}),
            ):
                try:
                    acknowledged.made.append((noun, made(bare, noun, **request)))
                except Refused as refused:
                    if refused.code != "LimitExceededException":
                        raise
                except GONE:
                    return


def stream(engine: EngineProcess, shop: Shop, name: str, acknowledged: Acknowledged) -> None:
    """Send events and items until the engine is gone."""
    with Bare(engine, REGION) as bare:
        for number in range(100_000):
            key = f"{name}-{number}"
            event = {"eventType": "View", "itemId": "i1", "sentAt": 1_700_000_000, "eventId": key}
            request = {"trackingId": shop.tracking, "sessionId": key, "userId": key, "eventList": [event]}
            try:
                bare.perform("PutEvents", request)
                acknowledged.users.append(key)
                if number % 5 == 0:
                    item = {"itemId": key, "properties": '{"price": 1.5, "categoryL1": "new"}'}
                    bare.perform("PutItems", {"datasetArn": shop.items, "items": [item]})
                    acknowledged.items.append(key)
            except GONE:
                return


@pytest.mark.parametrize("seed", ROUNDS)
def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 — reproducible on purpose
    acknowledged = Acknowledged()
    engine = EngineProcess(tmp_path)
    try:
        with Bare(engine, REGION) as bare:
            shop = opened(bare, tmp_path)
        for number in range(1 if seed == SEED else 3):
            tasks = [threading.Thread(target=work, args=(engine, shop, f"w{number}", acknowledged))]
            names = [f"s{number}-{sender}" for sender in range(SENDERS)]
            tasks += [threading.Thread(target=stream, args=(engine, shop, name, acknowledged)) for name in names]
            for task in tasks:
                task.start()
            events, things = (
                len(acknowledged.users) + chance.randint(5, 150),
                len(acknowledged.made) + chance.randint(1, 5),
            )
            until(
                lambda: len(acknowledged.users) >= events and len(acknowledged.made) >= things,  # noqa: B023
                "the point of the kill",
            )
            engine.end(signal.SIGKILL)
            for task in tasks:
                task.join()
            engine = EngineProcess(tmp_path)
        with Bare(engine, REGION) as bare:
            assert missing(bare, tmp_path, shop, acknowledged) == {"made": [], "users": [], "items": []}
    finally:
        engine.end()


def missing(bare: Bare, folder: Path, shop: Shop, acknowledged: Acknowledged) -> Mapping[str, list[str]]:
    """Wait until all work has ended; return what was acknowledged and is not there."""
    lost = []
    for noun, arn in acknowledged.made:
        try:
            until(lambda noun=noun, arn=arn: status(bare, noun, arn) == "ACTIVE", arn)  # type: ignore[misc]
        except Refused:
            lost.append(arn)
    streamed = {
        name: exported(bare, folder, name, arn) for name, arn in (("users", shop.interactions), ("items", shop.items))
    }
    return {
        "made": lost,
        "users": sorted(set(acknowledged.users) - streamed["users"]),
        "items": sorted(set(acknowledged.items) - streamed["items"]),
    }


def exported(bare: Bare, folder: Path, name: str, dataset: str) -> set[str]:
    """Export what was streamed to a dataset; returns the first column."""
    output = {"s3DataDestination": {"path": f"s3://{BUCKET}/{name}/"}}
    common = {"datasetArn": dataset, "ingestionMode": "PUT", "roleArn": ROLE, "jobOutput": output}
    job = made(bare, "DatasetExportJob", jobName=name, **common)
    until(lambda: status(bare, "DatasetExportJob", job) == "ACTIVE", job)
    (file,) = (folder / "s3" / BUCKET / name).glob("**/*.csv")
    return {line.partition(",")[0] for line in file.read_text().splitlines()[1:]}
