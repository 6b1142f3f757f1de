# SPDX-License-Identifier: Apache-2.0
"""Days that one function cannot make, held against the same days in one function: the same reports, shards or not."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.auth import list_columns, list_ids
from personalization.auth.list_ids import Key, Shown
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import Broken
from personalization.experiments.analysing import Analyst, Clients, Round
from personalization.experiments.assignment import unit_digest, visitor_digest
from personalization.experiments.days import shards
from personalization.experiments.days.files import DayFiles
from personalization.experiments.days.large.plan import forget_parts
from personalization.experiments.days.shards import Shard
from personalization.experiments.lists import Lists
from personalization.shop.records import release_store

from functions.check_part.app import handler as take_step
from tests.experiments.test_aggregates import COLUMNS, START, buy, copy, event
from tests.experiments.test_analyse_experiments import FILE, Bus
from tests.handlers.samples import BUCKET, RELEASE, TABLE, Drop
from tests.handlers.variables import changed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo")
SETTINGS = """
placements:
  home: {recipe: user-personalization, limit: 3}
"""
LISTS = Lists(list_columns.variants, list_ids.variant_number, list_columns.facts)
TRACKING = str(RELEASE["trackingId"])
FIRST = datetime.fromtimestamp(START, UTC)
DAYS = 4
REPORTS = ("reports/demo/experiments/best/report.json", "reports/demo/shelves/week.json")
TINY = "40000"
MADE = ("aggregates/", "work/", "reports/")


class Shop:
    """A shop whose rounds, and what they start, are made by the test."""

    def __init__(self, drop: Drop, bucket: "S3Client") -> None:
        self.drop = drop
        self.bucket = bucket
        self.started: list[str] = []
        self.status = "RUNNING"
        self.before: dict[str, bytes] = {}

    def round_at(self, hours: float) -> Round:
        aws = Clients(clients.s3(), clients.dynamodb(), cast("Any", Bus()), cast("Any", self))
        now = FIRST + timedelta(hours=hours)
        done = Analyst(aws, Environment(), now, lambda _: ["u3"], LISTS).round(lambda: False)
        assert not done.failed
        return done

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> None:  # noqa: A002, N803
        """Take what a round starts in place of Step Functions."""
        folder = json.loads(input)["work"]
        assert (stateMachineArn.rpartition(":")[2], f"/{name}/" in folder) == ("Check", True)
        self.started.append(folder)
        self.status = "RUNNING"

    def describe_execution(self, *, executionArn: str) -> dict[str, str]:  # noqa: N803
        assert executionArn.endswith(f":execution:Check:{self.started[-1].split('/')[-2]}")
        return {"status": self.status}

    def work(self) -> dict[str, int]:
        """Take the steps of what was started last, as the machine does, each twice; return how many there were."""
        folder = self.started[-1]
        numbers = json.loads(self.read(f"{folder}items-0.json"))
        for number in reversed(numbers):
            self.step("check", folder, number)
        fit = self.step("fit", folder)
        assert fit["again"] is False
        for number in range(fit["partitions"]):
            self.step("count", folder, number)
        self.status = "SUCCEEDED"
        return {"parts": len(numbers), "shards": fit["partitions"]}

    def step(self, name: str, folder: str, number: int = 0) -> Any:  # noqa: ANN401 - JSON
        request = {"step": name, "work": folder, "round": 0, "number": number}
        done = take_step(request, None)
        assert number or take_step(request, None) == done
        return done

    def read(self, key: str) -> bytes:
        return self.bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self, folder: str) -> list[str]:
        listed = self.bucket.list_objects_v2(Bucket=BUCKET, Prefix=folder).get("Contents", [])
        return [content["Key"] for content in listed]

    def begin_again(self) -> None:
        """Bring back what was there before the experiment."""
        for key in [key for folder in MADE for key in self.keys(folder)]:
            self.bucket.delete_object(Bucket=BUCKET, Key=key)
        for key, data in self.before.items():
            self.bucket.put_object(Bucket=BUCKET, Key=key, Body=data)

    def reports(self) -> list[Any]:
        return [json.loads(self.read(key)) for key in REPORTS]


@pytest.fixture
def shop(drop: Drop, bucket: "S3Client", table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    # Sixteen take a test as long as sixteen functions.
    monkeypatch.setattr(shards, "EVERY", (Shard(0, 2), Shard(1, 2)))
    drop("drops/demo/settings.yaml", SETTINGS)
    drop("drops/demo/experiments.yaml", FILE)
    drop(f"events/demo/{FIRST - timedelta(days=1):%Y/%m/%d}/1.csv", copy([event("View", -5000)]))
    made = Shop(drop, bucket)
    made.round_at(0)
    made.before = {key: made.read(key) for folder in MADE for key in made.keys(folder)}
    yield made
    release_store.delete(table, TABLE, "demo", "experiments")


def token(at: int, variant: str, number: int) -> str:
    shown = Shown(name="placement/home", at=at + number / 100, release=1, variant=list_ids.variant_number(variant))
    return list_ids.sign(Key(1, b"k" * 32), "demo", shown)


def happen(shop: Shop, seed: int = 1) -> None:
    """Let users, and visitors before their login, be exposed, see, click, buy and give back, on several days."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for day in range(DAYS):
        rows, shown, seen = [], [], []
        for number in range(150):
            user, at = f"u{chance.randrange(100)}", day * 86_400 + chance.randrange(80_000)
            variant = ("own", "best")[int(user[1:]) % 2]
            visitor = visitor_digest(TRACKING, f"v{user}") if int(user[1:]) % 3 else ""
            unit = visitor or unit_digest(TRACKING, user)
            listed = token(START + at, f"best.{variant}", number)
            told = {"shop": "demo", "experiment": "best", "variant": variant, "unit": unit, "placement": "home"}
            shown.append({**told, "at": (START + at) * 1000})
            items = [f"i{chance.randrange(9)}" for _ in range(3)]
            seen.append({"shop": "demo", "unit": unit, "listId": listed, "itemIds": items, "at": (START + at) * 1000})
            session = f"session {chance.randrange(250)}"
            stranger = {"user": "", "session": session} if chance.random() < 0.3 else {"user": user, "session": session}
            visitors = {"VISITOR": visitor if chance.random() < 0.8 else ""}
            click = event("View", at + 5, item=items[0], listed=listed, named=f"c{day} {number}", **stranger)
            rows.append(click | visitors)
            rows.append(event("View", at + 6, user, item="other"))
            if chance.random() < 0.4:
                order = {"orderId": f"o{day} {number}", "currency": chance.choice(["KRW", "KRW", "EUR"])}
                bought = buy(at + 9, user, items[0], session=session, value=chance.randrange(1, 90), **order)
                rows += [bought | visitors] * chance.choice([1, 1, 2])
                if chance.random() < 0.2:
                    rows.append(event("Return", at + 19, user, items[0], value=5, **order) | visitors)
        if day == 0:
            # One function learns who is one unit from day to day, and shards before they are made.
            rows += [event("View", 1, f"u{n}") | {"VISITOR": visitor_digest(TRACKING, f"vu{n}")} for n in range(100)]
        when = FIRST + timedelta(days=day)
        for part in range(3):
            columns = (*COLUMNS, "VISITOR")
            shop.drop(f"events/demo/{when:%Y/%m/%d}/{part}.csv", copy(rows[part::3], columns))
            shop.drop(f"exposures/demo/{when:%Y/%m/%d}/{part}.jsonl", "\n".join(map(json.dumps, shown[part::3])))
            shop.drop(f"impressions/demo/{when:%Y/%m/%d}/{part}.jsonl", "\n".join(map(json.dumps, seen[part::3])))
        # The first of them came twice.
        shop.drop(f"events/demo/{when:%Y/%m/%d}/3.csv", copy(rows[::3], (*COLUMNS, "VISITOR")))
    late = [buy(2 * 86_400, f"u{number}", value=3, orderId=f"late {number}") for number in range(8)]
    imported = "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP,EVENT_VALUE\n" + "".join(
        f"{row['USER_ID']},{row['ITEM_ID']},Purchase,{row['TIMESTAMP']},3\n" for row in late
    )
    shop.drop("imports/demo/run-1/interactions/part-1.csv", imported)


