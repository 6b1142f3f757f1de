# SPDX-License-Identifier: Apache-2.0
"""However many services do not answer, purchase likelihoods are answered, well before the function's time is over."""

import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError
from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.errors import Missing, RetryLater
from personalization.events import objections
from personalization.likelihood import shards
from personalization.likelihood.serve import BUDGET_SECONDS, Files, Likelihoods, Sources
from personalization.shop.records import release_store

from functions.fit_likelihood.app import handler as fit
from functions.get_recommendations import app
from tests.handlers.fakes import FakePersonalize
from tests.handlers.likelihoods import anchor, drop, likelihood_event
from tests.handlers.samples import BUCKET, body, load
from tests.handlers.silences import longest, most, silence

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "fitted")
CALLS = ["GetItem"] * 3 + ["GetObject", "Query", "Query", "GetObject", "GetObject", "GetPersonalizedRanking"]
"""What a new container asks for: the release, who objects, the fit and its model, whether the user is to be deleted,
what happened, two files of counters, scores."""
ALL = 1_000


class Container:
    """A container of the function that has just started, and remembers a release, and who objects, of a minute ago.

    Attributes:
        now: seconds that somebody waited for a service.
        calls: the operations that were asked for.
        answered: how many more calls are answered at all.
        slow: whether each of them takes as long as it may.
        seconds: what each takes otherwise.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.calls: list[str] = []
        self.answered = ALL
        self.slow = False
        self.seconds = 0.0
        self._several = threading.Lock()
        releases = release_store.Releases(release_store.fetch_release(clients.dynamodb, environment.table))
        releases.get("demo", -release_store.REMEMBER_SECONDS)
        objecting = objections.Objections(objections.fetch(clients.dynamodb_once, environment.table))
        objecting.has("demo", "u0", -60.0)
        sources = Sources(
            dynamodb=clients.dynamodb_once,
            s3=clients.s3_once,
            runtime=clients.runtime_once,
            table=environment.table,
            shopper_events_table=environment.shopper_events_table,
            bucket=environment.bucket,
        )
        likelihoods = Likelihoods(sources, lambda: self.now)
        monkeypatch.setattr(app, "RELEASES", releases)
        monkeypatch.setattr(app, "OBJECTIONS", objecting)
        monkeypatch.setattr(app, "likelihoods", lambda: likelihoods)

    def called(self, operation: str, seconds: float) -> None:
        """A call comes, and may stay without an answer."""
        with self._several:
            self.calls.append(operation)
            self.answered -= 1
            hangs = self.answered < 0
            if hangs or self.slow:
                # Files are waited for side by side, and until the budget is used up.
                self.now = max(self.now, BUDGET_SECONDS) if operation == "GetObject" else self.now + seconds
            else:
                self.now += self.seconds
        if hangs:
            raise ReadTimeoutError(endpoint_url="https://aws.invalid")

    def ask(self) -> dict[str, Any]:
        """What the API answers."""
        made = [clients.dynamodb(), clients.dynamodb_once(), clients.s3_once(), clients.runtime_once()]
        with silence(made, self.called):
            return app.handler(likelihood_event("u0", "i0"), None)


@pytest.fixture(scope="module")
def fitted(_bucket: "S3Client", aws: FakePersonalize, demo: None) -> "S3Client":  # noqa: ARG001
    """One fit for all tests, for which the ranking campaign's scores count; the bucket that has it."""
    drop(_bucket, aws)
    assert fit(load("fit_likelihood"), None)["outcome"] == "fitted"
    anchor(_bucket)
    return _bucket


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Container:
    """A container that has just started."""
    return Container(monkeypatch)


def test_whatever_hangs_from_any_call_on_the_answer_comes_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for slow in (False, True):
        for answered in range(len(CALLS) - 1):
            container = Container(monkeypatch)
            container.answered, container.slow = answered, slow
            told = container.ask()
            assert (told["statusCode"], told["multiValueHeaders"]["Retry-After"]) == (503, ["1"])
            assert container.now < most("GetRecommendationsFunction"), container.calls


