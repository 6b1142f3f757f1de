# SPDX-License-Identifier: Apache-2.0
"""The log of requests, as somebody reads it beside their own program."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from personalize_local.server import request_log

from engine.tests.harness import Aws, EngineProcess, until
from engine.tests.shop import Shop

TRAINING = (
    "Reading the data",
    "Training without the held-out users",
    "Measuring on held-out users",
    "Training on everyone",
    "Saving the model",
)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_for_each_request_and_nothing_of_its_body(tmp_path: Path) -> None:
    with EngineProcess(tmp_path) as engine:
        aws = Aws(engine, "here")
        answer = aws.control.list_schemas()
        with pytest.raises(aws.control.exceptions.ResourceNotFoundException):
            aws.control.describe_campaign(campaignArn="arn:aws:personalize:here:123456789012:campaign/none")
        with pytest.raises(aws.runtime.exceptions.ResourceNotFoundException):
            aws.recommended("arn:aws:personalize:here:123456789012:campaign/none", userId="a-secret-user")
        with pytest.raises(aws.runtime.exceptions.InvalidInputException, match="a-secret-user"):
            aws.recommended("arn:aws:personalize:here:123456789012:campaign/none", userId="a-secret-user" * 20)
        engine.ask("/unheard%0aof", b"{}")
    log = (tmp_path / "engine.log").read_text()
    good, bad, quoted, long, unknown = log.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d ListSchemas {14}200 +\d+\.\d ms [0-9a-f-]{36}", good)
    assert answer["ResponseMetadata"]["RequestId"] in good
    assert re.search(r"DescribeCampaign +400 .* ResourceNotFoundException: Resource Arn .* does not exist", bad)
    assert " GetRecommendations " in quoted
    assert "Value at 'userId' failed to satisfy constraint: Member must have length less" in long
    assert "POST /unheard of" in unknown
    assert "a-secret-user" not in log


def test_the_log_follows_a_training(engine: EngineProcess, shop: Shop) -> None:
    log = engine.data_dir.parent / "engine.log"
    for number, phase in enumerate(TRAINING, 1):
        told = f"{shop.versions['aws-user-personalization']}: {phase} (step {number} of {len(TRAINING)})"
        until(lambda told=told: told in log.read_text(), told)  # type: ignore[misc]


def test_the_log_tells_where_an_import_looked(tmp_path: Path) -> None:
    with EngineProcess(tmp_path) as engine:
        aws = Aws(engine, "here")
        reason = aws.failed_import(aws.dataset(aws.group(), "Interactions"), "s3://bucket/none.csv")
        root = engine.s3_root
    log = (tmp_path / "engine.log").read_text()
    assert reason.endswith("Invalid Data location.")
    assert f"WARNING: Nothing is at {root.resolve()}/bucket/none.csv\n" in log
    assert "Traceback" not in log


def test_quiet_leaves_out_what_the_engine_is_not_to_blame_for() -> None:
    out = io.StringIO()
    request_log.configure(out, quiet=True)
    request_log.record("ListSchemas", 200, 0.001, "id-1")
    request_log.record("DescribeSchema", 400, 0.001, "id-2", "ResourceNotFoundException: no")
    request_log.record("PutEvents", 503, 0.001, "id-3", "ServiceUnavailable: the disk is full")
    assert [line.split()[1:] for line in out.getvalue().splitlines()] == [
        ["PutEvents", "503", "1.0", "ms", "id-3", "ServiceUnavailable:", "the", "disk", "is", "full"]
    ]


def test_nothing_ends_a_line_colours_it_or_turns_it_round() -> None:
    out = io.StringIO()
    request_log.configure(out)
    request_log.record("GET /a\u2028b\u202ec\x1b[31m\x7f\U0001f600\ud800é", 404, 0.001, "id")
    assert out.getvalue().split(" ", 1)[1].startswith("GET /a b c [31m \U0001f600 é ")


def test_programs_read_json() -> None:
    out = io.StringIO()
    request_log.configure(out, as_json=True)
    request_log.record("PutEvents", 400, 0.0123, "id", "InvalidInputException: line\nbreak")
    logging.getLogger("personalize").info("CREATE of %s: ACTIVE", "arn")
    request, other = (json.loads(line) for line in out.getvalue().splitlines())
    told = {"operation": "PutEvents", "status": 400, "ms": 12.3, "request_id": "id"}
    assert request.items() >= (told | {"error": "InvalidInputException: line break", "level": "INFO"}).items()
    assert other["message"] == "CREATE of arn: ACTIVE"


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def test_the_engine_goes_on_when_nobody_reads_its_log_any_more() -> None:
    async def serve() -> None:
        request_log.record("PutEvents", 200, 0.0123, "id")
        await asyncio.sleep(0.2)
        request_log.record("PutEvents", 500, 0.0123, "id")

    failures: list[object] = []
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(lambda _, context: failures.append(context))
        request_log.configure(Gone())
        runner.run(serve())
    assert not failures


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], coloured: bool) -> None:
    for name, value in ({"TERM": "xterm"} | variables).items():
        monkeypatch.setenv(name, value)
    for out, expected in ((Terminal(), coloured), (io.StringIO(), False)):
        request_log.configure(out)
        request_log.record("PutEvents", 400, 0.0123, "id", "InvalidInputException: no")
        assert ("\x1b[33m" in out.getvalue()) is expected
