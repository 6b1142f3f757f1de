# SPDX-License-Identifier: Apache-2.0
"""In whatever order drops come, and runs take steps and are stopped: one run leads a shop, and nothing is lost."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws
from personalization.core.aws import clients
from personalization.core.errors import Rejected
from personalization.runs import concurrent_drops, leases, lifecycle
from personalization.runs.claims import Claim
from personalization.runs.leases import Lease, Ledger, Run
from personalization.runs.lifecycle import Drop, End
from personalization.runs.store import DynamoLedger

from tests.runs.flow_world import KINDS, NOW, DictLedger, Flaky, World, event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ERASURE_LEASE = timedelta(hours=6)
RUN_LEASE = timedelta(days=11)

SHOPS = ("green", "blue")
DROPS = st.tuples(st.just("drop"), st.sampled_from(SHOPS), st.sampled_from(KINDS))
REPEATS = st.tuples(st.just("repeat"), st.integers(0, 20), st.just(""))
STEPS = st.tuples(st.just("step"), st.integers(0, 20), st.sampled_from(["", "12", "1234", "12345678"]))
STOPS = st.tuples(st.just("stop"), st.integers(0, 20), st.just(""))
KILLS = st.tuples(st.just("kill"), st.integers(1, 4), st.just(""))
ERASURES = st.tuples(st.just("erase"), st.sampled_from(SHOPS), st.just(""))
BREAKS = st.tuples(st.just("break"), st.integers(1, 3), st.just(""))
HAPPENINGS = st.lists(st.one_of(DROPS, STEPS, STEPS, STEPS, STOPS, REPEATS, KILLS, BREAKS, ERASURES), max_size=60)


@pytest.fixture(scope="module")
def table() -> Iterator["DynamoDBClient"]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        clients.forget()
        client = clients.dynamodb()
        client.create_table(
            TableName="shops",
            KeySchema=[{"AttributeName": "shop", "KeyType": "HASH"}, {"AttributeName": "record", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("shop", "record")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client
        clients.forget()


def emptied(client: "DynamoDBClient") -> DynamoLedger:
    for item in client.scan(TableName="shops")["Items"]:
        client.delete_item(TableName="shops", Key={"shop": item["shop"], "record": item["record"]})
    return DynamoLedger(client, "shops", NOW)


def live(ledger: Ledger, happenings: list[tuple[str, Any, str]]) -> None:
    """Let it all happen, then come to rest; then the datasets hold every drop once that no newer one replaced.

    And nothing was trained twice with no import in between.
    """
    flaky, dropped = Flaky(ledger), list[dict[str, Any]]()
    world = World(flaky)
    for what, which, kind in happenings:
        if what == "drop":
            dropped.append(event(which, kind, len(dropped)))
            world.start(f"run-{len(world.names)}", dropped[-1])
        elif what == "erase":
            world.erase(which)
        elif what == "kill":
            flaky.left = which
        elif what == "break":
            world.jobs.left = which
        elif what == "repeat" and dropped:
            world.start(f"run-{len(world.names)}", dropped[which % len(dropped)])
        elif world.running and what in {"step", "stop"}:
            name = sorted(world.running)[which % len(world.running)]
            if what == "stop":
                world.kill(name)
            for _ in kind or "1":
                world.step(name)
    world.settle()
    every = [claim for shop in SHOPS for claim in ledger.claims(shop)]
    assert {claim.state for claim in every} <= {"done", "superseded"}
    assert {claim.key for claim in every} == {str(event["detail"]["object"]["key"]) for event in dropped}
    assert {what: held(what[1], ids) for what, ids in world.jobs.data.items()} == expected(every)
    assert not any(leases.is_live(world, lease, world.run("").now) for shop in SHOPS if (lease := ledger.lease(shop)))
    trained = Counter((training.shop, training.recipe, training.imports) for training in world.jobs.trainings)
    assert set(trained.values()) <= {1}


def held(kind: str, ids: tuple[str, ...]) -> list[str]:
    """What a dataset holds: interactions in any order; of users and items the rows that came last count."""
    return sorted(ids) if kind == "interactions" else list(dict.fromkeys(reversed(ids)))[::-1]


def expected(every: list[Claim]) -> dict[tuple[str, str], list[str]]:
    """What the datasets hold if one drop is handled after the other: the last whole history, and what came after."""
    ids_by_kind: dict[tuple[str, str], list[str]] = {}
    for claim in sorted(every, key=lambda claim: claim.order):
        what = (claim.shop, claim.kind)
        ids_by_kind[what] = [*([] if claim.mode == "FULL" else ids_by_kind.get(what, [])), claim.id]
    return {what: held(what[1], tuple(ids)) for what, ids in ids_by_kind.items()}


@given(HAPPENINGS)
@settings(max_examples=300, deadline=None)
def test_any_order_of_events_in_memory(happenings: list[tuple[str, Any, str]]) -> None:
    live(DictLedger(), happenings)


@given(HAPPENINGS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_events_in_dynamodb(table: "DynamoDBClient", happenings: list[tuple[str, Any, str]]) -> None:
    live(emptied(table), happenings)


@pytest.fixture(params=["memory", "dynamodb"])
def world(request: pytest.FixtureRequest, table: "DynamoDBClient") -> World:
    return World(DictLedger() if request.param == "memory" else emptied(table))


def begun(world: World, name: str, started: object) -> Any:  # noqa: ANN401 - the answer's JSON
    world.running[name] = iter(())
    return concurrent_drops.claim(world.ledger, world, world.run(name), started)


def test_a_drop_is_queued_while_a_run_leads_and_followed_up(world: World) -> None:
    assert begun(world, "a", event("green", "users", 1))["outcome"] == "leads"
    queued = begun(world, "b", event("green", "items", 2))
    assert (queued["outcome"], queued["by"]) == ("queued", "a")
    assert begun(world, "c", event("blue", "items", 3))["outcome"] == "leads"


def test_an_event_that_comes_again_is_already_handled(world: World) -> None:
    begun(world, "a", event("green", "users", 1))
    lifecycle.collect(world.ledger, world.run("a"), "green")
    for _ in range(2):
        again = begun(world, "b", event("green", "users", 1))
        assert (again["outcome"], again["by"]) == ("alreadyHandled", "a")


def test_an_older_object_of_a_key_is_superseded(world: World) -> None:
    key = "drops/green/users/u.csv"
    begun(world, "a", event("green", "users", 2, sequencer=0xFF, key=key))
    late = begun(world, "b", event("green", "users", 1, sequencer=0xFE, key=key))
    assert (late["outcome"], late["by"]) == ("superseded", "a")


def test_a_first_step_that_is_repeated_leads_still(world: World) -> None:
    for _ in range(2):
        assert begun(world, "a", event("green", "users", 1))["outcome"] == "leads"


def test_the_lease_of_a_dead_run_is_taken_over_with_its_drops(world: World) -> None:
    begun(world, "a", event("green", "users", 1))
    lifecycle.collect(world.ledger, world.run("a"), "green")
    world.stop("a")
    assert begun(world, "b", {"action": "continue", "shop": "green"})["outcome"] == "leads"
    collected: Any = lifecycle.collect(world.ledger, world.run("b"), "green")
    assert [drop["key"] for drop in collected["drops"]] == ["drops/green/users/1.csv"]
    with pytest.raises(Rejected, match="led by run b"):
        lifecycle.collect(world.ledger, world.run("a"), "green")


def test_a_run_that_lost_its_shop_pays_for_no_training(world: World) -> None:
    begun(world, "a", event("green", "interactions", 1))
    collected: Any = lifecycle.collect(world.ledger, world.run("a"), "green")
    drops = [Drop(id=collected["drops"][0]["id"], key="", kind="", mode="", outcome="imported")]
    world.stop("a")
    begun(world, "b", {"action": "continue", "shop": "green"})
    lifecycle.collect(world.ledger, world.run("b"), "green")
    with pytest.raises(Rejected, match="run b has taken over"):
        lifecycle.check_lead(world.ledger, world, world.run("a"), "green", drops)


def test_an_execution_that_is_not_visible_yet_is_taken_for_alive(world: World) -> None:
    lease = Lease(shop="green", owner="a", execution_arn="arn:a", since=NOW, expires_at=NOW + RUN_LEASE)

    class Blind(World):
        def alive(self, arn: str) -> bool | None:  # noqa: ARG002 - it sees nothing
            return None

    blind = Blind(world.ledger)
    assert leases.is_live(blind, lease, NOW + timedelta(minutes=1))
    assert not leases.is_live(blind, lease, NOW + timedelta(minutes=6))
    assert not leases.is_live(world, lease, NOW + RUN_LEASE)


def test_what_failed_waits_for_who_asks_again(world: World) -> None:
    begun(world, "a", event("green", "users", 1))
    lifecycle.collect(world.ledger, world.run("a"), "green")
    assert lifecycle.finish(world.ledger, world, world.run("a"), "green", [], End("Broken: it broke")) == {"next": None}
    assert concurrent_drops.sweep(world.ledger, world, world.run("s")) == []
    leading = begun(world, "b", {"action": "continue", "shop": "green", "run": "a"})
    collected: Any = lifecycle.collect(world.ledger, world.run("b"), "green", leading["again"])
    assert len(collected["drops"]) == 1


def test_what_came_meanwhile_is_handled_by_one_run_that_follows(world: World) -> None:
    begun(world, "a", event("green", "users", 1))
    lifecycle.collect(world.ledger, world.run("a"), "green")
    begun(world, "b", event("green", "items", 2))
    closed = [lifecycle.finish(world.ledger, world, world.run("a"), "green", []) for _ in range(2)]
    assert closed[0] == closed[1] == {"next": concurrent_drops.next_run_name("green", "a")}
    assert len(concurrent_drops.next_run_name("s" * 30, "a")) <= 80


def test_an_erasure_has_the_next_turn_and_then_a_run_handles_what_waits(world: World) -> None:
    begun(world, "a", event("green", "users", 1))
    assert not leases.lead_to_erase(world.ledger, world, "green", "e", NOW)
    assert world.ledger.reserve("green", "e")
    lifecycle.collect(world.ledger, world.run("a"), "green")
    lifecycle.check_lead(world.ledger, world, world.run("a"), "green", [])
    begun(world, "b", event("green", "items", 2))
    lifecycle.finish(world.ledger, world, world.run("a"), "green", [])
    queued = begun(world, "c", {"action": "continue", "shop": "green"})
    assert (queued["outcome"], queued["by"]) == ("queued", "e")
    assert leases.lead_to_erase(world.ledger, world, "green", "e", NOW + ERASURE_LEASE / 2)
    assert concurrent_drops.sweep(world.ledger, world, Run("s", "arn:s", NOW + ERASURE_LEASE)) == []
    follower = lifecycle.finish_erasure(world.ledger, world, "green", "e", NOW)
    assert follower == concurrent_drops.next_run_name("green", "e")
    assert begun(world, "d", {"action": "continue", "shop": "green"})["outcome"] == "leads"
    assert lifecycle.finish_erasure(world.ledger, world, "green", "e", NOW) == follower
    lease = world.ledger.lease("green")
    assert lease is not None
    assert lease.owner == "d"


def test_a_shop_whose_eraser_is_dead_is_taken_over_after_some_hours(world: World) -> None:
    assert leases.lead_to_erase(world.ledger, world, "green", "e", NOW)
    assert not world.ledger.reserve("green", "other")
    assert begun(world, "a", event("green", "users", 1))["outcome"] == "queued"
    late = Run("s", "arn:s", NOW + ERASURE_LEASE)
    assert len(concurrent_drops.sweep(world.ledger, world, late)) == 1
    assert leases.lead(world.ledger, world, late, "green") is None


def test_by_hand_nothing_is_done_beside_a_run(world: World) -> None:
    begun(world, "a", event("green", "users", 1))
    for action in ("rollback", "promote"):
        with pytest.raises(Rejected, match="run a is at work"):
            begun(world, "b", {"action": action, "shop": "green"})
    assert begun(world, "c", {"action": "retrain", "shop": "green"})["outcome"] == "queued"
    assert begun(world, "d", {"action": "continue", "shop": "green"})["outcome"] == "queued"
    # The run that follows would not look at what has failed.
    with pytest.raises(Rejected, match="run a is at work"):
        begun(world, "e", {"action": "continue", "shop": "green", "run": "failed"})


def test_a_schedule_that_fires_twice_during_a_run_trains_once_after_it(world: World) -> None:
    begun(world, "a", event("green", "users", 1))
    lifecycle.collect(world.ledger, world.run("a"), "green")
    wish = {"action": "retrain", "shop": "green", "schedule": "weekly", "recipes": ["similar-items"]}
    # Each firing is an execution of its own; the repeated first step of one is not another wish.
    assert [begun(world, run, wish)["outcome"] for run in ("b", "b", "c")] == ["queued"] * 3
    follower = lifecycle.finish(world.ledger, world, world.run("a"), "green", [])["next"]
    assert begun(world, str(follower), {"action": "continue", "shop": "green"})["outcome"] == "leads"
    collected: Any = lifecycle.collect(world.ledger, world.run(str(follower)), "green")
    assert [(drop["kind"], drop["request"]["retrain"]["recipes"]) for drop in collected["drops"]] == [
        ("retrain", ["similar-items"])
    ]
    drops = [Drop(id=collected["drops"][0]["id"], key="", kind="retrain", mode="", outcome="retrained")]
    assert lifecycle.finish(world.ledger, world, world.run(str(follower)), "green", drops) == {"next": None}
    assert concurrent_drops.sweep(world.ledger, world, world.run("s")) == []


@pytest.mark.parametrize(
    ("first", "second", "trained"),
    [
        ({}, {"recipes": ["popularity-count"]}, [("FULL", [])]),
        ({"recipes": ["popularity-count"]}, {}, [("FULL", [])]),
        ({"recipes": ["a"]}, {"recipes": ["b"]}, [("FULL", ["a"]), ("FULL", ["b"])]),
        ({"recipes": ["a"], "trainingMode": "UPDATE"}, {"recipes": ["a"]}, [("FULL", ["a"])]),
        ({"recipes": ["a"], "trainingMode": "UPDATE"}, {"recipes": ["b"]}, [("FULL", ["b"]), ("UPDATE", ["a"])]),
    ],
)
@pytest.mark.parametrize("number", range(3))  # Other names, another order of their hashes.
def test_no_schedule_takes_a_training_from_another(
    number: int,
    first: dict[str, Any],
    second: dict[str, Any],
    trained: list[tuple[str, list[str]]],
    world: World,
) -> None:
    begun(world, "a", event("green", "users", 1))
    for name, wish in ((f"b{number}", first), (f"c{number}", second)):
        assert begun(world, name, {"action": "retrain", "shop": "green", **wish})["outcome"] == "queued"
    world.stop("a")
    wishes_made, run = list[tuple[str, list[str]]](), "d"
    outcomes = {"users": "imported", "retrain": "retrained"}
    while run:
        begun(world, run, {"action": "continue", "shop": "green"})
        items: Any = lifecycle.collect(world.ledger, world.run(run), "green")["drops"]
        wishes = [item["request"]["retrain"] for item in items if item["kind"] == "retrain"]
        wishes_made += [(wish["trainingMode"], wish["recipes"]) for wish in wishes]
        drops = [
            Drop(**{key: item[key] for key in ("id", "key", "kind", "mode")}, outcome=outcomes[item["kind"]])
            for item in items
        ]
        run = str(lifecycle.finish(world.ledger, world, world.run(run), "green", drops)["next"] or "")
    assert sorted(wishes_made) == trained


def test_the_sweep_starts_nothing_for_a_shop_whose_run_ends_while_it_looks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(world, "a", event("green", "users", 1))
    lifecycle.collect(world.ledger, world.run("a"), "green")
    seen = world.ledger.shops()
    lifecycle.finish(world.ledger, world, world.run("a"), "green", [])
    monkeypatch.setattr(world.ledger, "shops", lambda: seen)
    assert (list(seen), concurrent_drops.sweep(world.ledger, world, world.run("s"))) == (["green"], [])
