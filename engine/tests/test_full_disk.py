# SPDX-License-Identifier: Apache-2.0
"""A disk that takes no more data, by a limit of the size of files: nothing that was acknowledged is lost."""

import resource
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from personalize_local.resources.store import Reader
from personalize_local.testing import FaultDoor

from engine.tests.harness import Aws, EngineProcess, StillAws, until
from engine.tests.shop_data import avro, columns, write_csv

FULL = "-S -f 400"
"""200 KB a file: the database's log is full soon."""


def fill(call: Callable[[int], object]) -> tuple[int, str]:
    """Call with 0, 1, 2 … until it fails; returns the number that failed, and the error's code and message."""
    for number in count():
        try:
            call(number)
        except ClientError as error:
            return number, f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    raise AssertionError


def make_room(engine: EngineProcess) -> None:
    resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux changes the limits of another process")
def test_resources_on_a_full_disk(tmp_path: Path) -> None:
    with EngineProcess(tmp_path, limits=FULL) as engine:
        aws = Aws(engine, "here")
        group = aws.group("group")

        def create(number: int) -> None:
            aws.control.create_schema(name=f"schema-{number}", schema=avro("Interactions"))

        def tag(number: int) -> None:
            aws.control.tag_resource(resourceArn=group, tags=[{"tagKey": "last", "tagValue": str(number)}])

        tag(-1)
        failed, error = fill(create)
        made = {f"schema-{number}" for number in range(failed)}
        assert error.startswith("ServiceUnavailable: The disk of the engine's data folder")
        tags, _ = fill(tag)
        with pytest.raises(ClientError, match="ServiceUnavailable"):
            aws.control.delete_dataset_group(datasetGroupArn=group)
        assert aws.status("DatasetGroup", group) == "ACTIVE"
        assert aws.control.list_tags_for_resource(resourceArn=group)["tags"][0]["tagValue"] == str(tags - 1)
        assert {schema["name"] for schema in aws.control.list_schemas(maxResults=100)["schemas"]} == made
        make_room(engine)
        create(failed)
        tag(tags)
        engine.end(signal.SIGKILL)
    with EngineProcess(tmp_path) as engine:
        aws = Aws(engine, "here")
        names = {schema["name"] for schema in aws.control.list_schemas(maxResults=100)["schemas"]}
        assert names == made | {f"schema-{failed}"}
        assert aws.control.list_tags_for_resource(resourceArn=group)["tags"][0]["tagValue"] == str(tags)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux changes the limits of another process")
def test_a_status_that_the_disk_does_not_take_waits_for_room(tmp_path: Path) -> None:
    with EngineProcess(tmp_path, StillAws.STEP, options=["--faults"], limits=FULL) as engine:
        aws = StillAws(engine, "here")
        group = aws.control.create_dataset_group(name="shop")["datasetGroupArn"]
        fill(lambda number: aws.schema("Interactions", f"schema-{number}"))
        fill(
            lambda number: aws.control.tag_resource(resourceArn=group, tags=[{"tagKey": "n", "tagValue": str(number)}])
        )
        assert aws.status("DatasetGroup", group) == "CREATE PENDING"
        FaultDoor(engine.url).advance(StillAws.STEP)
        until(lambda: "is not written" in (tmp_path / "engine.log").read_text(), "a failed write")
        assert aws.status("DatasetGroup", group) == "CREATE PENDING"
        make_room(engine)
        aws.settle("DatasetGroup", group)


def test_events_on_a_full_disk(tmp_path: Path) -> None:
    with EngineProcess(tmp_path, limits=FULL) as engine:
        aws = Aws(engine, "here")
        group = aws.group()
        dataset = aws.dataset(group, "Interactions")
        tracker = aws.tracker(group)
        failed, error = fill(lambda number: aws.click(tracker, f"i{number}", session="s" * 200))
        assert error.startswith("ServiceUnavailable: The disk")
        engine.end(signal.SIGKILL)
    with Reader(tmp_path / "data/engine.sqlite") as reader:
        assert [event.item_id for _, event in reader.events(dataset)] == [f"i{number}" for number in range(failed)]


def test_an_import_on_a_full_disk_fails_with_the_reason(tmp_path: Path) -> None:
    rows = [(f"u{n}-{n**9}", f"i{n}-{n**8}", "View", 1.0, 1_700_000_000 + n, "phone") for n in range(20_000)]
    write_csv(tmp_path / "s3/b/a.csv", columns("Interactions"), rows)
    with EngineProcess(tmp_path, limits="-S -f 200") as engine:
        aws = Aws(engine, "here")
        reason = aws.failed_import(aws.dataset(aws.group(), "Interactions"), "s3://b/a.csv")
        assert (
            reason
            == "The disk of the engine's data folder is full: make room, and try again. What was acknowledged is there."
        )
