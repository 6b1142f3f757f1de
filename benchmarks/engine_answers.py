# SPDX-License-Identifier: Apache-2.0
"""What a recommendation costs in our handler where the engine is the shop's backend, beside Amazon Personalize.

`PYTHONPATH=layers/core python -m benchmarks.engine_answers [FOLDER]`: the handler, with bytecode, against one local
server that answers as DynamoDB, S3 and Personalize would, at once. The engine's model and table are those of
`benchmarks.studies.library_answers` in tier `standard`, or in FOLDER (`model`, and tables by their types). `cold` is a
fresh process up to its first answer, taken in turns; `the engine's first` up to the first one that is not a fallback:
until then the model comes from the bucket. `warm` is one process that answers users with five live events, in turns:
milliseconds, and those of the processor.
"""

import asyncio
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from typing import IO, Any, cast
from zlib import crc32

from benchmarks import serving
from benchmarks.harness import percentile
from benchmarks.studies.library_answers import make

COLD_RUNS, WARM, WARM_UP, USERS = 7, 500, 30, 200
ENGINE = "arn:aws:engine:us-east-1:123456789012"
GROUP, VERSION = f"{ENGINE}:dataset-group/retail-demo", f"{ENGINE}:solution/retail-demo-user-personalization/1"
CAMPAIGN = f"{ENGINE}:campaign/retail-demo-user-personalization"
EXPRESSION = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")'
ALIAS, EVENTS = "user-personalization", 5
MADE_AT = 1_700_000_000.0
Item = Any
"""An item in DynamoDB's notation."""
COMMAND = [sys.executable, "-m", "benchmarks.engine_answers"]
FIRST_ANSWER = """
import json, os, sys, time
event = json.loads(sys.argv[1])
while True:
    answer = handler(event, None)
    body = json.loads(answer["body"])
    if "items" not in body:
        sys.exit(answer["body"])
    if sys.argv[2] not in {item["source"] for item in body["items"]}:
        break
    time.sleep(0.02)
sys.stderr.write("200")
sys.stderr.flush()
os._exit(0)
"""


class Account:
    """What the table of shops, the live table and the bucket have."""

    def __init__(self, folder: Path) -> None:
        from personalize_local import library  # noqa: PLC0415 - the measured processes import it themselves

        self._folder = folder
        self._tables = {path.name: path for path in sorted(folder.iterdir()) if path.name.isupper()}
        manifests = {kind: json.loads((path / "manifest.json").read_text()) for kind, path in self._tables.items()}
        self._schemas = {kind: str(manifest["schema"]) for kind, manifest in manifests.items()}
        self._filter = library.check_filter(EXPRESSION, self._schemas)
        self._history = library.open_table(self._tables["INTERACTIONS"])

    def users(self) -> list[str]:
        """Some users with a history."""
        return sorted(self._history.strings("history.users").tolist(), key=lambda user: crc32(user.encode()))[:USERS]

    def records(self) -> dict[str, Item]:
        """The engine's records by their sort keys."""
        rows: dict[str, dict[str, object]] = {
            "campaign#campaign/retail-demo-user-personalization": {"solutionVersionArn": VERSION, "campaignConfig": {}},
            f"solutionVersion#{VERSION.rpartition(':')[2]}": {
                "datasetGroupArn": GROUP,
                "creationDateTime": MADE_AT,
                "_folder": "engine/model/",
            },
            f"datasetGroup#{GROUP.rpartition(':')[2]}": {"creationDateTime": MADE_AT},
            "filter#filter/retail-demo-not-purchased": {"_parsed": self._filter.to_json()},
        }
        for kind, schema in self._schemas.items():
            dataset = {"datasetGroupArn": GROUP, "datasetType": kind, "schemaArn": f"{ENGINE}:schema/{kind}"}
            rows[f"schema#schema/{kind}"] = {"schema": schema}
            rows[f"dataset#dataset/retail-demo/{kind}"] = dataset | {
                "_folder": f"engine/{kind}/",
                "_at": MADE_AT,
            }
        return {
            key: {"shop": {"S": "~engine"}, "record": {"S": key}, "body": {"S": json.dumps(row)}}
            for key, row in rows.items()
        }

    def objects(self) -> dict[str, bytes]:
        """The folders of the bucket by their keys."""
        held: dict[str, bytes] = {}
        for key, path in {"model": self._folder / "model", **self._tables}.items():
            files = {file.name: file.read_bytes() for file in path.iterdir() if file.name != "rows.parquet"}
            held |= {f"engine/{key}/{name}": data for name, data in files.items()}
            contents = {name: [len(data), hashlib.sha256(data).hexdigest()] for name, data in files.items()}
            held[f"engine/{key}/contents.json"] = json.dumps(contents).encode()
        return held

    def live(self) -> bytes:
        """The latest purchases of whoever asks."""
        items: list[Item] = [
            {
                "p": {"S": "x"},
                "s": {"S": f"{1_800_000_000_000 + number:013d}#e{number}"},
                "item": {"S": item},
                "at": {"N": str(1_800_000_000 + number)},
                "type": {"S": "Purchase"},
            }
            for number, item in enumerate(self._history.strings("history.items").tolist()[:EVENTS])
        ]
        return json.dumps({"Items": items, "Count": len(items)}).encode()


