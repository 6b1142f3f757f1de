# SPDX-License-Identifier: Apache-2.0
"""What our recommendation handler costs over the least that a handler can do: one boto3 call and json.dumps.

Both run against the same local server, which answers as Personalize and the table of shops would; both have bytecode.
`cold` is a fresh process up to its first answer, taken in turns; `warm` is paired calls in one process. `named` is our
handler for a shop whose answers take names and prices from a table of 25,000 items in the bucket, in 64 files; `varied`
is its list of 12 similar items out of 36, beside the same list without variety.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import IO, Any, cast

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "layers" / "core"))

from personalization.core.stored import VERSION  # noqa: E402
from personalization.shop.records import item_table  # noqa: E402 - the layer is no package of the environment

EVENT = json.loads((REPOSITORY / "events" / "api_recommendations.json").read_text())
CAMPAIGN = "arn:aws:personalize:us-east-1:123456789012:campaign/retail-demo-user-personalization"
COLD_RUNS, WARM_PAIRS = 15, 2_000

ITEMS = [{"itemId": str(1_000_000 + index), "score": round(1 / (index + 3), 7)} for index in range(25)]
ANSWER = json.dumps({"itemList": ITEMS, "recommendationId": "RID-1d9bb4a4-3c0b-4a29-9a5b-0d1c2e3f4a5b"})
LONG = json.dumps(
    {"itemList": [{"itemId": str(1_000_000 + 7 * number)} for number in range(36)], "recommendationId": "R"}
)
RECORD = {
    "shop": {"S": "demo"},
    "trackingId": {"S": "t"},
    "datasetGroupArn": {"S": "arn:aws:personalize:us-east-1:123456789012:dataset-group/retail-demo"},
    "version": {"N": str(VERSION)},
    "promotedAt": {"S": "2026-11-25T08:30:00Z"},
    "campaigns": {"M": {"user-personalization": {"M": {"arn": {"S": CAMPAIGN}, "metadata": {"BOOL": True}}}}},
    "filters": {"L": [{"S": "not-purchased"}]},
    "metadataColumns": {"L": []},
    "contextColumns": {"L": []},
    "filterParameters": {"M": {}},
    "placements": {"M": {}},
    "diversity": {"NULL": True},
}
RELEASE = json.dumps({"Item": RECORD})
SECRET = json.dumps({"VersionId": "1", "SecretString": "k" * 64}).encode()
NAMED = json.loads(json.dumps(EVENT).replace("demo", "named"))
"""The same request to a shop whose campaigns show no metadata."""
SIMILAR = json.loads((REPOSITORY / "events" / "api_similar.json").read_text().replace("demo", "named"))
SIMILAR["queryStringParameters"] = {"limit": "12"}
VARIED = json.loads(json.dumps(SIMILAR).replace("named", "varied"))
_BARE = {"M": {"arn": {"S": CAMPAIGN}, "metadata": {"BOOL": False}}}
_COLUMNS = ("NAME", "PRICE", "CATEGORY_L1")
_NAMED_RECORD = RECORD | {
    "campaigns": {
        "M": {
            "user-personalization": _BARE,
            "similar-items": {
                "M": {
                    "arn": {"S": CAMPAIGN.replace("user-personalization", "similar-items")},
                    "metadata": {"BOOL": False},
                }
            },
        }
    },
    "metadataColumns": {"L": [{"S": name} for name in _COLUMNS]},
}
NAMED_RELEASE = json.dumps({"Item": _NAMED_RECORD})
_BY = {"by": {"L": [{"S": "CATEGORY_L1"}]}, "strength": {"S": "0.3"}, "name": {"S": "NAME"}}
VARIED_RELEASE = json.dumps({"Item": _NAMED_RECORD | {"shop": {"S": "varied"}, "diversity": {"M": _BY}}})
_SHARDS = 64
TABLE = json.dumps(item_table.Table(version="v", shards=_SHARDS, columns=_COLUMNS, shown=_COLUMNS).as_json()).encode()

OURS = """
import functions.get_recommendations.app as app
handler = app.handler
"""
BARE = f"""
import json
import boto3
client = boto3.client("personalize-runtime")
def handler(event, context):
    user = event["pathParameters"]["userId"]
    answer = client.get_recommendations(campaignArn="{CAMPAIGN}", userId=user, numResults=25)
    return {{"statusCode": 200, "body": json.dumps(answer["itemList"])}}
