# SPDX-License-Identifier: Apache-2.0
"""A run that takes over goes on with what the dead one had imported and trained; a later drop changes that."""

from typing import Any

import pytest
from personalization.personalize import ensure
from personalization.runs import batches, lifecycle
from personalization.runs.claims import Claim
from personalization.runs.lifecycle import Drop, End

from tests.runs.flow_world import RECIPES, DictLedger, World, event

SHOP = "green"
FULL, MORE = "interactions", "interactions/incremental"


@pytest.fixture
def world() -> World:
    return World(DictLedger())


def begin(world: World, name: str, kind: str, number: int, steps: int = 0) -> None:
    """Drop something, and take some steps of the run that it starts: 1 claims, 3 collects, 4 imports, 6 and 7 train."""
    world.start(name, event(SHOP, kind, number))
    walk(world, name, steps)


def walk(world: World, name: str, steps: int = 20) -> None:
    for _ in range(steps):
        world.step(name)


def go_on(world: World, name: str, run: str | None = None) -> None:
    """A run that is asked for by hand, to its end."""
    world.start(name, {"action": "continue", "shop": SHOP} | ({"run": run} if run else {}))
    walk(world, name)


def claims(world: World) -> dict[str, Claim]:
    return {claim.key.removeprefix(f"drops/{SHOP}/"): claim for claim in world.ledger.claims(SHOP)}


def trained(run: str) -> list[str]:
    """The names of the trainings that a run begins."""
    return [f"train {SHOP} {recipe} {run}" for recipe in RECIPES]


def trainings(world: World) -> list[list[str]]:
    """Keys of the interactions that a recipe was trained on, by training: every recipe was on the same."""
    keys = {claim.id: key for key, claim in claims(world).items()}
    trained = [
        [
            [keys[id_] for id_ in training.data[SHOP, FULL]]
            for training in world.jobs.trainings
            if training.recipe == recipe
        ]
        for recipe in RECIPES
    ]
    assert all(ids == trained[0] for ids in trained)
    return trained[0]


def rows(world: World, kind: str = FULL) -> list[str]:
    """Keys of what a dataset holds."""
    keys = {claim.id: key for key, claim in claims(world).items()}
    return [keys[id_] for id_ in world.jobs.data[SHOP, kind]]


def taken(world: World, run: str, again: str | None = None) -> list[dict[str, Any]]:
    """What a run that leads takes."""
    drops: Any = lifecycle.collect(world.ledger, world.run(run), SHOP, again)["drops"]
    return list(drops)


@pytest.mark.parametrize("steps", [4, 5, 6, 7])
def test_a_killed_runs_import_and_training_are_adopted(world: World, steps: int) -> None:
    begin(world, "a", FULL, 1, steps)
    world.stop("a")
    go_on(world, "b")
    assert set(world.jobs.there) == {f"import {(SHOP, FULL)} a", *trained("a")}
    assert claims(world)["interactions/1.csv"].state == "done"


def test_a_chain_of_killed_runs_has_one_training(world: World) -> None:
    begin(world, "a", FULL, 1, 7)
    world.stop("a")
    for name in ("b", "c"):
        world.start(name, {"action": "continue", "shop": SHOP})
        walk(world, name, 4)
        world.stop(name)
    go_on(world, "d")
    assert len(trainings(world)) == 1


def test_what_failed_is_tried_again_under_a_name_of_its_own_and_the_rest_is_adopted(world: World) -> None:
    world.jobs.left = 2
    begin(world, "a", FULL, 1, 20)
    assert world.failed() == {SHOP: "a"}
    assert [claim.run for claim in batches.to_continue(list(claims(world).values()))] == ["a"]
    go_on(world, "b", "a")
    assert world.jobs.there == {
        f"import {(SHOP, FULL)} a": "ACTIVE",
        f"train {SHOP} {RECIPES[0]} a": "CREATE FAILED",
        f"train {SHOP} {RECIPES[1]} a": "ACTIVE",
        f"train {SHOP} {RECIPES[0]} b": "ACTIVE",
    }


