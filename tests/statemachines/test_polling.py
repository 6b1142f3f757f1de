# SPDX-License-Identifier: Apache-2.0
"""How late the machine notices the end of a job, and how often it asks: its own pauses, in the benchmark's model."""

import random
from collections import Counter
from itertools import pairwise

import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.polling import Pace, asks, pace_of, twenty
from tests.statemachines.machine import FILE, MACHINES, SUBSTITUTIONS, evaluate

POLL = int(SUBSTITUTIONS["PollSeconds"])
PACE = pace_of(yaml.safe_load((FILE.parent / "ensure.asl.yaml").read_text()), POLL)
A_SECOND_MOST = 20
"""Describe calls in one second. Amazon publishes no rate for them; a call too many is tried again with jitter."""


def test_the_model_pauses_as_the_machine_does() -> None:
    seconds = MACHINES["ensure"]["States"]["Wait until it is asked again"]["Seconds"]
    for waited in (0, 500, 9000):
        least, most = PACE.pause(waited, 0, lambda: 0.0), PACE.pause(waited, 0, lambda: 1.0)
        state = {"input": {"answer": {"status": "CREATE PENDING"}, "roomless": 0, "worked": waited * 1000}}
        pauses = {evaluate(seconds, state) for _ in range(20)}
        assert least <= min(pauses) <= max(pauses) <= most


@given(seconds=st.floats(1, 18_000), seed=st.integers(0, 1000))
def test_an_end_is_noticed_within_one_pause(seconds: float, seed: int) -> None:
    chance = random.Random(seed).random  # noqa: S311 - not for secrets
    looks = PACE.look_times(seconds, chance)
    assert looks[-2] < seconds <= looks[-1]
    assert looks[-1] - seconds <= 1.1 * (POLL + PACE.growth * seconds)
    assert all(later - earlier >= 0.9 * POLL - 1 for earlier, later in pairwise(looks))


def test_what_is_made_one_after_the_other_is_asked_for_in_one_go() -> None:
    def even() -> float:
        return 0.5

    assert asks(PACE, [30], even) == len(PACE.look_times(30, even)) == 2
    assert asks(PACE, [30, 30], even) == 3
    assert asks(PACE, [30, 3600], even) == 1 + len(PACE.look_times(3600, even))


def test_twenty_shops_that_begin_together_ask_within_bounds() -> None:
    times = twenty(PACE, spread=True)
    assert max(Counter(int(time) for time in times).values()) <= A_SECOND_MOST
    in_step = twenty(PACE, spread=False)
    assert max(Counter(int(time) for time in in_step).values()) == 80


def test_a_retry_that_is_the_clock_gives_up_in_the_end() -> None:
    assert len(Pace(60, 1.02, powers=True, looks=101).look_times(1e6, lambda: 0.0)) == 101
