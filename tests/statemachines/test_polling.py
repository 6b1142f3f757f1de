# SPDX-License-Identifier: Apache-2.0
"""How late the machine notices the end of a job, and how often it asks: its own pauses, in the benchmark's model."""

import random
from collections import Counter
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.polling import Pace, paces, twenty
from tests.statemachines.machine import FILE, MACHINE, SUBSTITUTIONS, evaluate, pauses
from tests.statemachines.test_waiting import variables

POLL = int(SUBSTITUTIONS["PollSeconds"])
PACES = paces(yaml.safe_load(FILE.read_text()), POLL)
A_SECOND_MOST = 20
"""Describe calls in one second. Amazon publishes no rate for them; a call too many is tried again with jitter."""


def test_the_model_knows_every_wait_of_the_machine() -> None:
    assert {f"Wait for {what}" for what in PACES} == set(pauses(MACHINE))


@pytest.mark.parametrize("what", PACES)
def test_the_model_pauses_as_the_machine_does(what: str) -> None:
    seconds = pauses()[f"Wait for {what}"]["Seconds"]
    for waited in (0, 500, 9000):
        least, most = PACES[what].pause(waited, 0, lambda: 0.0), PACES[what].pause(waited, 0, lambda: 1.0)
        found = {evaluate(seconds, {}, **variables(waited * 1000)) for _ in range(20)}
        assert least <= min(found) <= max(found) <= most


@given(seconds=st.floats(1, 18_000), seed=st.integers(0, 1000), what=st.sampled_from(sorted(PACES)))
def test_an_end_is_noticed_within_one_pause(seconds: float, seed: int, what: str) -> None:
    pace = PACES[what]
    looks = pace.asked(seconds, random.Random(seed).random)  # noqa: S311 - not for secrets
    assert looks[-2] < seconds <= looks[-1]
    assert looks[-1] - seconds <= 1.1 * (POLL + pace.growth * seconds)
    assert all(later - earlier >= 0.9 * POLL - 1 for earlier, later in pairwise(looks))


def test_twenty_shops_that_begin_together_ask_within_bounds() -> None:
    times = twenty(PACES, spread=True)
    assert max(Counter(int(time) for time in times).values()) <= A_SECOND_MOST
    in_step = twenty(PACES, spread=False)
    assert max(Counter(int(time) for time in in_step).values()) == 80


def test_a_retry_that_is_the_clock_gives_up_in_the_end() -> None:
    assert len(Pace(60, 1.02, powers=True, looks=101).asked(1e6, lambda: 0.0)) == 101
