# SPDX-License-Identifier: Apache-2.0
"""A shop with `language: ko` finds nothing in English on its pages but names; documents keep their English."""

import io
import json
import re
import zipfile
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core.errors import Rejected
from personalization.ingest import report as drop_report
from personalization.likelihood import report as likelihood_report
from personalization.reports import pages
from personalization.shop.settings.settings import ShopSettings, parse
from table_intake.check.changes import Last
from table_intake.check.findings import too_many_rejects

from functions.judge_release.app import handler as judge
from functions.validate_drop.app import handler as validate
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import BUCKET, Drop, Event, interactions, load
from tests.ingest.test_data_report import FINDINGS, SUBJECT
from tests.reports.reading import english, texts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "personalize")
HISTORY = "drops/demo/interactions/history.csv"
NAMES = ("demo", "interactions", "items", "domain", "custom", "rejects", "limit", "member", "skip", "returns", "Return")
"""Of the shop, of folders and of settings."""
NDCG = "normalized_discounted_cumulative_gain_at_10"


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name in names:
            zipped.writestr(name, interactions())
    return file.getvalue()


def read(bucket: "S3Client", key: str) -> str:
    return bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()


def shown(bucket: "S3Client", event: Event, kind: str = "interactions") -> str:
    """Return the page of a drop."""
    return read(bucket, f"reports/demo/{event['run']}/data-{kind}.html")


@pytest.fixture(autouse=True)
def _korean(drop: Drop) -> None:
    drop("drops/demo/settings.yaml", "language: ko\n")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "파일이 비어 있습니다"),
        ("USER_ID,ITEM_ID,TIMESTAMP\n", "헤더만 있고 행이 없습니다"),
        (interactions(header="USER_ID,ITEM,TIMESTAMP,X"), "필수 열이 없습니다: ITEM_ID"),
        (interactions(header="USER_ID,ITEM_ID,TIMESTAMP,user id"), "같은 열 USER_ID입니다"),
        (interactions(rows=999), "서로 다른 상호 작용 1,000건이 필요한데 파일에는 999건이 있습니다"),
        (interactions(users=24), "고객이 24명뿐입니다"),
        ("ITEM_ID,PRICE,CATEGORY_L1\n1,2,c\n", "상품 데이터로 보입니다(ITEM_ID)"),
        (interactions().replace("\n", ",x\n").replace(",x", "", 1), "값이 5개인데 헤더는 4개입니다"),
        (interactions().replace(",17000001", ",soon"), "100개가 잘못되었습니다(8.33%, 상점의 한도 1.00%)"),
        (interactions().replace("u1,", ",").replace("u2,", ","), "USER_ID가 비어 있습니다"),
        ("<html><table>", "HTML 페이지입니다"),
        ('{"a": {"b": 1}\n', "JSON이지만 객체의 목록이 아닙니다"),
        (b"PK\x03\x04", "온전한 zip 파일이 아닙니다"),
        (b"PAR1", "온전한 Parquet 파일이 아닙니다: 파일이 중간에 끝납니다"),
        (archive("a.csv", "b.csv"), "zip 안의 파일이 2개입니다(a.csv, b.csv)"),
        (archive("xl/workbook.xml"), "온전한 Excel 통합 문서가 아닙니다"),
    ],
)
def test_a_refused_drop_is_told_in_korean(content: str | bytes, reason: str, drop: Drop, bucket: "S3Client") -> None:
    event = drop(HISTORY, content)
    with pytest.raises(Rejected) as refused:
        validate(event, None)
    page = shown(bucket, event)
    assert '<html lang="ko">' in page
    assert any(reason in text for text in texts(page))
    assert english(page, *NAMES, "user id", "soon") == {}
    # So does the run that fails, and what it announces.
    assert reason in refused.value.reason
    assert english(refused.value.reason, *NAMES, "user id", "soon", "columns", "ignore", "html") == {}
    # What machines read stays English.
    document = json.loads(read(bucket, f"reports/demo/{event['run']}/data-interactions.json"))
    assert document["reason"].isascii()
    assert document["texts"][document["reason"]]["template"]


def test_an_accepted_drop_is_told_in_korean(drop: Drop, bucket: "S3Client") -> None:
    drop(
        "drops/demo/settings.yaml",
        "language: ko\ninteractions: {columns: {kunde: USER_ID}, skip: {state: [gone]}, ignore: [extra]}\n"
        "defaults: {EVENT_VALUE: 1}\nreturns: {column: qty, below: 0}\n",
    )
    lines = interactions().splitlines()
    states = ("gone" if number % 100 == 0 else "ok" for number in range(len(lines)))
    rows = [f"{line},{next(states)},{-1 if number % 90 == 1 else 2},x" for number, line in enumerate(lines[1:])]
    rows[5] = rows[5].replace("u5", "", 1)
    header = "kunde,ITEM_ID,TIMESTAMP,EVENT_VALUE,state,qty,extra"
    event = drop(HISTORY, "\n".join([header, *rows]) + "\n")
    plan: Any = validate(event, None)
    assert english("\n".join(plan["notes"]), *NAMES, "kunde", "state", "gone", "qty", "extra", "csv") == {}
    page = shown(bucket, event)
    assert "kunde를 USER_ID로 읽었습니다" in " ".join(texts(page))
    assert english(page, *NAMES, "kunde", "state", "gone", "qty", "extra") == {}