def test_a_newer_whole_history_means_a_new_training(world: World) -> None:
    begin(world, "a", FULL, 1, 7)
    world.stop("a")
    begin(world, "b", FULL, 2, 20)
    assert trainings(world) == [["interactions/1.csv"], ["interactions/2.csv"]]
    assert rows(world) == ["interactions/2.csv"]
    assert claims(world)["interactions/1.csv"].state == "superseded"


def test_newer_users_mean_a_new_training_on_the_interactions_that_are_imported(world: World) -> None:
    begin(world, "a", FULL, 1, 7)
    world.stop("a")
    begin(world, "b", "users", 2, 20)
    assert list(world.jobs.there) == [
        f"import {(SHOP, FULL)} a", *trained("a"), f"import {(SHOP, 'users')} b", *trained("b"),
    ]  # fmt: skip


def test_what_a_dead_run_had_joined_is_imported_once_and_what_came_later_by_itself(world: World) -> None:
    begin(world, "whole", FULL, 1, 20)
    begin(world, "a", MORE, 2, 1)
    begin(world, "b", MORE, 3, 1)
    walk(world, "a", 3)
    world.stop("a")
    begin(world, "c", MORE, 4, 20)
    world.settle()
    assert sorted(rows(world)) == sorted(claims(world))
    assert len(trainings(world)) == 3


@pytest.mark.parametrize("end", [End(), End("it broke")])
def test_what_a_run_leaves_for_later_is_imported_and_trained_on_by_the_next(world: World, end: End) -> None:
    begin(world, "a", MORE, 1, 1)
    begin(world, "b", MORE, 2, 1)
    (item,) = taken(world, "a")
    facts = {"key": item["key"], "kind": item["kind"], "mode": item["mode"]}
    drops = [Drop(id=item["id"], outcome="imported", **facts), Drop(id=item["also"][0], outcome="later", **facts)]
    followed = lifecycle.finish(world.ledger, world, world.run("a"), SHOP, drops, end)["next"]
    world.stop("a")
    walk(world, str(followed), 1)
    (left,) = taken(world, str(followed))
    assert (left["key"], left["also"]) == (f"drops/{SHOP}/{MORE}/1.csv", [])
    assert (left["request"]["importedBy"], left["request"]["trainedBy"]) == ([], [])
    if end.failure:
        walk(world, str(followed))
        # Who goes on with the failed run has all of its import, and nothing else.
        world.start("c", {"action": "continue", "shop": SHOP, "run": "a"})
        walk(world, "c", 1)
        (again,) = taken(world, "c", "a")
        assert (again["key"], again["also"], again["request"]["importedBy"]) == (item["key"], [], ["a"])


def test_a_whole_history_that_comes_late_is_followed_by_what_was_imported_before_it(world: World) -> None:
    begin(world, "a", MORE, 2, 20)
    begin(world, "b", FULL, 1, 20)
    assert rows(world) == ["interactions/1.csv"]
    world.settle()
    assert rows(world) == ["interactions/1.csv", "interactions/incremental/2.csv"]


def test_a_failed_drop_that_a_later_one_replaced_is_not_handled_again(world: World) -> None:
    world.jobs.left = 1
    begin(world, "a", FULL, 1, 20)
    begin(world, "b", FULL, 2, 20)
    assert batches.to_continue(list(claims(world).values())) == []
    go_on(world, "c", "a")
    assert rows(world) == ["interactions/2.csv"]
    assert claims(world)["interactions/1.csv"].state == "superseded"


