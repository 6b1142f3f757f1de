# SPDX-License-Identifier: Apache-2.0
"""What the engine asks about a caller's rights, and what becomes of a request that is refused."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from personalize_local.resources.kinds import Call
from personalize_local.server.rights import needs

from engine.tests.harness import Argument, Engine, EngineHere
from engine.tests.names import ROLE

HERE = "arn:aws:personalize:us-east-1:123456789012"
ID = "0a1b2c3d"
GROUP, DATASET = f"{HERE}:dataset-group/a", f"{HERE}:dataset/a/ITEMS"
VERSION, CAMPAIGN = f"{HERE}:solution/a/0", f"{HERE}:campaign/a"
JOB = {"jobName": "job", "roleArn": ROLE}
PROMOTED = {"campaignArn": CAMPAIGN, "promotions": [{"name": "p", "filterArn": f"{HERE}:filter/p"}]}


@pytest.mark.parametrize(
    ("operation", "given", "wanted"),
    [
        ("CreateEventTracker", {"name": "a", "datasetGroupArn": GROUP}, {f"{HERE}:event-tracker/{ID}", GROUP}),
        ("CreateDataDeletionJob", JOB | {"datasetGroupArn": GROUP}, {f"{HERE}:data-deletion-job/{ID}", GROUP}),
        ("CreateDatasetImportJob", JOB | {"datasetArn": DATASET}, {f"{HERE}:dataset-import-job/job", DATASET}),
        ("CreateBatchInferenceJob", JOB | {"solutionVersionArn": VERSION, "filterArn": f"{HERE}:filter/f"},
         {f"{HERE}:batch-inference-job/job", VERSION, f"{HERE}:filter/f"}),
        ("CreateSolutionVersion", {"solutionArn": f"{HERE}:solution/a", "name": "v"}, {f"{HERE}:solution/a"}),
        ("CreateCampaign", {"name": "a", "solutionVersionArn": VERSION}, {CAMPAIGN, VERSION}),
        ("UpdateDataset", {"datasetArn": DATASET, "schemaArn": f"{HERE}:schema/s"}, {DATASET, f"{HERE}:schema/s"}),
        ("GetRecommendations", PROMOTED, {CAMPAIGN, f"{HERE}:filter/p"}),
        ("ListTagsForResource", {"resourceArn": CAMPAIGN}, {CAMPAIGN}),
        ("ListDatasets", {"datasetGroupArn": GROUP}, {"*"}),
        ("PutEvents", {"trackingId": "t"}, {"*"}),
        ("PutItems", {"datasetArn": DATASET}, {DATASET}),
    ],
)  # fmt: skip
def test_an_action_is_needed_on_what_a_request_names_and_makes(
    operation: str, given: dict[str, Argument], wanted: set[str]
) -> None:
    needed = set(needs(operation, given, Call("us-east-1", "123456789012", 0)))
    passed = {("iam:PassRole", ROLE)} if "roleArn" in given else set()
    assert needed == {(f"personalize:{operation}", arn) for arn in wanted} | passed


ALLOWED = "AKIATEST"


class Door(BaseHTTPRequestHandler):
    """A local AWS that refuses all but one key, and notes who asks."""

    callers: list[str]

    def do_POST(self) -> None:
        """Answer one question."""
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.callers.append(question["caller"])
        answer = json.dumps({"refused": "" if question["caller"] == ALLOWED else "no policy allows it"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def door() -> Iterator[ThreadingHTTPServer]:
    """The door on a free port."""
    Door.callers = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(engine: Engine, caller: str, path: str, body: object, target: str = "") -> tuple[int, dict[str, str]]:
    """Status and body of one request that a caller signed."""
    signed = f"AWS4-HMAC-SHA256 Credential={caller}/20260101/us-east-1/personalize/aws4_request"
    more = {"X_Amz_Target": f"AmazonPersonalize.{target}"} if target else {}
    status, _, answer = engine.ask(path, json.dumps(body).encode(), Authorization=signed, **more)
    return status, json.loads(answer)


EVENTS = {"trackingId": "t", "sessionId": "s", "eventList": [{"eventType": "View", "sentAt": 1_780_000_000}]}
REFUSED = {"__type": "AccessDeniedException", "message": "no policy allows it"}


def test_a_caller_without_the_right_is_refused_and_asked_about_once_for_a_while(
    tmp_path: Path, door: ThreadingHTTPServer
) -> None:
    with EngineHere(tmp_path, options=("--rights", f"http://127.0.0.1:{door.server_port}/")) as engine:
        for _ in range(2):
            assert ask(engine, "other", "/events", EVENTS) == (403, REFUSED)
        assert Door.callers == ["other"]
        assert ask(engine, "other", "/", {"name": "a"}, "CreateDatasetGroup") == (400, REFUSED)
        made = ask(engine, ALLOWED, "/", {"name": "a"}, "CreateDatasetGroup")
        assert made == (200, {"datasetGroupArn": GROUP})
        # What the model does not allow is said first; nothing that was refused was made.
        assert ask(engine, "other", "/", {}, "CreateDatasetGroup")[1]["__type"] == "InvalidInputException"
        assert len(ask(engine, ALLOWED, "/", {}, "ListDatasetGroups")[1]["datasetGroups"]) == 1


def test_who_may_export_any_dataset_may_read_what_is_known_of_people(tmp_path: Path, door: ThreadingHTTPServer) -> None:
    with EngineHere(tmp_path, options=("--rights", f"http://127.0.0.1:{door.server_port}/")) as engine:
        assert ask(engine, "other", "/_page/why", {"source": "x"})[1]["message"] == "no policy allows it"
        assert ask(engine, ALLOWED, "/_page/why", {"source": "x"})[1]["__type"] == "ResourceNotFoundException"


def test_without_the_local_aws_nothing_is_allowed(tmp_path: Path, door: ThreadingHTTPServer) -> None:
    with EngineHere(tmp_path, options=("--rights", f"http://127.0.0.1:{door.server_port}/")) as engine:
        door.shutdown()
        door.server_close()
        status, body = ask(engine, ALLOWED, "/", {"name": "a"}, "CreateDatasetGroup")
    assert (status, body["__type"]) == (500, "InternalFailure")
    assert "The local AWS does not say" in body["message"]