class Answers:
    """What the server answers."""

    def __init__(self, account: Account) -> None:
        self._records, self._objects, self._live = account.records(), account.objects(), account.live()
        campaign = {"M": {"arn": {"S": CAMPAIGN}, "metadata": {"BOOL": True}}}
        release = {"shop": {"S": "own"}, "datasetGroupArn": {"S": GROUP}, "campaigns": {"M": {ALIAS: campaign}}}
        best = [{"M": {"itemId": {"S": f"best-{number}"}}} for number in range(25)]
        self._of_shop = {
            "release": json.dumps({"Item": serving.RECORD | release}).encode(),
            "bestsellers": json.dumps({"Item": {"items": {"L": best}}}).encode(),
        }

    def answer(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Return the body of an answer, and a header of its own."""
        path = head.split(b" ", 2)[1].decode().partition("?")[0].removeprefix("/bucket/")
        if path in self._objects:
            data = self._objects[path]
            return data, f"Content-Range: bytes 0-{len(data) - 1}/{len(data)}\r\n".encode()
        if b"DynamoDB" not in head:
            return serving.body_of(head, body), b""
        call = json.loads(body)
        if b".Query" in head:
            return self._queried(call.get("ExpressionAttributeValues", {})), b""
        shop, record = (call.get("Key", {}).get(name, {}).get("S") for name in ("shop", "record"))
        if shop == "~engine":
            return json.dumps({"Item": self._records[record]} if record in self._records else {}).encode(), b""
        return self._of_shop.get(record, b"{}") if shop == "own" else serving.body_of(head, body), b""

    def _queried(self, values: Item) -> bytes:
        if values.get(":shop", {}).get("S") != "~engine":
            # Nothing was put, and nobody else did anything.
            of_user = values.get(":p", {}).get("S", "").startswith(f"{GROUP.rpartition('/')[2]}#")
            return self._live if of_user else b'{"Items": [], "Count": 0}'
        rows = [row for key, row in self._records.items() if key.startswith(values[":start"]["S"])]
        return json.dumps({"Items": rows, "Count": len(rows)}).encode()


def serve(folder: Path) -> None:
    """The server, in a process of its own; prints its port."""
    answers = Answers(Account(folder))

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await serving.head_of(reader):
            sizes = (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            body, more = answers.answer(head, await reader.readexactly(next(sizes, 0)))
            kind = b"application/x-amz-json-1.0" if b"DynamoDB" in head else b"application/json"
            start = b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nContent-Length: %d\r\n" % len(body)
            writer.write(start + more + b"\r\n" + body)
        writer.close()

    serving.listen(answered)


def event_of(shop: str, user: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(json.dumps(serving.EVENT).replace("demo", shop).replace("2375", user))
    return event


def cold(variables: dict[str, str], shop: str, without: str = "") -> tuple[float, float]:
    """Milliseconds of a fresh process up to its first answer, or the first one without items of a source; and those of
    the processor.
    """
    command = [sys.executable, "-c", serving.OURS + FIRST_ANSWER, json.dumps(event_of(shop, "2375")), without]
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.run(command, env=variables, capture_output=True, cwd=serving.REPOSITORY, check=False)
    elapsed, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.stderr[:3] != b"200":
        sys.exit(process.stderr.decode())
    return elapsed * 1e3, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def warm(users: list[str]) -> None:
    """Print what answers take in this process."""
    ours: dict[str, Any] = {}
    exec(serving.OURS, ours)  # noqa: S102 - the very sources of the cold runs
    times: dict[str, list[tuple[float, float]]] = {"demo": [], "own": []}
    with redirect_stdout(StringIO()):
        while '"campaign"' not in ours["handler"](event_of("own", users[0]), None)["body"]:
            time.sleep(0.05)
        for number in range(WARM_UP + WARM):
            for shop, rows in times.items():
                event = event_of(shop, users[number % len(users)])
                wall, processor = time.perf_counter(), time.process_time()
                answer = ours["handler"](event, None)
                rows.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - processor) * 1e3))
                if answer["body"].count('"campaign"') != 10:
                    sys.exit(answer["body"])
    for rows, what in zip(times.values(), ("Amazon Personalize, at once", "the engine"), strict=True):
        walls, processors = zip(*rows[WARM_UP:], strict=True)
        figures = [figure for column in (walls, processors) for figure in (median(column), percentile(column, 99))]
        print("warm, {:30s} {:6.2f} ms, 99 % {:6.2f}; processor {:6.2f} ms, 99 % {:6.2f}".format(what, *figures))


def measure(folder: Path) -> None:
    server = subprocess.Popen([*COMMAND, "serve", str(folder)], stdout=subprocess.PIPE, text=True)
    with tempfile.TemporaryDirectory() as cache:
        try:
            port = int(cast("IO[str]", server.stdout).readline())
            variables = serving.environment(port, cache) | {"LIVE_TABLE": "live", "SHOPPER_EVENTS_TABLE": "events"}
            cold(variables, "own", "bestsellers")
            questions = {
                "Amazon Personalize": ("demo", ""),
                "the engine": ("own", ""),
                "the engine's first": ("own", "bestsellers"),
            }
            runs = [[cold(variables, *question) for question in questions.values()] for _ in range(COLD_RUNS)]
            for what, column in zip(questions, zip(*runs, strict=True), strict=True):
                wall, processor = (median(row[part] for row in column) for part in (0, 1))
                print(f"cold, {what:30s} {wall:6.0f} ms; processor {processor:6.0f} ms", flush=True)
            subprocess.run([*COMMAND, "warm", str(folder)], env=variables, cwd=serving.REPOSITORY, check=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", path]:
            serve(Path(path))
        case ["warm", path]:
            warm(Account(Path(path)).users())
        case [path]:
            measure(Path(path))
        case _:
            from personalization.engine.counting import Learned

            with tempfile.TemporaryDirectory() as made:
                make(Path(made), notes=Learned.of([], int(MADE_AT), MADE_AT).as_json())
                measure(Path(made))
