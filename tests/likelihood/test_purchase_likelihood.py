# SPDX-License-Identifier: Apache-2.0
"""Fits, and the answers that are served from them, with a bucket, two tables and a Personalize that tests script."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from personalization.likelihood import inputs, shards
from personalization.likelihood.model import read_model
from personalization.shop.records import release_store

from functions.fit_likelihood.app import handler as fit
from functions.get_recommendations.app import handler
from functions.record_events.app import handler as record
from tests.handlers.fakes import FakePersonalize
from tests.handlers.likelihoods import anchor, chance, likelihood_event, put, shifted, stored
from tests.handlers.samples import BUCKET, RELEASE, TABLE, Event, body, described, fields, load
from tests.likelihood import worlds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo", "unfitted")


def event(user: str, item: str, event_id: str, kind: str = "Purchase") -> Event:
    happened = {"eventType": kind, "itemId": item, "eventId": event_id}
    told = {"userId": user, "sessionId": "s", "events": [happened]}
    return {**load("api_events"), "body": json.dumps(told)}


def test_a_fit_stores_what_serves_and_reports_on_it(fitted: dict[str, Any], bucket: "S3Client") -> None:
    assert (fitted["outcome"], fitted["method"]) == ("fitted", "counts")
    page = bucket.get_object(Bucket=BUCKET, Key=fitted["report"])["Body"].read().decode()
    assert "Does 5 % mean 5 %?" in page
    report = json.loads(bucket.get_object(Bucket=BUCKET, Key=fitted["report"].replace(".html", ".json"))["Body"].read())
    assert report["tested"]["logLoss"] < report["tested"]["baseRateLogLoss"]
    assert report["scores"]["snapshot"].startswith("taken: ")
    assert page.count("<circle") >= len(report["tested"]["bins"]) > 5
    assert "until there are 2 labelled samples" in " ".join(page.split())
    assert "http" not in page


def test_the_release_s_page_leads_to_it(fitted: dict[str, Any], bucket: "S3Client") -> None:
    key = fitted["report"].replace("likelihood.html", "release.json")
    judged = {"shop": "demo", "run": "r", "judgedAt": "2026-11-25T08:30:00Z", "outcome": "promoted", "reason": ""}
    document = {**judged, "rows": 5, "recipes": [], "lists": {}, "pages": ["data-items.html"]}
    bucket.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())
    for _ in range(2):
        fit(load("fit_likelihood"), None)
    assert json.loads(stored(bucket, key))["pages"] == ["data-items.html", "likelihood.html"]
    assert b'href="likelihood.html"' in stored(bucket, key.replace(".json", ".html"))


def test_an_answer_has_a_probability_for_each_item_in_the_asked_order(fitted: dict[str, Any]) -> None:
    answer = handler(likelihood_event("u0", "i3", "i0"), None)
    told = described("Likelihood", answer)
    assert [item.item_id for item in told.items] == ["i3", "i0"]
    assert all(0 < item.probability < 1 for item in told.items)
    assert (told.horizon_days, told.method, told.run) == (7, "counts", load("fit_likelihood")["run"])
    assert fitted["outcome"] == "fitted"


def test_an_answer_carries_the_verdict_of_the_report_for_what_is_known_of_the_user(
    fitted: dict[str, Any], bucket: "S3Client"
) -> None:
    report = json.loads(bucket.get_object(Bucket=BUCKET, Key=fitted["report"].replace(".html", ".json"))["Body"].read())
    for user, name in (("u0", "verdict"), ("nobody", "strangersVerdict")):
        verdict = described("Likelihood", handler(likelihood_event(user, "i0"), None)).verdict
        judged = report[name]
        assert verdict.means_what_it_says is {"yes": True, "no": False, "unknown": None}[judged["answer"]]
        assert verdict.at == pytest.approx(judged["at"], rel=0.01)
        assert verdict.told == (judged["predicted"] and pytest.approx(judged["predicted"], rel=0.01))


@pytest.mark.usefixtures("fitted")
def test_a_staple_is_likelier_than_what_the_shopper_never_bought() -> None:
    assert chance("u0", "i0") > 5 * chance("u0", "i1")


@pytest.mark.usefixtures("fitted")
def test_the_same_pair_alone_and_among_others() -> None:
    others = [f"i{n}" for n in range(1, worlds.ITEMS)]
    alone = chance("u0", "i0")
    assert [chance("u0", "i0", *others[:size]) for size in (5, len(others))] == pytest.approx([alone, alone], rel=1e-4)


@pytest.mark.usefixtures("fitted", "queues")
def test_a_purchase_changes_the_next_answer_once(personalize: FakePersonalize) -> None:
    before = chance("u1", "i0")
    assert record(event("u1", "i0", "order-1"), None)["statusCode"] == 202
    after = chance("u1", "i0")
    record(event("u1", "i0", "order-1"), None)
    assert before < after == pytest.approx(chance("u1", "i0"), rel=1e-3)
    assert personalize.operations().count("PutEvents") == 2


@pytest.mark.usefixtures("fitted", "queues")
def test_an_event_counts_although_personalize_is_down(personalize: FakePersonalize) -> None:
    before = chance("u1", "i2")
    personalize.fails("PutEvents", "InternalFailure", status=500)
    record(event("u1", "i2", "order-2"), None)
    assert chance("u1", "i2") > before


@pytest.mark.usefixtures("fitted")
def test_a_stranger_is_told_apart_by_demographics() -> None:
    old, young = (chance("nobody", "i1", **{"context.AGE": age}) for age in ("65+", "18-24"))
    assert old > young
    assert chance("u1", "i1") > 0


@pytest.mark.parametrize(
    ("items", "field"),
    [(["moon"], "itemIds.0"), (["i0", "i0"], "itemIds"), ([], "itemIds"), ([f"i{n}" for n in range(501)], "itemIds")],
)
@pytest.mark.usefixtures("fitted")
def test_a_bad_list_is_a_problem_that_names_the_field(items: list[str], field: str) -> None:
    answer = handler(likelihood_event("u0", *items), None)
    assert (answer["statusCode"], fields(answer)) == (400, [field])
    assert len(items) <= 501


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", "{}", '{"itemIds":"i0"}', '{"itemIds":[7]}', '{"itemIds":[""]}']
)
def test_a_body_that_is_none_is_a_problem(text: str) -> None:
    answer = handler({**load("api_purchase_likelihood"), "body": text}, None)
    assert answer["statusCode"] == 400


def test_without_a_fit_the_answer_is_a_refusal_that_says_what_comes() -> None:
    answer = handler(likelihood_event("u0", "i0"), None)
    assert (answer["statusCode"], body(answer)["title"]) == (409, "Conflict")
    assert "the next run that promotes a release fits one" in body(answer)["detail"]


def test_too_little_data_is_refused_with_what_is_needed(bucket: "S3Client", personalize: FakePersonalize) -> None:
    put(bucket, "interactions", shifted(2))
    told = fit(load("fit_likelihood"), None)
    assert (told["outcome"], personalize.operations()) == ("refused", [])
    answer = handler(likelihood_event("u0", "i0"), None)
    assert answer["statusCode"] == 409
    assert "needs purchases over 35 days" in body(answer)["detail"]


def test_settings_switch_it_off(bucket: "S3Client") -> None:
    bucket.put_object(Bucket=BUCKET, Key="drops/demo/settings.yaml", Body=b"likelihood: {enabled: false}")
    assert fit(load("fit_likelihood"), None)["outcome"] == "off"


def test_a_fit_again_is_the_same_fit(fitted: dict[str, Any], bucket: "S3Client") -> None:
    def files() -> dict[str, str]:
        listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix="likelihood/")["Contents"]
        timed = ("model", "snapshots")
        return {entry["Key"]: entry["ETag"] for entry in listed if not any(name in entry["Key"] for name in timed)}

    before = files()
    assert fit(load("fit_likelihood"), None) == fitted
    assert files() == before


def test_a_later_fit_takes_live_events_in_and_clears_up(
    fitted: dict[str, Any], bucket: "S3Client", queues: object
) -> None:
    record(event("newcomer", "i0", "order-3"), None)
    put(bucket, "interactions", shifted(), stamp=2)
    fit({**load("fit_likelihood"), "run": "run-2"}, None)
    fit({**load("fit_likelihood"), "run": "run-3"}, None)
    keys = [content["Key"] for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix="likelihood/demo/")["Contents"]]
    assert {inputs.run_of(key) for key in keys} == {"", "run-2", "run-3"}
    assert [key for key in keys if "000000000000001" in key and "/interactions/" in key] == []
    model = read_model(shards.unpack(stored(bucket, "likelihood/demo/run-3/model.json.gz")))
    key = shards.key("demo", "run-3", "shoppers", shards.shard_of("newcomer", model.shopper_shards))
    assert "i0" in shards.unpack(stored(bucket, key))["newcomer"]["pairs"]
    assert (fitted["outcome"], queues is None) == ("fitted", False)


def test_a_campaign_that_fails_costs_the_snapshot_and_not_the_fit(
    bucket: "S3Client", personalize: FakePersonalize
) -> None:
    personalize.fails("GetPersonalizedRanking", "InternalFailure", status=500)
    put(bucket, "interactions", shifted())
    told = fit(load("fit_likelihood"), None)
    assert told["outcome"] == "fitted"
    assert "The ranking campaign" not in str(told["reason"])
    assert not bucket.list_objects_v2(Bucket=BUCKET, Prefix=inputs.snapshots("demo")).get("Contents")


@pytest.fixture
def anchored(fitted: dict[str, Any], bucket: "S3Client") -> None:
    """The fit with scores that count."""
    assert fitted["outcome"] == "fitted"
    anchor(bucket)


@pytest.mark.usefixtures("anchored")
def test_scores_that_count_are_asked_for_with_the_anchors(personalize: FakePersonalize) -> None:
    answer = handler(likelihood_event("u0", "i0"), None)
    assert body(answer)["method"] == "anchored"
    assert personalize.body_of("GetPersonalizedRanking")["inputList"] == ["i0", "i5", "i6"]


@pytest.mark.usefixtures("anchored")
def test_without_personalize_counts_answer_and_say_so(
    personalize: FakePersonalize, capsys: pytest.CaptureFixture[str]
) -> None:
    personalize.reset()
    personalize.fails("GetPersonalizedRanking", "ThrottlingException", status=429)
    for reason in ["throttled"] * 3 + ["resting"]:
        told = body(handler(likelihood_event("u0", "i0"), None))
        assert (told["method"], told["degraded"], told["degradedReason"]) == ("counts", True, reason)
    assert "DegradedAnswers" in capsys.readouterr().out


def test_a_fit_that_is_gone_is_our_fault_and_not_the_callers(
    fitted: dict[str, Any], bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    release_store.put(table, TABLE, {"shop": "demo", "record": "likelihood", "version": 1, "run": "gone"})
    assert handler(likelihood_event("u0", "i0"), None)["statusCode"] == 503
    assert (RELEASE["shop"], fitted["outcome"], bucket is None) == ("demo", "fitted", False)
