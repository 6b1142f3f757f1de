# SPDX-License-Identifier: Apache-2.0
"""An engine in a thread of the program that uses it, and one that is started with no option at all."""

from pathlib import Path

import boto3
import pytest
from personalize_local.engine import Options
from personalize_local.resources.store import DirectoryInUse, Store
from personalize_local.server.running import Server

from engine.tests.harness import Argument


def client(server: Server) -> Argument:
    session = boto3.Session("t", "t", region_name="us-east-1")
    return session.client("personalize", endpoint_url=server.url)


def test_an_engine_in_a_thread_leaves_nothing_behind() -> None:
    with Server(Options()) as server:
        client(server).create_dataset_group(name="shop")
        folder = server.directory
        assert folder.is_dir()
    assert not folder.exists()


def test_two_engines_of_a_program_know_nothing_of_each_other() -> None:
    with Server(Options()) as first, Server(Options()) as other:
        client(first).create_dataset_group(name="shop")
        assert client(other).list_dataset_groups()["datasetGroups"] == []


def test_a_folder_outlives_its_engine(tmp_path: Path) -> None:
    for expected in ([], ["shop"]):
        with Server(Options(step_seconds=0), tmp_path) as server:
            groups = client(server).list_dataset_groups()["datasetGroups"]
            assert [group["name"] for group in groups] == expected
            if not groups:
                client(server).create_dataset_group(name="shop")


def test_a_folder_has_one_engine(tmp_path: Path) -> None:
    with Server(Options(), tmp_path), pytest.raises(DirectoryInUse):
        Server(Options(), tmp_path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # uvicorn exits
def test_an_engine_that_cannot_start_does_not_answer(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save([("arn:aws:personalize:eu-west-1:123456789012:shelf/a", "NoKind", 1, {})])
    store.close()
    with pytest.raises(RuntimeError, match="did not start"), Server(Options(), tmp_path):
        pass