def test_scores_that_hang_cost_the_answer_nothing_else(container: Container) -> None:
    container.answered = len(CALLS) - 1
    told = body(container.ask())
    assert (told["method"], told["degraded"], told["degradedReason"]) == ("counts", True, "slow")
    assert container.calls == CALLS


def test_without_time_for_scores_counts_answer(container: Container) -> None:
    container.ask()
    container.calls.clear()
    # All but what happened is kept, and that comes at the last moment.
    container.seconds = BUDGET_SECONDS / 2
    told = body(container.ask())
    assert (told["method"], told["degradedReason"]) == ("counts", "slow")
    assert container.calls == ["Query", "Query"]


def test_nothing_is_begun_once_the_time_is_used_up(container: Container) -> None:
    container.ask()
    container.calls.clear()
    # The fit's record is looked for anew, and comes at the last moment; its model is kept.
    container.now += 15.0
    container.seconds = BUDGET_SECONDS
    assert container.ask()["statusCode"] == 503
    assert container.calls == ["GetItem"]


def test_a_container_that_has_the_fit_answers_however_slow_everything_is(container: Container) -> None:
    container.ask()
    container.calls.clear()
    container.slow = True
    assert body(container.ask())["method"] == "anchored"
    assert container.calls == ["Query", "Query", "GetPersonalizedRanking"]
    assert container.now < BUDGET_SECONDS


def test_a_table_that_is_asked_in_vain_is_asked_once_more(container: Container) -> None:
    container.ask()
    container.calls.clear()
    container.answered = 0
    assert container.ask()["statusCode"] == 503
    assert container.calls == ["Query", "Query"]


def test_no_call_takes_more_than_is_left_after_the_budget() -> None:
    last = max(longest(clients.dynamodb_once()), longest(clients.runtime_once()))
    assert BUDGET_SECONDS + last < most("GetRecommendationsFunction")
    # A release that is remembered serves on, and there is time for the rest.
    assert longest(clients.dynamodb()) + longest(clients.dynamodb_once()) < BUDGET_SECONDS


def test_pages_of_what_happened_without_end_end_with_the_budget(container: Container) -> None:
    def more(parsed: dict[str, Any], **_: object) -> None:
        container.now += 1.0
        parsed["LastEvaluatedKey"] = {"shopper": {"S": "demo#u0"}, "event": {"S": "e"}}

    events = clients.dynamodb_once().meta.events
    events.register("after-call.dynamodb.Query", more)
    try:
        assert container.ask()["statusCode"] == 503
    finally:
        events.unregister("after-call.dynamodb.Query", more)
    assert container.calls.count("Query") == BUDGET_SECONDS


def test_nobody_waits_for_a_file_that_never_comes(fitted: "S3Client") -> None:
    fitted.put_object(Bucket=BUCKET, Key="likelihood/demo/run-0/a", Body=shards.pack({"a": 1}))
    files, comes = Files(), threading.Event()
    with silence([clients.s3_once()], lambda *_: bool(comes.wait())):
        with pytest.raises(RetryLater, match="in time"):
            files.get(clients.s3_once(), BUCKET, ["likelihood/demo/run-0/a"], 0.0)
        comes.set()
        assert files.get(clients.s3_once(), BUCKET, ["likelihood/demo/run-0/a"], 60.0)


def test_what_came_beside_a_file_that_did_not_is_not_asked_for_again(fitted: "S3Client") -> None:
    fitted.put_object(Bucket=BUCKET, Key="likelihood/demo/run-0/a", Body=shards.pack({"a": 1}))
    files, calls = Files(), list[str]()
    keys = ["likelihood/demo/run-0/a", "likelihood/demo/run-0/b"]
    with silence([clients.s3_once()], lambda operation, _: calls.append(operation)):
        for _ in range(2):
            with pytest.raises(Missing):
                files.get(clients.s3_once(), BUCKET, keys, 60.0)
    assert len(calls) == 3
