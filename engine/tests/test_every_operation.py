# SPDX-License-Identifier: Apache-2.0
"""Every operation performs a valid call of each client, which waits for nothing that the calls don't need."""

from pathlib import Path

import pytest
from personalize_local.testing import FaultDoor

from engine.tests.calls import BUCKET, CALLS, MODELS, Json, play, write_files
from engine.tests.doors import opened
from engine.tests.harness import Engine, EngineProcess


@pytest.mark.parametrize("name", ["boto3", pytest.param("javascript", marks=pytest.mark.nightly)])
def test_every_operation_performs_a_valid_call(engine: Engine, region: str, name: str) -> None:
    assert failures(engine, region, name) == {}
    assert {call.operation for call in CALLS} == set(MODELS)


@pytest.mark.nightly
def test_every_operation_performs_a_valid_call_of_the_cli(tmp_path: Path) -> None:
    with EngineProcess(tmp_path, options=["--faults"]) as engine:
        # The training that is stopped goes on until then, though a command takes a third of a second.
        FaultDoor(engine.url).add("neverEnd", "CreateSolutionVersion", "journey-stopped")
        assert failures(engine, "cli", "cli") == {}


def failures(engine: Engine, region: str, name: str) -> dict[str, object]:
    """Make all calls by a client; returns errors by operation."""
    write_files(engine.s3_root / BUCKET)
    with opened(name, engine, region) as door:

        def perform(operation: str, request: Json) -> Json:
            return door.call(operation, **request)

        return {call.operation: answer["error"] for call, answer in play(perform) if "error" in answer}
