# SPDX-License-Identifier: Apache-2.0
"""The local cloud itself: what `up`, `status` and `down` promise."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from local.cloud import environments, lifecycle
from local.cloud.environments import LOCAL, LocalError
from local.cloud.home import Home, Process, State, access, running
from tests.app.laptop import Laptop, listening
from tests.app.waiting import until


def test_status_has_the_contract_s_shape(laptop: Laptop) -> None:
    status = laptop.command_json("status")
    assert status["api"] == {"url": laptop.state.api, "key": laptop.state.key}
    assert status["bucket"] == laptop.bucket
    assert (status["endpoint"], status["engine"]) == (laptop.state.endpoint, laptop.state.engine)
    assert status["docs"] == f"{laptop.state.endpoint}/_local/docs/"
    assert isinstance(status["shops"], list)
    assert laptop.call("GET", "/health").status == 200


def test_a_functions_log_is_shown_by_the_functions_name(laptop: Laptop) -> None:
    assert laptop.call("GET", "/health").status == 200
    lines = laptop.command("logs", "GetRecommendationsFunction").stdout
    assert "START RequestId" in lines
    groups = boto3.client("logs", **access(laptop.state)).describe_log_groups()["logGroups"]
    assert not [group["logGroupName"] for group in groups if group["logGroupName"].startswith("/aws/lambda/")]


def test_the_dashboard_shows_the_alarms_that_are_there(laptop: Laptop) -> None:
    cloudwatch = boto3.client("cloudwatch", **access(laptop.state))
    (entry,) = cloudwatch.list_dashboards()["DashboardEntries"]
    body = json.loads(cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"])
    shown = [arn for widget in body["widgets"] if widget["type"] == "alarm" for arn in widget["properties"]["alarms"]]
    pages = cloudwatch.get_paginator("describe_alarms").paginate()
    assert sorted(shown) == sorted(alarm["AlarmArn"] for page in pages for alarm in page["MetricAlarms"])
    assert len(shown) > 30


@pytest.mark.usefixtures("laptop")
def test_the_function_that_checks_drops_is_small_enough_for_a_lambda() -> None:
    parts = [
        LOCAL / "build" / "sam" / name
        for name in ("ValidateDropFunction", "DependenciesLayer", "CoreLayer", "PolarsLayer")
    ]
    size = sum(file.stat().st_size for part in parts for file in part.rglob("*") if file.is_file())
    assert 50 * 2**20 < size < 250 * 2**20


def test_functions_share_the_files_of_the_layers_that_were_built(laptop: Laptop) -> None:
    assert laptop.call("GET", "/shops/nobody/popular").status == 404
    name = Path("python", "personalization", "__init__.py")
    built = LOCAL / "build" / "sam" / "CoreLayer" / name
    if laptop.home.run.stat().st_dev != built.stat().st_dev:
        pytest.skip("the cloud's folder is on another disk than what was built, so its functions unpack archives")
    (linked,) = (laptop.home.run / "tmp").glob(f"layers-*/*/{name}")
    assert linked.samefile(built)


def test_a_second_up_finds_the_first(laptop: Laptop) -> None:
    again = laptop.command("up")
    assert again.returncode == 0
    assert "already running" in again.stderr
    assert running(laptop.home) == laptop.state


def test_everything_listens_on_loopback_alone(laptop: Laptop) -> None:
    processes = lifecycle.marked(laptop.home)
    assert len(processes) >= 2
    assert {address for address, _ in listening(processes)} == {"127.0.0.1"}


def test_the_local_aws_knows_who_asks(laptop: Laptop) -> None:
    stranger_access = access(laptop.state)
    stranger_access["aws_access_key_id"] = "AKIASTRANGER00000000"
    stranger = boto3.client("s3", **stranger_access)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        stranger.list_objects_v2(Bucket=laptop.bucket)


def test_an_unknown_route_and_a_missing_key_are_problems(laptop: Laptop) -> None:
    assert laptop.call("GET", "/nothing-here").status == 404
    refused = laptop.call("GET", "/shops/none/popular", key="")
    assert (refused.status, refused.body["status"], refused.body["title"]) == (403, 403, "Forbidden")


def test_a_browser_s_preflight_is_answered_without_a_key(laptop: Laptop) -> None:
    answer = laptop.client.http.request("OPTIONS", f"{laptop.state.api}/shops/any/popular")
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:8080"
    assert "X-Api-Key" in answer.headers["Access-Control-Allow-Headers"]


def test_what_was_there_before_down_is_there_after_up(laptop: Laptop) -> None:
    laptop.s3.put_object(Bucket=laptop.bucket, Key="notes/kept", Body=b"kept")
    runs = laptop.client.runs
    under_way = partial(runs.client.list_executions, stateMachineArn=runs.machine, statusFilter="RUNNING")
    until(lambda: not under_way()["executions"], "runs of other tests have ended")
    # A function that begins meanwhile is a stray process.
    assert lifecycle.down(laptop.home)[:3] == ["engine", "cloud", "watch"]
    assert running(laptop.home) is None
    state, notes = lifecycle.up(laptop.home, faults=True)
    assert notes == environments.ensure()
    assert replace(state, processes=(), watch=None) == replace(laptop.state, processes=(), watch=None)
    assert (state.page, state.page != "") == (laptop.state.page, True)
    laptop.state = state
    assert laptop.s3.get_object(Bucket=laptop.bucket, Key="notes/kept")["Body"].read() == b"kept"
    assert laptop.call("GET", "/health").status == 200


def test_down_leaves_no_process_even_when_the_state_is_lost(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lifecycle.wait_ready(home, lifecycle.start(home))
    home.forget()
    assert len(lifecycle.down(home)) >= 2
    assert lifecycle.marked(home) == []
    assert not (home.run / "tmp").exists()


def test_a_taken_port_is_named(tmp_path: Path, laptop: Laptop) -> None:
    taken = int(laptop.state.endpoint.rpartition(":")[2])
    with pytest.raises(LocalError, match=f"port {taken} is taken"):
        lifecycle.start(Home(tmp_path), cloud_port=taken)


def pretend(home: Home) -> State:
    """Return the state of a cloud that seems to run, started by another version."""
    state = State(
        "", "", (Process("cloud", os.getpid(), psutil.Process().create_time()),), outputs={"BucketName": "drops"}
    )
    home.make_private()
    home.write(state)
    return state


def test_a_cloud_that_another_version_started_is_left_as_it_is(tmp_path: Path) -> None:
    home = Home(tmp_path / "run")
    pretend(home)
    with pytest.raises(LocalError, match="started by another version: stop it with `python -m local down`"):
        lifecycle.up(home)
    assert running(home) is not None


def test_one_up_at_a_time(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.locked(), pytest.raises(LocalError, match="another `up` or `down`"):
        lifecycle.down(home)
