# SPDX-License-Identifier: Apache-2.0
"""What a fit of the purchase likelihood takes: memory and time by rows, of which its bounds follow.

``.venv/bin/python -m benchmarks.studies.fitting [ROWS…]`` makes histories that are hard on memory: hardly a pair comes
twice. It fits each in a process of its own, and prints megabytes and seconds.

``.venv/bin/python -m benchmarks.studies.fitting --shards [ROWS]`` takes the steps of a fit in shards, each in a process
of its own. A byte range, a shard and what one function puts together have the size that they have in a history of ROWS,
by default 500 million. Of the other ranges and shards it has copies, which only that function reads. From there it
computes functions, seconds and dollars.
"""

import io
import json
import math
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from personalization.core.environment import Environment
from personalization.likelihood import fit as fits
from personalization.likelihood import inputs, limits, serving_files, shards, training
from personalization.likelihood.histories import Reader
from personalization.likelihood.sharded import partition
from personalization.likelihood.sharded.plan import Plan, Range, ranges
from personalization.likelihood.tables import tables

from functions.fit_likelihood.app import STEPS, Call

DAY, START = 86_400, 1_700_006_400
DAYS = 400
"""Less than the reach of a fit, so that every row is held."""
USER_ROWS = 20
"""Rows of a user."""
ITEMS = 50_000
MANY_ITEMS = 1_000_000
"""Items of a history in shards."""
MEGABYTES = 3_008
GIGABYTE_SECOND, REQUEST = 0.0000133334, 0.0000002
PUT, GET, TRANSITION = 0.000005, 0.0000004, 0.000025
"""Prices in us-east-1: Lambda on arm64, S3, and Step Functions' transitions."""
TRANSFER = 60_000_000
"""Bytes a second between a function and the bucket."""
AT_ONCE = 20
"""`MapConcurrency`."""


def rows(count: int, items: int = ITEMS) -> Iterator[str]:
    """Interactions as an import copy has them, in the order of time."""
    chance = random.Random(1)
    yield "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n"
    users = count // USER_ROWS
    for number in range(count):
        user, item = int(users * chance.random()), int(items * chance.random() ** 2)
        kind = "Purchase" if number % 2 else "View"
        yield f"user-{user:08d},item-{item:06d},{kind},{START + number * DAYS * DAY // count}\n"


def people(count: int) -> Iterator[str]:
    """What is known of the users."""
    yield "USER_ID,AGE,GENDER,CITY\n"
    for user in range(count // USER_ROWS):
        yield f"user-{user:08d},{user % 60 // 10}0s,{'fm'[user % 2]},city-{user % 50}\n"


def goods(items: int = ITEMS) -> Iterator[str]:
    """What is known of the items."""
    yield "ITEM_ID,CATEGORY_L1,CATEGORY_L2,NAME\n"
    for item in range(items):
        yield f"item-{item:06d},c{item % 20},d{item % 400},The name of item {item}\n"


def fit(count: int) -> dict[str, float]:
    """Fit as the function does; megabytes at the most, and seconds."""
    began = time.monotonic()
    reader = Reader("Purchase", START + 2 * DAYS * DAY)
    reader.items(goods())
    reader.users(people(count))
    reader.interactions(rows(count))
    read = time.monotonic()
    past = training.without_stragglers(reader.history(), 7)
    fitted = training.fit(past, 7, past.end + 1)
    table = tables(past, past.end + 1)
    model = serving_files.model(table, fitted, "run", "2026-11-25T09:00:00Z", 7, "Purchase")
    for entries, files in ((serving_files.items, model.item_shards), (serving_files.users, model.shopper_shards)):
        for _ in shards.pack_shards(entries(table, files), files):
            pass
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "megabytes": round(used),
        "readSeconds": round(read - began, 1),
        "seconds": round(time.monotonic() - began, 1),
    }


