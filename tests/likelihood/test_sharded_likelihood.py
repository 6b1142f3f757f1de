# SPDX-License-Identifier: Apache-2.0
"""A fit in shards, step by step as the state machine takes them."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from personalization.events import store
from personalization.events.models import Call
from personalization.likelihood import inputs, limits, serve, shards
from personalization.likelihood.model import read_model
from personalization.maintenance import forget_users

from functions.fit_likelihood.app import handler as fit
from functions.get_recommendations import app as get_recommendations
from functions.get_recommendations.app import handler
from tests.handlers import containers, likelihoods
from tests.handlers.fakes import FakePersonalize
from tests.handlers.likelihoods import chance, likelihood_event, put, shifted, stored
from tests.handlers.samples import BUCKET, SHOPPER_EVENTS, TABLE, body, load
from tests.likelihood import worlds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

EVENT = load("fit_likelihood")
RUN = EVENT["run"]
pytestmark = pytest.mark.usefixtures("aws", "demo", "unfitted")


@pytest.fixture
def in_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that take some hundred rows each."""
    monkeypatch.setenv("LIKELIHOOD_ROWS", "1500")


def step(name: str, run: str = RUN, number: int = 0) -> dict[str, Any]:
    return fit({**EVENT, "step": name, "run": run, "number": number}, None)


