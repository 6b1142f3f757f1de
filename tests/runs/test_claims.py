# SPDX-License-Identifier: Apache-2.0
"""What an execution's input means, and which of a shop's claims one run handles."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.errors import Rejected
from personalization.runs import batches, claims
from personalization.runs.claims import Claim, State

from tests.runs.flow_world import event

MAX_JOINED = 200
ACTIONS = ("continue", "retrain", "rollback", "promote", "sweep")


def claim(kind: str, number: int, state: State = "pending", key: str = "", run: str = "") -> Claim:
    claim = claims.read(event("shop", kind, number, key=key), "r").claim
    assert claim is not None
    return claim.moved(state, run)


def picked(*every: Claim, again: str | None = None) -> list[list[str]]:
    chosen = batches.choose(every, "run", again).chosen
    return [[claim.key.removeprefix("drops/shop/") for claim in (batch.claim, *batch.joined)] for batch in chosen]


def replaced(*every: Claim) -> list[str]:
    return [old.key.removeprefix("drops/shop/") for old, _ in batches.choose(every, "run").superseded]


def test_kinds_come_in_their_order() -> None:
    every = [
        claim("interactions", 1),
        claim("items", 2),
        claim("users", 3),
        claim("settings.yaml", 4, key="drops/shop/settings.yaml"),
    ]
    assert [key_and_run[0].split("/")[0] for key_and_run in picked(*every)] == [
        "settings.yaml",
        "users",
        "items",
        "interactions",
    ]


def test_the_newest_whole_history_replaces_what_is_older() -> None:
    every = [claim("users", 1), claim("users/incremental", 2), claim("users", 3), claim("users/incremental", 4)]
    assert picked(*every) == [["users/3.csv"]]
    assert replaced(*every) == ["users/1.csv", "users/incremental/2.csv"]


def test_incremental_interactions_are_joined_and_users_are_not() -> None:
    assert picked(claim("interactions/incremental", 1, "held"), claim("interactions/incremental", 2)) == [
        ["interactions/incremental/2.csv", "interactions/incremental/1.csv"]
    ]
    assert picked(claim("users/incremental", 1), claim("users/incremental", 2)) == [["users/incremental/1.csv"]]


def test_no_more_files_are_joined_than_a_run_can_carry() -> None:
    every = [claim("interactions/incremental", number) for number in range(3 * MAX_JOINED)]
    ((*names,),) = picked(*every)
    assert len(names) == MAX_JOINED
    assert names[0] == f"interactions/incremental/{len(every) - 1}.csv"


def test_what_is_held_waits_for_company() -> None:
    assert picked(claim("interactions/incremental", 1, "held")) == []
    assert picked(claim("interactions/incremental", 1, "held"), claim("interactions", 2)) == [["interactions/2.csv"]]


def test_of_one_key_the_newest_counts() -> None:
    key = "drops/shop/interactions/incremental/day.csv"
    every = [claim("", 1, key=key), claim("", 2, key=key)]
    assert picked(*every) == [["interactions/incremental/day.csv"]]
    assert [old.sequencer for old, _ in batches.choose(every, "run").superseded] == ["000001"]


def test_what_ended_is_left_alone_unless_it_is_asked_for_again() -> None:
    states: list[State] = ["done", "refused", "superseded", "failed"]
    every = [claim("users", number, state, run="r") for number, state in enumerate(states)]
    assert picked(*every) == []
    assert picked(*every, again="r") == [["users/3.csv"]]


@pytest.mark.parametrize(
    ("older", "newer"), [("0055AED6DCD90281E5", "0055AED6DCD90281E6"), ("00A", "00A1"), ("0a", "0B")]
)
def test_sequencers_are_filled_up_at_the_right(older: str, newer: str) -> None:
    assert claims.padded(older) < claims.padded(newer)
    assert claims.padded("00A0") == claims.padded("00a")


def test_the_event_of_a_stopped_run_tells_its_drop() -> None:
    dropped = event("shop", "users", 1)
    told = {"source": "aws.states", "detail": {"name": "dead", "input": json.dumps(dropped), "status": "ABORTED"}}
    assert claims.stopped(told) == claims.read(dropped, "dead").claim
    wish = told | {"detail": {"name": "dead", "input": '{"action": "retrain", "shop": "shop"}'}}
    assert claims.stopped(wish) == claims.read({"action": "retrain", "shop": "shop"}, "dead").claim


@pytest.mark.parametrize("given", [None, "", "[]", '{"action": "sweep"}', '{"action": "explode"}', "[" * 100_000])
def test_a_stopped_run_may_have_been_started_for_nothing_that_we_know(given: str | None) -> None:
    assert claims.stopped({"source": "aws.states", "detail": {"name": "dead", "input": given}}) is None


@pytest.mark.parametrize("told", [{}, None, {"source": "aws.states"}, {"source": "aws.s3", "detail": {"input": "{}"}}])
def test_what_is_no_event_of_a_stopped_run_tells_nothing(told: object) -> None:
    assert claims.stopped(told) is None


@pytest.mark.parametrize(
    ("started", "reason"),
    [
        ({"action": "destroy", "shop": "s"}, "one of continue, retrain, rollback, promote, sweep, not destroy"),
        ({"action": "continue", "shop": "No Shop"}, "shop must be"),
        ({"action": "retrain", "shop": "s", "trainingMode": "HALF"}, "FULL or UPDATE, not HALF"),
        ({"action": "retrain", "shop": "s", "recipes": "all"}, "recipes must be a list"),
        ({"detail": {}}, "must be S3's event of an object, or"),
        ("text", "must be S3's event of an object, or"),
        (None, "must be S3's event of an object, or"),
    ],
)
def test_an_input_that_is_none_of_ours_is_refused(started: object, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        claims.read(started, "run")


@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers(),
        lambda inner: st.dictionaries(
            st.sampled_from(["action", "shop", "detail", "object", "key", "bucket", "name", "run", "recipes"]),
            inner,
            max_size=4,
        ),
        max_leaves=10,
    )
)
def test_any_input_is_understood_or_refused(started: Any) -> None:  # noqa: ANN401
    try:
        assert claims.read(started, "run").action in (*ACTIONS, "drop")
    except Rejected as refused:
        assert refused.reason  # noqa: PT017 - either way is right