# ruff: noqa: N803 - S3's names
class Disk:
    """A bucket in a folder, as far as a fit asks; a range or a shard that is missing is like the first one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sent = self.received = self.puts = self.gets = 0

    def _path(self, key: str) -> Path:
        return self.root / key.replace("/", "|")

    def put_object(self, *, Key: str, Body: bytes, **_: object) -> None:
        self.sent, self.puts = self.sent + len(Body), self.puts + 1
        # Counters of users are not read again here.
        if "shoppers-" not in Key:
            self._path(Key).write_bytes(Body)

    def create_multipart_upload(self, *, Key: str, **_: object) -> dict[str, str]:
        self._path(Key).write_bytes(b"")
        return {"UploadId": "1"}

    def upload_part(self, *, Key: str, Body: bytes, **_: object) -> dict[str, str]:
        self.sent, self.puts = self.sent + len(Body), self.puts + 1
        with self._path(Key).open("ab") as file:
            file.write(Body)
        return {"ETag": ""}

    def complete_multipart_upload(self, **_: object) -> None:
        self.puts += 1

    def get_object(self, *, Key: str, Range: str = "", **_: object) -> dict[str, Any]:
        path = self._path(Key)
        if not path.exists():
            path = self._path(re.sub(r"(range|shard)-\d+", r"\1-0", Key))
        file = path.open("rb")
        start, end = Range.removeprefix("bytes=").split("-") if Range else ("", "")
        file.seek(int(start or 0))
        self.gets += 1
        return {
            "Body": _Body(self, file, int(end) + 1 - int(start) if end else -1),
            "ContentLength": path.stat().st_size,
        }

    def list_objects_v2(self, **_: object) -> dict[str, Any]:
        return {"Contents": []}


class _Body(io.RawIOBase):
    def __init__(self, disk: Disk, file: Any, size: int) -> None:  # noqa: ANN401 - an open file
        self._disk, self._file, self._size = disk, file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer
        count: int = self._file.readinto(buffer)
        self._disk.received += count
        return count

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(self._size if self._size >= 0 else size)
        self._disk.received += len(data)
        return data

    def close(self) -> None:
        self._file.close()


class _Table:
    def get_item(self, **_: object) -> dict[str, Any]:
        return {}


SHOP, RUN = "demo", "run"
WORK = f"work/{SHOP}/{RUN}/likelihood/"


def prepare(root: Path, count: int) -> Plan:
    """Write the first byte range and the shard's rows, and a plan of all ranges and shards."""
    disk = Disk(root)
    sizes = limits.Sizes(MEGABYTES)
    shard_count = sizes.shards(count)
    header = "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n"
    line = 47
    key = inputs.key(SHOP, "interactions", "FULL", 1, "run-0")
    every = Range(kind="interactions", key=key, version="", header=header, start=0, end=len(header) + count * line)
    user_range = Range(kind="users", key="users", version="", header="", start=0, end=1)
    all_ranges = (*ranges(every, len(header), limits.RANGE_BYTES), user_range)
    plan = Plan(
        now=START + 2 * DAYS * DAY,
        event_type="Purchase",
        horizon_days=7,
        shards=shard_count,
        ranges=all_ranges,
        items=(inputs.key(SHOP, "items", "FULL", 1, "run-0"),),
    )
    chance = random.Random(2)
    with (root / key.replace("/", "|")).open("w") as file:
        file.write(header)
        users = count // USER_ROWS
        for number in range(limits.RANGE_BYTES // line + 1):
            user, item = int(users * chance.random()), int(MANY_ITEMS * chance.random() ** 2)
            kind = "Purchase" if number % 2 else "View"
            file.write(f"user-{user:08d},item-{item:06d},{kind},{START + number * DAYS * DAY // count}\n")
    disk.put_object(Key=plan.items[0], Body="".join(goods(MANY_ITEMS)).encode())
    disk.put_object(Key=f"{WORK}plan.json.gz", Body=shards.pack(plan.as_json()))
    return plan


def segments(root: Path, plan: Plan, count: int) -> None:
    """Write the first shard's segments of all ranges: its rows of a slice of the time in each."""
    disk, chance = Disk(root), random.Random(3)
    users = [
        name for number in range(count // USER_ROWS) if shards.shard_of(name := f"user-{number:08d}", plan.shards) == 0
    ]
    slices = [position for position, range_ in enumerate(plan.ranges) if range_.kind == "interactions"]
    shard_rows, ends, facts = count // plan.shards, [], []
    for position in slices:
        reader = Reader("Purchase", plan.now)
        first, last = (shard_rows * edge // len(slices) for edge in (position, position + 1))
        for number in range(first, last):
            user, item = users[int(len(users) * chance.random())], f"item-{int(MANY_ITEMS * chance.random() ** 2):06d}"
            reader.event(user, item, START + number * DAYS * DAY // shard_rows, "Purchase" if number % 2 else "View")
        made, fact = partition.of_interactions(reader.events(), 1)
        disk.put_object(Key=f"{WORK}range-{position}", Body=made[0])
        ends.append([len(made[0])] * plan.shards)
        # A range of the size that it has names about these items; its rows are those of all shards.
        days = [[row[0], row[1] * plan.shards, *row[2:]] for row in fact["days"]]
        facts.append({**fact, "days": days, "rows": fact["rows"] * plan.shards})
    groups = (
        {"AGE": f"{user_number % 60 // 10}0s", "GENDER": "fm"[user_number % 2]} for user_number in range(len(users))
    )
    data = shards.pack(dict(zip(users, groups, strict=True)))
    disk.put_object(Key=f"{WORK}range-{len(slices)}", Body=data)
    ends.append([len(data)] * plan.shards)
    # Of its millions of rows, a range names so many items.
    names = [[f"item-{item:06d}" for item in chance.sample(range(MANY_ITEMS), 400_000)] for _ in range(8)]
    for position, fact in enumerate([*facts, {"wide": []}]):
        named = {"items": names[position % len(names)]} if "items" in fact else {}
        disk.put_object(
            Key=f"{WORK}range-{position}.json.gz", Body=shards.pack({**fact, **named, "ends": ends[position]})
        )


def step(root: Path, name: str) -> dict[str, float]:
    """Take a step; megabytes at the most, seconds, and what went to and from the bucket."""
    disk = Disk(root)
    request = {"step": name, "shop": SHOP, "run": RUN}
    variables = {"BUCKET": "bucket", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEGABYTES), "SHOPS_TABLE": "table"}
    clients: Any = fits.Clients(disk, _Table(), None)  # type: ignore[arg-type]
    began = time.process_time()
    done = STEPS.take(request, Call(clients, Environment(variables), datetime.now(UTC)))
    if done.as_json()["outcome"] != "done":
        raise ValueError(done)
    return {
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "seconds": round(time.process_time() - began, 1),
        "sent": disk.sent,
        "received": disk.received,
        "puts": disk.puts,
        "gets": disk.gets,
    }


def in_shards(count: int) -> None:
    """Print what each step takes, and what all of them take together."""
    root = Path(tempfile.mkdtemp())
    try:
        plan = prepare(root, count)
        parts = {"partition": len(plan.ranges), "gather": 1, "count": plan.shards, "combine": 1, "serve": plan.shards}
        print(f"{count:,} rows: {len(plan.ranges)} byte ranges, {plan.shards} shards, {MANY_ITEMS:,} items", flush=True)
        wall = money = 0.0
        for name, calls in parts.items():
            if name == "gather":
                segments(root, plan, count)
            line = [sys.executable, "-m", "benchmarks.studies.fitting", "--step", str(root), name]
            figures = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
            seconds = figures["seconds"] + (figures["sent"] + figures["received"]) / TRANSFER
            cost = (
                seconds * MEGABYTES / 1024 * GIGABYTE_SECOND + REQUEST + figures["puts"] * PUT + figures["gets"] * GET
            )
            money += calls * (cost + 4 * TRANSITION)
            wall += math.ceil(calls / AT_ONCE) * seconds
            print(
                f"  {calls:3} {name:9}: {figures['megabytes']:5,} MB, {figures['seconds']:6.1f} s of processor + "
                f"{seconds - figures['seconds']:5.1f} s for {(figures['sent'] + figures['received']) / 1e6:7,.0f} MB, "
                f"{figures['puts']:5,} PUT, {figures['gets']:5,} GET",
                flush=True,
            )
        print(f"  all: {wall / 60:.0f} minutes with {AT_ONCE} functions at a time, ${money:.2f}")
    finally:
        shutil.rmtree(root)


def main() -> None:
    """Fit histories of several sizes, or take the steps of a fit in shards."""
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        print(json.dumps(fit(int(sys.argv[2]))))
        return
    if len(sys.argv) == 4 and sys.argv[1] == "--step":
        print(json.dumps(step(Path(sys.argv[2]), sys.argv[3])))
        return
    if len(sys.argv) > 1 and sys.argv[1] == "--shards":
        in_shards(int(sys.argv[2]) if len(sys.argv) > 2 else 500_000_000)
        return
    for count in [int(argument) for argument in sys.argv[1:]] or [250_000, 1_000_000, 2_000_000]:
        line = [sys.executable, "-m", "benchmarks.studies.fitting", "--one", str(count)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        print(f"{count:,} rows: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
