# SPDX-License-Identifier: Apache-2.0
"""Answers: their clock, scores that do not depend on the list, and requests to Personalize."""

import math
from dataclasses import replace
from functools import cache
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.likelihood import answering, inputs, shards
from personalization.likelihood.histories import Reader
from personalization.likelihood.model import Anchored, Model
from personalization.personalize.runtime import Predicted
from personalization.runs.claims import Claim
from personalization.shop.records.release import Release

from tests.likelihood import worlds
from tests.likelihood.worlds import World

DAY = 86_400

ANCHORS = ("i0", "i1", "i2")
RELEASE = Release(
    shop="demo",
    tracking_id="t",
    dataset_group_arn="arn:dataset-group/x",
    campaigns={"personalized-ranking": "arn:ranking"},
)


@cache
def world() -> World:
    return World()


def anchored() -> Model:
    model = world().model
    return replace(
        model,
        anchored=Anchored(
            solution_version_arn="arn:version", intercept=0.1, slope=0.9, weight=0.4, verdict=model.known_verdict
        ),
        anchors=ANCHORS,
    )


def softmax(items: list[str]) -> Predicted:
    """Return what a campaign answers: scores that add up to one over any list."""
    raw = {item: math.exp(int(item[1:]) / 10) for item in items}
    return Predicted("RID", [{"itemId": item, "score": raw[item] / sum(raw.values())} for item in items])


def test_the_clock_begins_at_the_newest_row_when_the_model_is_fitted() -> None:
    model = world().model
    late = replace(model, fitted_at=worlds.iso(model.at + 400 * DAY))
    assert answering.as_of(model, model.at + 6 * DAY) == model.at + 6 * DAY
    assert answering.as_of(late, model.at + 406 * DAY) == model.at + 6 * DAY
    assert answering.as_of(late, model.at + 399 * DAY) == model.at


@given(st.sets(st.integers(0, 39), min_size=1, max_size=40), st.integers(0, 39))
def test_an_anchored_score_is_the_same_alone_and_among_others(others: set[int], number: int) -> None:
    item = f"i{number}"
    alone = softmax(list(dict.fromkeys([item, *ANCHORS])))
    among = softmax(list(dict.fromkeys([*(f"i{other}" for other in others), item, *ANCHORS])))
    scores = [answering.anchored_scores(others_of_item, [item], ANCHORS)[item] for others_of_item in (alone, among)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-9)


def test_scores_of_nothing_are_left_out_and_zero_is_bounded() -> None:
    predicted = Predicted("RID", [{"itemId": "i9", "score": 0.0}, {"itemId": "i0", "score": 0.5}, {"itemId": "i8"}])
    assert answering.anchored_scores(predicted, ["i9", "i7"], ["i0"]) == {"i9": math.log(1e-12) - math.log(0.5)}
    assert answering.anchored_scores(predicted, ["i0"], ["i8"]) == {}


def test_many_items_are_several_calls_each_with_all_anchors() -> None:
    items = [f"x{n}" for n in range(500)]
    calls = answering.ranking_requests(anchored(), RELEASE, "u1", items)
    lists = [call.parameters["inputList"] for call in calls]
    assert [len(list_) for list_ in lists] == [453, 53]
    assert all(set(ANCHORS) <= set(list_) for list_ in lists)
    assert answering.ranking_requests(world().model, RELEASE, "u1", items) == []
    assert answering.ranking_requests(anchored(), replace(RELEASE, campaigns={}), "u1", items) == []


def test_an_answer_says_what_it_is_and_where_it_comes_from() -> None:
    planted = world()
    counts = answering.count_logits(planted.model, planted.user("u0"), {"i0": planted.item("i0")}, planted.model.at)
    answer = answering.answer(planted.model, counts, ["i0"], None)
    (item,) = cast("list[dict[str, Any]]", answer["items"])
    assert 0 < item["probability"] < 1
    assert (answer["method"], answer["horizonDays"], answer["asOf"]) == ("counts", 7, worlds.iso(planted.model.at))
    score = answering.answer(anchored(), counts, ["i0"], {"i0": -3.0})
    assert score["method"] == "anchored"
    assert score["items"] != answer["items"]
    late = answering.answer(anchored(), counts, ["i0"], None, "slow")
    assert (late["method"], late["degraded"], late["degradedReason"]) == ("counts", True, "slow")


