# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged is there after a restart, however the engine ended."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.tests.harness import Argument, Aws, EngineProcess, free_port, until
from engine.tests.shop import open_shop
from engine.tests.shop_data import columns, interactions, write_csv

POPULAR = "aws-popularity-count"
SEEN = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'


@pytest.fixture
def first(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess(tmp_path) as engine:
        yield engine


def test_killed_engine_keeps_resources_models_and_streamed_records(first: EngineProcess, tmp_path: Path) -> None:
    shop = open_shop(Aws(first, "here"), [POPULAR])
    campaign, seen = shop.campaigns[POPULAR], shop.aws.filter(shop.group, SEEN)
    dataset = shop.group.replace("dataset-group", "dataset") + "/ITEMS"
    shop.click("i1", user="somebody")
    put: Argument = {"itemId": "i2", "properties": '{"price": 99.5, "categoryL1": "books"}'}
    shop.aws.events.put_items(datasetArn=dataset, items=[put])
    before = shop.aws.recommended(campaign, userId="somebody", numResults=40, filterArn=seen)
    first.end(signal.SIGKILL)
    with EngineProcess(tmp_path) as second:
        aws = Aws(second, "here")
        assert aws.recommended(campaign, userId="somebody", numResults=40, filterArn=seen) == before
        assert "i1" not in before
        answer = aws.runtime.get_recommendations(
            campaignArn=campaign, userId="u0", numResults=40, metadataColumns={"ITEMS": ["PRICE"]}
        )
        assert {"PRICE": "99.5"} in [item["metadata"] for item in answer["itemList"]]
        aws.click(shop.tracking_id, "i3", user="somebody")
        assert "i3" not in aws.recommended(campaign, userId="somebody", numResults=40, filterArn=seen)


@pytest.mark.nightly
def test_import_and_training_under_way_are_run_again(first: EngineProcess, tmp_path: Path) -> None:
    aws = Aws(first, "here")
    write_csv(tmp_path / "s3/b/a.csv", columns("Interactions"), interactions(300, 20))
    group = aws.group()
    dataset = aws.dataset(group, "Interactions")
    job = aws.begin_import(dataset, "s3://b/a.csv")
    until(lambda: aws.status("DatasetImportJob", job) == "CREATE IN_PROGRESS", "import")
    first.end(signal.SIGKILL)
    with EngineProcess(tmp_path) as second:
        aws = Aws(second, "here")
        aws.settle("DatasetImportJob", job)
        version = aws.control.create_solution_version(solutionArn=aws.solution(group))["solutionVersionArn"]
        until(lambda: aws.status("SolutionVersion", version) == "CREATE IN_PROGRESS", "training")
        second.end(signal.SIGKILL)
    with EngineProcess(tmp_path) as third:
        Aws(third, "here").settle("SolutionVersion", version)


@pytest.mark.parametrize(
    "how", [signal.SIGTERM, signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.nightly)]
)
def test_no_worker_outlives_the_engine(first: EngineProcess, tmp_path: Path, how: signal.Signals) -> None:
    aws = Aws(first, "here")
    write_csv(tmp_path / "s3/b/a.csv", columns("Interactions"), interactions(300, 20))
    job = aws.begin_import(aws.dataset(aws.group(), "Interactions"), "s3://b/a.csv")
    until(lambda: aws.status("DatasetImportJob", job) == "CREATE IN_PROGRESS" and bool(first.workers()), "import")
    workers = first.workers()
    status = first.end(how)
    assert status == (-9 if how is signal.SIGKILL else 0)
    until(lambda: not any(worker.is_running() for worker in workers), "end of the worker")


def test_second_engine_on_a_directory_is_refused(engine: EngineProcess) -> None:
    status, complaint = EngineProcess(engine.data_dir.parent).refused()
    assert status == 1
    assert f"belongs to a running engine (process {engine.process.pid})" in complaint


def test_taken_port_is_named(engine: EngineProcess, tmp_path: Path) -> None:
    status, complaint = EngineProcess(tmp_path, port=engine.port).refused()
    assert (status, f"cannot listen on 127.0.0.1:{engine.port}" in complaint) == (1, True)


def test_engine_listens_on_the_port_it_is_given(tmp_path: Path) -> None:
    port = free_port()
    with EngineProcess(tmp_path, port=port) as engine:
        assert engine.url == f"http://127.0.0.1:{port}"
        assert Aws(engine, "here").control.list_schemas()["schemas"] == []