def test_what_looks_wrong_is_told_in_korean() -> None:
    subject = replace(SUBJECT, settings=ShopSettings(language="ko"))
    earlier = drop_report.document(subject, replace(FINDINGS, rows=9_000, accepted=9_000), "")
    document = drop_report.document(subject, FINDINGS, too_many_rejects(FINDINGS, 0.001), Last(earlier))
    page = drop_report.page(json.loads(json.dumps(pages.with_codes(document))))
    assert "올바른 행이 812개로 이전 9,000개의 9%입니다" in page
    # The rule and the note are plain strings here, as a program of a shop may make them.
    assert english(
        page, "demo", "PRICE is not a number", "PRICE must be a number, not", "note", "more", "rejects", "limit"
    ).keys() <= {"a"}


@pytest.mark.usefixtures("table")
def test_a_release_is_told_in_korean(personalize: FakePersonalize, bucket: "S3Client") -> None:
    event: Any = load("judge_release_judge")
    key = event["plan"]["importJob"]["dataLocation"].partition(f"s3://{BUCKET}/")[2]
    bucket.put_object(Bucket=BUCKET, Key=f"{key}part-0.csv", Body=interactions().encode())
    for value in (0.3, 0.1, 0.2, 0.1):
        personalize.says("GetSolutionMetrics", {"solutionVersionArn": "v", "metrics": {NDCG: value}})
    verdict: Any = judge({**event, "plan": {**event["plan"], "language": "ko"}}, None)
    folder = f"reports/demo/{event['plan']['run']}"
    page = read(bucket, f"{folder}/release.html")
    assert "demo 릴리스" in page
    assert "이 레시피의 첫 릴리스입니다" in page
    assert english(page, "demo") == {}
    assert (
        "The first release of this recipe" in json.loads(read(bucket, f"{folder}/release.json"))["recipes"][0]["reason"]
    )
    assert verdict["outcome"] in {"promoted", "partly promoted"}
    assert english("\n".join([verdict["reason"], *map(itemgetter("reason"), verdict["refused"])])) == {}


@pytest.mark.usefixtures("demo", "unfitted")
def test_a_likelihood_is_told_in_korean(fitted: dict[str, Any], bucket: "S3Client") -> None:
    document = json.loads(read(bucket, fitted["report"].replace(".html", ".json")))
    page = likelihood_report.page(document | {"language": "ko"})
    assert "5%는 정말 5%인가요?" in page
    assert english(page, "demo", "continue") == {}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("domain: custm", "domain: 'ecommerce', 'custom' 중 하나여야 합니다"),
        ("recipe: [x]", "recipe는 없는 설정입니다(recipes를 뜻했나요?"),
        ("probe: {latency_ms: 0}", "probe.latency_ms: 0보다 커야 합니다"),
        ("gate: {held_out: {days: 7, users: 50, minimum_users: 60}}", "minimum_users가 users보다 커서"),
        ("interactions: {dates: '%Y'}", "interactions.dates: %Y-%m-%d나"),
        ("interactions: {timezone: Seoul/Asia}", "interactions.timezone: 시간대가 아닙니다"),
        ("schedules: [{name: a, every: rate(1 week)}]", "schedules.0.every: rate(7 days)"),
        ("batch: {a: {recipe: trending-now}}", "Trending-Now에는 배치 작업이 없습니다"),
        (
            "placements: {home: {recipe: similar-items, filter: x}}",
            "x는 상점의 필터가 아닙니다(있는 필터: not-purchased)",
        ),
        ("campaigns: {similar-items: {exploration_weight: 0.5}}", "탐색하지 않습니다. 빼세요"),
        ("changes: a", "changes: 이름이 있는 설정들이어야 합니다"),
        ("deploy: true\ndeploy: false", "deploy: 2번째 줄과 3번째 줄에 두 번 있습니다"),
    ],
)
def test_refused_settings_are_told_in_korean(settings: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse("settings.yaml", f"language: ko\n{settings}\n")
    told = refused.value.reason
    assert reason in told
    words = {*re.findall(r"[A-Za-z-]+", settings), "generation", "ecommerce", "custom", *ShopSettings.model_fields}
    forms = ("%Y-%m-%d", "iso", "UTC", "rate", "days", "day", "hours", "cron", "not-purchased", "Trending-Now")
    assert english(told.partition("있는 설정")[0], *words, *forms) == {}
