# SPDX-License-Identifier: Apache-2.0
"""Every operation performs a valid call of each client, which waits for nothing that the calls don't need."""

from collections.abc import Iterator

import pytest

from engine.tests.calls import BUCKET, CALLS, MODELS, Json, play, write_files
from engine.tests.doors import opened
from engine.tests.harness import EngineProcess

SLOW = b'{"action": "neverEnd", "operation": "CreateSolutionVersion", "resource": "journey-stopped"}'
"""The training that is stopped goes on until then, however slow a client is."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess(tmp_path_factory.mktemp("operations"), options=["--faults"]) as process:
        write_files(process.s3_root / BUCKET)
        assert process.ask("/faults", SLOW)[0] == 200
        yield process


@pytest.mark.parametrize("name", ["boto3", pytest.param("cli", marks=pytest.mark.nightly), "javascript"])
def test_every_operation_performs_a_valid_call(engine: EngineProcess, region: str, name: str) -> None:
    with opened(name, engine, region) as door:

        def perform(operation: str, request: Json) -> Json:
            return door.call(operation, **request)

        failed = {call.operation: answer["error"] for call, answer in play(perform) if "error" in answer}
    assert failed == {}
    assert {call.operation for call in CALLS} == set(MODELS)