def sharded(run: str = RUN, between: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Take all steps, as the state machine does; what the last one answered. `between` is called after some of them."""
    asked_for = fit({**EVENT, "run": run}, None)
    assert asked_for["outcome"] == "inShards"
    planned = step("plan", run)
    if planned["outcome"] != "planned":
        return planned
    between("plan")
    for number in range(planned["ranges"]):
        step("partition", run, number)
    if (gathered := step("gather", run))["outcome"] != "done":
        return gathered
    for number in range(planned["shards"]):
        step("count", run, number)
    between("count")
    if (combined := step("combine", run))["outcome"] != "done":
        return combined
    for number in reversed(range(planned["shards"])):
        step("serve", run, number)
    between("serve")
    done = step("publish", run)
    # A call whose answer was lost is repeated.
    assert step("publish", run) == done
    return done


def left(bucket: "S3Client", run: str = RUN) -> list[str]:
    """The work files of a run."""
    folder = f"work/demo/{run}/likelihood/"
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix=folder).get("Contents", [])
    return [entry["Key"].removeprefix(folder) for entry in listed]


def counters(bucket: "S3Client", run: str, kind: str) -> dict[str, Any]:
    """All counters of a kind."""
    entries_of_kind: dict[str, Any] = {}
    for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix=f"likelihood/demo/{run}/{kind}-")["Contents"]:
        entries = shards.unpack(stored(bucket, content["Key"]))
        assert not entries_of_kind.keys() & entries.keys()
        entries_of_kind |= entries
    return entries_of_kind


def alike(left: Any, other: Any) -> bool:  # noqa: ANN401 - any documents
    """Tell whether two documents are the same but for the last digits of their numbers."""
    if isinstance(left, dict):
        return left.keys() == other.keys() and all(alike(value, other[name]) for name, value in left.items())
    if isinstance(left, list):
        return len(left) == len(other) and all(map(alike, left, other))
    return bool(left == (other if isinstance(left, str) else pytest.approx(other, rel=1e-3, abs=1e-3)))


@pytest.mark.usefixtures("in_shards")
def test_shards_give_the_counters_of_one_function(
    bucket: "S3Client", table: "DynamoDBClient", personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    likelihoods.drop(bucket, personalize)
    header, *lines = shifted()
    valued = [f"{line.rstrip()},{5 + number % 7}\n" for number, line in enumerate(lines)]
    put(bucket, "interactions", [f"{header.rstrip()},EVENT_VALUE\n", *valued])
    assert sharded()["outcome"] == "fitted"
    assert (serve.read(table, TABLE, "demo") or {})["run"] == RUN
    monkeypatch.setenv("LIKELIHOOD_ROWS", "0")
    assert fit({**EVENT, "run": "one"}, None)["outcome"] == "fitted"
    in_shards, at_once = ({kind: counters(bucket, run, kind) for kind in ("items", "shoppers")} for run in (RUN, "one"))
    assert [len(in_shards[kind]) for kind in ("items", "shoppers")] == [worlds.ITEMS, worlds.SHOPPERS]
    assert all(user["value"][1] >= 5 for user in in_shards["shoppers"].values() if user["value"][0])
    # The direction of a factor means nothing; what counts is the match of a user and an item.
    near, wanted = (
        np.array([user.pop("vector") for _, user in sorted(run["shoppers"].items())])
        @ np.array([item.pop("vector") for _, item in sorted(run["items"].items())]).T
        for run in (in_shards, at_once)
    )
    np.testing.assert_allclose(near, wanted, atol=1e-3)
    assert alike(in_shards, at_once)
    model, other = (
        read_model(shards.unpack(stored(bucket, f"likelihood/demo/{run}/model.json.gz"))) for run in (RUN, "one")
    )
    assert (model.at, model.start, model.levels, model.lifts) == (
        other.at,
        other.start,
        other.levels,
        other.lifts,
    )
    assert model.seen.weights == pytest.approx(other.seen.weights, abs=0.05)
    assert model.calibrated_purchases == other.calibrated_purchases
    spending, wanted = (asdict(some.customers)["spending"] for some in (model, other) if some.customers)
    assert spending["mean"] > 5
    assert alike(spending, wanted)
    page = stored(bucket, f"reports/demo/{RUN}/likelihood.html").decode()
    assert f"a sample of {worlds.SHOPPERS}" in " ".join(page.split())
    assert left(bucket) == ["outcome.json.gz"]


def test_a_sample_of_users_has_the_level_and_the_quality_of_all_of_them(
    bucket: "S3Client", personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    likelihoods.ranked(personalize)
    rows = [(f"{seed}{user}", item, kind, at) for seed in range(5) for user, item, kind, at in worlds.rows(14, seed)]
    put(bucket, "interactions", worlds.interactions(rows))
    put(bucket, "items", worlds.items())
    assert fit({**EVENT, "run": "every"}, None)["outcome"] == "fitted"
    # A sample of about half of the history.
    monkeypatch.setattr(limits, "SAMPLE_ROWS", len(rows) // 2)
    monkeypatch.setenv("LIKELIHOOD_ROWS", "9000")
    assert sharded("sampled")["outcome"] == "fitted"
    every, sampled = (json.loads(stored(bucket, f"reports/demo/{run}/likelihood.json")) for run in ("every", "sampled"))
    assert 0.4 < sampled["history"]["sampledEvents"] / sampled["history"]["events"] < 0.6
    for name in ("tested", "testedStrangers"):
        quality, other = sampled[name], every[name]
        predicted, observed = (sum(bin_[of] for bin_ in quality["bins"]) for of in ("predicted", "observed"))
        # A tenth of them by chance, in a sample of some hundred purchases.
        assert quality["pairs"] == pytest.approx(other["pairs"], rel=0.3)
        assert quality["baseRate"] == pytest.approx(other["baseRate"], rel=0.25)
        assert predicted == pytest.approx(observed, rel=0.35)
        assert quality["logLoss"] == pytest.approx(other["logLoss"], rel=0.2)
    assert sampled["calibratedOn"]["purchases"] == pytest.approx(every["calibratedOn"]["purchases"], rel=0.2)
    assert sampled["newcomers"] == every["newcomers"]


def added(bucket: "S3Client", rows: list[str], stamp: int = 2) -> None:
    """Keep a file that was imported beside the whole history."""
    key = inputs.key("demo", "interactions", "INCREMENTAL", stamp, "run-0")
    bucket.put_object(Bucket=BUCKET, Key=key, Body="".join(rows).encode())


@pytest.mark.usefixtures("in_shards")
def test_events_erasures_and_a_fit_that_fails_between_two_fits_in_shards(
    bucket: "S3Client", table: "DynamoDBClient", personalize: FakePersonalize
) -> None:
    likelihoods.drop(bucket, personalize)
    now = int(time.time()) - 60
    happened = {"eventType": "Purchase", "itemId": "i0", "eventId": "new-1", "sentAt": now}
    assert store.note(table, SHOPPER_EVENTS, "demo", [Call("s", "new", [happened])], now) == []
    # Users who are deleted during a fit are not in what it publishes.
    leaving = {"plan": {"u2", "u3"}, "count": {"u4", "u5"}, "serve": {"u6", "u7"}}
    gone = set[str]().union(*leaving.values())

    def forget(step: str) -> None:
        forget_users.forget(bucket, BUCKET, "demo", leaving[step], lambda: False)

    assert sharded(between=forget)["outcome"] == "fitted"
    users_left = counters(bucket, RUN, "shoppers")
    assert not gone & users_left.keys()
    assert len(users_left) == worlds.SHOPPERS - len(gone) + 1
    assert users_left["new"]["pairs"]["i0"][0] == 1
    taken = shards.unpack(stored(bucket, f"{inputs.snapshots('demo')}{RUN}.json.gz"))
    assert taken["users"]
    assert not gone & set(taken["users"])
    # Nor are those who are deleted after it; one of the others comes back.
    before = chance("u1", "i1")
    forget_users.forget(bucket, BUCKET, "demo", {"new", "u1"}, lambda: False)
    assert not {"new", "u1"} & counters(bucket, RUN, "shoppers").keys()
    assert not any(b"new," in stored(bucket, key) for key in live(bucket))
    added(bucket, [row for row in shifted() if row.startswith(("USER_ID", "u2,"))])
    # A fit that failed leaves no counters, and the one before serves on.
    with pytest.raises(RuntimeError):
        sharded("run-2", between=fails)
    folders = [f"likelihood/demo/{run}/" for run in (RUN, "run-2")]
    counts = [bucket.list_objects_v2(Bucket=BUCKET, Prefix=folder)["KeyCount"] for folder in folders]
    for run in (RUN, "run-2"):
        assert step("discard", run) == {"outcome": "done"}
    left = [bucket.list_objects_v2(Bucket=BUCKET, Prefix=folder)["KeyCount"] for folder in folders]
    assert (counts[1] > 0, left) == (True, [counts[0], 0])
    # The next fit began later than all of that.
    assert sharded("run-3")["outcome"] == "fitted"
    users = counters(bucket, "run-3", "shoppers").keys()
    assert users >= {"u0", "u2"}
    assert "u1" not in users
    containers.start(get_recommendations)
    assert chance("u1", "i1") < before


def fails(step: str) -> None:
    if step == "serve":
        raise RuntimeError


def live(bucket: "S3Client") -> list[str]:
    """The files of live events."""
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix=inputs.folder("demo"))["Contents"]
    return [entry["Key"] for entry in listed if entry["Key"].endswith("-live.csv")]


def live_events(rows: int) -> list[str]:
    """Views of the world's users, from an hour ago on."""
    at = int(time.time()) - 3_600
    return worlds.interactions((f"u{number % worlds.SHOPPERS}", "i1", "View", at - number) for number in range(rows))


def test_a_history_that_no_shards_hold_is_left_out_by_name(
    bucket: "S3Client", monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIKELIHOOD_ROWS", "20")
    put(bucket, "interactions", shifted())
    done = sharded()
    assert done["outcome"] == "leftOut"
    assert re.match(r"the history has about [\d,]+ rows, and 256 shards .* with 3,008 MB fit 1,536: ", done["reason"])
    assert '"LikelihoodsLeftOut":[1.0]' in capsys.readouterr().out
    report = json.loads(stored(bucket, f"reports/demo/{RUN}/likelihood.json"))
    assert (report["mostRows"], report["rows"] > 1_536, report["serving"]) == (1_536, True, None)
    assert b"The release is promoted and serves without it." in stored(bucket, f"reports/demo/{RUN}/likelihood.html")
    refused = handler(likelihood_event("u1", "i1"), None)
    assert refused["statusCode"] == 409
    problem = body(refused)
    assert problem["type"] == "urn:retail-personalization:problem:likelihood-left-out"
    assert problem["title"] == "Purchase likelihood left out"
    assert "LikelihoodMemory" in problem["detail"]


def test_a_robot_that_fills_a_shard_is_named_and_the_fit_before_serves_on(
    fitted: dict[str, Any], bucket: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fitted["outcome"] == "fitted"
    monkeypatch.setenv("LIKELIHOOD_ROWS", "1500")
    at = int(time.time()) - 3_600
    added(bucket, worlds.interactions(("robot", "i1", "View", at - number) for number in range(2_000)))
    done = sharded()
    assert done["outcome"] == "leftOut"
    assert "robots" in done["reason"]
    assert str(done["reason"]).endswith(f"; the fit of run {RUN} serves on")
    assert json.loads(stored(bucket, f"reports/demo/{RUN}/likelihood.json"))["serving"] == RUN
    assert handler(likelihood_event("u1", "i1"), None)["statusCode"] == 200


@pytest.mark.usefixtures("in_shards")
def test_too_little_data_in_shards_is_refused_by_what_is_needed(bucket: "S3Client") -> None:
    put(bucket, "interactions", [*shifted(2), *live_events(2_000)[1:]])
    done = sharded()
    assert done["outcome"] == "refused"
    assert done["reason"].startswith("needs purchases over 35 days")
    assert left(bucket) == ["outcome.json.gz"]
    assert step("gather") == done