"""
FIRST_ANSWER = """
import json, sys
answer = handler(json.loads(sys.argv[1]), None)
sys.stderr.write(str(answer["statusCode"]))
sys.stderr.flush()
import os
os._exit(0)
"""


@cache
def _shards() -> tuple[bytes, ...]:
    """The files of a table of 25,000 items."""
    rows: list[list[bytes]] = [[] for _ in range(_SHARDS)]
    for number in range(25_000):
        item = str(1_000_000 + number)
        values = {
            0: f"The article with the number {number}",
            1: f"{number % 90}.99",
            2: f"Books and magazines {number % 9}",
        }
        rows[item_table.hashed(item) % _SHARDS].append(item_table.line(item, values))
    return tuple(map(item_table.pack, rows))


def body_of(head: bytes, body: bytes) -> bytes:
    path = head.split(b" ", 2)[1]
    if path.endswith(b"table.json"):
        return TABLE
    if path.endswith(b".gz"):
        return _shards()[int(path[-8:-3])]
    if b"DynamoDB" in head and b".Query" in head:
        return b'{"Items": [], "Count": 0}'
    if b"DynamoDB" in head:
        return (VARIED_RELEASE if b"varied" in body else NAMED_RELEASE if b"named" in body else RELEASE).encode()
    if b"secretsmanager" in head:
        return SECRET
    return (LONG if b"similar-items" in body else ANSWER).encode()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await head_of(reader):
        sizes = (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        request = await reader.readexactly(next(sizes, 0))
        body = body_of(head, request)
        kind = b"application/x-amz-json-1.0" if b"DynamoDB" in head else b"application/json"
        start = b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(start + body)
    writer.close()


async def head_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def listen(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
    """Serve connections on a free port, which is printed, for as long as the process lives."""

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(main())


def serve() -> None:
    """The server, in a process of its own; prints its port."""
    listen(_answer)


def environment(port: int, cache: str) -> dict[str, str]:
    """The variables of a function, with every endpoint at the server."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONDONTWRITEBYTECODE"}}
    return environment | {
        "PYTHONPYCACHEPREFIX": cache,
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "layers/core", REPOSITORY / "engine/src"))),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "PREFIX": "retail",
        "ACCOUNT_ID": "123456789012",
        "SHOPS_TABLE": "shops",
        "BUCKET": "bucket",
        "LIST_ID_KEYS": "list-id-keys",
    }


def cold(source: str, variables: dict[str, str], event: object = EVENT) -> float:
    """Milliseconds of a fresh process up to its first answer."""
    command = [sys.executable, "-c", source + FIRST_ANSWER, json.dumps(event)]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=REPOSITORY
    )
    errors = cast("IO[bytes]", process.stderr)
    status = errors.read(3)
    elapsed = time.perf_counter() - started
    if status != b"200":
        sys.exit((status + errors.read()).decode())
    errors.close()
    process.wait()
    return elapsed * 1000


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e6


def warm() -> list[float]:
    """Median microseconds of our handler, bare, boto3 call alone, ours with names, similar items, and varied ones.

    They are taken in turns.
    """
    ours: dict[str, Any] = {}
    bare: dict[str, Any] = {}
    exec(OURS, ours)  # noqa: S102 - the very sources of the cold runs
    exec(BARE, bare)  # noqa: S102
    calls: tuple[Callable[[], object], ...] = (
        lambda: ours["handler"](EVENT, None),
        lambda: bare["handler"](EVENT, None),
        lambda: bare["client"].get_recommendations(campaignArn=CAMPAIGN, userId="2375", numResults=25),
        lambda: ours["handler"](NAMED, None),
        lambda: ours["handler"](SIMILAR, None),
        lambda: ours["handler"](VARIED, None),
    )
    with redirect_stdout(StringIO()):
        for event in (EVENT, NAMED, SIMILAR, VARIED):
            if (answer := ours["handler"](event, None))["statusCode"] != 200:
                sys.exit(answer["body"])
        for warm_up in calls * 50:
            warm_up()
        if '"metadata":' not in ours["handler"](EVENT, None)["body"]:
            sys.exit("no item shows its columns")
        rounds = [[timed(call) for call in calls] for _ in range(WARM_PAIRS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def main() -> None:
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    with tempfile.TemporaryDirectory() as cache:
        try:
            variables = environment(int(cast("IO[str]", server.stdout).readline()), cache)
            for source in (OURS, BARE):
                cold(source, variables)
            runs = [
                (cold(OURS, variables), cold(BARE, variables), cold(OURS, variables, NAMED)) for _ in range(COLD_RUNS)
            ]
            ours, bare, named = (statistics.median(column) for column in zip(*runs, strict=True))
            print(f"cold: ours {ours:.0f} ms, bare boto3 handler {bare:.0f} ms: {ours / bare:.2f}x (at most 1.3x)")
            print(f"cold with names: {named:.0f} ms, {named - ours:.0f} ms more")
            command = [sys.executable, __file__, "warm"]
            subprocess.run(command, env=variables, cwd=REPOSITORY, check=True)
        finally:
            server.terminate()
            server.wait()


def print_warm() -> None:
    ours, bare, call, named, similar, varied = warm()
    over = ours - call
    print(f"warm: ours {ours:.0f} us, bare boto3 handler {bare:.0f} us, the boto3 call {call:.0f} us: ", end="")
    print(f"{over:.0f} us over the call (at most 110 us); with names {named - ours:.0f} us more")
    print(f"warm, 12 similar items with names: {similar:.0f} us; with variety {varied - similar:.0f} us more")


if __name__ == "__main__":
    {"serve": serve, "warm": print_warm}.get(sys.argv[1] if len(sys.argv) > 1 else "", main)()
