# SPDX-License-Identifier: Apache-2.0
"""The embedded engine with 600,000 interactions: start, jobs, answers, events, and both while it trains.

Protocol: generated purchases (800 users, 20,000 items, long tail, item-to-item chains), imported and trained through
boto3. Requests come over keep-alive connections of one process beside the engine (`load`). GetRecommendations asks for
25 items for random users, without what they purchased, by a filter. PutEvents sends one event of random users.
Every figure stands beside its floor, measured in the same run: an application that answers a constant over the same
server, and rows that SQLite commits one by one to the same disk. Other programs slow both alike.
"""

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import psutil

from benchmarks.harness import Engine, Shop, free_port
from benchmarks.load import Outcome, load, request

SHOPPERS, ITEMS, ROWS = 800, 20_000, 600_000
ANSWERS, EVENTS, STREAMED = 4_000, 6_000, 1_000
"""Requests of a measurement: over 8 connections, over 32, and over one."""
_RANDOM = random.Random(11)


def write_history(path: Path) -> None:
    """Purchases with a long tail and with habits: half of the steps go to the previous item's fixed companion."""
    rng = random.Random(7)
    companion = [rng.randrange(ITEMS) for _ in range(ITEMS)]
    with path.open("w", encoding="utf-8") as out:
        out.write("USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n")
        for user in range(SHOPPERS):
            item = 0
            for step in range(ROWS // SHOPPERS):
                item = companion[item] if rng.random() < 0.5 else min(ITEMS - 1, int(rng.paretovariate(0.6)) - 1)
                out.write(f"u{user},i{item},Purchase,{1_700_000_000 + step * 3_600 + user}\n")


def asks(campaign: str, excluding: str, count: int) -> list[bytes]:
    """Requests for the recommendations of random users."""
    users = (f"u{_RANDOM.randrange(SHOPPERS)}" for _ in range(count))
    ask = {"campaignArn": campaign, "numResults": 25, "filterArn": excluding}
    return [request("/recommendations", json.dumps(ask | {"userId": user}).encode()) for user in users]


def events(tracking: str, count: int) -> list[bytes]:
    """Requests with an event each."""
    return [_event(tracking, f"x{_RANDOM.randrange(100_000)}", f"i{_RANDOM.randrange(ITEMS)}") for _ in range(count)]


def _event(tracking: str, user: str, item: str) -> bytes:
    event = {"eventType": "Purchase", "itemId": item, "sentAt": 1_800_000_000}
    body = {"trackingId": tracking, "sessionId": f"s-{user}", "userId": user, "eventList": [event]}
    return request("/events", json.dumps(body).encode())


@contextmanager
def constant() -> Iterator[int]:
    """Run the application that answers a constant; yields its port."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "benchmarks.load", str(port)]) as process:
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.01)
            yield port
        finally:
            process.terminate()


def commits(folder: Path, count: int) -> Outcome:
    """Commit rows of an event's size one by one, durably."""
    with closing(sqlite3.connect(folder / "floor.sqlite")) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (body TEXT)")
        took = []
        for _ in range(count):
            began = time.perf_counter()
            with connection:
                connection.execute("INSERT INTO t VALUES (?)", ("x" * 300,))
            took.append((time.perf_counter() - began) * 1e3)
    return Outcome(sum(took) / 1e3, took)


def change(engine: Engine, campaign: str, tracking: str, index: int) -> float | None:
    """Seconds from sending a stranger's first event to the end of the changed answer; None if nothing changed."""

    def post(raw: bytes) -> bytes:
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        path = head.split(b" ", 2)[1].decode()
        with urllib.request.urlopen(urllib.request.Request(engine.url + path, body, lines)) as answer:
            content: bytes = answer.read()
        return content

    def items() -> list[str]:
        return [
            item["itemId"]
            for item in json.loads(post(request("/recommendations", json.dumps(ask).encode())))["itemList"]
        ]

    ask = {"campaignArn": campaign, "userId": f"stranger-{index}", "numResults": 25}
    before, started = items(), time.perf_counter()
    post(_event(tracking, f"stranger-{index}", f"i{index}"))
    return time.perf_counter() - started if items() != before else None


def main() -> None:
    """Print every figure of the engine that its documents claim, but for the growth of imports and trainings."""
    with tempfile.TemporaryDirectory() as folder:
        ready(Path(folder))
        root = Path(folder) / "s3"
        with Engine(Path(folder) / "state", s3_root=root) as engine:
            shop = Shop(engine, root)
            write_history(shop.interactions)
            tracking, seconds = shop.load()
            print(f"import         {seconds:8.2f} s    {ROWS:,} rows")
            campaigns = {tier: shop.train("aws-user-personalization", tier) for tier in ("fast", "standard")}
            for tier, (_, seconds) in campaigns.items():
                print(f"training       {seconds:8.2f} s    User-Personalization, {tier} tier, with its offline metrics")
            excluding = shop.filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")')
            measure(engine, {tier: campaign for tier, (campaign, _) in campaigns.items()}, excluding)
            stream(engine, Path(folder), tracking)
            beside_a_training(engine, shop, campaigns["fast"][0], tracking, excluding)
            arn = campaigns["standard"][0]
            changes = [took * 1e3 for index in range(50) if (took := change(engine, arn, tracking, index))]
            print(f"event to change {median(changes):6.2f} ms   {len(changes)} of 50 answers changed")
            tree = [psutil.Process(engine.pid), *psutil.Process(engine.pid).children(recursive=True)]
            memory = sum(process.memory_info().rss for process in tree) / 1e6
            print(f"memory         {memory:8.0f} MB   {len(tree)} processes")


def ready(folder: Path) -> None:
    """Print how long an engine starts, beside a process that imports what it needs; five of each, in turn."""
    seconds, floor = [], []
    for number in range(5):
        with Engine(folder / f"start-{number}", s3_root=folder) as engine:
            seconds.append(engine.ready_seconds)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import numpy, botocore.loaders, botocore.model, uvicorn"], check=True)
        floor.append(time.perf_counter() - began)
    print(f"ready          {median(seconds):8.2f} s    the floor, importing its libraries: {median(floor):.2f} s")


def processor_seconds(engine: Engine) -> float:
    times = psutil.Process(engine.pid).cpu_times()
    return float(times.user + times.system)


def measure(engine: Engine, campaigns: dict[str, str], excluding: str) -> None:
    """Print the rates of answers and of the control plane."""
    with constant() as port:
        floor = load(port, [request("/recommendations", b"{}")] * ANSWERS, 8)
        alone = load(port, [request("/", b"{}")] * STREAMED, 1)
    print(f"floor            {floor.shown()}")
    for tier, campaign in campaigns.items():
        load(engine.port, asks(campaign, excluding, 200), 8)
        before = processor_seconds(engine)
        shown = load(engine.port, asks(campaign, excluding, ANSWERS), 8).shown()
        micros = (processor_seconds(engine) - before) / ANSWERS * 1e6
        if_alone = f"{1e6 / micros:.0f} /s if it had one to itself"
        print(f"answers {tier:8} {shown}   {micros:.0f} µs of a processor each: {if_alone}")
    body = json.dumps({"campaignArn": campaigns["fast"]}).encode()
    described = load(engine.port, [request("/", body, "DescribeCampaign")] * STREAMED, 1)
    print(f"control plane    {described.shown()}   floor p50 {median(alone.milliseconds):.2f} ms")


def stream(engine: Engine, folder: Path, tracking: str) -> None:
    """Print the rates of events beside that of commits."""
    floor = commits(folder, STREAMED)
    print(f"commits (floor)  {floor.shown()}")
    print(f"events, 32 conn. {load(engine.port, events(tracking, EVENTS), 32).shown()}")
    print(f"events, 1 conn.  {load(engine.port, events(tracking, STREAMED), 1).shown()}")


def beside_a_training(engine: Engine, shop: Shop, campaign: str, tracking: str, excluding: str) -> None:
    """Print the latencies of answers and events while a solution version trains."""
    solution = shop.control.list_solutions()["solutions"][-1]["solutionArn"]
    version = shop.begin_training(solution)
    time.sleep(2)
    print(f"training beside: commits {commits(Path(tempfile.mkdtemp()), STREAMED // 2).shown()}")
    print(f"events, 1 conn.  {load(engine.port, events(tracking, STREAMED), 1).shown()}")
    print(f"answers, 1 conn. {load(engine.port, asks(campaign, excluding, STREAMED), 1).shown()}")
    status = shop.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]["status"]
    print(f"                 the training was then {status}")
    shop.trained(version)


if __name__ == "__main__":
    main()