def test_what_failed_after_its_import_is_done_when_a_later_run_has_trained_on_it(world: World) -> None:
    world.jobs.left = 2
    begin(world, "a", FULL, 1, 20)
    assert claims(world)["interactions/1.csv"].state == "failed"
    begin(world, "b", MORE, 2, 20)
    assert {claim.state for claim in claims(world).values()} == {"done"}
    before = list(world.jobs.trainings)
    go_on(world, "c", "a")
    assert world.jobs.trainings == before


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_so_it_is_when_the_later_run_failed_too_and_was_gone_on_with(world: World, fails: int) -> None:
    world.jobs.left = 2
    begin(world, "a", FULL, 1, 20)
    world.jobs.left = fails
    begin(world, "b", MORE, 2, 20)
    assert world.failed() == {SHOP: "b"}
    go_on(world, "c", "b")
    assert {claim.state for claim in claims(world).values()} == {"done"}


def test_but_not_by_a_training_that_was_made_before_its_import(world: World) -> None:
    begin(world, "whole", FULL, 1, 20)
    world.jobs.left = 1
    begin(world, "a", MORE, 2, 20)
    world.jobs.left = 3
    begin(world, "b", MORE, 3, 20)
    world.jobs.left = 2
    go_on(world, "c", "a")
    assert claims(world)["interactions/incremental/2.csv"].loaded
    go_on(world, "d", "b")
    assert claims(world)["interactions/incremental/2.csv"].state == "failed"
    go_on(world, "e", "c")
    assert {claim.state for claim in claims(world).values()} == {"done"}
    assert world.jobs.trainings[-1].data[SHOP, FULL] == world.jobs.data[SHOP, FULL]


@pytest.mark.parametrize("fails", [1, 2])
def test_of_two_imports_the_one_that_failed_is_made_again_and_what_followed_stays(world: World, fails: int) -> None:
    begin(world, "u", "users", 1, 1)
    begin(world, "a", FULL, 2, 1)
    world.jobs.left = fails
    walk(world, "u")
    begin(world, "c", MORE, 3, 20)
    go_on(world, "d", "u")
    world.settle()
    assert (rows(world, "users"), rows(world)) == (
        ["users/1.csv"], ["interactions/2.csv", "interactions/incremental/3.csv"],
    )  # fmt: skip
    assert world.jobs.imports[SHOP] == 3 + (fails == 2)


def test_what_comes_late_is_in_a_whole_history_that_failed_after_its_import(world: World) -> None:
    world.jobs.left = 2
    begin(world, "a", FULL, 2, 20)
    begin(world, "b", MORE, 1, 20)
    assert rows(world) == ["interactions/2.csv"]
    assert claims(world)["interactions/incremental/1.csv"].state == "superseded"


def test_a_training_older_than_what_was_imported_since_is_not_adopted(world: World) -> None:
    begin(world, "a", FULL, 1, 20)
    begin(world, "b", MORE, 2, 7)
    world.stop("b")
    other = claims(world)["interactions/incremental/2.csv"]
    world.ledger.move(other, other.moved("failed", "b"))
    begin(world, "c", "users", 3, 20)
    go_on(world, "d", "b")
    assert list(world.jobs.there)[-2:] == trained("d")


@pytest.mark.parametrize(
    ("names", "there", "wanted"),
    [
        (["a"], {}, "a"),
        (["a"], {"a": "CREATE FAILED"}, "a"),
        (["a", "b"], {}, "a"),
        (["a", "b"], {"a": "ACTIVE"}, "a"),
        (["a", "b"], {"a": "CREATE PENDING"}, "a"),
        (["a", "b"], {"a": "CREATE FAILED"}, "b"),
        (["a", "b"], {"a": "CREATE STOPPED"}, "b"),
        (["a", "b", "c"], {"a": "CREATE FAILED", "b": "ACTIVE"}, "b"),
        (["a", "b", "c"], {"a": "CREATE FAILED", "c": "CREATE IN_PROGRESS"}, "c"),
        (["a", "b"], {"a": "CREATE FAILED", "b": "CREATE FAILED"}, "b"),
    ],
)
def test_which_name_is_used(names: list[str], there: dict[str, str], wanted: str) -> None:
    assert ensure.choose_name(names, there) == wanted