def same(small: Any, large: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether two documents are the same, but for the last digits of sums."""
    if isinstance(small, dict) and isinstance(large, dict):
        return small.keys() == large.keys() and all(same(small[name], large[name]) for name in small)
    if isinstance(small, list) and isinstance(large, list):
        return len(small) == len(large) and all(map(same, small, large))
    if isinstance(small, float) and isinstance(large, float):
        return small == pytest.approx(large, rel=1e-9, abs=1e-12)
    return bool(small == large)


def test_shards_say_what_one_function_says_and_a_part_is_read_once(shop: Shop) -> None:
    happen(shop)
    hours = DAYS * 24 - 2
    shop.round_at(hours)
    whole = shop.reports()
    assert whole[0]["counted"]["double"] or whole[0]["variants"][0]["orders"]
    shop.begin_again()

    with changed("LARGE_DAY_BYTES", TINY):
        shop.round_at(hours)
        assert shop.work()["parts"] > 3 * DAYS
        shop.round_at(hours + 0.2)
        parts = shop.keys("work/demo/experiments/parts/")
        shards = shop.reports()
        # The days of which no more files are expected are not read again, and of the others only what is new.
        again = shop.work()["parts"]
        assert again < len(parts)
        assert shop.keys("work/demo/experiments/parts/") == parts
    for document in (*whole, *shards):
        for name in ("madeAt", "now", "at", "hours"):
            document.pop(name, None)
    assert not differences(whole, shards)


def differences(small: Any, large: Any, path: str = "") -> list[str]:  # noqa: ANN401 - JSON
    if isinstance(small, dict) and isinstance(large, dict):
        names = sorted({*small, *large})
        return [told for name in names for told in differences(small.get(name), large.get(name), f"{path}.{name}")]
    if isinstance(small, list) and isinstance(large, list) and len(small) == len(large):
        pairs = enumerate(zip(small, large, strict=True))
        return [told for number, pair in pairs for told in differences(*pair, f"{path}[{number}]")]
    return [] if same(small, large) else [f"{path}: {small!r} != {large!r}"]


def test_what_an_erasure_takes_makes_no_empty_day_and_is_planned_again(shop: Shop) -> None:
    happen(shop)
    with changed("LARGE_DAY_BYTES", TINY):
        shop.round_at(DAYS * 24 - 2)
        (folder,) = shop.started
        for number in range(len(json.loads(shop.read(f"{folder}items-0.json")))):
            shop.step("check", folder, number)
        shop.step("fit", folder)
        shop.step("count", folder, 0)
        files, gone = DayFiles(shop.bucket, BUCKET, "demo"), unit_digest(TRACKING, "u6")
        # Parts have what users did, so that an erasure takes them.
        files.forget({gone})
        forget_parts(shop.bucket, BUCKET, "demo")
        assert not shop.keys("work/demo/experiments/parts/")
        with pytest.raises(Broken):
            shop.step("count", folder, 1)
        # The machine may still be at work; a round says that days are missing.
        shop.round_at(DAYS * 24 - 1.5)
        assert shop.started == [folder]
        assert "Some days are not in these figures yet" in shop.read("reports/demo/shelves/day.html").decode()

        shop.status = "FAILED"
        shop.round_at(DAYS * 24 + 0.1)
        assert len(shop.started) == 2
        shop.work()
        shop.round_at(DAYS * 24 + 0.2)

    told, _ = shop.reports()
    assert sum(variant["orders"] for variant in told["variants"]) > 50
    assert told["whole"]
    made = files.shop_days([FIRST.date() + timedelta(days=day) for day in range(DAYS)])
    assert len(made) == DAYS
    assert gone not in {unit for day in made.values() for unit in day.rows["unit"]}
    # Of a day that lacks a shard, nothing is read.
    days = sorted(key for key in shop.keys("aggregates/demo/days/") if "-of-" in key)
    shop.bucket.delete_object(Bucket=BUCKET, Key=days[0])
    assert [len(keys) for keys in files.stored_days("days").values()].count(2) == len(days) // 2 - 1
