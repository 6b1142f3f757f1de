# SPDX-License-Identifier: Apache-2.0
"""The embedded engine with 600,000 interactions: start, training, answers over HTTP, an event's way into the answer.

Protocol: generated purchases (800 shoppers, 20,000 items, long tail, item-to-item chains), imported and trained through
boto3; then one keep-alive connection sends 2,000 GetRecommendations for random shoppers, 25 items each, history
excluded by a filter. The floor is the same number of `GET /` on the same connection to the same process: HTTP's cost.
Events: PutEvents, then the first answer; the time is from the send of the event to the changed answer's end.
"""

import http.client
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from benchmarks.harness import Engine, Shop, percentile

SHOPPERS, ITEMS, ROWS = 800, 20_000, 600_000


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


class Caller:
    """One keep-alive connection, so that only the engine's time and HTTP's floor are measured."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        scope = "Credential=bench/20260101/us-east-1/personalize/aws4_request"
        self._headers = {"Content-Type": "application/json", "Authorization": f"AWS4-HMAC-SHA256 {scope}"}

    def timed(self, method: str, path: str, body: object = None) -> tuple[float, bytes]:
        """Seconds and answer of one call."""
        payload = None if body is None else json.dumps(body)
        started = time.perf_counter()
        self._connection.request(method, path, payload, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - started
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {content.decode()}")
        return seconds, content

    def items(self, request: object) -> list[str]:
        """The item ids of one answer."""
        return [item["itemId"] for item in json.loads(self.timed("POST", "/recommendations", request)[1])["itemList"]]


def change(caller: Caller, campaign: str, tracking: str, index: int) -> float | None:
    """Seconds from sending a stranger's first event to the end of the changed answer; None if nothing changed."""
    ask = {"campaignArn": campaign, "userId": f"stranger-{index}", "numResults": 25}
    before = caller.items(ask)
    event = {"eventType": "Purchase", "itemId": f"i{index}", "sentAt": 1_800_000_000}
    body = {"trackingId": tracking, "sessionId": f"s{index}", "userId": f"stranger-{index}", "eventList": [event]}
    started = time.perf_counter()
    caller.timed("POST", "/events", body)
    after = caller.items(ask)
    return time.perf_counter() - started if after != before else None


def main() -> None:
    """Print every figure of the engine that the README claims."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "s3"
        with Engine(Path(folder) / "state", s3_root=root) as engine:
            print(f"ready         {engine.ready_seconds:8.2f} s")
            shop = Shop(engine, root)
            write_history(shop.interactions)
            tracking, seconds = shop.load()
            print(f"import        {seconds:8.2f} s    {ROWS:,} rows")
            campaign, seconds = shop.train("aws-user-personalization")
            print(f"training      {seconds:8.2f} s    User-Personalization with its offline metrics")
            measure(engine, campaign, tracking, shop.filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'))


def measure(engine: Engine, campaign: str, tracking: str, excluding: str) -> None:
    """Print the latencies and the memory of a loaded engine."""
    caller, rng = Caller(engine.port), random.Random(11)
    ask = {"campaignArn": campaign, "numResults": 25, "filterArn": excluding}
    requests = [{**ask, "userId": f"u{rng.randrange(SHOPPERS)}"} for _ in range(2_000)]
    for request in requests[:100]:
        caller.timed("POST", "/recommendations", request)
    answers = [caller.timed("POST", "/recommendations", request)[0] * 1e3 for request in requests]
    floor = [caller.timed("GET", "/")[0] * 1e3 for _ in requests]
    ratio = median(answers) / median(floor)
    print(f"answer   p50  {median(answers):8.2f} ms   floor {median(floor):.2f} ms, {ratio:.1f} times the floor")
    print(f"answer   p99  {percentile(answers, 99):8.2f} ms   floor {percentile(floor, 99):.2f} ms")
    changes = [seconds * 1e3 for index in range(50) if (seconds := change(caller, campaign, tracking, index))]
    print(
        f"event to change {median(changes):6.2f} ms   worst {max(changes):.2f} ms, {len(changes)} of 50 answers changed"
    )
    tree = [psutil.Process(engine.pid), *psutil.Process(engine.pid).children(recursive=True)]
    print(f"memory        {sum(process.memory_info().rss for process in tree) / 1e6:8.0f} MB   {len(tree)} processes")


if __name__ == "__main__":
    main()
