# SPDX-License-Identifier: Apache-2.0
"""Metric attributions of streamed events: every quarter of an hour, to S3 and to a CloudWatch of the environment."""

import csv
import json
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from personalize_local.testing import FaultDoor

from engine.tests.harness import Aws, Engine, EngineProcess, until
from engine.tests.names import ROLE
from engine.tests.shop_data import columns, interactions, write_csv

QUARTER, NOW = 900, 1_900_000_800
METRICS: Any = [
    {"eventType": "View", "metricName": "views", "expression": "SAMPLECOUNT()"},
    {"eventType": "View", "metricName": "worth", "expression": "SUM(Items.PRICE)"},
    {"eventType": "Buy", "metricName": "value", "expression": "SUM(Interactions.EVENT_VALUE)"},
]


class CloudWatch(ThreadingHTTPServer):
    """A server that keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keeper)
        self.bodies: list[bytes] = []


class _Keeper(BaseHTTPRequestHandler):
    server: CloudWatch

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cloud() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def aws(tmp_path: Path, cloud: CloudWatch) -> Iterator[Aws]:
    """An engine of the test's own, which has a CloudWatch."""
    keys = {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}
    door = {"AWS_ENDPOINT_URL_CLOUDWATCH": f"http://127.0.0.1:{cloud.server_port}"}
    with EngineProcess(tmp_path, environment=door | keys, options=["--faults"]) as engine:
        write_csv(engine.s3_root / "b/a.csv", columns("Interactions"), interactions())
        yield Aws(engine, "here")


def attributed(aws: Aws, group: str) -> str:
    output: Any = {"s3DataDestination": {"path": "s3://reports/sums"}, "roleArn": ROLE}
    made = aws.control.create_metric_attribution(
        name="sums", datasetGroupArn=group, metrics=METRICS, metricsOutputConfig=output
    )
    return aws.settle("MetricAttribution", made["metricAttributionArn"])


def reports(engine: Engine, count: int) -> list[dict[tuple[str, str], float]]:
    """The reports once there are so many, oldest first: the values by metric and source."""
    folder, door = engine.s3_root / "reports" / "sums", FaultDoor(engine.url)

    def written() -> bool:
        door.advance(QUARTER)
        return len(list(folder.glob("Aggregated*.csv"))) == count

    until(written, f"{count} reports")
    reports = []
    for path in sorted(folder.iterdir()):
        assert path.name.startswith("AggregatedAttributionMetrics - PutEvents - ")
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        reports.append({(row["METRIC_NAME"], row["EVENT_ATTRIBUTION_SOURCE"]): float(row["VALUE"]) for row in rows})
    return reports


def test_streamed_events_add_up_by_source(aws: Aws, cloud: CloudWatch) -> None:
    group = aws.group()
    aws.imported(aws.dataset(group, "Interactions"), "s3://b/a.csv")
    items = aws.dataset(group, "Items")
    priced: Any = [
        {"itemId": f"i{n}", "properties": json.dumps({"price": n + 0.5, "categoryL1": "x"})} for n in range(3)
    ]
    aws.events.put_items(datasetArn=items, items=priced)
    solution = aws.solution(group, "aws-popularity-count", performAutoTraining=False)
    campaign = aws.campaign(aws.version(solution))
    tracking_id = aws.tracker(group)
    aws.click(tracking_id, "i1")
    attributed(aws, group)
    answer = aws.runtime.get_recommendations(campaignArn=campaign, userId="u1")["recommendationId"]
    mail = {"metricAttribution": {"eventAttributionSource": "mail"}}
    named: Any = ({}, {"recommendationId": answer}, mail, mail | {"recommendationId": answer})
    for number, event in enumerate(named):
        aws.click(tracking_id, f"i{number % 3}", sentAt=NOW + number, **event)
    aws.click(tracking_id, "i1", eventType="Buy", eventValue=7.5, sentAt=NOW)
    (first,) = reports(aws.engine, 1)
    unknown = "SOURCE_NAME_UNDEFINED"
    views = {("views", "mail"): 2.0, ("views", campaign): 1.0, ("views", unknown): 1.0}
    worth = {("worth", "mail"): 3.0, ("worth", campaign): 1.5, ("worth", unknown): 0.5}
    assert first == views | worth | {("value", unknown): 7.5}
    aws.click(tracking_id, "i2", sentAt=NOW + 2 * QUARTER)
    assert reports(aws.engine, 2)[1] == {("views", unknown): 1.0, ("worth", unknown): 2.5}
    words = ("AWS/Personalize", "views", "worth", "value", "mail", campaign)
    until(lambda: all(word.encode() in b"".join(cloud.bodies) for word in words), "metrics of both")


def test_requests_of_a_campaign_are_metrics_of_each_minute(aws: Aws, cloud: CloudWatch) -> None:
    """So a monitor of idle campaigns sees that this one is asked."""
    group = aws.group()
    aws.imported(aws.dataset(group, "Interactions"), "s3://b/a.csv")
    campaign = aws.campaign(aws.version(aws.solution(group, "aws-popularity-count", performAutoTraining=False)))
    aws.recommended(campaign, userId="u1")
    with pytest.raises(aws.runtime.exceptions.InvalidInputException):
        aws.recommended(campaign)
    FaultDoor(aws.engine.url).advance(60)
    names = ("GetRecommendations", "GetRecommendations4xxErrors", "GetRecommendationsLatency", "CampaignArn", campaign)
    until(lambda: all(name.encode() in b"".join(cloud.bodies) for name in names), "metrics of both requests")


@pytest.mark.nightly
def test_an_event_is_reported_once_however_the_engine_ends(tmp_path: Path) -> None:
    with EngineProcess(tmp_path, options=["--faults"]) as engine:
        aws = Aws(engine, "here")
        group = aws.group()
        aws.dataset(group, "Interactions"), aws.dataset(group, "Items")
        tracking_id = aws.tracker(group)
        attributed(aws, group)
        aws.click(tracking_id, "i1", sentAt=NOW)
        reports(engine, 1)
        aws.click(tracking_id, "i1", sentAt=NOW)
        engine.end(signal.SIGKILL)
    with EngineProcess(tmp_path, options=["--faults"]) as engine:
        assert (
            reports(engine, 2)
            == [{("views", "SOURCE_NAME_UNDEFINED"): 1.0, ("worth", "SOURCE_NAME_UNDEFINED"): 0.0}] * 2
        )
