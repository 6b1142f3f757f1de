# SPDX-License-Identifier: Apache-2.0
"""Imports from an S3 that answers at an address."""

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.tests.harness import Aws, EngineProcess, free_port
from engine.tests.s3_stub import s3
from engine.tests.shop_data import columns, interactions


def table() -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns("Interactions"), *interactions()])
    return text.getvalue().encode()


OBJECTS = {
    "open/plain.csv": table(),
    "open/packed/1.csv.gz": gzip.compress(table()),
    "open/packed/deeper/2.csv": b"NONSENSE\n",
    "open/mit Leerzeichen/이름 é.csv": table(),
    "open/empty/": b"",
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """An engine without a key: an address needs none."""
    folder = tmp_path_factory.mktemp("s3")
    with s3(OBJECTS) as url:
        environment = {"AWS_ENDPOINT_URL": url, "HOME": str(folder)}
        with EngineProcess(folder, environment=environment) as engine:
            yield Aws(engine, "us-east-1")


def test_a_profile_is_that_of_the_configuration_of_aws(tmp_path: Path) -> None:
    config = tmp_path / "config"
    with s3(OBJECTS) as url:
        keys = "aws_access_key_id = mine\naws_secret_access_key = secret\n"
        config.write_text(f"[profile work]\n{keys}endpoint_url = {url}\ns3 =\n  addressing_style = path\n")
        environment = {"AWS_PROFILE": "none", "AWS_CONFIG_FILE": str(config)}
        with EngineProcess(tmp_path, environment=environment, options=["--profile", "work"]) as engine:
            aws = Aws(engine, "us-east-1")
            assert aws.imported(aws.dataset(aws.group(), "Interactions"), "s3://open/plain.csv")


def test_an_unknown_profile_is_refused_at_the_start(tmp_path: Path) -> None:
    status, complaint = EngineProcess(tmp_path, environment={"AWS_PROFILE": "none"}).refused()
    assert (status, "The config profile (none) could not be found" in complaint) == (1, True)


def test_an_address_where_nobody_answers_fails_the_job_with_the_reason(tmp_path: Path) -> None:
    environment = {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{free_port()}", "AWS_MAX_ATTEMPTS": "1"}
    with EngineProcess(tmp_path, environment=environment) as engine:
        aws = Aws(engine, "us-east-1")
        reason = aws.failed_import(aws.dataset(aws.group(), "Interactions"), "s3://open/plain.csv")
    assert "Amazon S3 does not answer: Could not connect to the endpoint URL" in reason


@pytest.fixture(scope="module")
def dataset(aws: Aws) -> str:
    return aws.dataset(aws.group(), "Interactions")


@pytest.mark.parametrize(
    ("name", "key"),
    [("a", "plain.csv"), ("b", "packed/"), ("c", "packed/1.csv.gz"), ("d", "mit Leerzeichen/이름 é.csv")],
)
def test_objects_and_folders_are_imported(aws: Aws, dataset: str, name: str, key: str) -> None:
    assert aws.imported(dataset, f"s3://open/{key}", name)


@pytest.mark.parametrize(("name", "key"), [("e", "none.csv"), ("f", "none/"), ("g", "empty/")])
def test_location_without_anything_fails_the_job(aws: Aws, dataset: str, name: str, key: str) -> None:
    assert aws.failed_import(dataset, f"s3://open/{key}", name).endswith("Invalid Data location.")


@pytest.mark.parametrize(("name", "key"), [("h", "a.csv"), ("i", "folder/")])
def test_closed_bucket_fails_the_job_with_the_reason(aws: Aws, dataset: str, name: str, key: str) -> None:
    reason = aws.failed_import(dataset, f"s3://closed/{key}", name)
    assert reason.endswith("Insufficient privileges for accessing data in Amazon S3.")
