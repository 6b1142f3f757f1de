# SPDX-License-Identifier: Apache-2.0
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from personalization.auth import list_id_keys
from personalization.auth.keyring import secret_versions
from personalization.auth.list_id_keys import ListIdKeys, renew
from personalization.auth.list_ids import DAYS, Key
from personalization.core.aws import clients
from personalization.core.errors import RetryLater

from tests.app.waiting import BOUND
from tests.handlers.variables import VARIABLES

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SECRET = "list-id-keys"  # noqa: S105 - a name
OLD, NEW = Key(1, b"1" * 64), Key(2, b"2" * 64)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator["SecretsManagerClient"]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        clients.forget()
        boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString="k" * 64)
        yield clients.secretsmanager()
    clients.forget()


class Reads:
    """Reads of the secret, and the time."""

    def __init__(self, *answers: Sequence[Key]) -> None:
        self.answers = list(answers)
        self.times: list[float] = []
        self.now = 0.0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> Sequence[Key]:
        self.times.append(self.now)
        self.may_answer.wait(BOUND)
        if not (answer := self.answers.pop(0)):
            raise RetryLater(SECRET, "no answer")
        return answer


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_id_keys, "WAIT_SECONDS", BOUND)


def made(reads: Reads) -> ListIdKeys:
    return ListIdKeys(reads, lambda: reads.now)


def test_keys_are_read_once_and_again_when_they_are_old() -> None:
    reads = Reads([OLD], [NEW, OLD])
    keys = made(reads)
    assert keys.get() == keys.get() == [OLD]
    reads.now = 300.0
    keys.begin()
    assert [key.id for key in keys.get([NEW.id])] == [2, 1]
    assert reads.times == [0.0, 300.0]


def test_no_request_waits_for_newer_keys_than_it_needs() -> None:
    reads = Reads([OLD], [NEW, OLD])
    keys = made(reads)
    keys.get()
    reads.may_answer.clear()
    reads.now = 301.0
    assert keys.get([OLD.id]) == [OLD]
    reads.may_answer.set()


def test_a_request_without_keys_is_answered_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Reads([OLD])
    reads.may_answer.clear()
    monkeypatch.setattr(list_id_keys, "WAIT_SECONDS", 0.01)
    keys = made(reads)
    assert keys.get() == ()
    reads.may_answer.set()
    monkeypatch.setattr(list_id_keys, "WAIT_SECONDS", BOUND)
    assert keys.get() == [OLD]


def test_invented_keys_are_looked_for_every_ten_seconds() -> None:
    reads = Reads([OLD], [NEW, OLD])
    keys = made(reads)
    assert keys.get([99]) == keys.get([98]) == [OLD]
    assert reads.times == [0.0]
    reads.now = 10.0
    assert keys.get([99]) == [NEW, OLD]


def test_old_keys_serve_while_the_secret_cannot_be_read() -> None:
    reads = Reads((), [OLD], (), [NEW])
    keys = made(reads)
    assert keys.get() == keys.get() == ()
    reads.now = 10.0
    assert keys.get() == [OLD]
    reads.now = 1_000_000.0
    assert keys.get([OLD.id]) == [OLD]
    assert reads.times == [0.0, 10.0, 1_000_000.0]


def test_the_key_is_renewed_after_a_month_and_the_one_before_still_checks(secret: "SecretsManagerClient") -> None:
    now = datetime.now(UTC)
    assert not renew(secret, SECRET, now + timedelta(days=DAYS - 1))
    (first,) = secret_versions(secret, SECRET)
    assert renew(secret, SECRET, now + timedelta(days=DAYS, minutes=1))
    second, before = secret_versions(secret, SECRET)
    assert before == first != second
    # The new key was made now, so that a second round of the same time would be far ahead of it.
    assert not renew(secret, SECRET, now)
    assert len(list_id_keys.fetch(lambda: secret, lambda: SECRET, list_id_keys.SIGNING)()) == 1


def test_of_two_rounds_at_once_one_renews_the_key(secret: "SecretsManagerClient") -> None:
    now, other = datetime.now(UTC) + timedelta(days=DAYS + 1), clients.secretsmanager_once()
    listed = secret.list_secret_version_ids(SecretId=SECRET)

    def stale(**_: object) -> Any:  # noqa: ANN401 - an answer of the SDK
        return listed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(other, "list_secret_version_ids", stale)
        assert renew(secret, SECRET, now)
        values = secret_versions(secret, SECRET)
        assert not renew(other, SECRET, now)
    assert secret_versions(secret, SECRET) == values