@given(st.dictionaries(st.text(max_size=20), st.lists(st.floats(allow_nan=False, allow_infinity=False)), max_size=30))
def test_every_entry_is_found_in_the_file_of_its_id(entries: dict[str, list[float]]) -> None:
    names = list(entries)
    for number in (1, 4):
        ordered = [(names[position], entries[names[position]]) for position in shards.order(names, number)]
        shard_entries = {number: shards.unpack(data) for number, data in shards.pack_shards(ordered, number)}
        assert set(shard_entries) == set(range(number))
        assert all(shard_entries[shards.shard_of(name, number)][name] == entry for name, entry in entries.items())


def test_files_are_read_from_the_newest_whole_history_on_and_live_events_stay() -> None:
    def key(mode: str, at: int, run: str) -> str:
        return inputs.key("s", "interactions", mode, at, run)  # type: ignore[arg-type]

    old, live, whole, more = (
        key("FULL", 1, "a"),
        key("INCREMENTAL", 2, "live"),
        key("FULL", 3, "b"),
        key("INCREMENTAL", 4, "c"),
    )
    choice = inputs.choose([more, whole, live, old], {}, "c", 0)
    assert (choice.read["interactions"], choice.replaced) == ([live, whole, more], [old])
    assert inputs.choose([more, live], {}, "c", 0).read["interactions"] == [live, more]
    assert inputs.run_of(shards.key("s", "run-1", "items", 0)) == "run-1"
    assert inputs.run_of(old) == ""


def test_live_events_go_when_no_fit_has_use_for_them() -> None:
    day = 86_400
    live = [inputs.key("s", "interactions", "INCREMENTAL", at * day * 1_000, "live") for at in (100, 209, 210, 301)]
    whole = inputs.key("s", "interactions", "FULL", 300 * day * 1_000, "b")
    assert inputs.choose(live, {}, "b", 209 * day).replaced == live[:1]
    choice = inputs.choose([*live, whole], {}, "b", 0)
    assert (choice.read["interactions"], choice.replaced) == ([live[2], whole, live[3]], live[:2])
    assert (inputs.live_until([*live, whole]), inputs.live_until([whole])) == (301 * day, None)


@pytest.mark.parametrize(
    ("state", "loaded", "read", "stays"),
    [
        ("done", False, "new", False),
        ("failed", True, "new", False),
        ("held", False, "new", False),
        ("failed", False, "old", True),
        ("refused", False, "old", True),
        ("taken", False, "old", True),
    ],
)
def test_only_a_history_that_was_imported_replaces_another(state: str, loaded: bool, read: str, stays: bool) -> None:
    keys = {run: inputs.key("s", "users", "FULL", at, run) for at, run in enumerate(("old", "new"))}
    claim = Claim(id="1", shop="s", kind="users", state=state, loaded=loaded, runs=("new", "again"))  # type: ignore[arg-type]
    choice = inputs.choose(keys.values(), inputs.import_outcomes([claim]), "another", 0)
    assert (choice.read["users"], choice.replaced) == ([keys[read]], [] if stays else [keys["old"]])


def test_what_the_promoted_run_imported_is_read_and_replaces_nothing_before_its_claim_is_closed() -> None:
    old, new = (inputs.key("s", "items", "FULL", at, run) for at, run in enumerate(("old", "new")))
    claim = Claim(id="1", shop="s", kind="items", state="taken", runs=("new",))
    choice = inputs.choose([old, new], inputs.import_outcomes([claim]), "new", 0)
    assert (choice.read["items"], choice.replaced) == ([new], [])


def test_live_events_are_rows_like_any_other_and_count_once() -> None:
    text = b"".join(inputs.events_csv([("a,b", 'i"1', "Purchase", 5), ("u", "i2", "View", 6)])).decode()
    reader = Reader("Purchase", 10)
    for _ in range(2):
        reader.interactions(text.splitlines(keepends=True))
    past = reader.history()
    assert (past.users, past.items, past.bought.tolist()) == (["a,b", "u"], ['i"1', "i2"], [True, False])


def test_history_of_the_world_has_levels_and_groups() -> None:
    past = worlds.history()
    assert (past.levels, list(past.groups)) == (2, ["AGE"])


def test_all_pieces_of_a_whole_history_are_read_in_their_order() -> None:
    before = inputs.key("demo", "items", "INCREMENTAL", 1_000, "a", 7)
    pieces = [inputs.key("demo", "items", "FULL", 2_000, "b", (0, piece)) for piece in (0, 999, 1_000, 9_999)]
    after = inputs.key("demo", "items", "INCREMENTAL", 3_000, "c")
    choice = inputs.choose([after, *reversed(pieces), before], {}, "c", 0)
    assert choice.read["items"] == [*pieces, after]
    assert choice.replaced == [before]
