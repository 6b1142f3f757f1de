# SPDX-License-Identifier: Apache-2.0
import threading
from collections.abc import Sequence

import pytest
from personalization.auth import list_id_keys
from personalization.auth.list_id_keys import ListIdKeys
from personalization.auth.list_ids import Key
from personalization.core.errors import RetryLater

from tests.app.waiting import BOUND

OLD, NEW = Key(1, b"1" * 64), Key(2, b"2" * 64)


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
            raise RetryLater("list-id-keys", "no answer")
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
