# SPDX-License-Identifier: Apache-2.0
"""Count the files that one request moves through: `python -m benchmarks.ways`.

A request is the handler's first call in a fresh process that has imported all modules. Only calls of functions in the
layer, in `functions/` and in the library that reads tables count: those of Python, and not the markup of templates. A
call into another file than the last is a move, and so is the handler's own; a move into a file that was touched before
is a return. So moves are files and returns together.

The requests are those of the handler tests: a scripted Personalize, and moto for S3 and DynamoDB.
"""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module, reload
from io import StringIO
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

import boto3
from moto import mock_aws

REPOSITORY = Path(__file__).resolve().parent.parent
LAYER = REPOSITORY / "layers" / "core"
sys.path.insert(0, str(LAYER))

from tests.handlers import samples  # noqa: E402 - the layer is no package of the environment
from tests.handlers.fakes import FakePersonalize  # noqa: E402
from tests.handlers.variables import VARIABLES  # noqa: E402

LIBRARY = f"{LAYER / 'table_intake'}{os.sep}"
COUNTED = (*(f"{folder}{os.sep}" for folder in (LAYER / "personalization", REPOSITORY / "functions")), LIBRARY)
INLINED = {"<listcomp>", "<setcomp>", "<dictcomp>"}
"""Calls in Python 3.11 that later versions do not make."""
STARTED = {"get_recommendations", "record_events"}
"""Functions that make clients and read names while they start; they do it on Lambda only."""
REQUESTS: Mapping[str, tuple[str, str]] = {
    "get_recommendations": ("get_recommendations", "api_recommendations"),
    "record_events": ("record_events", "api_events"),
    "purchase_likelihood": ("get_recommendations", "api_purchase_likelihood"),
    "validate_drop": ("validate_drop", "validate_drop"),
    "judge_release": ("judge_release", "judge_release_judge"),
    "claim_drop": ("claim_drop", "claim_drop_claim"),
    "import_data": ("import_data", "import_data_import_job"),
}
"""For each request the function that answers it, and the file in `events/` that is the request."""


def visited(call: Callable[[], object]) -> list[str]:
    """Return the files that a call moves through, in order; after them, each file of other threads once."""
    threads: defaultdict[int, list[str]] = defaultdict(list)

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code, files = frame.f_code, threads[threading.get_ident()]
        ours = code.co_filename.startswith(COUNTED) and code.co_filename.endswith(".py")
        if event != "call" or code.co_name in INLINED or not ours:
            return
        if files[-1:] != [code.co_filename]:
            files.append(code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    own_calls = threads.pop(threading.get_ident(), [])
    return own_calls + sorted(set(chain.from_iterable(threads.values())))


def play(request: str) -> list[str]:
    """Return the files that one request moves through, in order, when it is the first of this process."""
    function, sample = REQUESTS[request]
    personalize, event = FakePersonalize(), samples.load(sample)
    services = ("PERSONALIZE", "PERSONALIZE_RUNTIME", "PERSONALIZE_EVENTS")
    os.environ.update(VARIABLES | {f"AWS_ENDPOINT_URL_{service}": personalize.url for service in services})
    if function in STARTED:
        os.environ["AWS_LAMBDA_FUNCTION_NAME"] = function
    try:
        with mock_aws(), redirect_stdout(StringIO()):
            _arrange(event, personalize)
            if request == "purchase_likelihood":
                _fit(event, personalize)
            # Anew, since the helpers of tests have imported some functions before their environment was there.
            handler = reload(import_module(f"functions.{function}.app")).handler
            return visited(lambda: handler(event, None))
    finally:
        personalize.close()


def _arrange(event: Mapping[str, Any], personalize: FakePersonalize) -> None:
    """Leave what a request finds: a dropped file, else an import copy to judge by, else a shop that serves."""
    bucket, tables = boto3.client("s3"), boto3.resource("dynamodb")
    for name, *keys in ((samples.TABLE, "shop", "record"), (samples.SHOPPER_EVENTS, "shopper", "event")):
        tables.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": keys[0], "KeyType": "HASH"}, {"AttributeName": keys[1], "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
    bucket.create_bucket(Bucket=samples.BUCKET)
    history = samples.interactions().encode()
    if "key" in event:
        bucket.put_object(Bucket=samples.BUCKET, Key=event["key"], Body=gzip.compress(history))
    elif "plan" in event:
        folder = event["plan"]["importJob"]["dataLocation"].removeprefix(f"s3://{samples.BUCKET}/")
        bucket.put_object(Bucket=samples.BUCKET, Key=f"{folder}part-0.csv", Body=history)
    else:
        tables.Table(samples.TABLE).put_item(Item=dict(samples.RELEASE))
        personalize.says("GetRecommendations", samples.RECOMMENDED)


def _fit(event: dict[str, Any], personalize: FakePersonalize) -> None:
    """Fit the shop's purchase likelihood, and ask for that of a user and items of its history."""
    # Its function reads the variables when it is imported.
    from tests.handlers import likelihoods  # noqa: PLC0415

    bucket, table = boto3.client("s3"), boto3.client("dynamodb")
    likelihoods.drop(bucket, personalize)
    likelihoods.fit_once(bucket, table)
    event.update(likelihoods.likelihood_event("u1", "i0", "i1"))


@dataclass(frozen=True, slots=True)
class Way:
    """How a request moves through the files of the application, or of the library that reads tables."""

    files: int
    moves: int

    @property
    def returns(self) -> int:
        return self.moves - self.files


def count(request: str) -> tuple[Way, Way]:
    """Return the way of one request through the application and through the library, played in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ways", request]
    played = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True, text=True)
    files = json.loads(played.stdout)
    application = _way([file for file in files if not file.startswith(LIBRARY)])
    return application, _way([file for file in files if file.startswith(LIBRARY)])


def _way(files: Sequence[str]) -> Way:
    moves = [file for number, file in enumerate(files) if not number or files[number - 1] != file]
    return Way(len(set(moves)), len(moves))


def main() -> None:
    print(f"{'request':22}{'files':>6}{'moves':>6}{'returns':>8}")
    for request in REQUESTS:
        application, library = count(request)
        print(f"{request:22}{application.files:6}{application.moves:6}{application.returns:8}")
        if library.files:
            print(f"{'  in table-intake':22}{library.files:6}{library.moves:6}{library.returns:8}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(play(sys.argv[1])))
    else:
        main()
